// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <fstream>
#include <regex>
#include <sstream>

#include "base/format.h"
#include "client/platform/grub_boot_control.h"
#include "client/platform/spawn.h"
#include "tests/unit/platform/boot_control_contract.h"
#include "tests/unit/platform/temp_dir.h"

namespace pawl::client {
namespace {

using testing::HasSubstr;

// A boot area and a kernel command line in a folder.
class GrubDevice {
 public:
  GrubDevice() : control_({dir_.Of("grubenv"), dir_.Of("cmdline")}) {
    const Bytes block = FormatGrubBlock({});
    dir_.Put("grubenv", AsText(block));
    dir_.Put("grubenv.bak", AsText(block));
    Start(Slot::kA);
  }
  BootControl& control() { return control_; }
  void Start(Slot slot) {
    const Bytes block = *ReadFile(dir_.Of("grubenv"), 4096);
    dir_.Put("cmdline", Format("root=/dev/sda2 ro pawl.slot={} pawl.txn={:016x} quiet\n",
                               SlotName(slot), ParseGrubBlock(block, "grubenv")->transaction));
  }
  const TempDir& dir() const { return dir_; }

 private:
  TempDir dir_;
  GrubBootControl control_;
};

INSTANTIATE_TYPED_TEST_SUITE_P(Grub, BootControlContract, GrubDevice);

ErrorCode CodeOf(const auto& result) {
  return result ? ErrorCode::kAlreadyDone : result.error().code();
}

std::string FreshText() { return std::string(AsText(FormatGrubBlock({}))); }

std::string Replaced(std::string text, std::string_view from, std::string_view to) {
  const std::size_t at = text.find(from);
  EXPECT_NE(at, text.npos);
  return text.replace(at, from.size(), to);
}

TEST(GrubBlockTest, FreshBlockHas1024BytesAndAllVariablesInTheFirstSector) {
  const std::string text = FreshText();
  EXPECT_EQ(text.size(), kGrubBlockBytes);
  EXPECT_LT(text.find("pawl_txn=0000000000000000\n"), kGrubSectorBytes - 26);
  EXPECT_EQ(text.substr(kGrubSectorBytes), std::string(kGrubSectorBytes, '#'));
}

TEST(GrubBlockTest, ValuesAndNamesAreThoseOfTheBootRules) {
  std::ifstream table(PAWL_SOURCE_DIR "/packaging/grub/boot_states.tsv");
  ASSERT_TRUE(table) << "packaging/grub/boot_states.tsv";
  std::string line;
  int variables = 0;
  while (std::getline(table, line)) {
    std::istringstream fields(line);
    std::string kind, name, pattern;
    std::size_t width = 0;
    fields >> kind >> name >> width >> pattern;
    if (kind != "var") continue;
    ++variables;
    const std::string text = FreshText();
    const std::size_t at = text.find("\n" + name + "=") + name.size() + 2;
    for (char c = ' '; c <= '~'; ++c) {
      const std::string value(width, c);
      const bool wanted = std::regex_match(value, std::regex(pattern));
      const std::string changed = std::string(text).replace(at, width, value);
      EXPECT_EQ(ParseGrubBlock(AsBytes(changed), "test").has_value(), wanted)
          << name << "=" << value;
    }
  }
  EXPECT_EQ(variables, 7);
}

TEST(GrubBlockTest, EveryStateSurvivesWritingAndReading) {
  for (unsigned mask = 0; mask < 144; ++mask) {
    GrubState state;
    state.good = mask % 2 == 0 ? Slot::kA : Slot::kB;
    state.bootable = {mask % 4 < 2, mask % 8 < 4};
    if (mask % 3 != 0) state.trying = mask % 3 == 1 ? Slot::kA : Slot::kB;
    if (mask % 9 >= 3) state.failed = mask % 9 < 6 ? Slot::kA : Slot::kB;
    state.tries_left = mask % 4;
    state.transaction = 0x9e3779b97f4a7c15U * mask;
    const auto read = ParseGrubBlock(FormatGrubBlock(state), "test");
    ASSERT_TRUE(read) << read.error().Message();
    EXPECT_EQ(*read, state);
  }
}

TEST(GrubBlockTest, RefusesWhatIsNotOneClearValue) {
  const std::string good = FreshText();
  const std::vector<std::pair<std::string, std::string>> broken = {
      {Replaced(good, "pawl_try=-", "pawl_try=c"), "pawl_try"},
      {Replaced(good, "pawl_left=0", "pawl_left=4"), "pawl_left"},
      {Replaced(good, "pawl_txn=00", "pawl_txn=0A"), "pawl_txn"},
      {Replaced(good, "pawl_a=1\n", "pawl_x=1\n"), "pawl_a"},
      {Replaced(good, "##########", "pawl_a=0\n#"), "pawl_a once, found it 2 times"},
      {Replaced(good, "pawl_left=0", "pawl_left=00").substr(0, 1024), "pawl_left"},
      {Replaced(good, "# GRUB", "# grub"), "header"},
      {good.substr(0, 60), "pawl_try once, found it 0 times"},
  };
  for (const auto& [text, what] : broken) {
    const auto state = ParseGrubBlock(AsBytes(text), "the block");
    ASSERT_EQ(CodeOf(state), ErrorCode::kBootEnvInvalid) << text.substr(0, 130);
    EXPECT_THAT(state.error().Message(), HasSubstr(what));
    EXPECT_THAT(state.error().Message(), HasSubstr("the block"));
  }
}

TEST(GrubBlockTest, RefusesVariablesBeyondTheFirstSector) {
  std::string text = FreshText();
  text.insert(text.find("pawl_txn"), "other=" + std::string(480, 'x') + "\n");
  text.resize(kGrubBlockBytes);
  EXPECT_EQ(CodeOf(ParseGrubBlock(AsBytes(text), "test")), ErrorCode::kBootEnvInvalid);
}

TEST(GrubBootControlTest, KeepsEveryOtherByteOfTheBlock) {
  GrubDevice device;
  std::string text = FreshText();
  text.insert(text.find("pawl_good"), "menu=a\\\nb\n# a remark\n");
  text.insert(text.find("##"), "recordfail=1\n");
  text.resize(kGrubBlockBytes);
  device.dir().Put("grubenv", text);
  ASSERT_TRUE(device.control().ArmTrial(Slot::kB, 1, 0xabc));
  std::string expected = text;
  expected = Replaced(expected, "pawl_b=0", "pawl_b=1");
  expected = Replaced(expected, "pawl_try=-", "pawl_try=b");
  expected = Replaced(expected, "pawl_left=0", "pawl_left=1");
  expected = Replaced(expected, "pawl_txn=0000000000000000", "pawl_txn=0000000000000abc");
  EXPECT_EQ(device.dir().Get("grubenv"), expected);
  EXPECT_EQ(device.dir().Get("grubenv.bak"), expected);
}

TEST(GrubBootControlTest, WritesInPlace) {
  GrubDevice device;
  struct stat before{}, after{};
  for (const char* name : {"grubenv", "grubenv.bak"}) {
    ASSERT_EQ(stat(device.dir().Of(name).c_str(), &before), 0);
    ASSERT_TRUE(device.control().ArmTrial(Slot::kB, 1, 1));
    ASSERT_EQ(stat(device.dir().Of(name).c_str(), &after), 0);
    EXPECT_EQ(before.st_ino, after.st_ino);
    EXPECT_EQ(after.st_size, static_cast<off_t>(kGrubBlockBytes));
  }
}

TEST(GrubBootControlTest, StateTornBetweenTheSectorsIsOldOrNew) {
  const std::string old_text = FreshText();
  GrubDevice device;
  ASSERT_TRUE(device.control().ArmTrial(Slot::kB, 2, 9));
  const std::string new_text = device.dir().Get("grubenv");
  const std::string first_new = new_text.substr(0, 512) + old_text.substr(512);
  const std::string second_new = old_text.substr(0, 512) + new_text.substr(512);
  device.dir().Put("grubenv", first_new);
  EXPECT_EQ(device.control().Read()->trying, Slot::kB);
  device.dir().Put("grubenv", second_new);
  EXPECT_FALSE(device.control().Read()->trying);
}

TEST(GrubBootControlTest, ReadsTheSecondCopyWhenTheFirstDoesNotCountAndMendsIt) {
  for (const std::string& broken :
       {std::string(), std::string(1024, '\0'), std::string("# GRUB Environment Block\n"),
        Replaced(FreshText(), "pawl_good=a", "pawl_good=x")}) {
    GrubDevice device;
    ASSERT_TRUE(device.control().ArmTrial(Slot::kB, 1, 5));
    device.dir().Put("grubenv", broken);
    EXPECT_EQ(device.control().Read()->trying, Slot::kB);
    ASSERT_TRUE(device.control().MarkUnbootable(Slot::kB));
    EXPECT_FALSE(device.control().Read()->trying);
    EXPECT_EQ(device.dir().Get("grubenv"), device.dir().Get("grubenv.bak"));
  }
}

TEST(GrubBootControlTest, DoesNotLookPastABlockThatGrubUses) {
  GrubDevice device;
  device.dir().Put("grubenv", Replaced(FreshText(), "pawl_left=0", "pawl_left=z"));
  EXPECT_EQ(CodeOf(device.control().Read()), ErrorCode::kBootEnvInvalid);
  EXPECT_EQ(CodeOf(device.control().ArmTrial(Slot::kB, 1, 1)), ErrorCode::kBootEnvInvalid);
}

TEST(GrubBootControlTest, RefusesWhenNoBlockCounts) {
  GrubDevice device;
  device.dir().Put("grubenv", "");
  ASSERT_EQ(unlink(device.dir().Of("grubenv.bak").c_str()), 0);
  EXPECT_EQ(CodeOf(device.control().Read()), ErrorCode::kBootEnvInvalid);
  EXPECT_EQ(CodeOf(device.control().Confirm(Slot::kA)), ErrorCode::kBootEnvInvalid);
}

TEST(GrubBootControlTest, MakesAMissingSecondCopyAnew) {
  GrubDevice device;
  ASSERT_EQ(unlink(device.dir().Of("grubenv.bak").c_str()), 0);
  ASSERT_TRUE(device.control().Confirm(Slot::kA));
  EXPECT_EQ(device.dir().Get("grubenv.bak"), device.dir().Get("grubenv"));
}

TEST(GrubBootControlTest, RefusesSymbolicLinksAndLargerFiles) {
  GrubDevice device;
  const std::string path = device.dir().Of("grubenv");
  ASSERT_EQ(rename(path.c_str(), device.dir().Of("elsewhere").c_str()), 0);
  ASSERT_EQ(symlink("elsewhere", path.c_str()), 0);
  EXPECT_EQ(CodeOf(device.control().ArmTrial(Slot::kB, 1, 1)), ErrorCode::kPathUnsafe);
  ASSERT_EQ(unlink(path.c_str()), 0);
  device.dir().Put("grubenv", FreshText() + "#");
  EXPECT_EQ(CodeOf(device.control().Read()), ErrorCode::kBootEnvInvalid);
}

TEST(GrubBootControlTest, ConfirmSaysWhichSlotRuns) {
  GrubDevice device;
  EXPECT_EQ(CodeOf(device.control().Confirm(Slot::kB)), ErrorCode::kBootFactsConflict);
}

TEST(GrubBootControlTest, GrubEditenvReadsWhatWeWriteAndWeReadWhatItWrites) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  GrubDevice device;
  ASSERT_TRUE(device.control().ArmTrial(Slot::kB, 2, 0xc0ffee));
  const std::string path = device.dir().Of("grubenv");
  const auto listed = Spawn({"grub-editenv", {path, "list"}, "", deadline});
  ASSERT_TRUE(listed) << listed.error().Message() << " (tools/setup installs grub-editenv)";
  EXPECT_EQ(listed->tail,
            "pawl_good=a\npawl_a=1\npawl_b=1\npawl_try=b\npawl_left=2\npawl_failed=-\n"
            "pawl_txn=0000000000c0ffee\n");
  ASSERT_TRUE(Spawn({"grub-editenv", {path, "set", "pawl_left=1", "other=x y"}, "", deadline}));
  EXPECT_EQ(device.control().Read()->tries_left, 1U);
  ASSERT_TRUE(device.control().MarkUnbootable(Slot::kB));
  EXPECT_THAT(device.dir().Get("grubenv"), HasSubstr("\nother=x y\n"));
}

TEST(KernelCommandLineTest, NeedsEachTokenOnceAndWellFormed) {
  const std::string txn = "pawl.txn=00000000000000ff";
  const auto facts = ParseKernelCommandLine("ro pawl.slot=b " + txn + "\n");
  ASSERT_TRUE(facts);
  EXPECT_EQ(facts->slot, Slot::kB);
  EXPECT_EQ(facts->transaction, 255U);
  for (const std::string& line :
       {std::string("ro quiet"), txn, std::string("pawl.slot=a"), "pawl.slot=a pawl.slot=a " + txn,
        "pawl.slot=a pawl.slot=b " + txn, "pawl.slot=c " + txn, "pawl.slot= " + txn,
        std::string("pawl.slot=a pawl.txn=ff"), "pawl.slot=a " + txn + " " + txn,
        std::string("pawl.slot=a pawl.txn=00000000000000FF"), "xpawl.slot=a " + txn}) {
    EXPECT_EQ(CodeOf(ParseKernelCommandLine(line)), ErrorCode::kBootEnvInvalid) << line;
  }
}

}  // namespace
}  // namespace pawl::client
