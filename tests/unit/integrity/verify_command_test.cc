// SPDX-License-Identifier: Apache-2.0
// The program itself, in process: arguments in, text, JSON and exit status out.
#include <gtest/gtest.h>

#include "tests/unit/integrity/integrity_test_util.h"
#include "tools/fleet/commands.h"

namespace pawl::fleet {
namespace {

using integrity::FirstRequest;
using integrity::GoodStatement;

struct Ran {
  int status = 0;
  std::string out;
  std::string err;
  Json json() const { return *ParseJson(out); }
};

Ran RunFleet(const std::vector<std::string>& words) {
  std::vector<const char*> argv{"pawl-fleet"};
  for (const std::string& word : words) argv.push_back(word.c_str());
  testing::internal::CaptureStdout();
  testing::internal::CaptureStderr();
  Ran run;
  run.status = RunProgram(FleetProgram(), static_cast<int>(argv.size()), argv.data());
  run.out = testing::internal::GetCapturedStdout();
  run.err = testing::internal::GetCapturedStderr();
  return run;
}

class VerifyCommandTest : public testing::Test {
 protected:
  VerifyCommandTest() {
    tree_.Put("/gw.pub", integrity::EncodeDeviceKey(integrity::KeyOf(vault_)));
  }
  // Signed now, because the program reads the system clock.
  integrity::SignedStatement Send(integrity::StatementRequest request,
                                  const std::string& name = "/s.jwt") {
    integrity::SignedStatement statement = GoodStatement(vault_, request);
    tree_.Put(name, statement.compact + "\n");
    return statement;
  }
  static integrity::StatementRequest Now() { return FirstRequest(SystemUtcTime()); }
  std::vector<std::string> Words(std::vector<std::string> more) const {
    std::vector<std::string> words{"verify", "--key", tree_.Of("/gw.pub")};
    words.insert(words.end(), more.begin(), more.end());
    words.push_back(tree_.Of("/s.jwt"));
    return words;
  }
  std::string Db() const { return tree_.Of("/fleet.db"); }
  integrity::TempTree tree_;
  integrity::TestVault vault_;
};

TEST_F(VerifyCommandTest, PrintsATableAndAVerdict) {
  Send(Now());
  const Ran run = RunFleet(Words({}));
  EXPECT_EQ(run.status, 0) << run.err;
  EXPECT_NE(run.out.find("verdict    affirming, level 3"), std::string::npos) << run.out;
  EXPECT_NE(run.out.find("own view   agrees"), std::string::npos);
  EXPECT_NE(run.out.find("replay     not checked"), std::string::npos);
  EXPECT_NE(run.out.find("k.lockdown"), std::string::npos);
}

TEST_F(VerifyCommandTest, JsonHasTheShapeOfAnEar) {
  Send(Now());
  auto words = Words({"--db", Db()});
  words.emplace_back("--json");
  const Json json = RunFleet(words).json();
  EXPECT_EQ(json["schema"], "pawl.appraisal/1");
  const Json& device = json["submods"]["device"];
  EXPECT_EQ(device["ear.status"], "affirming");
  EXPECT_EQ(device["ear.trustworthiness-vector"]["instance-identity"], 2);
  EXPECT_EQ(device["ear.trustworthiness-vector"]["hardware"], 0);
  EXPECT_EQ(device["pawl.level"], "3");
  EXPECT_EQ(device["pawl.own-view"]["differs"], false);
  EXPECT_EQ(device["pawl.indicators"].size(), integrity::Catalogue().size());
}

TEST_F(VerifyCommandTest, AReplayIsRefusedWhenThereIsAMemory) {
  Send(Now());
  EXPECT_EQ(RunFleet(Words({"--db", Db()})).status, 0);
  const Ran again = RunFleet(Words({"--db", Db()}));
  EXPECT_EQ(again.status, 12);
  EXPECT_NE(again.err.find("E0231"), std::string::npos);
  EXPECT_EQ(RunFleet({"verify", "--db", Db(), tree_.Of("/s.jwt")}).status, 12)
      << "the key comes from the store as well";
}

TEST_F(VerifyCommandTest, ACloneIsSeenAndContraindicatedFromThenOn) {
  const auto first = Send(Now());
  ASSERT_EQ(RunFleet(Words({"--db", Db()})).status, 0);
  auto other = Now();
  other.lifetime_seconds = 299;  // another statement 1, by a copy of the key
  Send(other);
  EXPECT_NE(RunFleet(Words({"--db", Db()})).err.find("key exists twice"), std::string::npos);
  auto next = Now();
  next.seq = 2;
  next.prev = first.sha256;
  Send(next);
  const Ran run = RunFleet(Words({"--db", Db(), "--require", "warning"}));
  EXPECT_EQ(run.status, 12);
  EXPECT_NE(run.out.find("verdict    contraindicated"), std::string::npos) << run.out << run.err;
  EXPECT_NE(RunFleet({"devices", "--db", Db()}).out.find("KEY USED TWICE"), std::string::npos);
}

TEST_F(VerifyCommandTest, NonceRoundTrip) {
  const Ran nonce = RunFleet({"nonce", "--db", Db(), "--device", "gw-0001"});
  const std::string text = nonce.out.substr(0, nonce.out.size() - 1);
  auto request = Now();
  request.nonce = *integrity::ParseNonce(text);
  Send(request);
  EXPECT_EQ(RunFleet(Words({"--nonce", "hex:" + std::string(64, '0')})).status, 12);
  const Ran run = RunFleet(Words({"--db", Db(), "--nonce", text}));
  EXPECT_EQ(run.status, 0) << run.err;
  EXPECT_NE(run.out.find("answers our nonce"), std::string::npos);
}

TEST_F(VerifyCommandTest, RequireDecidesTheExitStatus) {
  Send(Now());
  EXPECT_EQ(RunFleet(Words({"--require", "affirming"})).status, 0);
  EXPECT_EQ(RunFleet(Words({"--require", "perfect"})).status, 2);
}

//= docs/integrity-statement.md#S-16
TEST_F(VerifyCommandTest, ExemptionsOfAProfileThatTheDeviceDoesNotHaveAreNotUsed) {
  Send(Now());
  tree_.Put("/profile.json",
            R"({"schema":"pawl.device-profile/1","name":"gw","not_applicable":["hw.tpm"]})");
  EXPECT_NE(RunFleet(Words({"--profile", tree_.Of("/profile.json")})).out.find("another profile"),
            std::string::npos);
}

//= docs/integrity-statement.md#S-14
TEST_F(VerifyCommandTest, ALyingVerdictIsShownAndIgnored) {
  const auto statement = GoodStatement(vault_, Now());
  Json payload = *ParseJson(integrity::PayloadOf(statement.compact));
  payload["submods"]["system"]["measres"][0][1][0][1] = "fail";
  tree_.Put("/s.jwt", integrity::SignRaw(vault_, integrity::GoodHeader(vault_), payload.dump()));
  const Ran run = RunFleet(Words({}));
  EXPECT_EQ(run.status, 0);
  EXPECT_NE(run.out.find("verdict    contraindicated, level 0"), std::string::npos) << run.out;
  EXPECT_NE(run.out.find("own view   DIFFERS: the device says affirming, level 3"),
            std::string::npos);
}

TEST_F(VerifyCommandTest, RefusalsNameTheirCode) {
  tree_.Put("/s.jwt", std::string(70'000, 'A'));
  EXPECT_NE(RunFleet(Words({})).err.find("E0228"), std::string::npos);
  Send(FirstRequest(SystemUtcTime().PlusSeconds(-1000)));
  EXPECT_NE(RunFleet(Words({})).err.find("E0233"), std::string::npos);
  integrity::TestVault other;
  tree_.Put("/s.jwt", GoodStatement(other, Now()).compact);
  EXPECT_NE(RunFleet(Words({})).err.find("E0232"), std::string::npos);
  EXPECT_EQ(RunFleet({"verify", tree_.Of("/s.jwt")}).status, 2) << "neither --key nor --db";
}

TEST_F(VerifyCommandTest, RegisterIsImmutable) {
  EXPECT_EQ(RunFleet({"register", "--db", Db(), tree_.Of("/gw.pub")}).status, 0);
  EXPECT_EQ(RunFleet({"register", "--db", Db(), tree_.Of("/gw.pub")}).status, 0);
  integrity::TestVault other;
  tree_.Put("/other.pub", integrity::EncodeDeviceKey(integrity::KeyOf(other)));
  EXPECT_EQ(RunFleet({"register", "--db", Db(), tree_.Of("/other.pub")}).status, 12);
}

TEST_F(VerifyCommandTest, IndicatorsPrintTheDocument) {
  EXPECT_EQ(RunFleet({"indicators", "--markdown"}).out, integrity::CatalogueMarkdown());
  EXPECT_NE(RunFleet({"indicators"}).out.find("sys.slot_digest"), std::string::npos);
}

}  // namespace
}  // namespace pawl::fleet
