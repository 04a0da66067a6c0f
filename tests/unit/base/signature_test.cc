// SPDX-License-Identifier: Apache-2.0
#include "base/signature.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include <algorithm>

#include "tests/matchers.h"

namespace pawl {
namespace {

using testing::IsError;
using testing::IsOk;

struct Free {
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
  void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
  void operator()(BIO* bio) const { BIO_free_all(bio); }
};
using Pkey = std::unique_ptr<EVP_PKEY, Free>;

Pkey MakeEc(const char* curve) { return Pkey(EVP_EC_gen(curve)); }
Pkey MakeRsa(std::size_t bits) { return Pkey(EVP_RSA_gen(static_cast<unsigned>(bits))); }

std::string Pem(const Pkey& key) {
  const std::unique_ptr<BIO, Free> bio(BIO_new(BIO_s_mem()));
  PEM_write_bio_PUBKEY(bio.get(), key.get());
  char* text = nullptr;
  const long length = BIO_get_mem_data(bio.get(), &text);
  return {text, static_cast<std::size_t>(length)};
}

Bytes SignWith(const Pkey& key, ByteView message, bool pss, const EVP_MD* digest = EVP_sha256()) {
  const std::unique_ptr<EVP_MD_CTX, Free> context(EVP_MD_CTX_new());
  EVP_PKEY_CTX* inner = nullptr;
  EVP_DigestSignInit(context.get(), &inner, digest, nullptr, key.get());
  if (pss) {
    EVP_PKEY_CTX_set_rsa_padding(inner, RSA_PKCS1_PSS_PADDING);
    EVP_PKEY_CTX_set_rsa_pss_saltlen(inner, RSA_PSS_SALTLEN_DIGEST);
  }
  std::size_t length = 0;
  EVP_DigestSign(context.get(), nullptr, &length, message.data(), message.size());
  Bytes signature(length);
  EVP_DigestSign(context.get(), signature.data(), &length, message.data(), message.size());
  signature.resize(length);
  return signature;
}

// The same PEM with lines of another length and other line ends.
std::string Rewrapped(const std::string& pem, std::size_t width, const std::string& line_end) {
  const std::string head = "-----BEGIN PUBLIC KEY-----";
  const std::string tail = "-----END PUBLIC KEY-----";
  std::string body = pem.substr(head.size(), pem.find(tail) - head.size());
  std::erase(body, '\n');
  std::string out = head + line_end;
  for (std::size_t at = 0; at < body.size(); at += width) out += body.substr(at, width) + line_end;
  return out + tail + line_end;
}

Result<PublicKey> Ecdsa(const std::string& pem) {
  return PublicKey::FromTuf("ecdsa", "ecdsa-sha2-nistp256", pem);
}
Result<PublicKey> Rsa(const std::string& pem) {
  return PublicKey::FromTuf("rsa", "rsassa-pss-sha256", pem);
}

void ExpectOnlyTheRightSignature(const PublicKey& key, const Bytes& message,
                                 const Bytes& signature) {
  EXPECT_TRUE(key.Verify(message, signature));
  for (const std::size_t position : {std::size_t{0}, signature.size() / 2, signature.size() - 1}) {
    Bytes changed = signature;
    changed[position] ^= 1U;
    EXPECT_FALSE(key.Verify(message, changed)) << position;
  }
  Bytes longer = message;
  longer.push_back(0);
  EXPECT_FALSE(key.Verify(longer, signature));
  EXPECT_FALSE(key.Verify(message, {}));
  EXPECT_FALSE(key.Verify(message, ByteView(signature).first(signature.size() - 1)));
  Bytes extended = signature;
  extended.push_back(0);
  EXPECT_FALSE(key.Verify(message, extended));
}

// RFC 8032, section 7.1, test 3.
TEST(Ed25519Test, MatchesRfc8032) {
  const Bytes raw = *HexDecode("c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7");
  SecretBuffer seed(raw.size());
  std::ranges::copy(raw, seed.span().data());
  const auto key = Ed25519Key::FromSeed(seed);
  ASSERT_THAT(key, IsOk());
  const std::string public_hex = "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025";
  EXPECT_EQ(HexEncode(key->public_key()), public_hex);
  const Bytes message{0xaf, 0x82};
  const Bytes signature = key->Sign(message);
  EXPECT_EQ(HexEncode(signature),
            "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
            "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a");
  const auto public_key = PublicKey::FromTuf("ed25519", "ed25519", public_hex);
  ASSERT_THAT(public_key, IsOk());
  ExpectOnlyTheRightSignature(*public_key, message, signature);
  EXPECT_EQ(HexEncode(key->Seed().view()), HexEncode(raw));
}

TEST(Ed25519Test, RefusesOtherSizesAndSpellings) {
  for (const std::size_t size : {0U, 31U, 33U, 64U}) {
    EXPECT_THAT(PublicKey::FromEd25519(Bytes(size, 1)), IsError(ErrorCode::kKeyInvalid)) << size;
    EXPECT_THAT(Ed25519Key::FromSeed(SecretBuffer(size)), IsError(ErrorCode::kKeyInvalid)) << size;
  }
  const std::string hex(64, 'a');
  EXPECT_THAT(PublicKey::FromTuf("ed25519", "ed25519", hex), IsOk());
  EXPECT_THAT(PublicKey::FromTuf("ed25519", "ed25519", std::string(64, 'A')),
              IsError(ErrorCode::kKeyInvalid));
  EXPECT_THAT(PublicKey::FromTuf("ed25519", "ed25519", hex + "\n"),
              IsError(ErrorCode::kKeyInvalid));
  EXPECT_THAT(PublicKey::FromTuf("ed25519", "ed25519", ""), IsError(ErrorCode::kKeyInvalid));
}

TEST(Ed25519Test, KeysOfSmallOrderVerifyNothing) {
  // With the neutral element as key, a signature of zeros "signs" any message in the plain
  // equation.
  for (const char* hex : {"0100000000000000000000000000000000000000000000000000000000000000",
                          "0000000000000000000000000000000000000000000000000000000000000000"}) {
    const auto key = PublicKey::FromTuf("ed25519", "ed25519", hex);
    Bytes signature(64, 0);
    signature[0] = 1;
    EXPECT_FALSE(key.has_value() && key->Verify(AsBytes("any"), signature));
  }
}

TEST(Ed25519Test, GeneratedKeysDiffer) {
  EXPECT_NE(Ed25519Key::Generate()->public_key(), Ed25519Key::Generate()->public_key());
}

TEST(EcdsaTest, VerifiesP256Signatures) {
  const Pkey key = MakeEc("P-256");
  const Bytes message(1000, 0x5a);
  const auto public_key = Ecdsa(Pem(key));
  ASSERT_THAT(public_key, IsOk());
  ExpectOnlyTheRightSignature(*public_key, message, SignWith(key, message, /*pss=*/false));
  EXPECT_FALSE(public_key->Verify(message, SignWith(MakeEc("P-256"), message, /*pss=*/false)));
  EXPECT_FALSE(public_key->Verify(message, SignWith(key, message, /*pss=*/false, EVP_sha512())));
  EXPECT_THAT(PublicKey::FromTuf("ecdsa-sha2-nistp256", "ecdsa-sha2-nistp256", Pem(key)), IsOk());
}

TEST(EcdsaTest, RefusesOtherCurvesAndKinds) {
  for (const char* curve : {"P-384", "secp256k1", "P-224"}) {
    EXPECT_THAT(Ecdsa(Pem(MakeEc(curve))), IsError(ErrorCode::kKeyInvalid)) << curve;
  }
  EXPECT_THAT(Ecdsa(Pem(MakeRsa(2048))), IsError(ErrorCode::kKeyInvalid));
}

TEST(RsaTest, VerifiesPssSignaturesOnly) {
  const Pkey key = MakeRsa(2048);
  const Bytes message(1000, 0xa5);
  const auto public_key = Rsa(Pem(key));
  ASSERT_THAT(public_key, IsOk());
  ExpectOnlyTheRightSignature(*public_key, message, SignWith(key, message, /*pss=*/true));
  EXPECT_FALSE(public_key->Verify(message, SignWith(key, message, /*pss=*/false)));  // PKCS #1 v1.5
}

TEST(RsaTest, RefusesShortAndForeignKeys) {
  EXPECT_THAT(Rsa(Pem(MakeRsa(1024))), IsError(ErrorCode::kKeyInvalid));
  EXPECT_THAT(Rsa(Pem(MakeEc("P-256"))), IsError(ErrorCode::kKeyInvalid));
}

// A public RSA key with any exponent, for which nobody need know a private one.
Pkey RsaWithExponent(const Pkey& like, BN_ULONG exponent) {
  BIGNUM* modulus = nullptr;
  EVP_PKEY_get_bn_param(like.get(), OSSL_PKEY_PARAM_RSA_N, &modulus);
  BIGNUM* number = BN_new();
  BN_set_word(number, exponent);
  OSSL_PARAM_BLD* builder = OSSL_PARAM_BLD_new();
  OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_N, modulus);
  OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_E, number);
  OSSL_PARAM* parameters = OSSL_PARAM_BLD_to_param(builder);
  EVP_PKEY_CTX* context = EVP_PKEY_CTX_new_from_name(nullptr, "RSA", nullptr);
  EVP_PKEY* key = nullptr;
  EVP_PKEY_fromdata_init(context);
  EVP_PKEY_fromdata(context, &key, EVP_PKEY_PUBLIC_KEY, parameters);
  EVP_PKEY_CTX_free(context);
  OSSL_PARAM_free(parameters);
  OSSL_PARAM_BLD_free(builder);
  BN_free(number);
  BN_free(modulus);
  return Pkey(key);
}

