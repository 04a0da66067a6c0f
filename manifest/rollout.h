// SPDX-License-Identifier: Apache-2.0
#pragma once

// Who gets which release when: the TUF target rollout/<product>/<channel>.json. It can narrow what the releases role allows, and
// never name what that role does not list. Specification: docs/manifest-format.md, part 3.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/hash.h"
#include "base/json.h"
#include "base/result.h"
#include "base/time.h"

namespace pawl::manifest {

inline constexpr std::uint64_t kMaxRolloutBytes = 16 * 1024;
inline constexpr std::string_view kRolloutSchema = "pawl.rollout/1";

struct Rollout {
  std::string product;
  std::string channel;
  std::string release_path;        // TUF path of the release
  Sha256Digest release_sha256;     // digest of its manifest
  std::uint64_t percent = 100;     // 0 … 100 of the devices, chosen by the hash of salt and device id
  std::string salt;
  std::vector<std::string> cohorts;  // groups that get it whatever `percent` says; empty: none
  std::optional<UtcTime> not_before;
  std::optional<UtcTime> not_after;
  bool paused = false;
};

Result<Rollout> ParseRollout(ByteView bytes);  // ERRORS: kRolloutMalformed
std::string EncodeRollout(const Rollout& rollout);
std::string RolloutPath(std::string_view product, std::string_view channel);

// Is this device in? Pure and stable: raising `percent` only ever adds devices.
// The device's position is the first 8 bytes (big-endian) of SHA-256(salt ‖ 0x00 ‖ device id) modulo 10,000; it is in when position < percent * 100.
// ERRORS: kRolloutPaused, kOutsideWindow, kNotInRollout.
Status JudgeRollout(const Rollout& rollout, std::string_view device_id, const std::vector<std::string>& groups, UtcTime now);

}  // namespace pawl::manifest
