// SPDX-License-Identifier: Apache-2.0
#pragma once

// Adds deltas to a built release. Every delta is applied with the device's decoder under the
// device's memory limit and compared byte for byte before anything refers to it.

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "delta/apply/apply_container.h"
#include "delta/generate/generator.h"
#include "signer/encoder_list.h"
#include "signer/workspace.h"

namespace pawl::signer {

// A delta that needs more than this part of the full container is not worth a second route.
inline constexpr std::uint64_t kMaxDeltaPercentOfFull = 60;

struct DeltaRequest {
  std::string product;
  std::string from;
  std::string to;
  delta::GenerateOptions generate;  // but `encoders`: those that release `from` declares
  std::uint64_t decoder_memory = delta::kDefaultDecoderMemory;  // bytes
};

struct DeltaOutcome {
  std::string component;
  std::uint64_t delta_bytes = 0;
  std::uint64_t full_bytes = 0;    // of the full container
  std::uint64_t memory_bytes = 0;  // the device needs to decode it
  std::vector<LeftOut> left_out;  // compressed blocks that the agent of `from` cannot make
  bool kept = false;  // false: larger than kMaxDeltaPercentOfFull of the full container
};

// One outcome for each component that both releases have. Images are made from the full containers
// of the two releases, so nothing but releases/ is needed. ERRORS: kUnknownName,
// kReleaseFileMismatch, kDeltaNotReproducible, kMemoryLimit, generator and storage.
Result<std::vector<DeltaOutcome>> AddDeltas(const Workspace& workspace,
                                            const DeltaRequest& request);

// Applies `container` to `old_path` with the device's decoder and compares the result with
// `new_path`. `work_path` is written and removed. ERRORS: kDeltaNotReproducible, what
// ApplyContainer says.
Status ProveDelta(const std::string& old_path, const std::string& container,
                  const std::string& new_path, const std::string& work_path,
                  std::uint64_t decoder_memory);

}  // namespace pawl::signer
