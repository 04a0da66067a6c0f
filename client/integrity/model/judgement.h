// SPDX-License-Identifier: Apache-2.0
#pragma once

// From findings to level, tier, trust vector and score: pure functions, the same on the device and
// in the verifier. Only the verifier's result counts; the device's is shown beside it.
//
// Laws, tested in tests/unit/integrity/judgement_test.cc: worsening a finding never raises
// anything; order and repetition do not matter (the worst finding of an id counts); leaving a
// finding out never helps, because the catalogue and not the statement says what is required;
// "unknown" is never worth as much as "pass".

#include <array>
#include <cstdint>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "client/integrity/model/catalogue.h"

namespace pawl::integrity {

enum class Outcome : std::uint8_t {
  kPass,
  kFail,
  kUnknown,        // could not be found out; never worth a pass
  kNotApplicable,  // the device profile says that the device has no such thing
};
std::string_view OutcomeName(Outcome outcome);  // "pass", "fail", "unknown", "na"

struct Finding {
  std::string id;
  Outcome outcome = Outcome::kUnknown;
  std::string value;                   // SafeText: printable ASCII, at most kMaxValueChars
  std::optional<UtcTime> measured_at;  // when it is older than the statement (cached measurements)
};

// AR4SI tiers. kNone: nothing was evaluated.
enum class Tier : std::uint8_t { kNone, kContraindicated, kWarning, kAffirming };
std::string_view TierName(Tier tier);
// How much trust a tier stands for: none < contraindicated < warning < affirming.
constexpr int TierRank(Tier tier) { return static_cast<int>(tier); }
// The tier of one AR4SI claim value (0 … 127).
Tier TierOfClaim(std::int8_t value);

// Values by Claim key. 0: no claim is made.
using TrustVector = std::array<std::int8_t, kClaimCount>;

// 1 update state authentic, 2 runtime protected, 3 boot verified, 4 hardware attested. 4 needs
// evidence that the verifier checked against hardware, which this profile does not carry: never
// more than kMaxLevelWithoutHardware.
inline constexpr int kMaxLevelWithoutHardware = 3;

inline constexpr int kScoreCapContraindicated = 39;
inline constexpr int kScoreCapWarning = 69;

// What the judge demands. `na` from a device counts only for ids named here, otherwise it is
// "unknown".
struct Policy {
  std::set<std::string, std::less<>> not_applicable;
  // A fixture tree or a test TPM was used: contraindicated whatever the findings say.
  bool test_mode = false;
  // Instance identity as the verifier knows it: 2 key known, 96 key misused (fork), 97 unknown; 0
  // on the device itself.
  std::int8_t instance_identity = 0;
};

struct Judgement {
  int level = 0;
  bool runtime_failure = false;  // the "!" suffix
  Tier tier = Tier::kNone;
  int score = 0;  // 0 … 100; for dashboards only, never for a decision
  TrustVector vector{};
  // Ids that failed, in the order of the catalogue; "test-mode" first when it applies.
  std::vector<std::string> tags;
  // "2!"
  std::string LevelText() const;
};

// One finding for every row of the catalogue, in its order, as the judge sees them: the worst of
// several; a `na` that the policy does not allow is unknown; a row left out is a failure, because
// an agent writes every row.
std::vector<Finding> RequiredFindings(std::span<const Finding> findings, const Policy& policy);

Judgement Judge(std::span<const Finding> findings, const Policy& policy);

}  // namespace pawl::integrity