// docs/manifest-format.md, M-08. With the exponent 1 everybody can "sign".
TEST(RsaTest, RefusesExponentsThatAreNoLock) {
  const Pkey key = MakeRsa(2048);
  for (const BN_ULONG exponent : {1UL, 2UL, 65536UL, (1UL << 32U) + 1UL}) {
    EXPECT_THAT(Rsa(Pem(RsaWithExponent(key, exponent))), IsError(ErrorCode::kKeyInvalid)) << exponent;
  }
  EXPECT_THAT(Rsa(Pem(RsaWithExponent(key, 3))), IsOk());
  EXPECT_THAT(Rsa(Pem(RsaWithExponent(key, 65537))), IsOk());
}

// The numbers need not be of a real key: nothing but their size is looked at before a signature is.
TEST(RsaTest, RefusesAModulusThatOnlyCostsTime) {
  BIGNUM* modulus = BN_new();
  for (const auto& [bits, fine] : {std::pair{2047, false}, {2048, true}, {4096, true}, {4097, false}, {16384, false}}) {
    BN_zero(modulus);
    BN_set_bit(modulus, bits - 1);
    BN_set_bit(modulus, 0);
    OSSL_PARAM_BLD* builder = OSSL_PARAM_BLD_new();
    OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_N, modulus);
    OSSL_PARAM_BLD_push_uint(builder, OSSL_PKEY_PARAM_RSA_E, 65537);
    OSSL_PARAM* parameters = OSSL_PARAM_BLD_to_param(builder);
    EVP_PKEY_CTX* context = EVP_PKEY_CTX_new_from_name(nullptr, "RSA", nullptr);
    EVP_PKEY* raw = nullptr;
    EVP_PKEY_fromdata_init(context);
    EVP_PKEY_fromdata(context, &raw, EVP_PKEY_PUBLIC_KEY, parameters);
    const Pkey key(raw);
    EXPECT_EQ(Rsa(Pem(key)).has_value(), fine) << bits;
    EVP_PKEY_CTX_free(context);
    OSSL_PARAM_free(parameters);
    OSSL_PARAM_BLD_free(builder);
  }
  BN_free(modulus);
}

