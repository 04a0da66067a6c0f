// SPDX-License-Identifier: Apache-2.0
// The attacks of docs/integrity-statement.md on one statement.
#include "client/integrity/model/verify.h"

#include <gtest/gtest.h>

#include "client/integrity/model/jws.h"
#include "tests/unit/integrity/integrity_test_util.h"

namespace pawl::integrity {
namespace {

using enum ErrorCode;

class VerifyTest : public testing::Test {
 protected:
  Result<StatementClaims> Verify(const std::string& compact) {
    return VerifyStatement(compact, KeyOf(vault_), expected_);
  }
  ErrorCode Refusal(const std::string& compact) {
    const auto claims = Verify(compact);
    return claims ? kInternal : claims.error().code();
  }
  // The good payload with one change, signed by the device itself.
  template <class Change>
  std::string Changed(Change change) {
    Json payload = *ParseJson(PayloadOf(good_));
    change(payload);
    return SignRaw(vault_, GoodHeader(vault_), payload.dump());
  }
  TestVault vault_;
  std::string good_ = GoodStatement(vault_, FirstRequest()).compact;
  Expectations expected_{"fleet", {}, kNow};
};

TEST_F(VerifyTest, AcceptsAGoodStatement) {
  const auto claims = Verify(good_);
  ASSERT_TRUE(claims) << claims.error().Message();
  EXPECT_EQ(Judge(claims->findings, {}).tier, Tier::kAffirming);
  EXPECT_TRUE(Verify(Changed([](Json&) {}))) << "the helper itself changes nothing";
}

//= docs/integrity-statement.md#S-04
TEST_F(VerifyTest, RefusesEveryFlippedByte) {
  for (std::size_t i = 0; i < good_.size(); ++i) {
    std::string bad = good_;
    bad[i] = static_cast<char>(bad[i] ^ (1 << (i % 7)));
    ASSERT_FALSE(Verify(bad)) << "byte " << i;
  }
}

TEST_F(VerifyTest, RefusesEveryTruncationAndAnyTrailingByte) {
  for (std::size_t length = 0; length < good_.size(); length += 7)
    ASSERT_FALSE(Verify(good_.substr(0, length)));
  EXPECT_FALSE(Verify(good_ + "A"));
  EXPECT_FALSE(Verify(good_ + "="));
  EXPECT_FALSE(Verify(good_ + "."));
}

TEST_F(VerifyTest, AnEditedPayloadUnderTheOldSignatureIsForged) {
  Json payload = *ParseJson(PayloadOf(good_));
  payload["ota"]["seq"] = 99;
  const std::string header = good_.substr(0, good_.find('.'));
  EXPECT_EQ(Refusal(header + "." + Base64UrlEncode(AsBytes(payload.dump())) +
                    good_.substr(good_.rfind('.'))),
            kStatementSignature);
}

TEST_F(VerifyTest, AnotherKeyIsUnknownWhateverKidItNames) {
  TestVault other;
  EXPECT_EQ(Refusal(GoodStatement(other, FirstRequest()).compact), kStatementKeyUnknown);
  EXPECT_EQ(Refusal(SignRaw(other, GoodHeader(vault_), PayloadOf(good_))), kStatementSignature);
}

//= docs/integrity-statement.md#S-03
TEST_F(VerifyTest, TakesNoOtherHeader) {
  const std::string kid = KeyThumbprint(*vault_.PublicKey());
  const std::string payload = PayloadOf(good_);
  const auto refusal = [&](const std::string& header) {
    return Refusal(SignRaw(vault_, header, payload));
  };
  EXPECT_EQ(refusal(R"({"alg":"none","typ":"eat+jwt","kid":")" + kid + "\"}"), kStatementMalformed);
  EXPECT_EQ(refusal(R"({"alg":"HS256","typ":"eat+jwt","kid":")" + kid + "\"}"),
            kStatementMalformed);
  EXPECT_EQ(refusal(R"({"alg":"eddsa","typ":"eat+jwt","kid":")" + kid + "\"}"),
            kStatementMalformed);
  EXPECT_EQ(refusal(R"({"alg":"EdDSA","typ":"JWT","kid":")" + kid + "\"}"), kStatementMalformed);
  EXPECT_EQ(refusal(R"({"alg":"EdDSA","typ":"eat+jwt"})"), kStatementMalformed);
  EXPECT_EQ(refusal(R"({"alg":"EdDSA","typ":"eat+jwt","kid":"x"})"), kStatementMalformed);
  EXPECT_EQ(refusal(R"({"alg":"EdDSA","typ":"eat+jwt","crit":["exp"],"kid":")" + kid + "\"}"),
            kStatementMalformed);
  EXPECT_EQ(refusal(R"({"alg":"none","alg":"EdDSA","typ":"eat+jwt","kid":")" + kid + "\"}"),
            kStatementMalformed);
  EXPECT_EQ(refusal("[]"), kStatementMalformed);
}

