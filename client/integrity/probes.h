// SPDX-License-Identifier: Apache-2.0
#pragma once

// The probes behind Collect: one function for each row of the catalogue, grouped in files by what
// they look at. A probe never decides `na`; Collect does, by the profile.

#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>

#include "client/integrity/collector.h"

namespace pawl::integrity {

struct Reading {
  Outcome outcome = Outcome::kUnknown;
  std::string value;  // any bytes; Collect makes them safe
  std::optional<UtcTime> measured_at;
};

using Probe = Reading (*)(const CollectInputs&);

inline Reading Passed(std::string value) { return {Outcome::kPass, std::move(value), {}}; }
inline Reading Failed(std::string value) { return {Outcome::kFail, std::move(value), {}}; }
inline Reading Unknown(std::string value) { return {Outcome::kUnknown, std::move(value), {}}; }

// Several conditions that must all hold. One that does not hold is a failure whatever the others
// are; one that could not be found out leaves the whole unknown.
class Conditions {
 public:
  // `shown` is what was read, as "sysrq=0".
  void Require(std::optional<bool> holds, std::string_view shown);
  // A number below the root and the test it must pass.
  template <class Test>
  void RequireNumber(const Sysroot& root, std::string_view name, std::string_view path, Test test) {
    const std::optional<std::int64_t> number = root.Number(path);
    Require(number ? std::optional<bool>(test(*number)) : std::nullopt, Shown(name, number));
  }
  Reading Finish() const;

 private:
  static std::string Shown(std::string_view name, std::optional<std::int64_t> number);
  Outcome outcome_ = Outcome::kPass;
  bool any_ = false;
  std::string text_;
};

// The words of a kernel command line; double quotes hold a word together.
std::vector<std::string> CommandLineWords(std::string_view text);
// The word in brackets of "none [integrity] confidentiality"; empty when there is none.
std::string_view BracketedWord(std::string_view text);

// hardware_probes.cc
Reading ProbeTpm(const CollectInputs& in);
Reading ProbeCpuVulnerabilities(const CollectInputs& in);

// boot_probes.cc
Reading ProbeSecureBoot(const CollectInputs& in);
Reading ProbeCommandLine(const CollectInputs& in);
Reading ProbeBootEnvironment(const CollectInputs& in);

// kernel_probes.cc
Reading ProbeLockdown(const CollectInputs& in);
Reading ProbeModuleSignatures(const CollectInputs& in);
Reading ProbeTaint(const CollectInputs& in);
Reading ProbeKexec(const CollectInputs& in);
Reading ProbeLsm(const CollectInputs& in);
Reading ProbeAslr(const CollectInputs& in);
Reading ProbeBpfPtrace(const CollectInputs& in);
Reading ProbeDebug(const CollectInputs& in);

// system_probes.cc
Reading ProbeRootReadOnly(const CollectInputs& in);
Reading ProbeMountFlags(const CollectInputs& in);
Reading ProbePreload(const CollectInputs& in);
Reading ProbeTime(const CollectInputs& in);

// accounts_probes.cc, suid_probe.cc, self_probe.cc
Reading ProbeAccounts(const CollectInputs& in);
Reading ProbeSuid(const CollectInputs& in);
Reading ProbeSelf(const CollectInputs& in);

// update_probes.cc: from the plain facts of the update subsystem
Reading ProbeSlotDigest(const CollectInputs& in);
Reading ProbeManifest(const CollectInputs& in);
Reading ProbeFloor(const CollectInputs& in);
Reading ProbeMetadataAge(const CollectInputs& in);
Reading ProbeRootVersion(const CollectInputs& in);
Reading ProbeTrial(const CollectInputs& in);
Reading ProbeLastUpdate(const CollectInputs& in);
Reading ProbeRollback(const CollectInputs& in);
Reading ProbeOtherSlot(const CollectInputs& in);

// SHA-256 of the agent's own program below the root; nothing when it cannot be read.
std::optional<Sha256Digest> OwnProgramDigest(const Sysroot& root);

// A measurement from longer ago than this says nothing about now.
inline constexpr std::int64_t kMaxMeasurementAgeSeconds = 24 * 3600;

}  // namespace pawl::integrity