// With the point at infinity as key, anybody can write a signature: the library decodes such a key and would believe it.
TEST(EcdsaTest, RefusesThePointAtInfinity) {
  const std::string pem =
      "-----BEGIN PUBLIC KEY-----\nMBkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDAgAA\n-----END PUBLIC KEY-----\n";
  EXPECT_THAT(Ecdsa(pem), IsError(ErrorCode::kKeyInvalid));
}

// DER has one spelling of a signature. Both s and n − s are valid, by the nature of ECDSA: thresholds count keys, so it does not matter.
TEST(EcdsaTest, RefusesOtherEncodingsOfASignature) {
  const Pkey key = MakeEc("P-256");
  const Bytes message(100, 7);
  const auto public_key = Ecdsa(Pem(key));
  ASSERT_THAT(public_key, IsOk());
  const Bytes good = SignWith(key, message, /*pss=*/false);
  ASSERT_TRUE(public_key->Verify(message, good));
  Bytes long_form = good;  // the length of the sequence in two bytes
  long_form.insert(long_form.begin() + 1, 0x81);
  EXPECT_FALSE(public_key->Verify(message, long_form));
  Bytes padded = good;  // r with a zero byte too many
  padded.insert(padded.begin() + 4, 0);
  padded[3] = static_cast<std::uint8_t>(padded[3] + 1);
  padded[1] = static_cast<std::uint8_t>(padded[1] + 1);
  EXPECT_FALSE(public_key->Verify(message, padded));
  EXPECT_FALSE(public_key->Verify(message, Bytes(64, 1)));  // r ‖ s as other formats have it
  const Bytes zero = {0x30, 0x06, 0x02, 0x01, 0x00, 0x02, 0x01, 0x00};
  EXPECT_FALSE(public_key->Verify(message, zero));  // CVE-2022-21449
}

// docs/manifest-format.md, M-08. Hexadecimal P-256 keys were used before TUF 1.0 only.
TEST(EcdsaTest, HexKeysAreNotUsable) {
  EXPECT_THAT(Ecdsa("04" + std::string(128, 'a')), IsError(ErrorCode::kKeyInvalid));
}

