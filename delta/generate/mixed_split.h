// SPDX-License-Identifier: Apache-2.0
#pragma once

// Which differences are worth a decoder's time for context mixing, and which are left to a codec
// that decodes faster. Internal to delta/generate.

#include <cstdint>
#include <optional>

#include "base/bytes.h"
#include "base/result.h"
#include "delta/generate/frame_encoder.h"

namespace pawl::delta {

// Streams in which some add operations, or parts of them, have become mix operations.
struct MixedSplit {
  Bytes control;
  Bytes difference;  // of the add operations that are left
  Bytes mixed;       // coded
  std::uint64_t mixed_plain_bytes = 0;
  std::uint64_t decoded_bits = 0;  // that the mixed stream takes
};

// Mixes where a byte that it saves costs a decoder at most `bits_per_saved_byte` bits. None: it
// does nowhere, or the control stream would pass the format's limit.
// ERRORS: kInternal from a library.
Result<std::optional<MixedSplit>> SplitDifference(const PlainStreams& streams,
                                                  std::uint64_t bits_per_saved_byte);

}  // namespace pawl::delta
