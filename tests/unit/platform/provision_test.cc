// SPDX-License-Identifier: Apache-2.0
#include "client/platform/provision.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <string>

#include "base/format.h"
#include "base/progress.h"
#include "base/signature.h"
#include "client/platform/disk_image.h"
#include "client/platform/file_key_vault.h"
#include "client/platform/grub_boot_control.h"
#include "client/platform/spawn.h"
#include "client/platform/sqlite_state_store.h"
#include "tests/unit/platform/loop_device.h"
#include "tests/unit/platform/temp_dir.h"

namespace pawl::client {
namespace {

using testing::HasSubstr;

std::string RunTool(const std::string& program, const std::vector<std::string>& arguments) {
  const auto outcome =
      Spawn({program, arguments, "", std::chrono::steady_clock::now() + std::chrono::seconds(60)});
  return outcome ? outcome->tail : outcome.error().Message();
}

class ProvisionTest : public testing::Test {
 protected:
  ProvisionTest() {
    SetProgressMode(ProgressMode::kNone);
    std::string image(3 * kMebibyte + 1000, '\0');
    for (std::size_t i = 0; i < image.size(); ++i) image[i] = static_cast<char>(i * 7 + i / 999);
    options_.output = dir_.Of("device.img");
    options_.device = {"gw-0001", "gateway", "gw-x1", {"lab", "beta"}};
    options_.server = "https://updates.example/pawl/";
    options_.channel = "stable";
    options_.boot_bytes = 8 * kMebibyte;
    options_.slot_bytes = 4 * kMebibyte;
    options_.data_bytes = 16 * kMebibyte;
    options_.rootfs_image = dir_.Put("rootfs", image);
    options_.rootfs_sha256 = HashSha256(AsBytes(image));
    options_.grub_cfg = dir_.Put("grub.cfg", "set timeout=0\n");
    const ByteView root = AsBytes("{\"signed\":{}}");
    options_.root_json = {root.begin(), root.end()};
    options_.first_document = {{"device", "gw-0001"}};
  }
  // The bytes of a file in the file system at `range` of the disk.
  std::string FileIn(const std::string& disk, DiskRange range, const std::string& name) {
    const std::string copy = dir_.Of("copied");
    unlink(copy.c_str());
    RunTool("debugfs",
            {"-R", Format("dump {} {}", name, copy), Format("{}?offset={}", disk, range.offset)});
    return dir_.Get("copied");
  }
  std::string StatIn(const std::string& disk, DiskRange range, const std::string& name) {
    return RunTool("debugfs", {"-R", "stat " + name, Format("{}?offset={}", disk, range.offset)});
  }
  DiskLayout Layout() { return *PlanDisk(8 * kMebibyte, 4 * kMebibyte, 16 * kMebibyte, 0); }
  void ExpectNothingIsLeft() {
    EXPECT_EQ(*ListDirectory(dir_.path()), (std::vector<std::string>{"grub.cfg", "rootfs"}));
  }
  ErrorCode Refusal() {
    const auto made = ProvisionDisk(options_);
    return made ? ErrorCode::kAlreadyDone : made.error().code();
  }
  TempDir dir_;
  ProvisionOptions options_;
};

TEST_F(ProvisionTest, MakesThePartitionTable) {
  const auto made = ProvisionDisk(options_);
  ASSERT_TRUE(made) << made.error().Message();
  EXPECT_EQ(made->disk_bytes, *FileSize(options_.output));
  const auto table = ParseJson(RunTool("sfdisk", {"-J", options_.output}));
  ASSERT_TRUE(table) << table.error().Message();
  const Json& parts = (*table)["partitiontable"]["partitions"];
  EXPECT_EQ((*table)["partitiontable"]["label"], "gpt");
  ASSERT_EQ(parts.size(), 4U);
  const DiskLayout layout = Layout();
  const std::vector<std::pair<std::string, DiskRange>> expected = {{"pawl-boot", layout.boot},
                                                                   {"pawl-a", layout.slot_a},
                                                                   {"pawl-b", layout.slot_b},
                                                                   {"pawl-data", layout.data}};
  for (std::size_t i = 0; i < expected.size(); ++i) {
    EXPECT_EQ(parts[i]["name"], expected[i].first);
    EXPECT_EQ(parts[i]["start"], expected[i].second.offset / 512);
    EXPECT_EQ(parts[i]["size"], expected[i].second.length / 512);
  }
  EXPECT_THAT(RunTool("sfdisk", {"--verify", options_.output}), HasSubstr("No errors"));
}

TEST_F(ProvisionTest, SlotAHoldsTheImageAndSlotBNothing) {
  const auto made = ProvisionDisk(options_);
  ASSERT_TRUE(made) << made.error().Message();
  const std::string disk = dir_.Get("device.img");
  const DiskLayout layout = Layout();
  const std::string image = dir_.Get("rootfs");
  EXPECT_EQ(disk.substr(layout.slot_a.offset, image.size()), image);
  EXPECT_EQ(disk.substr(layout.slot_a.offset + image.size(), layout.slot_a.length - image.size()),
            std::string(layout.slot_a.length - image.size(), '\0'));
  EXPECT_EQ(disk.substr(layout.slot_b.offset, layout.slot_b.length),
            std::string(layout.slot_b.length, '\0'));
  EXPECT_EQ(made->slot_a_sha256, HashSha256(AsBytes(image)));
  EXPECT_EQ(made->image_bytes, image.size());
}

TEST_F(ProvisionTest, BootAreaHoldsConfigurationAndTwoFreshBlocks) {
  ASSERT_TRUE(ProvisionDisk(options_));
  const DiskRange boot = Layout().boot;
  EXPECT_EQ(FileIn(options_.output, boot, "/grub/grub.cfg"), "set timeout=0\n");
  const std::string block(AsText(FormatGrubBlock({})));
  EXPECT_EQ(FileIn(options_.output, boot, "/pawl/grubenv"), block);
  EXPECT_EQ(FileIn(options_.output, boot, "/pawl/grubenv.bak"), block);
  const std::string features =
      RunTool("dumpe2fs", {"-h", Format("{}?offset={}", options_.output, boot.offset)});
  EXPECT_THAT(features, HasSubstr("Filesystem features:"));
  EXPECT_THAT(features, testing::Not(HasSubstr("has_journal")));
  EXPECT_THAT(features, testing::Not(HasSubstr("metadata_csum")));
}

TEST_F(ProvisionTest, FileSystemsAreCleanAndFillTheirPartitions) {
  ASSERT_TRUE(ProvisionDisk(options_));
  const DiskLayout layout = Layout();
  for (const DiskRange range : {layout.boot, layout.data}) {
    const std::string device = Format("{}?offset={}", options_.output, range.offset);
    EXPECT_THAT(RunTool("e2fsck", {"-f", "-n", device}), HasSubstr("files ("));
    EXPECT_THAT(RunTool("dumpe2fs", {"-h", device}),
                testing::ContainsRegex(Format("Block count: +{}\n", range.length / 4096)));
  }
}

TEST_F(ProvisionTest, GrubsOwnCodeReadsTheBootArea) {
  ASSERT_TRUE(ProvisionDisk(options_));
  const std::string read =
      RunTool("grub-fstest", {options_.output, "cat", "(loop0,gpt1)/pawl/grubenv"});
  if (read.find("not installed") != read.npos) GTEST_SKIP() << read;
  EXPECT_EQ(read, AsText(FormatGrubBlock({})));
}

TEST_F(ProvisionTest, DataAreaHoldsIdentityKeyStoreAndRoot) {
  const auto made = ProvisionDisk(options_);
  ASSERT_TRUE(made) << made.error().Message();
  const DiskRange data = Layout().data;
  const std::string toml = FileIn(options_.output, data, "/device.toml");
  EXPECT_THAT(toml, HasSubstr("id = \"gw-0001\""));
  EXPECT_THAT(toml, HasSubstr("groups = [\"lab\", \"beta\"]"));
  EXPECT_THAT(toml, HasSubstr("server = \"https://updates.example/pawl/\""));
  EXPECT_EQ(FileIn(options_.output, data, "/metadata/root.json"), "{\"signed\":{}}");
  const auto record = ParseJson(FileIn(options_.output, data, "/device.pub"));
  EXPECT_EQ(*record, made->device_record);
  EXPECT_EQ((*record)["public_key"], HexEncode(made->public_key));
  const std::string key = FileIn(options_.output, data, "/device.key");
  dir_.Put("device.key", key, 0600);
  EXPECT_EQ(*FileKeyVault(dir_.Of("device.key"), "").PublicKey(), made->public_key);
  EXPECT_THAT(StatIn(options_.output, data, "/device.key"), HasSubstr("Mode:  0600"));
  dir_.Put("state.db", FileIn(options_.output, data, "/state.db"), 0600);
  EXPECT_EQ(*SqliteStateStore(dir_.Of("state.db")).Load(), options_.first_document);
}

TEST_F(ProvisionTest, ImageIsPrivateAndNothingElseIsLeft) {
  ASSERT_TRUE(ProvisionDisk(options_));
  struct stat info{};
  ASSERT_EQ(stat(options_.output.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 0600U);
  EXPECT_EQ(info.st_nlink, 1U);
  EXPECT_EQ(*ListDirectory(dir_.path()),
            (std::vector<std::string>{"device.img", "grub.cfg", "rootfs"}));
}

TEST_F(ProvisionTest, TakesAGivenKey) {
  options_.key_file = dir_.Put("seed", std::string(32, '\x11'), 0600);
  const auto made = ProvisionDisk(options_);
  ASSERT_TRUE(made) << made.error().Message();
  EXPECT_EQ(made->public_key, *FileKeyVault(options_.key_file, "").PublicKey());
  options_.output = dir_.Of("second.img");
  ASSERT_EQ(chmod(options_.key_file.c_str(), 0644), 0);
  EXPECT_EQ(Refusal(), ErrorCode::kKeyFilePermissions);
}

TEST_F(ProvisionTest, ExistingFileIsNeverTouched) {
  dir_.Put("device.img", "precious");
  EXPECT_EQ(Refusal(), ErrorCode::kOutputExists);
  EXPECT_EQ(dir_.Get("device.img"), "precious");
  unlink(options_.output.c_str());
  ASSERT_EQ(symlink("nowhere", options_.output.c_str()), 0);
  EXPECT_EQ(Refusal(), ErrorCode::kOutputExists);
}

TEST_F(ProvisionTest, RefusalsLeaveNothingBehind) {
  const ProvisionOptions good = options_;
  const auto refuses = [&](ErrorCode code, auto change) {
    options_ = good;
    change(options_);
    EXPECT_EQ(Refusal(), code) << CodeName(code);
    ExpectNothingIsLeft();
  };
  refuses(ErrorCode::kInputInvalid, [](auto& o) { o.device.id = "a\"b"; });
  refuses(ErrorCode::kInputInvalid, [](auto& o) { o.device.groups = {"a", ""}; });
  refuses(ErrorCode::kInputInvalid, [](auto& o) { o.server = "updates.example"; });
  refuses(ErrorCode::kInputInvalid, [](auto& o) { o.slot_bytes += 1; });
  refuses(ErrorCode::kInputInvalid, [](auto& o) { o.slot_bytes = 0; });
  refuses(ErrorCode::kInputInvalid, [](auto& o) { o.first_document = 5; });
  refuses(ErrorCode::kRootMissing, [](auto& o) { o.root_json.clear(); });
  refuses(ErrorCode::kInputMissing, [](auto& o) { o.rootfs_image += ".absent"; });
  refuses(ErrorCode::kInputMissing, [](auto& o) { o.grub_cfg += ".absent"; });
  refuses(ErrorCode::kSlotTooSmall, [](auto& o) { o.slot_bytes = 3 * kMebibyte; });
  refuses(ErrorCode::kImageDigestMismatch, [](auto& o) { o.rootfs_sha256 = Sha256Digest{}; });
}

TEST_F(ProvisionTest, FullDiskLeavesNothingBehind) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root to mount a small file system";
  TempDir mount_point;
  const std::string mounted =
      RunTool("mount", {"-t", "tmpfs", "-o", "size=2m", "tmpfs", mount_point.path()});
  if (!mounted.empty()) GTEST_SKIP() << "no mount: " << mounted;
  options_.output = mount_point.Of("device.img");
  EXPECT_EQ(Refusal(), ErrorCode::kNoSpace);
  EXPECT_TRUE(ListDirectory(mount_point.path())->empty());
  EXPECT_EQ(RunTool("umount", {mount_point.path()}), "");
}

TEST_F(ProvisionTest, BlockDeviceNeedsConfirmationAndGetsAllOfIt) {
  const std::string disk = dir_.Put("disk", std::string(64 * kMebibyte, 'x'));
  const auto loop = LoopDevice::Attach(disk);
  if (!loop) GTEST_SKIP() << "needs root and loop devices";
  options_.output = loop->path();
  EXPECT_EQ(Refusal(), ErrorCode::kConfirmationMissing);
  EXPECT_EQ(dir_.Get("disk").substr(0, 4096), std::string(4096, 'x'));
  options_.overwrite_block_device = true;
  const auto made = ProvisionDisk(options_);
  ASSERT_TRUE(made) << made.error().Message();
  EXPECT_EQ(made->disk_bytes, 64 * kMebibyte);
  const DiskLayout layout = *PlanDisk(8 * kMebibyte, 4 * kMebibyte, 0, 64 * kMebibyte);
  EXPECT_EQ(layout.data.offset + layout.data.length + kMebibyte, 64 * kMebibyte);
  const std::string bytes = dir_.Get("disk");
  EXPECT_EQ(bytes.substr(layout.slot_b.offset, layout.slot_b.length),
            std::string(layout.slot_b.length, '\0'));
  EXPECT_EQ(FileIn(disk, layout.data, "/metadata/root.json"), "{\"signed\":{}}");
  EXPECT_THAT(RunTool("sfdisk", {"--verify", disk}), HasSubstr("No errors"));
}

TEST_F(ProvisionTest, FilesBelongToRootWhoeverProvisions) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root to become somebody else";
  ASSERT_EQ(chmod(dir_.path().c_str(), 0777), 0);
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    if (setgid(65534) != 0 || setuid(65534) != 0) _exit(2);
    const auto made = ProvisionDisk(options_);
    if (!made) fprintf(stderr, "%s\n", made.error().Message().c_str());
    _exit(made ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_EQ(WEXITSTATUS(status), 0);
  for (const char* name : {"/", "/device.key", "/state.db", "/metadata", "/metadata/root.json"}) {
    EXPECT_THAT(StatIn(options_.output, Layout().data, name),
                testing::ContainsRegex("User: +0 +Group: +0 "))
        << name;
  }
}

TEST(PlanDiskTest, RefusesADiskThatIsTooSmall) {
  EXPECT_EQ(PlanDisk(kMebibyte, 4 * kMebibyte, 0, 20 * kMebibyte).error().code(),
            ErrorCode::kNoSpace);
  EXPECT_EQ(PlanDisk(kMebibyte, UINT64_MAX - kMebibyte + 1, kMebibyte, 0).error().code(),
            ErrorCode::kInputInvalid);
}

}  // namespace
}  // namespace pawl::client
