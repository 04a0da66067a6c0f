// SPDX-License-Identifier: Apache-2.0
#include "client/integrity/model/judgement.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "tests/unit/integrity/integrity_test_util.h"

namespace pawl::integrity {
namespace {

constexpr Outcome kOutcomes[] = {Outcome::kPass, Outcome::kFail, Outcome::kUnknown,
                                 Outcome::kNotApplicable};

std::int8_t Value(const Judgement& judgement, Claim claim) {
  return judgement.vector[static_cast<std::size_t>(claim)];
}

Finding& Row(std::vector<Finding>& findings, std::string_view id) {
  return *std::ranges::find(findings, id, &Finding::id);
}

// No part of `worse` stands for more trust than the same part of `better`.
void ExpectNoBetter(const Judgement& worse, const Judgement& better) {
  EXPECT_LE(worse.level, better.level);
  EXPECT_LE(TierRank(worse.tier), TierRank(better.tier));
  EXPECT_LE(worse.score, better.score);
}

std::vector<Finding> RandomFindings(std::mt19937& random) {
  std::vector<Finding> findings = AllFindings(Outcome::kPass);
  const std::uint32_t trouble = random() % 4;  // from spotless to hopeless
  for (Finding& finding : findings) {
    if (random() % 8 < trouble * 2) finding.outcome = kOutcomes[random() % 4];
  }
  return findings;
}

Policy RandomPolicy(std::mt19937& random) {
  Policy policy;
  for (const Indicator& row : Catalogue()) {
    if (random() % 4 == 0) policy.not_applicable.emplace(row.id);
  }
  policy.test_mode = random() % 8 == 0;
  policy.instance_identity = random() % 2 == 0 ? 2 : 0;
  return policy;
}

TEST(JudgementTest, NothingSaidIsLevelZeroAndNoTier) {
  const Judgement judgement = Judge({}, {});
  EXPECT_EQ(judgement.level, 0);
  EXPECT_EQ(judgement.tier, Tier::kNone);
  EXPECT_EQ(judgement.score, 0);
  const Finding foreign{"k.nonsense", Outcome::kPass, {}, {}};
  EXPECT_EQ(Judge({&foreign, 1}, {}).tier, Tier::kNone);
}

TEST(JudgementTest, AllPassedIsAffirmingButNeverLevelFour) {
  const Judgement judgement = Judge(AllFindings(Outcome::kPass), {});
  EXPECT_EQ(judgement.LevelText(), "3");
  EXPECT_EQ(judgement.tier, Tier::kAffirming);
  EXPECT_EQ(judgement.score, 100);
  EXPECT_EQ(Value(judgement, Claim::kFileSystem), 2);
  EXPECT_EQ(Value(judgement, Claim::kHardware), 0) << "presence of a TPM is no proof";
  EXPECT_TRUE(judgement.tags.empty());
}

// Exhaustive: each row with each outcome, everything else in order.
TEST(JudgementTest, OneBadRowBoundsLevelTierAndScore) {
  for (const Indicator& row : Catalogue()) {
    for (const Outcome outcome : {Outcome::kFail, Outcome::kUnknown}) {
      std::vector<Finding> findings = AllFindings(Outcome::kPass);
      Row(findings, row.id).outcome = outcome;
      const Judgement judgement = Judge(findings, {});
      const bool fails = outcome == Outcome::kFail;
      const bool critical = fails && row.critical;
      EXPECT_EQ(judgement.level, row.level == 0 || row.level == 4 ? 3 : row.level - 1) << row.id;
      EXPECT_EQ(judgement.tier, critical ? Tier::kContraindicated : Tier::kWarning) << row.id;
      EXPECT_LE(judgement.score, critical ? 39 : 69) << row.id;
      EXPECT_EQ(judgement.runtime_failure, fails && row.runtime) << row.id;
      if (row.claim) {
        EXPECT_GE(Value(judgement, *row.claim), critical ? 96 : 32) << row.id;
      }
      EXPECT_EQ(judgement.tags.size(), fails ? 1U : 0U) << row.id;
    }
  }
}

TEST(JudgementTest, ALevelWithoutAnyPassIsNotJumped) {
  std::vector<Finding> findings = AllFindings(Outcome::kPass);
  Policy policy;
  for (const Indicator& row : Catalogue()) {
    if (row.level != 2) continue;
    Row(findings, row.id).outcome = Outcome::kNotApplicable;
    policy.not_applicable.emplace(row.id);
  }
  EXPECT_EQ(Judge(findings, policy).level, 1);
}

TEST(JudgementTest, NotApplicableCountsOnlyWhenThePolicySaysSo) {
  std::vector<Finding> findings = AllFindings(Outcome::kPass);
  Row(findings, "boot.secureboot").outcome = Outcome::kNotApplicable;
  EXPECT_EQ(Judge(findings, {}).level, 2);
  EXPECT_EQ(Judge(findings, {}).tier, Tier::kWarning);
  EXPECT_EQ(Judge(findings, Policy{{"boot.secureboot"}, false, 0}).level, 3);
  EXPECT_EQ(Judge(findings, Policy{{"boot.secureboot"}, false, 0}).tier, Tier::kAffirming);
}

TEST(JudgementTest, ClassAAloneDoesNotAffirmExecutables) {
  std::vector<Finding> findings = AllFindings(Outcome::kPass);
  Row(findings, "k.taint").outcome =
      Outcome::kNotApplicable;  // the only executables row of class K
  const Judgement judgement = Judge(findings, Policy{{"k.taint"}, false, 0});
  EXPECT_EQ(Value(judgement, Claim::kExecutables), 33);
  EXPECT_EQ(judgement.tier, Tier::kWarning);
}

//= docs/integrity-statement.md#S-17
TEST(JudgementTest, TestModeIsContraindicatedWhateverElse) {
  const Judgement judgement = Judge(AllFindings(Outcome::kPass), Policy{{}, true, 2});
  EXPECT_EQ(judgement.tier, Tier::kContraindicated);
  EXPECT_LE(judgement.score, 39);
  EXPECT_EQ(judgement.tags.front(), "test-mode");
}

TEST(JudgementTest, AMisusedKeyIsContraindicated) {
  EXPECT_EQ(Judge(AllFindings(Outcome::kPass), Policy{{}, false, 96}).tier, Tier::kContraindicated);
}

TEST(JudgementTest, WorseningAFindingNeverRaisesAnything) {
  std::mt19937 random(2);
  for (int round = 0; round < 3000; ++round) {
    const Policy policy = RandomPolicy(random);
    std::vector<Finding> findings = RandomFindings(random);
    const Judgement before = Judge(findings, policy);
    Finding& victim = findings[random() % findings.size()];
    // pass → na → unknown → fail
    victim.outcome = victim.outcome == Outcome::kPass            ? Outcome::kNotApplicable
                     : victim.outcome == Outcome::kNotApplicable ? Outcome::kUnknown
                                                                 : Outcome::kFail;
    const Judgement after = Judge(findings, policy);
    ExpectNoBetter(after, before);
    EXPECT_GE(after.runtime_failure, before.runtime_failure);
  }
}

TEST(JudgementTest, OrderAndRepetitionDoNotMatter) {
  std::mt19937 random(3);
  for (int round = 0; round < 1000; ++round) {
    const Policy policy = RandomPolicy(random);
    std::vector<Finding> findings = RandomFindings(random);
    const Judgement before = Judge(findings, policy);
    for (int copies = 0; copies < 5; ++copies)
      findings.push_back(findings[random() % findings.size()]);
    std::ranges::shuffle(findings, random);
    const Judgement after = Judge(findings, policy);
    EXPECT_EQ(after.LevelText(), before.LevelText());
    EXPECT_EQ(after.tier, before.tier);
    EXPECT_EQ(after.score, before.score);
    EXPECT_EQ(after.vector, before.vector);
    EXPECT_EQ(after.tags, before.tags);
  }
}

TEST(JudgementTest, TheWorstOfContradictingFindingsCounts) {
  std::vector<Finding> findings = AllFindings(Outcome::kPass);
  findings.push_back({"sys.slot_digest", Outcome::kFail, {}, {}});
  EXPECT_EQ(Judge(findings, {}).tier, Tier::kContraindicated);
}

//= docs/integrity-statement.md#S-15
TEST(JudgementTest, LeavingFindingsOutNeverHelps) {
  std::mt19937 random(4);
  for (int round = 0; round < 3000; ++round) {
    const Policy policy = RandomPolicy(random);
    std::vector<Finding> findings = RandomFindings(random);
    while (!findings.empty()) {
      const Judgement before = Judge(findings, policy);
      const std::size_t count = 1 + random() % 8;
      for (std::size_t i = 0; i < count && !findings.empty(); ++i) {
        findings.erase(findings.begin() + static_cast<std::ptrdiff_t>(random() % findings.size()));
      }
      ExpectNoBetter(Judge(findings, policy), before);
    }
  }
}

TEST(JudgementTest, TheStatusIsNeverBetterThanTheWorstClaim) {
  std::mt19937 random(5);
  for (int round = 0; round < 1000; ++round) {
    const Judgement judgement = Judge(RandomFindings(random), RandomPolicy(random));
    for (const std::int8_t value : judgement.vector) {
      if (TierOfClaim(value) != Tier::kNone) {
        EXPECT_LE(TierRank(judgement.tier), TierRank(TierOfClaim(value)));
      }
    }
  }
}

}  // namespace
}  // namespace pawl::integrity
