// SPDX-License-Identifier: Apache-2.0
// Challenges: what comes back is what went out, and nothing else is taken for one.

#include "manifest/challenge.h"

#include <gtest/gtest.h>

#include "tests/matchers.h"

namespace pawl::manifest {
namespace {

using pawl::testing::IsError;
using pawl::testing::IsOk;

Challenge Example() {
  Challenge challenge;
  challenge.device_id = "gw-0001";
  challenge.nonce = std::string(64, 'e');
  challenge.product = "gateway";
  challenge.hardware = "gw3";
  challenge.time = {1'795'478'400};
  challenge.agent_protocol = 1;
  challenge.running_build = 11;
  challenge.running_version = "1.1";
  challenge.floor = 2;
  challenge.booted = "b";
  challenge.slots["a"] = {"1.0", 10, HashSha256(AsBytes("1.0")), true};
  challenge.slots["b"] = {"1.1", 11, std::nullopt, true};
  challenge.root = 3;
  challenge.timestamp = 40;
  challenge.snapshot = 30;
  challenge.targets = 2;
  return challenge;
}

Result<Challenge> Parse(const Json& json) { return ParseChallenge(AsBytes(PrettyJson(json))); }

// M-79
TEST(ChallengeTest, ComesBackAsItWent) {
  const Json json = EncodeChallenge(Example());
  const auto back = Parse(json);
  ASSERT_THAT(back, IsOk());
  EXPECT_EQ(EncodeChallenge(*back), json);
  EXPECT_EQ(back->slots.at("a").manifest_sha256, HashSha256(AsBytes("1.0")));
}

// M-79
TEST(ChallengeTest, RefusesWhatIsNoWholeChallenge) {
  const Json good = EncodeChallenge(Example());
  for (const auto& [name, value] : good.items()) {
    Json without = good;
    without.erase(name);
    EXPECT_THAT(Parse(without), IsError(ErrorCode::kChallengeMalformed)) << name;
    Json other = good;
    other[name] = Json::array();
    EXPECT_THAT(Parse(other), IsError(ErrorCode::kChallengeMalformed)) << name;
  }
}

TEST(ChallengeTest, RefusesShortNoncesAndNamesThatAreNone) {
  const auto with = [](const char* name, const Json& value) {
    Json json = EncodeChallenge(Example());
    json[name] = value;
    return Parse(json);
  };
  EXPECT_THAT(with("nonce", std::string(62, 'e')), IsError(ErrorCode::kChallengeMalformed));
  EXPECT_THAT(with("nonce", std::string(64, 'E')), IsError(ErrorCode::kChallengeMalformed));
  EXPECT_THAT(with("product", "../gateway"), IsError(ErrorCode::kChallengeMalformed));
  EXPECT_THAT(with("hardware", "GW 3"), IsError(ErrorCode::kChallengeMalformed));
  EXPECT_THAT(with("schema", "pawl.challenge/2"), IsError(ErrorCode::kChallengeMalformed));
  EXPECT_THAT(with("booted", "c"), IsError(ErrorCode::kChallengeMalformed));
  EXPECT_THAT(with("floor", -1), IsError(ErrorCode::kChallengeMalformed));
  EXPECT_THAT(with("device_id", std::string(65, 'x')), IsError(ErrorCode::kChallengeMalformed));
  // It ends on the terminal of the support desk, in the very question whether to sign.
  EXPECT_THAT(with("device_id", "gw\x1b[2J"), IsError(ErrorCode::kChallengeMalformed));
  Json slots = EncodeChallenge(Example())["slots"];
  slots.front()["version"] = "1.0\nall is well";
  EXPECT_THAT(with("slots", slots), IsError(ErrorCode::kChallengeMalformed));
  EXPECT_THAT(ParseChallenge(Bytes(kMaxChallengeBytes + 1, ' ')),
              IsError(ErrorCode::kChallengeMalformed));
}

}  // namespace
}  // namespace pawl::manifest
