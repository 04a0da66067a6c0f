// SPDX-License-Identifier: Apache-2.0
#pragma once

// Measures what is really in a slot: digests of its chunks and of the whole image, compared with
// the signed manifest's. Reading 1 GiB takes seconds, so the agent keeps the result for the boot
// (keyed by boot id) and the statement says when it was measured.

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "base/block_io.h"
#include "base/hash.h"
#include "base/result.h"
#include "base/time.h"
#include "client/integrity/model/statement.h"

namespace pawl::integrity {

// What the signed manifest says about one component.
struct ExpectedImage {
  std::uint64_t bytes = 0;
  Sha256Digest image;
  std::vector<Sha256Digest> chunks;  // of kChunkBytes each; the last may be shorter
};

struct SlotMeasurement {
  std::vector<Sha256Digest> chunks;         // as measured
  std::vector<std::uint64_t> wrong_chunks;  // indices whose digest differs, ascending
  Sha256Digest image;                       // as measured
  bool matches = false;                     // image and every chunk
};

// Called after each chunk with bytes done and bytes in all.
using MeasureProgress = std::function<void(std::uint64_t, std::uint64_t)>;

// Reads expected.bytes from the start of `slot`, one chunk in memory at a time.
// ERRORS: kInputInvalid when the number of expected chunks does not fit the size; kSlotTooSmall
// when the slot is smaller than the image; kIo.
Result<SlotMeasurement> MeasureSlot(RandomReader& slot, const ExpectedImage& expected,
                                    const MeasureProgress& progress = {});

// As it goes into UpdateFacts::slots.
SlotEvidence ToEvidence(const SlotMeasurement& measurement, const ExpectedImage& expected,
                        std::string slot, std::string component, std::string version,
                        UtcTime measured_at);

}  // namespace pawl::integrity
