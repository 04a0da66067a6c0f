// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/integrity/integrity_test_util.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include "client/integrity/model/jws.h"

namespace pawl::integrity {

TempTree::TempTree() {
  path_ = testing::TempDir() + "pawl-integrity-XXXXXX";
  if (mkdtemp(path_.data()) == nullptr) std::abort();
}

TempTree::~TempTree() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

void TempTree::Put(std::string_view name, std::string_view text, mode_t mode) const {
  const std::filesystem::path file = Of(name);
  std::filesystem::create_directories(file.parent_path());
  ASSERT_TRUE(AtomicWriteFile(file.string(), AsBytes(text), mode));
  ASSERT_EQ(chmod(file.c_str(), mode), 0);  // past the umask, and with set-id bits
}

void TempTree::Remove(std::string_view name) const { std::filesystem::remove_all(Of(name)); }

void FillGoodTree(const TempTree& tree) {
  tree.Put("/sys/class/tpm/tpm0/tpm_version_major", "2\n");
  tree.Put("/sys/devices/system/cpu/vulnerabilities/meltdown", "Not affected\n");
  tree.Put("/sys/devices/system/cpu/vulnerabilities/spectre_v2", "Mitigation: Retpolines\n");
  const std::string_view attributes("\x06\x00\x00\x00", 4);
  const std::string efi = "/sys/firmware/efi/efivars/";
  tree.Put(efi + "SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c", std::string(attributes) + '\1');
  tree.Put(efi + "SetupMode-8be4df61-93ca-11d2-aa0d-00e098032b8c", std::string(attributes) + '\0');
  tree.Put("/proc/cmdline", "root=PARTLABEL=pawl-a ro quiet\n");
  tree.Put("/sys/kernel/security/lockdown", "none [integrity] confidentiality\n");
  tree.Put("/sys/module/module/parameters/sig_enforce", "Y\n");
  tree.Put("/proc/sys/kernel/modules_disabled", "0\n");
  tree.Put("/proc/sys/kernel/osrelease", "6.1.0-30-amd64\n");
  tree.Put("/proc/modules", "ext4 1 0 - Live 0x0\n");
  tree.Put("/proc/sys/kernel/tainted", "0\n");
  tree.Put("/proc/sys/kernel/kexec_load_disabled", "1\n");
  tree.Put("/sys/kernel/kexec_loaded", "0\n");
  tree.Put("/sys/kernel/security/lsm", "lockdown,capability,yama,apparmor");
  tree.Put("/sys/module/apparmor/parameters/enabled", "Y\n");
  tree.Put("/sys/kernel/security/apparmor/profiles",
           "pawl-agent (enforce)\nman_groff (complain)\n");
  tree.Put("/proc/sys/kernel/randomize_va_space", "2\n");
  tree.Put("/proc/sys/kernel/kptr_restrict", "1\n");
  tree.Put("/proc/sys/kernel/unprivileged_bpf_disabled", "2\n");
  tree.Put("/proc/sys/kernel/yama/ptrace_scope", "1\n");
  tree.Put("/proc/sys/kernel/perf_event_paranoid", "3\n");
  tree.Put("/proc/sys/kernel/sysrq", "16\n");
  tree.Put("/proc/self/mountinfo",
           "21 1 8:2 / / ro,relatime - squashfs /dev/sda2 ro\n"
           "22 21 0:20 / /proc rw,nosuid,nodev,noexec - proc proc rw\n"
           "23 21 8:4 / /var rw,nosuid,nodev shared:1 - ext4 /dev/sda4 rw\n"
           "24 21 0:21 / /tmp rw,nosuid,nodev - tmpfs tmpfs rw\n"
           "25 21 0:22 / /dev/shm rw,nosuid,nodev - tmpfs tmpfs rw\n");
  tree.Put("/etc/passwd", "root:x:0:0:root:/root:/bin/sh\ndaemon:x:1:1::/:/bin/false\n");
  tree.Put("/etc/shadow", "root:!:19000:0:::::\ndaemon:*:19000::::::\n", 0600);
  tree.Put("/proc/1/environ", std::string_view("HOME=/\0TERM=linux\0", 18));
  tree.Put("/usr/bin/su", "su", 04755);
  tree.Put("/usr/bin/ls", "ls", 0755);
  tree.Put("/proc/self/exe", "the agent's program");
  tree.Put("/proc/self/status", "Name:\tpawl-agent\nTracerPid:\t0\nUid:\t0\n");
  tree.Put("/proc/uptime", "5231.42 10000.00\n");
  tree.Put("/var/lib/pawl/device.key", "secret", 0600);
}

DeviceProfile GoodProfile(const TempTree& tree) {
  DeviceProfile profile = GenericProfile();
  profile.cmdline = {"root=*", "ro", "quiet"};
  profile.sysrq_allowed = 16;
  // The reference set, read from a device known to be good, as an integrator does.
  CollectInputs inputs;
  inputs.root = Sysroot(tree.path());
  const std::string value = FindingOf(Collect(inputs).findings, "sys.suid").value;
  profile.suid_set = *Sha256Digest::FromHex(value.substr(value.find("sha256:") + 7, 64));
  return profile;
}

UpdateFacts GoodUpdateFacts() {
  UpdateFacts facts;
  facts.manifest_verified = true;
  facts.manifest_detail = "1.1";
  facts.slots.push_back(
      {"a", "rootfs", "1.1", 3 << 20, 3, 0, HashSha256({}), kNow.PlusSeconds(-60)});
  facts.slot_kind = "block devices";
  facts.active_slot = "a";
  facts.version = "1.1";
  facts.epoch = 3;
  facts.store_floor = 3;
  facts.vault_floor = 3;
  facts.root_version = 2;
  facts.highest_root_version = 2;
  facts.metadata_expires = kNow.PlusSeconds(kSecondsPerDay);
  facts.last_refresh = kNow.PlusSeconds(-3600);
  facts.last_trusted_time = kNow.PlusSeconds(-3600);
  facts.confirmed = true;
  facts.trial_left = 0;
  facts.last = LastUpdate{"7", "success", "", "confirm", kNow.PlusSeconds(-7200)};
  facts.rolled_back = false;
  facts.other_slot = OtherSlotState::kKnownGood;
  facts.boot_env_agrees = true;
  facts.boot_env_detail = "transaction 7";
  return facts;
}

CollectInputs GoodInputs(const TempTree& tree) {
  CollectInputs inputs;
  inputs.root = Sysroot(tree.path());
  inputs.profile = GoodProfile(tree);
  inputs.key_file = "/var/lib/pawl/device.key";
  inputs.now = kNow;
  inputs.clock_synchronised = true;
  inputs.update = GoodUpdateFacts();
  return inputs;
}

std::vector<Finding> AllFindings(Outcome outcome) {
  std::vector<Finding> findings;
  for (const Indicator& row : Catalogue())
    findings.push_back({std::string(row.id), outcome, "value", {}});
  return findings;
}

const Finding& FindingOf(const std::vector<Finding>& findings, std::string_view id) {
  const auto found = std::ranges::find(findings, id, &Finding::id);
  if (found == findings.end()) std::abort();
  return *found;
}

Outcome OutcomeOf(const std::vector<Finding>& findings, std::string_view id) {
  return FindingOf(findings, id).outcome;
}

DeviceKey KeyOf(TestVault& vault, std::string name) {
  const Bytes key = *vault.PublicKey();
  return {std::move(name), UeidOfKey(key), key};
}

DeviceFacts GoodDevice(TestVault& vault) {
  return {UeidOfKey(*vault.PublicKey()),
          "gw-x1",
          "rev C",
          "gateway",
          "1.1",
          "0.1.0",
          118,
          "0b5ff2d5-boot-id"};
}

StatementRequest FirstRequest(UtcTime now) {
  StatementRequest request;
  request.now = now;
  request.seq = 1;
  return request;
}

SignedStatement GoodStatement(TestVault& vault, const StatementRequest& request) {
  CollectInputs inputs;
  inputs.profile = GenericProfile();
  inputs.update = GoodUpdateFacts();
  Observation observation;
  observation.findings = AllFindings(Outcome::kPass);
  observation.agent_digest = HashSha256(AsBytes("agent"));
  observation.uptime_seconds = 5231;
  auto statement = BuildStatement(request, GoodDevice(vault), inputs, observation, vault);
  if (!statement) ADD_FAILURE() << statement.error().Message();
  return *statement;
}

std::string SignRaw(TestVault& vault, std::string_view header, std::string_view payload) {
  const std::string input =
      Base64UrlEncode(AsBytes(header)) + "." + Base64UrlEncode(AsBytes(payload));
  return JwsCompact(input, *vault.Sign(AsBytes(input)));
}

std::string PayloadOf(const std::string& compact) {
  const std::size_t first = compact.find('.');
  const Bytes payload = *Base64UrlDecode(compact.substr(first + 1, compact.rfind('.') - first - 1));
  return std::string(AsText(payload));
}

std::string GoodHeader(TestVault& vault) {
  return R"({"alg":"EdDSA","typ":"eat+jwt","kid":")" + KeyThumbprint(*vault.PublicKey()) + "\"}";
}

}  // namespace pawl::integrity
