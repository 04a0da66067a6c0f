// SPDX-License-Identifier: Apache-2.0
#pragma once

// What a device without a network says when it asks for an order: who it is, a nonce that only the
// next answer may carry, and the state that decides what it would obey. Unsigned: whoever answers
// must know by other means whom they help, and a false challenge gets an order that no device
// takes. Specification: docs/manifest-format.md, M-79.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/result.h"
#include "base/time.h"

namespace pawl::manifest {

inline constexpr std::uint64_t kMaxChallengeBytes = 16 * 1024;
inline constexpr std::string_view kChallengeSchema = "pawl.challenge/1";
inline constexpr std::size_t kNonceBytes = 32;  // of randomness; the text is twice as long

struct ChallengeSlot {
  std::string version;
  std::uint64_t build = 0;
  std::optional<Sha256Digest> manifest_sha256;  // when the device knows the signed manifest
  bool bootable = false;
};

struct Challenge {
  std::string device_id;
  std::string nonce;  // 64 lower-case hexadecimal digits
  std::string product;
  std::string hardware;
  UtcTime time;                      // effective time of the device: its windows are judged there
  std::uint64_t agent_protocol = 0;  // compared with a release's min_agent
  std::uint64_t running_build = 0;
  std::string running_version;
  std::uint64_t floor = 0;  // security epoch
  std::string booted;       // "a" or "b"
  std::map<std::string, ChallengeSlot> slots;
  // Versions of the stored metadata; 0: none. An answer from an older copy would be refused.
  std::uint64_t root = 0;
  std::uint64_t timestamp = 0;
  std::uint64_t snapshot = 0;
  std::uint64_t targets = 0;
};

// ERRORS: kChallengeMalformed.
Result<Challenge> ParseChallenge(ByteView bytes);
Json EncodeChallenge(const Challenge& challenge);

}  // namespace pawl::manifest