TEST_F(VerifyTest, AlgNoneWithoutSignatureAndHmacWithThePublicKeyAreRefused) {
  const std::string kid = KeyThumbprint(*vault_.PublicKey());
  const std::string payload = Base64UrlEncode(AsBytes(PayloadOf(good_)));
  const std::string none =
      Base64UrlEncode(AsBytes(R"({"alg":"none","typ":"eat+jwt","kid":")" + kid + "\"}")) + "." +
      payload;
  EXPECT_EQ(Refusal(none + "."), kStatementMalformed);
  const std::string hmac =
      Base64UrlEncode(AsBytes(R"({"alg":"HS256","typ":"eat+jwt","kid":")" + kid + "\"}")) + "." +
      payload;
  EXPECT_EQ(Refusal(JwsCompact(hmac, HmacSha256(*vault_.PublicKey(), AsBytes(hmac)).bytes)),
            kStatementMalformed);
}

//= docs/integrity-statement.md#S-05
TEST_F(VerifyTest, RefusesLooseJson) {
  const std::string payload = PayloadOf(good_);
  const auto refusal = [&](const std::string& text) {
    return Refusal(SignRaw(vault_, GoodHeader(vault_), text));
  };
  const std::string doubled = R"({"aud":"fleet",)" + payload.substr(1);
  EXPECT_EQ(refusal(doubled), kStatementMalformed);
  EXPECT_EQ(refusal(payload + " x"), kStatementMalformed);
  EXPECT_EQ(refusal("null"), kStatementMalformed);
  EXPECT_EQ(refusal(R"({"deep":)" + std::string(40, '[') + std::string(40, ']') + "," +
                    payload.substr(1)),
            kStatementMalformed);
  std::string huge = payload;
  huge.replace(huge.find("\"iat\":1790000000"), 16, "\"iat\":99999999999999999999");
  EXPECT_EQ(refusal(huge), kStatementMalformed);
  std::string fraction = payload;
  fraction.replace(fraction.find("\"iat\":1790000000"), 16, "\"iat\":1790000000.5");
  EXPECT_EQ(refusal(fraction), kStatementMalformed);
}

TEST_F(VerifyTest, RefusesClaimsOfTheWrongKind) {
  EXPECT_EQ(Refusal(Changed([](Json& json) { json["eat_profile"] = "tag:example,2026:other"; })),
            kStatementMalformed);
  EXPECT_EQ(Refusal(Changed([](Json& json) { json.erase("ota"); })), kStatementMalformed);
  EXPECT_EQ(Refusal(Changed([](Json& json) { json["ota"]["seq"] = -1; })), kStatementMalformed);
  EXPECT_EQ(Refusal(Changed([](Json& json) { json["ota"]["seq"] = 0; })), kStatementMalformed);
  EXPECT_EQ(Refusal(Changed([](Json& json) { json["ota"]["seq"] = 2; })), kStatementMalformed)
      << "no prev";
  EXPECT_EQ(Refusal(Changed([](Json& json) { json["ota"]["prev"] = std::string(64, '0'); })),
            kStatementMalformed);
  EXPECT_EQ(Refusal(Changed([](Json& json) { json["submods"]["kernel"]["measres"] = 7; })),
            kStatementMalformed);
  EXPECT_EQ(Refusal(Changed(
                [](Json& json) { json["submods"]["kernel"]["measres"][0][1][0][1] = "great"; })),
            kStatementMalformed);
  // A row of another layer is no way around the required ones.
  EXPECT_EQ(Refusal(Changed(
                [](Json& json) { json["submods"]["kernel"]["measres"][0][1][0][0] = "hw.tpm"; })),
            kStatementMalformed);
  EXPECT_TRUE(Verify(Changed([](Json& json) { json["future_claim"] = 1; })));
}

//= docs/integrity-statement.md#S-06
TEST_F(VerifyTest, RefusesTextThatCouldHarmATerminal) {
  EXPECT_EQ(Refusal(Changed([](Json& json) { json["swname"] = "x\x1b[2J"; })), kStatementMalformed);
  EXPECT_EQ(Refusal(Changed([](Json& json) { json["swname"] = std::string(257, 'x'); })),
            kStatementMalformed);
  EXPECT_EQ(Refusal(Changed([](Json& json) {
              json["submods"]["kernel"]["ota_values"]["k.taint"]["v"] = "a\nb";
            })),
            kStatementMalformed);
  EXPECT_EQ(Refusal(Changed([](Json& json) {
              json["submods"]["kernel"]["measres"][0][1][0][0] = "k.\xc3\xa4";
            })),
            kStatementMalformed);
}

