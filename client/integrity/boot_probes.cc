// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>

#include "base/format.h"
#include "client/integrity/probes.h"

namespace pawl::integrity {
namespace {

// Words that switch protection off or give a shell. They fail even where a profile lists them.
constexpr auto kDisarming = std::to_array<std::string_view>(
    {"nokaslr", "lockdown=none", "ima_appraise=off", "ima_appraise=log", "ima_appraise=fix",
     "module.sig_enforce=0", "systemd.debug_shell", "systemd.debug-shell", "systemd.debug_shell=1",
     "systemd.debug-shell=1", "enforcing=0", "selinux=0", "apparmor=0", "mitigations=off", "single",
     "emergency", "rescue"});
constexpr auto kDisarmingPrefixes =
    std::to_array<std::string_view>({"init=", "rdinit=", "rd.break", "kgdboc="});

bool Disarms(std::string_view word) {
  return std::ranges::find(kDisarming, word) != kDisarming.end() ||
         std::ranges::any_of(kDisarmingPrefixes,
                             [&](std::string_view prefix) { return word.starts_with(prefix); });
}

bool Allowed(const std::vector<std::string>& list, std::string_view word) {
  return std::ranges::any_of(list, [&](const std::string& allowed) {
    if (!allowed.ends_with('*')) return word == allowed;
    return word.starts_with(std::string_view(allowed).substr(0, allowed.size() - 1));
  });
}

// An EFI variable of one byte behind four bytes of attributes (kernel:
// Documentation/filesystems/efivarfs).
std::optional<std::uint8_t> EfiByte(const Sysroot& root, std::string_view name) {
  const auto bytes = root.Read(Format("/sys/firmware/efi/efivars/{}", name));
  if (!bytes || bytes->size() != 5) return std::nullopt;
  return bytes->back();
}

std::string Shown(std::string_view name, std::optional<std::uint8_t> value) {
  return value ? Format("{}={}", name, *value) : Format("{}=?", name);
}

}  // namespace

std::vector<std::string> CommandLineWords(std::string_view text) {
  std::vector<std::string> words(1);
  bool quoted = false;
  for (const char c : text) {
    if (c == '"') quoted = !quoted;
    const bool blank = c == ' ' || c == '\t' || c == '\n';
    if (blank && !quoted) {
      if (!words.back().empty()) words.emplace_back();
    } else if (c != '"') {
      words.back() += c;
    }
  }
  if (words.back().empty()) words.pop_back();
  return words;
}

Reading ProbeSecureBoot(const CollectInputs& in) {
  const auto secure = EfiByte(in.root, "SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c");
  const auto setup = EfiByte(in.root, "SetupMode-8be4df61-93ca-11d2-aa0d-00e098032b8c");
  const auto shim = EfiByte(in.root, "MokSBStateRT-605dab50-e046-4300-abb6-3dd810dd8b23");
  Conditions conditions;
  conditions.Require(secure ? std::optional<bool>(*secure == 1) : std::nullopt,
                     Shown("SecureBoot", secure));
  conditions.Require(setup ? std::optional<bool>(*setup == 0) : std::nullopt,
                     Shown("SetupMode", setup));
  // Only shim makes this one; without shim nothing is skipped.
  if (shim) conditions.Require(*shim != 1, Shown("MokSBState", shim));
  return conditions.Finish();
}

Reading ProbeCommandLine(const CollectInputs& in) {
  const auto text = in.root.Text("/proc/cmdline");
  if (!text) return Unknown("/proc/cmdline cannot be read");
  std::string disarming;
  std::string foreign;
  for (const std::string& word : CommandLineWords(*text)) {
    if (Disarms(word)) {
      disarming += " " + word;
    } else if (!Allowed(in.profile.cmdline, word)) {
      foreign += " " + word;
    }
  }
  if (!disarming.empty()) return Failed("disarming:" + disarming);
  if (in.profile.cmdline.empty())
    return Unknown("no list of allowed words in the profile: " + *text);
  if (!foreign.empty()) return Failed("not in the profile:" + foreign);
  return Passed(*text);
}

Reading ProbeBootEnvironment(const CollectInputs& in) {
  if (!in.update.boot_env_agrees) return Unknown(in.update.boot_env_detail);
  return *in.update.boot_env_agrees ? Passed(in.update.boot_env_detail)
                                    : Failed(in.update.boot_env_detail);
}

}  // namespace pawl::integrity
