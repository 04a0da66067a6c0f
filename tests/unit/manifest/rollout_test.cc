// SPDX-License-Identifier: Apache-2.0
// Rollouts: strict codec, and which devices are in.

#include "manifest/rollout.h"

#include <gtest/gtest.h>

#include "base/format.h"
#include "tests/unit/manifest/document_test_util.h"

namespace pawl::manifest::testing {
namespace {

constexpr UtcTime kNow{1'795'000'000};

Rollout Example() {
  Rollout rollout;
  rollout.product = "gateway";
  rollout.channel = "stable";
  rollout.release_path = "releases/gateway/1.1/manifest.json";
  rollout.release_sha256 = HashSha256(AsBytes("manifest"));
  rollout.percent = 25;
  rollout.salt = "1.1";
  rollout.cohorts = {"lab"};
  rollout.not_before = kNow;
  rollout.not_after = kNow.PlusSeconds(kSecondsPerDay);
  return rollout;
}

Json ExampleJson() { return ParseJson(EncodeRollout(Example())).value(); }
bool Refused(const Json& document) {
  const auto parsed = ParseRollout(AsBytes(document.dump()));
  return !parsed && parsed.error().code() == ErrorCode::kRolloutMalformed;
}
bool RefusedWith(const std::string& place, const Json& value) {
  Json document = ExampleJson();
  document[Json::json_pointer(place)] = value;
  return Refused(document);
}
ErrorCode Judged(const Rollout& rollout, const std::string& device,
                 const std::vector<std::string>& groups = {}, UtcTime now = kNow) {
  const auto judged = JudgeRollout(rollout, device, groups, now);
  return judged ? ErrorCode::kInternal : judged.error().code();
}

TEST(RolloutTest, RoundTripIsExact) {
  Rollout rollout = Example();
  for (int i = 0; i < 2; ++i) {
    const std::string text = EncodeRollout(rollout);
    const auto read = ParseRollout(AsBytes(text));
    ASSERT_TRUE(read) << read.error().Message();
    EXPECT_EQ(EncodeRollout(*read), text);
    rollout.not_before.reset();
    rollout.not_after.reset();
    rollout.cohorts.clear();
    rollout.paused = true;
  }
}

TEST(RolloutTest, UnknownMembersArePassedOver) {
  Json document = ExampleJson();
  document["x-new"] = Json::array({1});
  EXPECT_TRUE(ParseRollout(AsBytes(document.dump())));
}

TEST(RolloutTest, EveryMemberMissingOrOfAnotherTypeIsRefused) {
  ForEachMutation(ExampleJson(), [](const Json& changed, const std::string& what) {
    const bool free_text = what.ends_with("as \"text\"");
    const bool optional = what == "/not_before removed" || what == "/not_after removed";
    if (free_text || optional) return;
    EXPECT_TRUE(Refused(changed)) << what;
  });
}

TEST(RolloutTest, LimitsAndPathsHold) {
  EXPECT_TRUE(RefusedWith("/schema", "pawl.rollout/2"));
  EXPECT_TRUE(RefusedWith("/percent", 101));
  EXPECT_TRUE(RefusedWith("/salt", std::string(65, 'x')));
  EXPECT_TRUE(RefusedWith("/product", "../gateway"));
  EXPECT_TRUE(RefusedWith("/channel", ""));
  EXPECT_TRUE(RefusedWith("/cohorts/0", "a/b"));
  EXPECT_TRUE(RefusedWith("/not_before", "soon"));
  Json cohorts = Json::array();
  for (int i = 0; i < 65; ++i) cohorts.push_back(Format("g{}", i));
  EXPECT_TRUE(RefusedWith("/cohorts", cohorts));
  for (const char* path : kUnsafePaths) EXPECT_TRUE(RefusedWith("/release/path", path)) << path;
  const std::string big(kMaxRolloutBytes + 1, ' ');
  EXPECT_FALSE(ParseRollout(AsBytes(big)));
}

// M-51
TEST(JudgeRolloutTest, RaisingThePercentageOnlyAddsDevices) {
  Rollout rollout = Example();
  for (int device = 0; device < 300; ++device) {
    bool was_in = false;
    for (std::uint64_t percent = 0; percent <= 100; percent += 5) {
      rollout.percent = percent;
      const bool is_in = Judged(rollout, Format("gw-{}", device)) == ErrorCode::kInternal;
      EXPECT_TRUE(is_in || !was_in) << device << " at " << percent;
      was_in = is_in;
    }
    EXPECT_TRUE(was_in) << "100 % are all devices";
  }
}

TEST(JudgeRolloutTest, ThePercentageIsAboutThatShareAndAnotherSaltChoosesOthers) {
  Rollout rollout = Example();
  int in = 0;
  int in_both = 0;
  for (int device = 0; device < 2000; ++device) {
    rollout.salt = "a";
    const bool first = Judged(rollout, Format("gw-{}", device)) == ErrorCode::kInternal;
    rollout.salt = "b";
    const bool second = Judged(rollout, Format("gw-{}", device)) == ErrorCode::kInternal;
    in += first ? 1 : 0;
    in_both += first && second ? 1 : 0;
  }
  EXPECT_NEAR(in, 500, 100);
  EXPECT_NEAR(in_both, 125, 60);
}

TEST(JudgeRolloutTest, ZeroPercentIsNobodyButTheCohorts) {
  Rollout rollout = Example();
  rollout.percent = 0;
  EXPECT_EQ(Judged(rollout, "gw-1"), ErrorCode::kNotInRollout);
  EXPECT_EQ(Judged(rollout, "gw-1", {"home", "lab"}), ErrorCode::kInternal);
}

// M-52
TEST(JudgeRolloutTest, PauseAndWindowHoldForCohortsToo) {
  Rollout rollout = Example();
  EXPECT_EQ(Judged(rollout, "gw-1", {"lab"}, kNow.PlusSeconds(-1)), ErrorCode::kOutsideWindow);
  EXPECT_EQ(Judged(rollout, "gw-1", {"lab"}, kNow.PlusSeconds(kSecondsPerDay + 1)),
            ErrorCode::kOutsideWindow);
  rollout.paused = true;
  EXPECT_EQ(Judged(rollout, "gw-1", {"lab"}), ErrorCode::kRolloutPaused);
}

}  // namespace
}  // namespace pawl::manifest::testing
