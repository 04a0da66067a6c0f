// SPDX-License-Identifier: Apache-2.0
#include "client/integrity/model/catalogue.h"

#include <algorithm>
#include <array>

#include "base/format.h"

namespace pawl::integrity {
namespace {

using enum Layer;
using enum Evidence;

constexpr bool kRuntime = true;
constexpr bool kStatic = false;
constexpr bool kCritical = true;
constexpr bool kPlain = false;
constexpr std::optional<Claim> kNoClaim;

// Columns: id, layer, level, weight, evidence, claim, runtime, critical, title, source.
constexpr auto kRows = std::to_array<Indicator>({
    {"hw.tpm", kHardware, 4, 4, kKernelRead, Claim::kHardware, kStatic, kPlain,
     "a TPM 2.0 is there (presence only: it proves nothing without a quote)",
     "/sys/class/tpm/tpm0/tpm_version_major"},
    {"hw.cpuvuln", kHardware, 2, 3, kKernelRead, Claim::kConfiguration, kStatic, kPlain,
     "no processor vulnerability is without mitigation",
     "/sys/devices/system/cpu/vulnerabilities/*"},

    {"boot.secureboot", kBoot, 3, 10, kKernelRead, Claim::kConfiguration, kStatic, kCritical,
     "UEFI Secure Boot is on, set-up mode is off, shim does not skip verification",
     "efivars SecureBoot, SetupMode, MokSBStateRT"},
    {"boot.cmdline", kBoot, 3, 10, kKernelRead, Claim::kConfiguration, kStatic, kCritical,
     "every word of the kernel command line is in the profile and none disarms protection",
     "/proc/cmdline"},
    {"boot.env", kBoot, 1, 4, kAsserted, Claim::kConfiguration, kStatic, kPlain,
     "the bootloader's environment agrees with what the agent remembers",
     "boot control, state store"},

    {"k.lockdown", kKernel, 2, 6, kKernelRead, Claim::kConfiguration, kStatic, kPlain,
     "kernel lockdown is integrity or confidentiality", "/sys/kernel/security/lockdown"},
    {"k.modsig", kKernel, 2, 10, kKernelRead, Claim::kConfiguration, kStatic, kCritical,
     "only signed kernel modules can be loaded, or none",
     "/sys/module/module/parameters/sig_enforce, lockdown, /proc/sys/kernel/modules_disabled, "
     "/proc/modules"},
    {"k.taint", kKernel, 2, 10, kKernelRead, Claim::kExecutables, kRuntime, kCritical,
     "no forced, foreign, unsigned or live-patched code is in the kernel (taint bits 1, 3, 12, 13, "
     "15, 18)",
     "/proc/sys/kernel/tainted"},
    {"k.kexec", kKernel, 2, 5, kKernelRead, Claim::kConfiguration, kStatic, kPlain,
     "no other kernel is loaded for kexec and none can be",
     "/proc/sys/kernel/kexec_load_disabled, /sys/kernel/kexec_loaded"},
    {"k.lsm", kKernel, 2, 6, kKernelRead, Claim::kConfiguration, kRuntime, kPlain,
     "mandatory access control is enforcing",
     "/sys/kernel/security/lsm, /sys/fs/selinux/enforce, apparmor parameters and profiles"},
    {"k.aslr", kKernel, 2, 4, kKernelRead, Claim::kConfiguration, kStatic, kPlain,
     "addresses are randomised and kernel pointers hidden",
     "/proc/sys/kernel/randomize_va_space, kptr_restrict, /proc/cmdline"},
    {"k.bpf_ptrace", kKernel, 2, 4, kKernelRead, Claim::kConfiguration, kStatic, kPlain,
     "unprivileged BPF, tracing of strangers and perf are closed",
     "/proc/sys/kernel/unprivileged_bpf_disabled, yama/ptrace_scope, perf_event_paranoid"},
    {"k.debug", kKernel, 2, 4, kKernelRead, Claim::kConfiguration, kStatic, kPlain,
     "no kernel debugger, no debugfs, no /proc/kcore, sysrq as in the profile",
     "kgdboc parameter, mountinfo, /proc/kcore, /proc/sys/kernel/sysrq"},

    {"sys.slot_digest", kSystem, 1, 10, kSigned, Claim::kFileSystem, kStatic, kCritical,
     "the booted slot, read again, is the signed image", "slot device against the signed manifest"},
    {"sys.rootfs_ro", kSystem, 2, 8, kKernelRead, Claim::kFileSystem, kStatic, kCritical,
     "the root file system and /usr are read-only and not overlaid", "/proc/self/mountinfo"},
    {"sys.mountflags", kSystem, 2, 3, kKernelRead, Claim::kConfiguration, kStatic, kPlain,
     "writable places are mounted nosuid and nodev",
     "/proc/self/mountinfo: /tmp /var /data /dev/shm"},
    {"sys.suid", kSystem, 2, 5, kAsserted, Claim::kFileSystem, kStatic, kPlain,
     "the set of setuid, setgid and capability files is the profile's",
     "walk of /usr /bin /sbin /lib /opt"},
    {"sys.accounts", kSystem, 2, 5, kAsserted, Claim::kConfiguration, kStatic, kPlain,
     "root is the only uid 0, no password is empty, root's ssh keys are the profile's",
     "/etc/passwd, /etc/shadow, /root/.ssh/authorized_keys"},
    {"sys.preload", kSystem, 2, 8, kAsserted, Claim::kExecutables, kRuntime, kCritical,
     "no library is preloaded into every program", "/etc/ld.so.preload, /proc/1/environ"},
    {"sys.time", kSystem, 1, 4, kAsserted, Claim::kConfiguration, kRuntime, kPlain,
     "the clock is not behind the last time proved by signed metadata",
     "system clock, time floor, adjtimex(2)"},

    {"app.self", kApps, 1, 8, kAsserted, Claim::kExecutables, kRuntime, kCritical,
     "the agent is not traced, runs the file on disk (the profile's, if it names one), its key is "
     "private",
     "/proc/self/exe, /proc/self/status, device key file"},

    {"upd.manifest", kUpdate, 1, 10, kSigned, Claim::kSourcedData, kStatic, kCritical,
     "the manifest of the booted slot verifies with the trust root now", "stored metadata"},
    {"upd.floor", kUpdate, 1, 10, kAsserted, Claim::kConfiguration, kStatic, kCritical,
     "the running security epoch is not below the floor, and the stored floor not below the burned "
     "one",
     "verified manifest, state store, key vault"},
    {"upd.meta_age", kUpdate, 1, 5, kSigned, Claim::kSourcedData, kRuntime, kPlain,
     "update metadata is in date and was refreshed lately", "stored metadata, state store"},
    {"upd.root_version", kUpdate, 1, 6, kSigned, Claim::kSourcedData, kStatic, kPlain,
     "the trust root is the newest that this device ever trusted", "stored metadata, state store"},
    {"upd.trial", kUpdate, 1, 4, kAsserted, kNoClaim, kRuntime, kPlain,
     "the running system is confirmed, not on trial", "state store, boot control"},
    {"upd.last", kUpdate, 0, 3, kAsserted, kNoClaim, kRuntime, kPlain,
     "the last update succeeded, or there was none", "state store"},
    {"upd.rollback", kUpdate, 0, 3, kAsserted, kNoClaim, kRuntime, kPlain,
     "no fall-back since the last success", "state store, boot control"},
    {"upd.slots", kUpdate, 0, 2, kAsserted, Claim::kFileSystem, kStatic, kPlain,
     "the other slot is empty, known good or being written", "state store"},
});

// Text for a cell: "*" would be emphasis, "|" the end of the cell.
std::string Cell(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '*' || c == '|') out += '\\';
    out += c;
  }
  return out;
}

