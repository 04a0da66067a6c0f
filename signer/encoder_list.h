// SPDX-License-Identifier: Apache-2.0
#pragma once

// Which encoders an agent has, as told to the signer, and what deltas left out because of it.

#include <cstdint>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "delta/apply/encoder_names.h"
#include "delta/generate/generator.h"

namespace pawl::signer {

inline constexpr std::string_view kOwnEncoders = "own";
inline constexpr std::string_view kNoEncoders = "none";
inline constexpr std::size_t kMaxEncoders = 64;  // of a manifest

// The names that `choice` means, sorted: "own" (those of this program), "none", or a file with one
// name a line, as `pawl-agent encoders` prints it. ERRORS: kInputInvalid; those of ReadFile.
Result<std::vector<std::string>> ReadEncoders(const std::string& choice);

// Blocks that stayed as they are because the agent's encoder is not this program's.
struct LeftOut {
  std::string encoder;  // "zstd"
  std::uint64_t blocks = 0;
  std::string why;
};
// `who` declares: "1.0", or the name of a file.
std::vector<LeftOut> ListLeftOut(const delta::GenerateStatistics& statistics,
                                 const delta::EncoderMatch& match, const std::string& who);
// A line for each.
std::string LeftOutText(const std::vector<LeftOut>& list);
Json LeftOutJson(const std::vector<LeftOut>& list);

}  // namespace pawl::signer
