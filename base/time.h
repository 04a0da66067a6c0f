// SPDX-License-Identifier: Apache-2.0
#pragma once

// Points in time as whole UTC seconds, in the one spelling that Pawl reads and writes: 2026-11-24T01:02:03Z (RFC 3339, no fraction,
// no offset, no leap second).

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace pawl {

struct UtcTime {
  std::int64_t seconds = 0;  // since 1970-01-01T00:00:00Z
  auto operator<=>(const UtcTime&) const = default;
  UtcTime PlusSeconds(std::int64_t delta) const { return {seconds + delta}; }
};

inline constexpr std::int64_t kSecondsPerDay = 86'400;

// ERRORS: kInputInvalid.
Result<UtcTime> ParseUtcTime(std::string_view text);
std::string FormatUtcTime(UtcTime time);

// The system clock through libc (so that a moved clock in a test moves this too). Only client/platform and the signer's main call it.
UtcTime SystemUtcTime();

// "1d", "12h", "30m", "90s" → seconds. ERRORS: kInputInvalid.
Result<std::int64_t> ParseDuration(std::string_view text);
// "2 d 3 h", "45 s"
std::string DescribeDuration(std::int64_t seconds);

}  // namespace pawl