constexpr std::string_view kMarkdownHead =
    "# Indicators\n"
    "\n"
    "Printed by `pawl-fleet indicators --markdown` from the table in "
    "`client/integrity/model/catalogue.cc`, which the device\n"
    "collects by and the verifier judges by; a test compares. The rules of judgement are in\n"
    "[integrity-statement.md](integrity-statement.md).\n"
    "\n"
    "- **level**: 1 update state authentic, 2 runtime protected, 3 boot verified, 4 hardware "
    "attested; – belongs to none.\n"
    "- **class** of evidence: A asserted by user space, K read from a kernel interface that "
    "lockdown protects, S checked on the\n"
    "  device against a signature, T signed by a TPM. An attacker who owns the kernel can forge A "
    "and K.\n"
    "- **claim**: the AR4SI trustworthiness claim it speaks for. **!**: a failure while running "
    "adds `!` to the level.\n"
    "  **crit**: a failure makes the device contraindicated.\n"
    "- Every source that cannot be read is *unknown*, never a pass; *na* only where the device "
    "profile says so.\n"
    "\n"
    "The subjects of ITU-T X.1128 and X.1129 are claimed row by row elsewhere; their texts are not "
    "public here and no conformity\n"
    "is claimed.\n";

}  // namespace

std::span<const Indicator> Catalogue() { return kRows; }