//= docs/integrity-statement.md#S-01
TEST_F(VerifyTest, RefusesOversizeBeforeReadingIt) {
  EXPECT_EQ(Refusal(std::string(kMaxStatementBytes + 1, 'A')), kStatementMalformed);
  const std::string big =
      Changed([](Json& json) { json["padding"] = std::string(kMaxStatementBytes, 'x'); });
  EXPECT_EQ(Refusal(big), kStatementMalformed);
}

//= docs/integrity-statement.md#S-02
TEST_F(VerifyTest, RefusesOtherShapes) {
  for (const std::string bad : {"", ".", "..", "a.b", "a.b.c.d", "....", "e30.e30.e30"})
    EXPECT_EQ(Refusal(bad), kStatementMalformed) << bad;
}

//= docs/integrity-statement.md#S-07
TEST_F(VerifyTest, RefusesTheUeidOfAnotherDevice) {
  DeviceKey key = KeyOf(vault_);
  key.ueid.back() ^= 1U;
  const auto claims = VerifyStatement(good_, key, expected_);
  EXPECT_EQ(claims.error().code(), kStatementKeyUnknown);
}

//= docs/integrity-statement.md#S-08
TEST_F(VerifyTest, RefusesAnotherAudience) {
  expected_.audience = "partner";
  EXPECT_EQ(Refusal(good_), kStatementMalformed);
}

//= docs/integrity-statement.md#S-09
TEST_F(VerifyTest, ChecksTheNonce) {
  StatementRequest request = FirstRequest();
  request.nonce = Bytes(32, 1);
  const std::string answer = GoodStatement(vault_, request).compact;
  expected_.nonce = request.nonce;
  EXPECT_TRUE(Verify(answer));
  EXPECT_EQ(Refusal(good_), kStatementNonce) << "no nonce at all";
  expected_.nonce = Bytes(32, 2);
  EXPECT_EQ(Refusal(answer), kStatementNonce);
  expected_.nonce = Bytes(7, 1);
  EXPECT_EQ(Refusal(answer), kStatementNonce);
  const std::string short_nonce =
      Changed([](Json& json) { json["eat_nonce"] = Base64UrlEncode(Bytes(7, 1)); });
  EXPECT_EQ(Refusal(short_nonce), kStatementMalformed);
}

//= docs/integrity-statement.md#S-10
TEST_F(VerifyTest, ChecksTheTime) {
  const auto at = [&](std::int64_t seconds) {
    expected_.now = kNow.PlusSeconds(seconds);
    return Refusal(good_);
  };
  EXPECT_EQ(at(-60), kInternal) << "within the leeway";
  EXPECT_EQ(at(-61), kStatementExpired);
  EXPECT_EQ(at(360), kInternal);
  EXPECT_EQ(at(361), kStatementExpired);
  expected_.now = kNow;
  EXPECT_EQ(Refusal(Changed([](Json& json) { json["exp"] = kNow.seconds + 301; })),
            kStatementMalformed);
  EXPECT_EQ(Refusal(Changed([](Json& json) { json["exp"] = kNow.seconds; })), kStatementMalformed);
  EXPECT_EQ(Refusal(Changed([](Json& json) { json["iat"] = 0; })), kStatementMalformed);
}

//= docs/integrity-statement.md#S-15
TEST_F(VerifyTest, ARemovedSubmoduleOrIndicatorLowersTheVerdict) {
  for (std::size_t i = 0; i < kLayerCount; ++i) {
    const auto claims = Verify(Changed(
        [&](Json& json) { json["submods"].erase(std::string(LayerName(static_cast<Layer>(i)))); }));
    ASSERT_TRUE(claims);
    const Judgement judgement = Judge(claims->findings, {});
    EXPECT_LT(TierRank(judgement.tier), TierRank(Tier::kAffirming)) << i;
    EXPECT_LT(judgement.level, 3) << i;
  }
  const auto claims =
      Verify(Changed([](Json& json) { json["submods"]["update"]["measres"][0][1].erase(0); }));
  EXPECT_EQ(Judge(claims->findings, {}).tier, Tier::kContraindicated) << "upd.manifest";
}

//= docs/integrity-statement.md#S-14
TEST_F(VerifyTest, TheDevicesOwnVerdictChangesNothing) {
  const auto claims = Verify(Changed([](Json& json) {
    json["submods"]["system"]["measres"][0][1][0][1] = "fail";
    json["ota_result"]["level"] = 4;
    json["ota_result"]["tier"] = "affirming";
  }));
  ASSERT_TRUE(claims) << claims.error().Message();
  EXPECT_EQ(claims->own_view.tier, Tier::kAffirming);
  EXPECT_EQ(Judge(claims->findings, {}).tier, Tier::kContraindicated);
}

}  // namespace
}  // namespace pawl::integrity
