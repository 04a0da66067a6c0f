// SPDX-License-Identifier: Apache-2.0
#include "client/integrity/statement_builder.h"

#include <gtest/gtest.h>

#include "client/integrity/model/jws.h"
#include "tests/unit/integrity/integrity_test_util.h"

namespace pawl::integrity {
namespace {

// The claims without the device's verdict, whose details a verifier does not even read.
Json EvidenceOf(const StatementClaims& claims) {
  Json json = *ParseJson(WriteClaims(claims));
  json.erase("ota_result");
  return json;
}

class StatementBuilderTest : public testing::Test {
 protected:
  StatementBuilderTest() {
    FillGoodTree(tree_);
    inputs_ = GoodInputs(tree_);
    observation_ = Collect(inputs_);
  }
  Result<SignedStatement> Build(const StatementRequest& request) {
    return BuildStatement(request, device_, inputs_, observation_, vault_);
  }
  TempTree tree_;
  TestVault vault_;
  DeviceFacts device_ = GoodDevice(vault_);
  CollectInputs inputs_;
  Observation observation_;
};

TEST_F(StatementBuilderTest, TheVerifierReadsWhatTheDeviceSaid) {
  StatementRequest request = FirstRequest();
  request.nonce = Bytes(32, 7);
  const auto statement = Build(request);
  ASSERT_TRUE(statement) << statement.error().Message();
  EXPECT_LT(statement->compact.size(), 24U * 1024)
      << "room is left below the 64 KiB for more indicators";
  const auto claims =
      VerifyStatement(statement->compact, KeyOf(vault_), {"fleet", request.nonce, kNow});
  ASSERT_TRUE(claims) << claims.error().Message();
  EXPECT_EQ(EvidenceOf(*claims), EvidenceOf(statement->claims));
  EXPECT_EQ(claims->hwmodel, "gw-x1");
  EXPECT_EQ(claims->hwversion, "rev C");
  EXPECT_EQ(claims->boot_count, 118U);
  EXPECT_EQ(claims->uptime_seconds, 5231U);
  EXPECT_EQ(claims->update.last->result, "success");
  EXPECT_EQ(claims->slots.size(), 1U);
  EXPECT_TRUE(claims->test_mode);
  EXPECT_EQ(claims->own_view.tier, Tier::kContraindicated) << "a fixture root is never trusted";
  ASSERT_EQ(claims->findings.size(), observation_.findings.size());
  for (const Finding& finding : observation_.findings) {
    EXPECT_EQ(OutcomeOf(claims->findings, finding.id), finding.outcome) << finding.id;
    EXPECT_EQ(FindingOf(claims->findings, finding.id).value, finding.value);
    EXPECT_EQ(FindingOf(claims->findings, finding.id).measured_at, finding.measured_at);
  }
}

TEST_F(StatementBuilderTest, StatementsAreChained) {
  const auto first = Build(FirstRequest());
  StatementRequest request = FirstRequest();
  request.seq = 2;
  request.prev = first->sha256;
  const auto second = Build(request);
  ASSERT_TRUE(second);
  EXPECT_EQ(second->claims.prev, StatementHash(first->compact));
  EXPECT_EQ(first->claims.boot_seed, second->claims.boot_seed);
  EXPECT_EQ(second->compact.find("0b5ff2d5"), std::string::npos)
      << "the boot id itself does not leave the device";
}

TEST_F(StatementBuilderTest, HostileFactsBecomeSafeText) {
  device_.swversion = "1.1\n\x1b[2J\xff";
  inputs_.update.rollback_reason = std::string(9999, '"');
  inputs_.update.last->phase = "\\u0000";
  const auto statement = Build(FirstRequest());
  ASSERT_TRUE(statement);
  const auto claims = VerifyStatement(statement->compact, KeyOf(vault_), {"fleet", {}, kNow});
  ASSERT_TRUE(claims) << claims.error().Message();
  EXPECT_EQ(claims->swversion, "1.1\\x0a\\x1b[2J\\xff");
}

TEST_F(StatementBuilderTest, RefusesWhatNoStatementMayCarry) {
  const auto code = [&](StatementRequest request) { return Build(request).error().code(); };
  StatementRequest request = FirstRequest();
  request.seq = 0;
  EXPECT_EQ(code(request), ErrorCode::kInputInvalid);
  request.seq = 2;
  EXPECT_EQ(code(request), ErrorCode::kInputInvalid) << "prev is missing";
  request = FirstRequest();
  request.prev = HashSha256({});
  EXPECT_EQ(code(request), ErrorCode::kInputInvalid);
  request = FirstRequest();
  request.lifetime_seconds = 301;
  EXPECT_EQ(code(request), ErrorCode::kInputInvalid);
  request = FirstRequest();
  request.nonce = Bytes(7);
  EXPECT_EQ(code(request), ErrorCode::kStatementNonce);
  request = FirstRequest();
  device_.ueid.pop_back();
  EXPECT_EQ(code(request), ErrorCode::kInputInvalid);
}

TEST(ParseNonceTest, TakesBase64UrlAndMarkedHex) {
  EXPECT_EQ(*ParseNonce("hex:00112233445566778899aabbccddeeff"),
            *HexDecode("00112233445566778899aabbccddeeff"));
  EXPECT_EQ(ParseNonce(Base64UrlEncode(Bytes(32, 1)))->size(), 32U);
  for (const std::string bad : {"", "hex:", "hex:0011", "AAAAAAAAAA", "not base64!"}) {
    EXPECT_EQ(ParseNonce(bad).error().code(), ErrorCode::kStatementNonce) << bad;
  }
  EXPECT_FALSE(ParseNonce(Base64UrlEncode(Bytes(65))));
}

}  // namespace
}  // namespace pawl::integrity
