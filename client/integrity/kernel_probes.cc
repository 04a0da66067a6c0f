// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "base/format.h"
#include "client/integrity/mounts.h"
#include "client/integrity/probes.h"

namespace pawl::integrity {
namespace {

// kernel: Documentation/admin-guide/tainted-kernels.rst. F forced load, R forced unload, O out of
// tree, E unsigned, K live patch, N test code. The others are about quality (a crash, a warning, a
// staging driver) and only shown.
constexpr std::uint64_t kForeignCodeTaints =
    1ULL << 1U | 1ULL << 3U | 1ULL << 12U | 1ULL << 13U | 1ULL << 15U | 1ULL << 18U;

constexpr std::uint64_t kMaxProfilesBytes = 1U << 20U;

std::optional<std::string> Lockdown(const Sysroot& root) {
  const auto text = root.Text("/sys/kernel/security/lockdown");
  if (!text) return std::nullopt;
  const std::string_view word = BracketedWord(*text);
  if (word.empty()) return std::nullopt;
  return std::string(word);
}

bool Locks(const std::string& lockdown) {
  return lockdown == "integrity" || lockdown == "confidentiality";
}

bool HasWord(std::string_view list, std::string_view word) {
  return Format(",{},", list).find(Format(",{},", word)) != std::string::npos;
}

Reading SelinuxState(const Sysroot& root) {
  const auto enforce = root.Number("/sys/fs/selinux/enforce");
  if (!enforce) return Unknown("selinux: enforce cannot be read");
  return *enforce == 1 ? Passed("selinux enforcing") : Failed("selinux permissive");
}

Reading ApparmorState(const Sysroot& root) {
  const auto enabled = root.Text("/sys/module/apparmor/parameters/enabled");
  if (!enabled) return Unknown("apparmor: enabled cannot be read");
  if (*enabled != "Y") return Failed("apparmor disabled");
  const auto profiles = root.Text("/sys/kernel/security/apparmor/profiles", kMaxProfilesBytes);
  if (!profiles) return Unknown("apparmor enabled, profiles cannot be read");
  constexpr std::string_view kEnforcing = "(enforce)";
  std::size_t enforcing = 0;
  for (std::size_t at = profiles->find(kEnforcing); at != std::string::npos;
       at = profiles->find(kEnforcing, at + 1))
    ++enforcing;
  if (enforcing == 0) return Failed("apparmor enabled, no profile enforces");
  return Passed(Format("apparmor, {} profiles enforce", enforcing));
}

}  // namespace

std::string_view BracketedWord(std::string_view text) {
  const std::size_t open = text.find('[');
  const std::size_t close = text.find(']', open == std::string_view::npos ? 0 : open);
  if (open == std::string_view::npos || close == std::string_view::npos) return {};
  return text.substr(open + 1, close - open - 1);
}

Reading ProbeLockdown(const CollectInputs& in) {
  const auto lockdown = Lockdown(in.root);
  if (!lockdown) return Unknown("lockdown state cannot be read");
  return Locks(*lockdown) ? Passed(*lockdown) : Failed(*lockdown);
}

Reading ProbeModuleSignatures(const CollectInputs& in) {
  const auto enforced = in.root.Text("/sys/module/module/parameters/sig_enforce");
  const auto disabled = in.root.Number("/proc/sys/kernel/modules_disabled");
  const auto lockdown = Lockdown(in.root);
  if (enforced == "Y") return Passed("signatures enforced");
  if (disabled == 1) return Passed("loading disabled");
  if (lockdown && Locks(*lockdown)) return Passed("lockdown " + *lockdown);
  // A kernel without modules has neither the list nor the switch. That /proc shows this very kernel
  // is seen by its release.
  const bool proc = in.root.Exists("/proc/sys/kernel/osrelease");
  if (proc && !in.root.Exists("/proc/modules") && !disabled && !enforced)
    return Passed("kernel without modules");
  if (!disabled && !enforced) return Unknown("the kernel does not say");
  return Failed(
      Format("sig_enforce={} modules_disabled={}", enforced.value_or("?"), disabled.value_or(-1)));
}

Reading ProbeTaint(const CollectInputs& in) {
  const auto taint = in.root.Number("/proc/sys/kernel/tainted");
  if (!taint || *taint < 0) return Unknown("taint cannot be read");
  std::string shown = Format("{}", *taint);
  const bool foreign = (static_cast<std::uint64_t>(*taint) & kForeignCodeTaints) != 0;
  return foreign ? Failed(std::move(shown)) : Passed(std::move(shown));
}

Reading ProbeKexec(const CollectInputs& in) {
  Conditions conditions;
  conditions.RequireNumber(in.root, "load_disabled", "/proc/sys/kernel/kexec_load_disabled",
                           [](std::int64_t value) { return value == 1; });
  conditions.RequireNumber(in.root, "loaded", "/sys/kernel/kexec_loaded",
                           [](std::int64_t value) { return value == 0; });
  return conditions.Finish();
}

Reading ProbeLsm(const CollectInputs& in) {
  const auto list = in.root.Text("/sys/kernel/security/lsm");
  if (!list) return Unknown("list of security modules cannot be read");
  const bool selinux = HasWord(*list, "selinux") && in.profile.lsm.value_or("selinux") == "selinux";
  const bool apparmor =
      HasWord(*list, "apparmor") && in.profile.lsm.value_or("apparmor") == "apparmor";
  if (selinux) {
    Reading state = SelinuxState(in.root);
    // Debian lists both; whichever enforces is enough when the profile does not choose.
    if (state.outcome == Outcome::kPass || !apparmor) return state;
  }
  if (apparmor) return ApparmorState(in.root);
  return Failed("not active: " + in.profile.lsm.value_or("apparmor or selinux") +
                "; active: " + *list);
}

Reading ProbeAslr(const CollectInputs& in) {
  Conditions conditions;
  conditions.RequireNumber(in.root, "randomize_va_space", "/proc/sys/kernel/randomize_va_space",
                           [](std::int64_t value) { return value == 2; });
  conditions.RequireNumber(in.root, "kptr_restrict", "/proc/sys/kernel/kptr_restrict",
                           [](std::int64_t value) { return value >= 1; });
  const auto cmdline = in.root.Text("/proc/cmdline");
  const bool off = cmdline && std::ranges::count(CommandLineWords(*cmdline), "nokaslr") > 0;
  conditions.Require(cmdline ? std::optional<bool>(!off) : std::nullopt,
                     cmdline ? (off ? "nokaslr" : "kaslr not switched off") : "cmdline=?");
  return conditions.Finish();
}

Reading ProbeBpfPtrace(const CollectInputs& in) {
  const auto at_least = [](std::int64_t bound) {
    return [bound](std::int64_t value) { return value >= bound; };
  };
  Conditions conditions;
  conditions.RequireNumber(in.root, "unprivileged_bpf_disabled",
                           "/proc/sys/kernel/unprivileged_bpf_disabled", at_least(1));
  conditions.RequireNumber(in.root, "ptrace_scope", "/proc/sys/kernel/yama/ptrace_scope",
                           at_least(1));
  conditions.RequireNumber(in.root, "perf_event_paranoid", "/proc/sys/kernel/perf_event_paranoid",
                           at_least(2));
  return conditions.Finish();
}

Reading ProbeDebug(const CollectInputs& in) {
  Conditions conditions;
  // Without the parameter's directory the debugger is not in the kernel; that /sys is there at all
  // is seen by /sys/module.
  const auto kgdboc = in.root.Text("/sys/module/kgdboc/parameters/kgdboc");
  const bool no_kgdboc =
      in.root.Exists("/sys/module") && !in.root.Exists("/sys/module/kgdboc/parameters/kgdboc");
  conditions.Require(kgdboc ? std::optional<bool>(kgdboc->empty())
                            : (no_kgdboc ? std::optional<bool>(true) : std::nullopt),
                     kgdboc && !kgdboc->empty()
                         ? "kgdboc=" + *kgdboc
                         : std::string(no_kgdboc || kgdboc ? "no kgdboc" : "kgdboc=?"));
  const auto mounts = ReadMounts(in.root);
  const bool debugfs = mounts && std::ranges::count(*mounts, "debugfs", &Mount::type) > 0;
  conditions.Require(mounts ? std::optional<bool>(!debugfs) : std::nullopt,
                     mounts ? (debugfs ? "debugfs mounted" : "no debugfs") : "mounts=?");
  const bool proc = in.root.Exists("/proc/sys/kernel");
  const bool kcore = in.root.Exists("/proc/kcore");
  conditions.Require(proc || kcore ? std::optional<bool>(!kcore) : std::nullopt,
                     kcore ? "kcore there" : (proc ? "no kcore" : "kcore=?"));
  conditions.RequireNumber(in.root, "sysrq", "/proc/sys/kernel/sysrq", [&](std::int64_t value) {
    // 1 means "everything", not bit 0 (kernel: Documentation/admin-guide/sysrq.rst).
    if (value == 1) return in.profile.sysrq_allowed == 1;
    return value >= 0 && (static_cast<std::uint64_t>(value) & ~in.profile.sysrq_allowed) == 0;
  });
  return conditions.Finish();
}

}  // namespace pawl::integrity