const Indicator* FindIndicator(std::string_view id) {
  const auto row = std::ranges::find(kRows, id, &Indicator::id);
  return row == kRows.end() ? nullptr : &*row;
}

std::string_view LayerName(Layer layer) {
  switch (layer) {
    case kHardware:
      return "hardware";
    case kBoot:
      return "boot";
    case kKernel:
      return "kernel";
    case kSystem:
      return "system";
    case kApps:
      return "apps";
    case kUpdate:
      return "update";
  }
  return "";
}

std::string_view LayerShortName(Layer layer) {
  switch (layer) {
    case kHardware:
      return "hw";
    case kBoot:
      return "boot";
    case kKernel:
      return "kernel";
    case kSystem:
      return "system";
    case kApps:
      return "apps";
    case kUpdate:
      return "update";
  }
  return "";
}

std::string_view EvidenceLetter(Evidence evidence) {
  switch (evidence) {
    case kAsserted:
      return "A";
    case kKernelRead:
      return "K";
    case kSigned:
      return "S";
    case kTpm:
      return "T";
  }
  return "";
}

std::string_view ClaimName(Claim claim) {
  switch (claim) {
    case Claim::kInstanceIdentity:
      return "instance-identity";
    case Claim::kConfiguration:
      return "configuration";
    case Claim::kExecutables:
      return "executables";
    case Claim::kFileSystem:
      return "file-system";
    case Claim::kHardware:
      return "hardware";
    case Claim::kRuntimeOpaque:
      return "runtime-opaque";
    case Claim::kStorageOpaque:
      return "storage-opaque";
    case Claim::kSourcedData:
      return "sourced-data";
  }
  return "";
}

std::string CatalogueMarkdown() {
  std::string out(kMarkdownHead);
  std::optional<Layer> layer;
  for (const Indicator& row : kRows) {
    if (layer != row.layer) {
      layer = row.layer;
      out += Format(
          "\n## {}\n\n| id | passes when | level | class | claim | ! | crit | weight | source |\n"
          "|---|---|---|---|---|---|---|---|---|\n",
          LayerName(row.layer));
    }
    out += Format("| `{}` | {} | {} | {} | {} | {} | {} | {} | {} |\n", row.id, Cell(row.title),
                  row.level == 0 ? "–" : Format("{}", row.level), EvidenceLetter(row.evidence),
                  row.claim ? ClaimName(*row.claim) : "–", row.runtime ? "!" : "",
                  row.critical ? "yes" : "", row.weight, Cell(row.source));
  }
  return out;
}

}  // namespace pawl::integrity
