// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <algorithm>
#include <array>

#include "client/platform/linux_clock.h"
#include "client/platform/linux_entropy.h"
#include "tests/unit/platform/temp_dir.h"

namespace pawl::client {
namespace {

TEST(LinuxClockTest, BootIdIsAUuidAndTheSameTwice) {
  LinuxClock clock;
  const auto id = clock.BootId();
  ASSERT_TRUE(id) << id.error().Message();
  EXPECT_EQ(id->size(), 36U);
  EXPECT_EQ(*clock.BootId(), *id);
}

TEST(LinuxClockTest, RefusesABootIdThatIsNone) {
  TempDir dir;
  LinuxClock clock(dir.Put("boot_id", "not-a-uuid\n"));
  EXPECT_EQ(clock.BootId().error().code(), ErrorCode::kIo);
}

TEST(LinuxClockTest, SystemTimeIsThatOfTheSystem) {
  const std::int64_t before = SystemUtcTime().seconds;
  EXPECT_GE(LinuxClock().SystemTime().seconds, before);
}

TEST(LinuxEntropyTest, FillsTheWholeBuffer) {
  std::array<std::uint8_t, 256> first{};
  std::array<std::uint8_t, 256> second{};
  LinuxEntropy entropy;
  entropy.Fill(first);
  entropy.Fill(second);
  EXPECT_NE(first, second);
  EXPECT_LT(std::ranges::count(first, 0), 32);
}

}  // namespace
}  // namespace pawl::client
