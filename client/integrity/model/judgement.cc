// SPDX-License-Identifier: Apache-2.0
#include "client/integrity/model/judgement.h"

#include <algorithm>
#include <map>

#include "base/format.h"

namespace pawl::integrity {
namespace {

// AR4SI values that we give (docs/integrity-statement.md, "Trust vector").
constexpr std::int8_t kAffirming = 2;
constexpr std::int8_t kWarning = 32;
constexpr std::int8_t kRuntimeUnknown = 33;
constexpr std::int8_t kContraindicated = 96;

// From worst to best. `na` lies below pass: a level needs at least one pass.
int Goodness(Outcome outcome) {
  switch (outcome) {
    case Outcome::kFail:
      return 0;
    case Outcome::kUnknown:
      return 1;
    case Outcome::kNotApplicable:
      return 2;
    case Outcome::kPass:
      return 3;
  }
  return 0;
}

bool Proved(Outcome outcome) {
  return outcome == Outcome::kPass || outcome == Outcome::kNotApplicable;
}

// Row and what was found, side by side.
struct Judged {
  const Indicator* row;
  Outcome outcome;
};

int LevelOf(std::span<const Judged> all) {
  int level = 0;
  for (int n = 1; n <= kMaxLevelWithoutHardware; ++n) {
    bool passed = false;
    for (const Judged& one : all) {
      if (one.row->level != n) continue;
      if (!Proved(one.outcome)) return level;
      passed |= one.outcome == Outcome::kPass;
    }
    // fwupd's HSI jumps a level without tests; here it ends the climb.
    if (!passed) return level;
    level = n;
  }
  return level;
}

std::int8_t ClaimValue(Claim claim, std::span<const Judged> all) {
  bool critical = false;
  bool doubt = false;
  bool passed = false;
  bool beyond_assertion = false;  // something better than class A passed
  bool hardware_proof = false;
  for (const Judged& one : all) {
    if (one.row->claim != claim) continue;
    critical |= one.outcome == Outcome::kFail && one.row->critical;
    doubt |= !Proved(one.outcome);
    if (one.outcome != Outcome::kPass) continue;
    passed = true;
    beyond_assertion |= one.row->evidence != Evidence::kAsserted;
    hardware_proof |= one.row->evidence == Evidence::kTpm;
  }
  if (critical) return kContraindicated;
  if (doubt) return claim == Claim::kExecutables ? kRuntimeUnknown : kWarning;
  if (!passed) return 0;
  // What software says about executables and hardware is no proof of them: class A alone affirms
  // neither, and hardware is affirmed by a TPM's signature only.
  if (claim == Claim::kExecutables && !beyond_assertion) return kRuntimeUnknown;
  if (claim == Claim::kHardware && !hardware_proof) return 0;
  return kAffirming;
}

TrustVector VectorOf(std::span<const Judged> all, const Policy& policy) {
  TrustVector vector{};
  for (std::size_t key = 0; key < kClaimCount; ++key)
    vector[key] = ClaimValue(static_cast<Claim>(key), all);
  vector[static_cast<std::size_t>(Claim::kInstanceIdentity)] = policy.instance_identity;
  //= docs/integrity-statement.md#S-17
  if (policy.test_mode) vector[static_cast<std::size_t>(Claim::kConfiguration)] = kContraindicated;
  return vector;
}

Tier TierOf(std::span<const Judged> all, const TrustVector& vector) {
  Tier tier = Tier::kAffirming;
  for (const Judged& one : all) {
    if (Proved(one.outcome)) continue;
    const bool worst = one.outcome == Outcome::kFail && one.row->critical;
    tier = std::min(tier, worst ? Tier::kContraindicated : Tier::kWarning);
  }
  // An EAR's status is never better than its worst claim. 0 is no claim.
  for (const std::int8_t value : vector) {
    if (const Tier of_claim = TierOfClaim(value); of_claim != Tier::kNone)
      tier = std::min(tier, of_claim);
  }
  return tier;
}

int ScoreOf(std::span<const Judged> all, Tier tier) {
  int passed = 0;
  int total = 0;
  for (const Judged& one : all) {
    if (one.outcome == Outcome::kNotApplicable) continue;
    total += one.row->weight;
    if (one.outcome == Outcome::kPass) passed += one.row->weight;
  }
  const int score = total == 0 ? 0 : 100 * passed / total;
  if (tier == Tier::kContraindicated) return std::min(score, kScoreCapContraindicated);
  if (tier == Tier::kWarning) return std::min(score, kScoreCapWarning);
  return score;
}

}  // namespace

std::string_view OutcomeName(Outcome outcome) {
  switch (outcome) {
    case Outcome::kPass:
      return "pass";
    case Outcome::kFail:
      return "fail";
    case Outcome::kUnknown:
      return "unknown";
    case Outcome::kNotApplicable:
      return "na";
  }
  return "";
}

std::string_view TierName(Tier tier) {
  switch (tier) {
    case Tier::kNone:
      return "none";
    case Tier::kContraindicated:
      return "contraindicated";
    case Tier::kWarning:
      return "warning";
    case Tier::kAffirming:
      return "affirming";
  }
  return "";
}

Tier TierOfClaim(std::int8_t value) {
  if (value >= kContraindicated) return Tier::kContraindicated;
  if (value >= kWarning) return Tier::kWarning;
  if (value >= kAffirming) return Tier::kAffirming;
  return Tier::kNone;
}

std::string Judgement::LevelText() const {
  return Format("{}{}", level, runtime_failure ? "!" : "");
}

//= docs/integrity-statement.md#S-15
std::vector<Finding> RequiredFindings(std::span<const Finding> findings, const Policy& policy) {
  std::map<std::string_view, const Finding*> worst;
  for (const Finding& finding : findings) {
    const auto [entry, fresh] = worst.try_emplace(finding.id, &finding);
    if (!fresh && Goodness(finding.outcome) < Goodness(entry->second->outcome))
      entry->second = &finding;
  }
  std::vector<Finding> required;
  for (const Indicator& row : Catalogue()) {
    const auto found = worst.find(row.id);
    if (found == worst.end()) {
      // Every agent writes every row: one that is not there was taken out, and taking out must not
      // be better than failing.
      required.push_back({std::string(row.id), Outcome::kFail, "left out of the statement", {}});
      continue;
    }
    required.push_back(*found->second);
    if (required.back().outcome == Outcome::kNotApplicable &&
        !policy.not_applicable.contains(row.id)) {
      required.back().outcome = Outcome::kUnknown;
    }
  }
  return required;
}

Judgement Judge(std::span<const Finding> findings, const Policy& policy) {
  Judgement judgement;
  const bool evaluated = std::ranges::any_of(
      findings, [](const Finding& finding) { return FindIndicator(finding.id) != nullptr; });
  if (!evaluated) return judgement;

  const std::vector<Finding> required = RequiredFindings(findings, policy);
  std::vector<Judged> all;
  if (policy.test_mode) judgement.tags.emplace_back("test-mode");
  for (std::size_t i = 0; i < required.size(); ++i) {
    const Indicator& row = Catalogue()[i];
    all.push_back({&row, required[i].outcome});
    if (required[i].outcome != Outcome::kFail) continue;
    judgement.tags.emplace_back(row.id);
    judgement.runtime_failure |= row.runtime;
  }
  judgement.level = LevelOf(all);
  judgement.vector = VectorOf(all, policy);
  judgement.tier = TierOf(all, judgement.vector);
  judgement.score = ScoreOf(all, judgement.tier);
  return judgement;
}

}  // namespace pawl::integrity
