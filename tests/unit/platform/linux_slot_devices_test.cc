// SPDX-License-Identifier: Apache-2.0
#include "client/platform/linux_slot_devices.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <string>

#include "base/format.h"
#include "tests/unit/platform/loop_device.h"
#include "tests/unit/platform/temp_dir.h"

namespace pawl::client {
namespace {

std::string Pattern(std::size_t size) {
  std::string text(size, '\0');
  for (std::size_t i = 0; i < size; ++i) text[i] = static_cast<char>(i * 31 + i / 4096);
  return text;
}

ErrorCode CodeOf(const auto& result) {
  return result ? ErrorCode::kAlreadyDone : result.error().code();
}

class LinuxSlotDevicesTest : public testing::TestWithParam<ReadPath> {
 protected:
  TempDir dir_;
};

INSTANTIATE_TEST_SUITE_P(EveryPath, LinuxSlotDevicesTest,
                         testing::Values(ReadPath::kCached, ReadPath::kMedium));

TEST_P(LinuxSlotDevicesTest, ReadsAnyPieceOfFilesOfAnySize) {
  for (const std::size_t size : {1UL, 511UL, 4096UL, 4097UL, 300'000UL, 1'048'576UL}) {
    const std::string content = Pattern(size);
    LinuxSlotDevices devices({{"rootfs", dir_.Put("a", content)}}, {});
    const auto reader = devices.OpenForReading(Slot::kA, "rootfs", GetParam());
    ASSERT_TRUE(reader) << reader.error().Message();
    EXPECT_EQ((*reader)->SizeBytes(), size);
    for (const auto& [offset, length] : {std::pair<std::size_t, std::size_t>{0, size},
                                         {size / 2, size - size / 2},
                                         {size - 1, 1},
                                         {size / 3, size / 3},
                                         {size, 0}}) {
      Bytes out(length);
      ASSERT_TRUE((*reader)->ReadAt(offset, out)) << size << " " << offset;
      EXPECT_EQ(AsText(out), content.substr(offset, length)) << size << " " << offset;
    }
    Bytes beyond(2);
    EXPECT_EQ(CodeOf((*reader)->ReadAt(size - 1, beyond)), ErrorCode::kIo);
    EXPECT_EQ(CodeOf((*reader)->ReadAt(UINT64_MAX, beyond)), ErrorCode::kIo);
  }
}

TEST_P(LinuxSlotDevicesTest, SeesWhatWasWrittenBefore) {
  LinuxSlotDevices devices({}, {{"rootfs", dir_.Put("b", std::string(10'000, '-'))}});
  const auto writer = devices.OpenForWriting(Slot::kB, "rootfs");
  ASSERT_TRUE(writer);
  ASSERT_TRUE((*writer)->WriteAt(4095, AsBytes("hello")));
  const auto reader = devices.OpenForReading(Slot::kB, "rootfs", GetParam());
  ASSERT_TRUE(reader);
  Bytes out(7);
  ASSERT_TRUE((*reader)->ReadAt(4094, out));
  EXPECT_EQ(AsText(out), "-hello-");
  ASSERT_TRUE((*writer)->Sync());
  ASSERT_TRUE((*writer)->ReadAt(4094, out));
  EXPECT_EQ(AsText(out), "-hello-");
}

TEST(LinuxSlotDevicesFileTest, SlotNeverGrows) {
  TempDir dir;
  LinuxSlotDevices devices({}, {{"rootfs", dir.Put("b", std::string(100, '-'))}});
  const auto writer = devices.OpenForWriting(Slot::kB, "rootfs");
  ASSERT_TRUE(writer);
  EXPECT_EQ(CodeOf((*writer)->WriteAt(98, AsBytes("abc"))), ErrorCode::kNoSpace);
  EXPECT_EQ(CodeOf((*writer)->WriteAt(UINT64_MAX, AsBytes("abc"))), ErrorCode::kNoSpace);
  EXPECT_EQ(dir.Get("b"), std::string(100, '-'));
}

TEST(LinuxSlotDevicesFileTest, MissingSlotsComponentsAndFoldersAreSlotMissing) {
  TempDir dir;
  LinuxSlotDevices devices({{"rootfs", dir.Of("absent")}, {"folder", dir.path()}}, {});
  EXPECT_EQ(CodeOf(devices.OpenForReading(Slot::kA, "rootfs", ReadPath::kCached)),
            ErrorCode::kSlotMissing);
  EXPECT_EQ(CodeOf(devices.OpenForReading(Slot::kA, "rootfs", ReadPath::kMedium)),
            ErrorCode::kSlotMissing);
  EXPECT_EQ(CodeOf(devices.OpenForReading(Slot::kA, "folder", ReadPath::kCached)),
            ErrorCode::kSlotMissing);
  EXPECT_EQ(CodeOf(devices.OpenForWriting(Slot::kB, "rootfs")), ErrorCode::kSlotMissing);
  EXPECT_FALSE(PathExists(dir.Of("absent")));
}

TEST(LinuxSlotDevicesFileTest, IdentityIsPathAndSizeAndKindIsSaid) {
  TempDir dir;
  const std::string path = dir.Put("a", "12345");
  LinuxSlotDevices devices({{"rootfs", path}}, {});
  EXPECT_EQ(*devices.PartitionId(Slot::kA, "rootfs"), path + ":5");
  EXPECT_EQ(devices.Kind(), "regular files");
}

TEST(LinuxSlotDevicesLoopTest, BlockDevicesAreReadWrittenAndHeldExclusively) {
  TempDir dir;
  const std::string content = Pattern(1'048'576 + 512);  // the last unit is not a whole one
  dir.Put("image", content);
  const auto loop = LoopDevice::Attach(dir.Of("image"));
  if (!loop) GTEST_SKIP() << "needs root and loop devices";
  LinuxSlotDevices devices({{"rootfs", loop->path()}}, {{"rootfs", loop->path()}});
  EXPECT_EQ(devices.Kind(), "block devices");
  const auto reader = devices.OpenForReading(Slot::kA, "rootfs", ReadPath::kMedium);
  ASSERT_TRUE(reader) << reader.error().Message();
  EXPECT_EQ((*reader)->SizeBytes(), content.size());
  Bytes out(content.size());
  ASSERT_TRUE((*reader)->ReadAt(0, out));
  EXPECT_EQ(AsText(out), content);
  {
    const auto writer = devices.OpenForWriting(Slot::kB, "rootfs");
    ASSERT_TRUE(writer) << writer.error().Message();
    ASSERT_TRUE((*writer)->WriteAt(1'048'576 + 500, AsBytes("the very end")));
    ASSERT_TRUE((*writer)->Sync());
    EXPECT_EQ(CodeOf(devices.OpenForWriting(Slot::kB, "rootfs")), ErrorCode::kSlotInUse);
  }
  const auto again = devices.OpenForReading(Slot::kA, "rootfs", ReadPath::kMedium);
  Bytes end(12);
  ASSERT_TRUE((*again)->ReadAt(1'048'576 + 500, end));
  EXPECT_EQ(AsText(end), "the very end");
}

}  // namespace
}  // namespace pawl::client
