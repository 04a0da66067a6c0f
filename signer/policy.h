// SPDX-License-Identifier: Apache-2.0
#pragma once

// pawl-repo.toml: what everybody who works on a repository shares. Nothing in it is secret, and
// nothing in it can weaken a check: it says what is built for whom and how long metadata lives.
// Specification: docs/repository-layout.md.

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"

namespace pawl::signer {

inline constexpr std::string_view kPolicyFileName = "pawl-repo.toml";
inline constexpr std::string_view kPolicySchema = "pawl.repo/1";

struct ProductPolicy {
  std::vector<std::string> hardware;  // sorted
  std::vector<std::string> channels;  // the first is the default
};

// How long metadata of each kind lives, in seconds.
struct ExpiryPolicy {
  std::int64_t root = 365 * kSecondsPerDay;
  std::int64_t targets = 365 * kSecondsPerDay;
  std::int64_t releases = 365 * kSecondsPerDay;
  std::int64_t rollout = 7 * kSecondsPerDay;
  std::int64_t orders = 7 * kSecondsPerDay;
  std::int64_t snapshot = 7 * kSecondsPerDay;
  std::int64_t timestamp = 2 * kSecondsPerDay;

  // By role name, as "releases-gateway".
  std::int64_t Of(std::string_view role) const;
};

struct Policy {
  std::map<std::string, ProductPolicy> products;
  ExpiryPolicy expiry;
};

// ERRORS: kConfigInvalid naming line or member; unknown members are refused, since a misspelled one
// would silently not apply.
Result<Policy> ParsePolicy(std::string_view text, const std::string& where);
std::string EncodePolicy(const Policy& policy);
// One table of it, to be appended.
std::string EncodeProduct(const std::string& name, const ProductPolicy& product);

}  // namespace pawl::signer