TEST(PublicKeyTest, PrivateKeysAreNotPublicOnes) {
  const Pkey key = MakeEc("P-256");
  const std::unique_ptr<BIO, Free> bio(BIO_new(BIO_s_mem()));
  PEM_write_bio_PrivateKey(bio.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr);
  char* text = nullptr;
  const long length = BIO_get_mem_data(bio.get(), &text);
  EXPECT_THAT(Ecdsa({text, static_cast<std::size_t>(length)}), IsError(ErrorCode::kKeyInvalid));
}

// docs/manifest-format.md, M-08.
TEST(PublicKeyTest, UnknownTypesAndSchemesAreRefused) {
  const std::string pem = Pem(MakeEc("P-256"));
  EXPECT_THAT(PublicKey::FromTuf("ecdsa", "ed25519", pem), IsError(ErrorCode::kKeyInvalid));
  EXPECT_THAT(PublicKey::FromTuf("ed25519", "ecdsa-sha2-nistp256", pem),
              IsError(ErrorCode::kKeyInvalid));
  EXPECT_THAT(PublicKey::FromTuf("rsa", "rsa-pkcs1v15-sha256", pem),
              IsError(ErrorCode::kKeyInvalid));
  EXPECT_THAT(PublicKey::FromTuf("", "", ""), IsError(ErrorCode::kKeyInvalid));
}

TEST(PublicKeyTest, MalformedPemIsRefused) {
  const std::string pem = Pem(MakeEc("P-256"));
  for (const std::string& text :
       {std::string(), std::string("x"), pem.substr(0, pem.size() / 2),
        std::string("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"),
        pem + std::string(9000, '\n')}) {
    EXPECT_THAT(Ecdsa(text), IsError(ErrorCode::kKeyInvalid));
  }
}

TEST(PublicKeyTest, EncryptedPemIsRefusedWithoutAskingForAPassphrase) {
  std::string pem = Pem(MakeEc("P-256"));
  pem.insert(pem.find('\n') + 1,
             "Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00112233445566778899AABBCCDDEEFF\n\n");
  EXPECT_THAT(Ecdsa(pem), IsError(ErrorCode::kKeyInvalid));
}

// docs/manifest-format.md, M-09. One person, one signature: thresholds count identities, and no other spelling of a key is another
// identity.
class KeyIdentityTest : public ::testing::Test {
 protected:
  static std::string PemWith(const Pkey& key, const char* parameter, const char* value) {
    Pkey copy(EVP_PKEY_dup(key.get()));
    EXPECT_EQ(EVP_PKEY_set_utf8_string_param(copy.get(), parameter, value), 1);
    return Pem(copy);
  }
};

TEST_F(KeyIdentityTest, IgnoresHowPemIsWrapped) {
  for (const Pkey& key : {MakeEc("P-256"), MakeRsa(2048)}) {
    const bool rsa = EVP_PKEY_get_base_id(key.get()) == EVP_PKEY_RSA;
    const auto make = rsa ? Rsa : Ecdsa;
    const Bytes identity = make(Pem(key))->identity();
    for (const std::string& text : {Rewrapped(Pem(key), 76, "\n"), Rewrapped(Pem(key), 32, "\r\n"),
                                    "some text before\n" + Pem(key), Pem(key) + "\n\n",
                                    Pem(key) + "garbage behind it", Pem(key) + Pem(MakeEc("P-256"))}) {
      const auto other = make(text);
      EXPECT_TRUE(!other || other->identity() == identity)
          << text;  // refusing a spelling is fine too
    }
  }
}

TEST_F(KeyIdentityTest, IgnoresHowTheCurvePointIsEncoded) {
  const Pkey key = MakeEc("P-256");
  const Bytes identity = Ecdsa(Pem(key))->identity();
  for (const char* form : {"compressed", "hybrid"}) {
    const auto other = Ecdsa(PemWith(key, OSSL_PKEY_PARAM_EC_POINT_CONVERSION_FORMAT, form));
    EXPECT_TRUE(!other || other->identity() == identity) << form;
  }
}

TEST_F(KeyIdentityTest, IgnoresHowTheCurveIsNamed) {
  const Pkey key = MakeEc("P-256");
  const Bytes identity = Ecdsa(Pem(key))->identity();
  const auto other =
      Ecdsa(PemWith(key, OSSL_PKEY_PARAM_EC_ENCODING, OSSL_PKEY_EC_ENCODING_EXPLICIT));
  EXPECT_TRUE(!other || other->identity() == identity);
}

TEST_F(KeyIdentityTest, DiffersForDifferentKeys) {
  EXPECT_NE(Ecdsa(Pem(MakeEc("P-256")))->identity(), Ecdsa(Pem(MakeEc("P-256")))->identity());
}

}  // namespace
}  // namespace pawl
