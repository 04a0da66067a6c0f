// SPDX-License-Identifier: Apache-2.0
#include "base/progress.h"

#include <string>

#include "base/json.h"
#include "base/log.h"
#include "tests/matchers.h"

namespace pawl {
namespace {

using testing::IsOk;

TEST(HumanBytesTest, UsesBinaryUnits) {
  EXPECT_EQ(HumanBytes(0), "0 B");
  EXPECT_EQ(HumanBytes(1023), "1023 B");
  EXPECT_EQ(HumanBytes(1024), "1.0 KiB");
  EXPECT_EQ(HumanBytes(19'608'371), "18.7 MiB");
  EXPECT_EQ(HumanBytes(std::uint64_t{3} << 40U), "3.0 TiB");
  EXPECT_EQ(HumanBytes(UINT64_MAX), "16777216.0 TiB");
}

// Standard error is a file here, as it is for a service.
class ProgressTest : public ::testing::Test {
 protected:
  ~ProgressTest() override { SetProgressMode(ProgressMode::kAuto); }
  static std::string Finished(ProgressMode mode, std::uint64_t done, std::string_view unit,
                              std::string_view note) {
    SetProgressMode(mode);
    ::testing::internal::CaptureStderr();
    {
      Progress progress("writing slot b", 2 << 20, unit);
      progress.Update(done);
      progress.Finish(note);
    }
    return ::testing::internal::GetCapturedStderr();
  }
};

TEST_F(ProgressTest, LeavesOneLineAPhase) {
  EXPECT_EQ(Finished(ProgressMode::kAuto, 1 << 20, "bytes", ""), "writing slot b: 1.0 MiB\n");
  EXPECT_EQ(Finished(ProgressMode::kAuto, 7, "chunks", ""), "writing slot b: 7 chunks\n");
  EXPECT_EQ(Finished(ProgressMode::kAuto, 7, "chunks", "resumed"), "writing slot b: resumed\n");
}

TEST_F(ProgressTest, SaysNothingWhenToldSo) {
  EXPECT_EQ(Finished(ProgressMode::kNone, 7, "bytes", "x"), "");
}

TEST_F(ProgressTest, SpeaksJsonWhenToldSo) {
  const auto line = ParseJson(Finished(ProgressMode::kJson, 7, "bytes", ""));
  ASSERT_THAT(line, IsOk());
  EXPECT_EQ(*line, (Json{{"schema", "pawl.progress/1"},
                         {"phase", "writing slot b"},
                         {"done", 7},
                         {"total", 2 << 20},
                         {"unit", "bytes"}}));
}

TEST(LogTest, CarriesJournalPrioritiesAndHonoursTheLevel) {
  SetLogLevel(LogLevel::kInfo);
  ::testing::internal::CaptureStderr();
  Log(LogLevel::kDebug, "hidden");
  Log(LogLevel::kInfo, "event=boot {}");
  Log(LogLevel::kError, "event=fail");
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), "<6>event=boot {}\n<3>event=fail\n");
  SetLogLevel(LogLevel::kWarning);
}

}  // namespace
}  // namespace pawl
