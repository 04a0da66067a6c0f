// SPDX-License-Identifier: Apache-2.0
// The forms in which tokens give curves, public keys and signatures.

#include "signer/pkcs11_encoding.h"

#include <algorithm>

#include "base/signature.h"
#include "tests/unit/signer/signer_test_util.h"

namespace pawl::signer::testing {
namespace {

Bytes Hex(std::string_view text) { return HexDecode(text).value(); }

Bytes Wrap(const Bytes& raw) {
  Bytes wrapped{0x04, static_cast<std::uint8_t>(raw.size())};
  wrapped.insert(wrapped.end(), raw.begin(), raw.end());
  return wrapped;
}

Bytes PointOfNewKey() {
  const NamedKey key = MakeP256Key("anna").named;
  return {key.key.identity().end() - kP256PointBytes, key.key.identity().end()};
}

TEST(TokenEncodingTest, KnowsTheCurvesInEverySpelling) {
  EXPECT_EQ(CurveOf(Hex("06082a8648ce3d030107")), TokenKeyType::kP256);
  EXPECT_EQ(CurveOf(Hex("130c656477617264733235353139")), TokenKeyType::kEd25519);
  EXPECT_EQ(CurveOf(Hex("06032b6570")), TokenKeyType::kEd25519);
  EXPECT_EQ(CurveOf(Hex("06092b06010401da470f01")), TokenKeyType::kEd25519);
}

TEST(TokenEncodingTest, OtherCurvesAreNone) {
  for (const char* other : {"", "06052b81040022",        // P-384
                            "06032b6571",                // Ed448
                            "130a63757276653235353139",  // curve25519
                            "06082a8648ce3d03010700", "0608"}) {
    EXPECT_FALSE(CurveOf(Hex(other))) << other;
  }
}

TEST(TokenEncodingTest, ParametersForNewKeysAreOnesThatAreRead) {
  for (const TokenKeyType type : {TokenKeyType::kEd25519, TokenKeyType::kP256}) {
    for (const Bytes& parameters : CurveParameters(type)) EXPECT_EQ(CurveOf(parameters), type);
  }
}

TEST(TokenEncodingTest, PointsAreReadRawAndWrapped) {
  // Its first bytes look like an OCTET STRING: only the length tells.
  Bytes ed(kEd25519PublicKeyBytes, 0x20);
  ed.front() = 0x04;
  EXPECT_EQ(PublicPoint(TokenKeyType::kEd25519, ed), ed);
  EXPECT_EQ(PublicPoint(TokenKeyType::kEd25519, Wrap(ed)), ed);
  const Bytes point = PointOfNewKey();
  EXPECT_EQ(PublicPoint(TokenKeyType::kP256, point), point);
  EXPECT_EQ(PublicPoint(TokenKeyType::kP256, Wrap(point)), point);
}

TEST(TokenEncodingTest, OtherPointsAreRefused) {
  const Bytes ed(kEd25519PublicKeyBytes, 7);
  const Bytes point = PointOfNewKey();
  Bytes compressed(point.begin(), point.begin() + 33);
  compressed.front() = 2;
  Bytes wrong_tag = Wrap(point);
  wrong_tag.front() = 0x03;
  Bytes wrong_length = Wrap(ed);
  wrong_length[1] = 0x21;
  Bytes long_form = Wrap(ed);
  long_form.insert(long_form.begin() + 1, 0x81);
  EXPECT_EQ(CodeOf(PublicPoint(TokenKeyType::kP256, compressed)), ErrorCode::kTokenMechanism);
  EXPECT_EQ(CodeOf(PublicPoint(TokenKeyType::kP256, Wrap(compressed))), ErrorCode::kTokenMechanism);
  EXPECT_EQ(CodeOf(PublicPoint(TokenKeyType::kP256, wrong_tag)), ErrorCode::kTokenMechanism);
  EXPECT_EQ(CodeOf(PublicPoint(TokenKeyType::kP256, ed)), ErrorCode::kTokenMechanism);
  for (const Bytes& bad : {Bytes(), Bytes(31), Bytes(33), wrong_length, long_form, point}) {
    EXPECT_EQ(CodeOf(PublicPoint(TokenKeyType::kEd25519, bad)), ErrorCode::kTokenMechanism);
  }
}

// RFC 3279: both numbers are positive and as short as can be.
TEST(TokenEncodingTest, RawEcdsaSignaturesBecomeDer) {
  Bytes raw(kP256SignatureBytes);
  raw[31] = 1;                                                 // r = 1
  std::fill(raw.begin() + 32, raw.end(), std::uint8_t{0xff});  // s: needs a leading zero
  Bytes expected = Hex("3026020101022100");
  expected.insert(expected.end(), 32, 0xff);
  EXPECT_EQ(EcdsaSignatureToDer(raw), expected);
  EXPECT_EQ(CodeOf(EcdsaSignatureToDer(Bytes(63))), ErrorCode::kKeyInvalid);
  EXPECT_EQ(CodeOf(EcdsaSignatureToDer(Bytes())), ErrorCode::kKeyInvalid);
}

}  // namespace
}  // namespace pawl::signer::testing
