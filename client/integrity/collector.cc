// SPDX-License-Identifier: Apache-2.0
#include "client/integrity/collector.h"

#include <sys/timex.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>

#include "base/format.h"
#include "client/integrity/model/safe_text.h"
#include "client/integrity/probes.h"

namespace pawl::integrity {
namespace {

struct NamedProbe {
  std::string_view id;
  Probe probe;
};

constexpr auto kProbes = std::to_array<NamedProbe>({
    {"hw.tpm", ProbeTpm},
    {"hw.cpuvuln", ProbeCpuVulnerabilities},
    {"boot.secureboot", ProbeSecureBoot},
    {"boot.cmdline", ProbeCommandLine},
    {"boot.env", ProbeBootEnvironment},
    {"k.lockdown", ProbeLockdown},
    {"k.modsig", ProbeModuleSignatures},
    {"k.taint", ProbeTaint},
    {"k.kexec", ProbeKexec},
    {"k.lsm", ProbeLsm},
    {"k.aslr", ProbeAslr},
    {"k.bpf_ptrace", ProbeBpfPtrace},
    {"k.debug", ProbeDebug},
    {"sys.slot_digest", ProbeSlotDigest},
    {"sys.rootfs_ro", ProbeRootReadOnly},
    {"sys.mountflags", ProbeMountFlags},
    {"sys.suid", ProbeSuid},
    {"sys.accounts", ProbeAccounts},
    {"sys.preload", ProbePreload},
    {"sys.time", ProbeTime},
    {"app.self", ProbeSelf},
    {"upd.manifest", ProbeManifest},
    {"upd.floor", ProbeFloor},
    {"upd.meta_age", ProbeMetadataAge},
    {"upd.root_version", ProbeRootVersion},
    {"upd.trial", ProbeTrial},
    {"upd.last", ProbeLastUpdate},
    {"upd.rollback", ProbeRollback},
    {"upd.slots", ProbeOtherSlot},
});

Finding Ask(const Indicator& row, const CollectInputs& inputs) {
  const auto found = std::ranges::find(kProbes, row.id, &NamedProbe::id);
  Reading reading =
      found == kProbes.end() ? Unknown("no probe in this agent") : found->probe(inputs);
  // Only the profile, which is signed with the image, may say that something does not exist;
  // silence may not.
  if (reading.outcome == Outcome::kUnknown && inputs.profile.not_applicable.contains(row.id)) {
    reading.outcome = Outcome::kNotApplicable;
  }
  return {std::string(row.id), reading.outcome, SafeText(reading.value), reading.measured_at};
}

// "5231.42 10000.00" → 5231
std::optional<std::uint64_t> Uptime(const Sysroot& root) {
  const std::optional<std::string> text = root.Text("/proc/uptime");
  if (!text) return std::nullopt;
  std::uint64_t seconds = 0;
  const auto [end, failure] = std::from_chars(text->data(), text->data() + text->size(), seconds);
  if (failure != std::errc()) return std::nullopt;
  return seconds;
}

}  // namespace

Observation Collect(const CollectInputs& inputs) {
  const auto start = std::chrono::steady_clock::now();
  Observation observation;
  observation.test_mode = inputs.root.test_mode();
  for (const Indicator& row : Catalogue()) observation.findings.push_back(Ask(row, inputs));
  observation.agent_digest = OwnProgramDigest(inputs.root);
  observation.uptime_seconds = Uptime(inputs.root);
  const auto taken = std::chrono::steady_clock::now() - start;
  observation.collect_ms = static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::milliseconds>(taken).count());
  return observation;
}

std::optional<bool> KernelClockSynchronised() {
  timex request{};  // modes 0: reads only
  if (adjtimex(&request) == -1) return std::nullopt;
  return (request.status & STA_UNSYNC) == 0;
}

void Conditions::Require(std::optional<bool> holds, std::string_view shown) {
  if (!text_.empty()) text_ += ' ';
  text_ += shown;
  any_ = true;
  if (!holds) {
    if (outcome_ == Outcome::kPass) outcome_ = Outcome::kUnknown;
  } else if (!*holds) {
    outcome_ = Outcome::kFail;
  }
}

Reading Conditions::Finish() const { return {any_ ? outcome_ : Outcome::kUnknown, text_, {}}; }

std::string Conditions::Shown(std::string_view name, std::optional<std::int64_t> number) {
  return number ? Format("{}={}", name, *number) : Format("{}=?", name);
}

}  // namespace pawl::integrity
