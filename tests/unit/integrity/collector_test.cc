// SPDX-License-Identifier: Apache-2.0
#include "client/integrity/collector.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/integrity/model/safe_text.h"
#include "client/integrity/mounts.h"
#include "client/integrity/probes.h"
#include "tests/unit/integrity/integrity_test_util.h"

namespace pawl::integrity {
namespace {

class CollectorTest : public testing::Test {
 protected:
  CollectorTest() {
    FillGoodTree(tree_);
    inputs_ = GoodInputs(tree_);
  }
  Outcome Collected(std::string_view id) const { return OutcomeOf(Collect(inputs_).findings, id); }
  // Writes one file of the good tree anew and says what the row becomes.
  Outcome With(std::string_view id, std::string_view file, std::string_view text) const {
    tree_.Put(file, text);
    return Collected(id);
  }
  Outcome Without(std::string_view id, std::string_view file) const {
    tree_.Remove(file);
    return Collected(id);
  }
  TempTree tree_;
  CollectInputs inputs_;
};

TEST_F(CollectorTest, EveryRowPassesOnADeviceInGoodOrder) {
  const Observation observation = Collect(inputs_);
  ASSERT_EQ(observation.findings.size(), Catalogue().size());
  for (std::size_t i = 0; i < observation.findings.size(); ++i) {
    const Finding& finding = observation.findings[i];
    EXPECT_EQ(finding.id, Catalogue()[i].id);
    EXPECT_EQ(finding.outcome, Outcome::kPass) << finding.id << ": " << finding.value;
    EXPECT_FALSE(finding.value.empty()) << finding.id;
    EXPECT_TRUE(IsSafeText(finding.value)) << finding.id;
  }
  EXPECT_EQ(observation.agent_digest, HashSha256(AsBytes("the agent's program")));
  EXPECT_EQ(observation.uptime_seconds, 5231U);
}

TEST_F(CollectorTest, AnEmptyTreeGivesNoPassFromFiles) {
  const TempTree empty;
  CollectInputs inputs;
  inputs.root = Sysroot(empty.path());
  inputs.now = kNow;
  for (const Finding& finding : Collect(inputs).findings)
    EXPECT_EQ(finding.outcome, Outcome::kUnknown) << finding.id;
}

//= docs/integrity-statement.md#S-17
TEST_F(CollectorTest, AFixtureRootIsTestMode) {
  EXPECT_TRUE(Collect(inputs_).test_mode);
  EXPECT_FALSE(Sysroot().test_mode());
  EXPECT_TRUE(Sysroot("//").test_mode())
      << "another spelling of the root is not taken for the root";
}

TEST_F(CollectorTest, AbsenceIsNotApplicableOnlyByTheProfile) {
  EXPECT_EQ(Without("hw.tpm", "/sys/class/tpm"), Outcome::kUnknown);
  inputs_.profile.not_applicable.emplace("hw.tpm");
  EXPECT_EQ(Collected("hw.tpm"), Outcome::kNotApplicable);
  EXPECT_EQ(With("hw.tpm", "/sys/class/tpm/tpm0/tpm_version_major", "1\n"), Outcome::kFail)
      << "what is there is judged";
}

struct FileCase {
  const char* id;
  const char* file;
  const char* text;  // nullptr: removed
  Outcome wanted;
};

class FileCaseTest : public CollectorTest, public testing::WithParamInterface<FileCase> {};

TEST_P(FileCaseTest, Becomes) {
  const FileCase& given = GetParam();
  const Outcome found = given.text == nullptr ? Without(given.id, given.file)
                                              : With(given.id, given.file, given.text);
  EXPECT_EQ(found, given.wanted) << given.id << " with " << given.file << ": "
                                 << FindingOf(Collect(inputs_).findings, given.id).value;
}

constexpr Outcome kPass = Outcome::kPass;
constexpr Outcome kFail = Outcome::kFail;
constexpr Outcome kUnknown = Outcome::kUnknown;
constexpr const char* kSecureBoot =
    "/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c";
constexpr const char* kShim =
    "/sys/firmware/efi/efivars/MokSBStateRT-605dab50-e046-4300-abb6-3dd810dd8b23";
constexpr const char* kMounts = "/proc/self/mountinfo";

const FileCase kFileCases[] = {
    {"hw.cpuvuln", "/sys/devices/system/cpu/vulnerabilities/mds",
     "Vulnerable: Clear CPU buffers attempted, no microcode\n", kFail},
    {"hw.cpuvuln", "/sys/devices/system/cpu/vulnerabilities", nullptr, kUnknown},
    {"boot.secureboot", kSecureBoot, "\x06xxx1", kFail},  // the byte '1' is not 1
    {"boot.secureboot", kSecureBoot, "", kUnknown},
    {"boot.secureboot", kSecureBoot, nullptr, kUnknown},
    {"boot.secureboot", kShim, "\x06xxx\1", kFail},
    {"boot.secureboot", kShim, "\x06xxx\2", kPass},
    {"boot.cmdline", "/proc/cmdline", "root=x ro quiet init=/bin/sh", kFail},
    {"boot.cmdline", "/proc/cmdline", "root=x ro nokaslr", kFail},
    {"boot.cmdline", "/proc/cmdline", "root=x ro extra", kFail},
    {"boot.cmdline", "/proc/cmdline", "root=\"x init=y\" ro", kPass},
    {"boot.cmdline", "/proc/cmdline", nullptr, kUnknown},
    {"k.lockdown", "/sys/kernel/security/lockdown", "[none] integrity confidentiality", kFail},
    {"k.lockdown", "/sys/kernel/security/lockdown", "none integrity [confidentiality]", kPass},
    {"k.lockdown", "/sys/kernel/security/lockdown", "garbage", kUnknown},
    {"k.lockdown", "/sys/kernel/security/lockdown", nullptr, kUnknown},
    {"k.modsig", "/sys/module/module/parameters/sig_enforce", "N\n",
     kPass},                                                   // lockdown enforces them too
    {"k.taint", "/proc/sys/kernel/tainted", "4096\n", kFail},  // out-of-tree module
    {"k.taint", "/proc/sys/kernel/tainted", "8192\n", kFail},  // unsigned module
    {"k.taint", "/proc/sys/kernel/tainted", "512\n", kPass},   // a warning happened
    {"k.taint", "/proc/sys/kernel/tainted", "-1\n", kUnknown},
    {"k.taint", "/proc/sys/kernel/tainted", "12x\n", kUnknown},
    {"k.taint", "/proc/sys/kernel/tainted", nullptr, kUnknown},
    {"k.kexec", "/proc/sys/kernel/kexec_load_disabled", "0\n", kFail},
    {"k.kexec", "/sys/kernel/kexec_loaded", "1\n", kFail},
    {"k.kexec", "/sys/kernel/kexec_loaded", nullptr, kUnknown},
    {"k.lsm", "/sys/kernel/security/lsm", "lockdown,yama", kFail},
    {"k.lsm", "/sys/module/apparmor/parameters/enabled", "N\n", kFail},
    {"k.lsm", "/sys/kernel/security/apparmor/profiles", "x (complain)\n", kFail},
    {"k.lsm", "/sys/kernel/security/apparmor/profiles", nullptr, kUnknown},
    {"k.lsm", "/sys/kernel/security/lsm", nullptr, kUnknown},
    {"k.aslr", "/proc/sys/kernel/randomize_va_space", "1\n", kFail},
    {"k.aslr", "/proc/cmdline", "nokaslr", kFail},
    {"k.aslr", "/proc/sys/kernel/kptr_restrict", nullptr, kUnknown},
    {"k.bpf_ptrace", "/proc/sys/kernel/unprivileged_bpf_disabled", "0\n", kFail},
    {"k.bpf_ptrace", "/proc/sys/kernel/yama/ptrace_scope", "0\n", kFail},
    {"k.bpf_ptrace", "/proc/sys/kernel/perf_event_paranoid", nullptr, kUnknown},
    {"k.debug", "/sys/module/kgdboc/parameters/kgdboc", "ttyS0\n", kFail},
    {"k.debug", "/sys/module/kgdboc/parameters/kgdboc", "\n", kPass},
    {"k.debug", "/proc/kcore", "", kFail},
    {"k.debug", "/proc/sys/kernel/sysrq", "1\n", kFail},
    {"k.debug", "/proc/sys/kernel/sysrq", "176\n", kFail},
    {"k.debug", "/proc/sys/kernel/sysrq", nullptr, kUnknown},
    {"k.debug", kMounts,
     "21 1 8:2 / / ro - squashfs /dev/sda2 ro\n22 21 0:9 / /d rw - debugfs debugfs rw\n", kFail},
    {"sys.rootfs_ro", kMounts, "21 1 8:2 / / rw,relatime - ext4 /dev/sda2 rw\n", kFail},
    {"sys.rootfs_ro", kMounts, "21 1 8:2 / / ro - overlay overlay ro,lowerdir=/a\n", kFail},
    {"sys.rootfs_ro", kMounts, "21 1 8:2 / / ro - ext4 a ro\n22 21 0:9 / /usr rw - tmpfs t rw\n",
     kFail},
    {"sys.rootfs_ro", kMounts,
     "21 1 8:2 / / ro - ext4 a ro\n22 21 0:9 / /usr/bin rw - tmpfs t rw\n", kFail},
    {"sys.rootfs_ro", kMounts, "21 1 8:2 / / rw - rootfs rootfs rw\n22 21 0:9 / / ro - ext4 a ro\n",
     kPass},
    {"sys.rootfs_ro", kMounts, "21 1 8:2 / / ro - ext4\n", kUnknown},
    {"sys.rootfs_ro", kMounts, nullptr, kUnknown},
    {"sys.mountflags", kMounts,
     "21 1 8:2 / / ro - ext4 a ro\n24 21 0:2 / /tmp rw,nodev - tmpfs t rw\n", kFail},
    {"sys.mountflags", kMounts, nullptr, kUnknown},
    {"sys.suid", "/opt/x", "not set-id", kPass},
    {"sys.accounts", "/etc/passwd", "root:x:0:0::/:/bin/sh\ntoor:x:0:0::/:/bin/sh\n", kFail},
    {"sys.accounts", "/etc/passwd", "root:x:0:0::/:/bin/sh\ntoor:x:00:0::/:/bin/sh\n", kFail},
    {"sys.accounts", "/etc/passwd", "root::0:0::/:/bin/sh\n", kFail},
    {"sys.accounts", "/etc/shadow", "root::19000::::::\n", kFail},
    {"sys.accounts", "/etc/shadow", nullptr, kUnknown},
    {"sys.accounts", "/root/.ssh/authorized_keys", "ssh-ed25519 AAAA\n", kUnknown},  // no reference
    {"sys.accounts", "/etc/passwd", nullptr, kUnknown},
    {"sys.preload", "/etc/ld.so.preload", "/tmp/evil.so\n", kFail},
    {"sys.preload", "/proc/1/environ", "LD_PRELOAD=/tmp/evil.so", kFail},
    {"sys.preload", "/proc/1/environ", "NOT_LD_PRELOAD=x", kPass},
    {"sys.preload", "/proc/1/environ", nullptr, kUnknown},
    {"app.self", "/proc/self/status", "TracerPid:\t4711\n", kFail},
    {"app.self", "/proc/self/status", nullptr, kUnknown},
    {"app.self", "/proc/self/exe", nullptr, kUnknown},
    {"app.self", "/var/lib/pawl/device.key", nullptr, kUnknown},
};

INSTANTIATE_TEST_SUITE_P(Files, FileCaseTest, testing::ValuesIn(kFileCases));

TEST_F(CollectorTest, ModuleSignaturesNeedOneOfThreeLocks) {
  tree_.Remove("/sys/kernel/security/lockdown");
  EXPECT_EQ(With("k.modsig", "/sys/module/module/parameters/sig_enforce", "N\n"), Outcome::kFail);
  EXPECT_EQ(With("k.modsig", "/proc/sys/kernel/modules_disabled", "1\n"), Outcome::kPass);
  tree_.Remove("/sys/module/module");
  tree_.Remove("/proc/sys/kernel/modules_disabled");
  EXPECT_EQ(Collected("k.modsig"), Outcome::kUnknown);
  EXPECT_EQ(Without("k.modsig", "/proc/modules"), Outcome::kPass) << "a kernel without modules";
}

TEST_F(CollectorTest, SelinuxIsEnoughAndTheProfileCanDemandOne) {
  tree_.Put("/sys/kernel/security/lsm", "lockdown,selinux");
  EXPECT_EQ(Collected("k.lsm"), Outcome::kUnknown);
  EXPECT_EQ(With("k.lsm", "/sys/fs/selinux/enforce", "0"), Outcome::kFail);
  EXPECT_EQ(With("k.lsm", "/sys/fs/selinux/enforce", "1"), Outcome::kPass);
  inputs_.profile.lsm = "apparmor";
  EXPECT_EQ(Collected("k.lsm"), Outcome::kFail);
}

TEST_F(CollectorTest, ANewSetIdFileChangesTheSet) {
  tree_.Put("/usr/bin/backdoor", "x", 04755);
  EXPECT_EQ(Collected("sys.suid"), Outcome::kFail);
  tree_.Remove("/usr/bin/backdoor");
  EXPECT_EQ(Collected("sys.suid"), Outcome::kPass);
  tree_.Put("/usr/bin/ls", "ls", 02755);
  EXPECT_EQ(Collected("sys.suid"), Outcome::kFail);
  inputs_.profile.suid_set.reset();
  EXPECT_EQ(Collected("sys.suid"), Outcome::kUnknown);
}

TEST_F(CollectorTest, SshKeysAreComparedWithTheReference) {
  tree_.Put("/root/.ssh/authorized_keys", "key\n");
  inputs_.profile.authorized_keys = HashSha256(AsBytes("key\n"));
  EXPECT_EQ(Collected("sys.accounts"), Outcome::kPass);
  EXPECT_EQ(With("sys.accounts", "/root/.ssh/authorized_keys", "key\nother\n"), Outcome::kFail);
  EXPECT_EQ(Without("sys.accounts", "/root/.ssh/authorized_keys"), Outcome::kFail);
}

TEST_F(CollectorTest, AnOpenKeyFileOrAnotherProgramFails) {
  ASSERT_EQ(chmod(tree_.Of("/var/lib/pawl/device.key").c_str(), 0640), 0);
  EXPECT_EQ(Collected("app.self"), Outcome::kFail);
  ASSERT_EQ(chmod(tree_.Of("/var/lib/pawl/device.key").c_str(), 0600), 0);
  inputs_.profile.agent = HashSha256(AsBytes("the agent's program"));
  EXPECT_EQ(Collected("app.self"), Outcome::kPass);
  EXPECT_EQ(With("app.self", "/proc/self/exe", "a patched program"), Outcome::kFail);
}

TEST_F(CollectorTest, TheClockMustNotBeBehindProvedTime) {
  inputs_.clock_synchronised = false;
  EXPECT_EQ(Collected("sys.time"), Outcome::kPass);
  inputs_.profile.clock_sync_required = true;
  EXPECT_EQ(Collected("sys.time"), Outcome::kFail);
  inputs_.clock_synchronised.reset();
  EXPECT_EQ(Collected("sys.time"), Outcome::kUnknown);
  inputs_.profile.clock_sync_required = false;
  inputs_.now = inputs_.update.last_trusted_time->PlusSeconds(-1);
  EXPECT_EQ(Collected("sys.time"), Outcome::kFail);
}

// A19: what an attacker can put into a name or a file reaches the statement as harmless text.
TEST_F(CollectorTest, HostileBytesInProbedFilesBecomeSafeText) {
  inputs_.profile.cmdline.clear();
  tree_.Put("/proc/cmdline", "x=\"\\\",\"admin\":true}\x1b[2J\xff" + std::string(4096, 'y'));
  tree_.Put("/sys/devices/system/cpu/vulnerabilities/a\"\xff\n", "Vulnerable");
  for (const Finding& finding : Collect(inputs_).findings)
    EXPECT_TRUE(IsSafeText(finding.value)) << finding.id;
  EXPECT_NE(FindingOf(Collect(inputs_).findings, "hw.cpuvuln").value.find("\\xff"),
            std::string::npos);
}

// A probe neither waits at a fifo nor reads without end.
TEST_F(CollectorTest, FifosDevicesLinksAndEndlessFilesAreUnknown) {
  tree_.Remove("/proc/sys/kernel/tainted");
  ASSERT_EQ(mkfifo(tree_.Of("/proc/sys/kernel/tainted").c_str(), 0600), 0);
  EXPECT_EQ(Collected("k.taint"), Outcome::kUnknown);
  tree_.Remove("/proc/self/exe");
  ASSERT_EQ(mkfifo(tree_.Of("/proc/self/exe").c_str(), 0600), 0);
  EXPECT_EQ(Collected("app.self"), Outcome::kUnknown);
  tree_.Remove("/proc/cmdline");
  ASSERT_EQ(symlink("/dev/zero", tree_.Of("/proc/cmdline").c_str()), 0);
  EXPECT_EQ(Collected("boot.cmdline"), Outcome::kUnknown);
  EXPECT_EQ(
      With("k.lockdown", "/sys/kernel/security/lockdown", std::string(kProbeReadBytes + 1, 'x')),
      Outcome::kUnknown);
}

TEST(MountInfoTest, DecodesEscapesAndFindsTheCoveringMount) {
  const auto mounts = ParseMountInfo(
      "1 0 8:2 / / ro - ext4 /dev/a ro\n2 1 8:3 / /a\\040b rw shared:1 master:2 - ext4 /dev/b "
      "rw\n");
  ASSERT_TRUE(mounts);
  EXPECT_EQ((*mounts)[1].point, "/a b");
  EXPECT_EQ(CoveringMount(*mounts, "/a b/c"), &(*mounts)[1]);
  EXPECT_EQ(CoveringMount(*mounts, "/a bc"), &(*mounts)[0]);
  EXPECT_FALSE(ParseMountInfo(""));
}

TEST(CommandLineWordsTest, QuotesHoldWordsTogether) {
  EXPECT_EQ(CommandLineWords(" a  b=\"c d\"\te\n"), (std::vector<std::string>{"a", "b=c d", "e"}));
  EXPECT_TRUE(CommandLineWords("").empty());
}

// The machine that runs the tests: nothing may crash or hang, whatever it has.
TEST(RealRootTest, CollectsWithoutTestMode) {
  CollectInputs inputs;
  inputs.now = kNow;
  inputs.clock_synchronised = KernelClockSynchronised();
  const Observation observation = Collect(inputs);
  EXPECT_FALSE(observation.test_mode);
  EXPECT_EQ(observation.findings.size(), Catalogue().size());
  EXPECT_TRUE(observation.agent_digest.has_value());
}

}  // namespace
}  // namespace pawl::integrity
