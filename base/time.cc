// SPDX-License-Identifier: Apache-2.0
#include "base/time.h"

#include <chrono>
#include <ctime>
#include <optional>

#include "base/format.h"

namespace pawl {
namespace {

// The number in exactly `text`, or nothing when it holds anything but digits.
std::optional<int> Digits(std::string_view text) {
  int value = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return std::nullopt;
    value = value * 10 + (c - '0');
  }
  return value;
}

}  // namespace

Result<UtcTime> ParseUtcTime(std::string_view text) {
  const auto refuse = [&] {
    return Fail(ErrorCode::kInputInvalid, Format("expected a time as 2026-11-24T01:02:03Z, found \"{}\"", text.substr(0, 40)));
  };
  if (text.size() != 20 || text[4] != '-' || text[7] != '-' || text[10] != 'T' || text[13] != ':' || text[16] != ':' ||
      text[19] != 'Z') {
    return refuse();
  }
  const auto year = Digits(text.substr(0, 4));
  const auto month = Digits(text.substr(5, 2));
  const auto day = Digits(text.substr(8, 2));
  const auto hour = Digits(text.substr(11, 2));
  const auto minute = Digits(text.substr(14, 2));
  const auto second = Digits(text.substr(17, 2));
  if (!year || !month || !day || !hour || !minute || !second || *hour > 23 || *minute > 59 || *second > 59) return refuse();
  const std::chrono::year_month_day date{std::chrono::year(*year), std::chrono::month(static_cast<unsigned>(*month)),
                                         std::chrono::day(static_cast<unsigned>(*day))};
  if (!date.ok()) return refuse();
  const std::int64_t days = std::chrono::sys_days(date).time_since_epoch().count();
  return UtcTime{days * kSecondsPerDay + std::int64_t{*hour} * 3600 + std::int64_t{*minute} * 60 + *second};
}

std::string FormatUtcTime(UtcTime time) {
  const std::chrono::sys_seconds point{std::chrono::seconds(time.seconds)};
  const auto day = std::chrono::floor<std::chrono::days>(point);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss clock(point - day);
  return Format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z", static_cast<int>(date.year()), static_cast<unsigned>(date.month()),
                static_cast<unsigned>(date.day()), clock.hours().count(), clock.minutes().count(), clock.seconds().count());
}

UtcTime SystemUtcTime() { return {static_cast<std::int64_t>(std::time(nullptr))}; }

Result<std::int64_t> ParseDuration(std::string_view text) {
  std::int64_t unit = 0;
  if (!text.empty()) {
    switch (text.back()) {
      case 's': unit = 1; break;
      case 'm': unit = 60; break;
      case 'h': unit = 3600; break;
      case 'd': unit = kSecondsPerDay; break;
      default: break;
    }
  }
  const auto number = text.size() >= 2 && text.size() <= 6 ? Digits(text.substr(0, text.size() - 1)) : std::nullopt;
  if (unit == 0 || !number) {
    return Fail(ErrorCode::kInputInvalid, Format("expected a duration as 90s, 30m, 12h or 7d, found \"{}\"", text.substr(0, 40)));
  }
  return *number * unit;
}

std::string DescribeDuration(std::int64_t seconds) {
  constexpr std::uint64_t day = kSecondsPerDay;
  const std::string_view sign = seconds < 0 ? "-" : "";
  const auto plain = static_cast<std::uint64_t>(seconds);
  const std::uint64_t size = seconds < 0 ? 0 - plain : plain;
  if (size >= day) return Format("{}{} d {} h", sign, size / day, size % day / 3600);
  if (size >= 3600) return Format("{}{} h {} min", sign, size / 3600, size % 3600 / 60);
  if (size >= 60) return Format("{}{} min {} s", sign, size / 60, size % 60);
  return Format("{}{} s", sign, size);
}

}  // namespace pawl
