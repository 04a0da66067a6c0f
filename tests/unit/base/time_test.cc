// SPDX-License-Identifier: Apache-2.0
#include "base/time.h"

#include "tests/unit/base/holds.h"

namespace pawl {
namespace {

using testing::IsError;
using testing::IsOkAndHolds;

TEST(UtcTimeTest, ReadsAndWritesOneSpelling) {
  const std::vector<std::pair<const char*, std::int64_t>> cases{
      {"1970-01-01T00:00:00Z", 0},           {"1970-01-01T00:00:01Z", 1},
      {"2000-02-29T12:00:00Z", 951825600},   {"2024-02-29T23:59:59Z", 1709251199},
      {"2026-11-24T01:02:03Z", 1795482123},  {"2038-01-19T03:14:08Z", 2147483648},
      {"9999-12-31T23:59:59Z", 253402300799}};
  for (const auto& [text, seconds] : cases) {
    EXPECT_THAT(ParseUtcTime(text), IsOkAndHolds(UtcTime{seconds})) << text;
    EXPECT_EQ(FormatUtcTime({seconds}), text);
  }
}

// docs/manifest-format.md, M-06.
TEST(UtcTimeTest, RefusesEveryOtherForm) {
  for (const char* text : {"",
                           "2026-11-24",
                           "2026-11-24T01:02:03",
                           "2026-11-24T01:02:03z",
                           "2026-11-24t01:02:03Z",
                           "2026-11-24 01:02:03Z",
                           "2026-11-24T01:02:03.0Z",
                           "2026-11-24T01:02:03+00:00",
                           "2026-11-24T01:02Z",
                           "2026-11-24T24:00:00Z",
                           "2026-11-24T23:60:00Z",
                           "2026-11-24T23:59:60Z",
                           "2026-00-24T00:00:00Z",
                           "2026-13-24T00:00:00Z",
                           "2026-11-00T00:00:00Z",
                           "2026-11-31T00:00:00Z",
                           "2023-02-29T00:00:00Z",
                           "1900-02-29T00:00:00Z",
                           "+026-11-24T01:02:03Z",
                           "2026-1 -24T01:02:03Z",
                           "-001-11-24T01:02:03Z",
                           "12026-11-24T01:02:03Z",
                           " 2026-11-24T01:02:03Z",
                           "2026-11-24T01:02:03Z ",
                           "2026-11-24T01:02:-3Z",
                           "2026/11/24T01:02:03Z"}) {
    EXPECT_THAT(ParseUtcTime(text), IsError(ErrorCode::kInputInvalid)) << text;
  }
  EXPECT_THAT(ParseUtcTime(std::string_view("2026-11-24T01:02:0\0Z", 20)),
              IsError(ErrorCode::kInputInvalid));
}

TEST(UtcTimeTest, OrdersAndAdds) {
  EXPECT_LT(UtcTime{1}, UtcTime{2});
  EXPECT_EQ(UtcTime{10}.PlusSeconds(-3), UtcTime{7});
}

TEST(DurationTest, ReadsWholeUnits) {
  EXPECT_THAT(ParseDuration("90s"), IsOkAndHolds(90));
  EXPECT_THAT(ParseDuration("30m"), IsOkAndHolds(1800));
  EXPECT_THAT(ParseDuration("12h"), IsOkAndHolds(43'200));
  EXPECT_THAT(ParseDuration("7d"), IsOkAndHolds(7 * kSecondsPerDay));
  EXPECT_THAT(ParseDuration("99999d"), IsOkAndHolds(99'999 * kSecondsPerDay));
  for (const char* text : {"", "s", "5", "1w", "-1s", "1.5h", "1 h", "100000d", "1H", "0x1s"}) {
    EXPECT_THAT(ParseDuration(text), IsError(ErrorCode::kInputInvalid)) << text;
  }
}

TEST(DurationTest, IsDescribedInTwoUnits) {
  EXPECT_EQ(DescribeDuration(0), "0 s");
  EXPECT_EQ(DescribeDuration(45), "45 s");
  EXPECT_EQ(DescribeDuration(125), "2 min 5 s");
  EXPECT_EQ(DescribeDuration(7260), "2 h 1 min");
  EXPECT_EQ(DescribeDuration(2 * kSecondsPerDay + 3 * 3600), "2 d 3 h");
  EXPECT_EQ(DescribeDuration(-60), "-1 min 0 s");
  EXPECT_EQ(DescribeDuration(INT64_MIN), "-106751991167300 d 15 h");
}

}  // namespace
}  // namespace pawl
