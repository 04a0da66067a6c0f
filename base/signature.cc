// SPDX-License-Identifier: Apache-2.0
#include "base/signature.h"

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <sodium.h>

#include <algorithm>
#include <array>

#include "base/format.h"

namespace pawl {
namespace {

template <auto Function>
struct Deleter {
  template <class T>
  void operator()(T* pointer) const {
    Function(pointer);
  }
};
using Pkey = std::unique_ptr<EVP_PKEY, Deleter<EVP_PKEY_free>>;
using Number = std::unique_ptr<BIGNUM, Deleter<BN_free>>;
using Bio = std::unique_ptr<BIO, Deleter<BIO_free_all>>;
using EcdsaSig = std::unique_ptr<ECDSA_SIG, Deleter<ECDSA_SIG_free>>;
using PkeyContext = std::unique_ptr<EVP_PKEY_CTX, Deleter<EVP_PKEY_CTX_free>>;
using MdContext = std::unique_ptr<EVP_MD_CTX, Deleter<EVP_MD_CTX_free>>;

constexpr std::size_t kMaxPemBytes = 8192;
constexpr int kMinRsaBits = 2048;
constexpr int kMaxRsaBits = 4096;      // bounds time and memory of a key that is not yet believed
constexpr int kMaxExponentBits = 32;   // 65537 is usual; a huge one makes each verification slow

Pkey ParsePem(std::string_view pem) {
  const Bio bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  // Without a callback the library would ask for a passphrase on the terminal when the PEM says that it is encrypted.
  const auto no_passphrase = [](char*, int, int, void*) { return -1; };
  return Pkey(PEM_read_bio_PUBKEY(bio.get(), nullptr, no_passphrase, nullptr));
}

Pkey ParseDer(ByteView der) {
  const std::uint8_t* cursor = der.data();
  return Pkey(d2i_PUBKEY(nullptr, &cursor, static_cast<long>(der.size())));
}

Bytes EncodeDer(const Pkey& key) {
  std::uint8_t* raw = nullptr;
  const int length = i2d_PUBKEY(key.get(), &raw);
  if (length <= 0) return {};
  Bytes der(raw, raw + length);
  OPENSSL_free(raw);
  return der;
}

// A point of the group other than infinity. The library's reader takes infinity too, and with that as key everybody can write signatures.
bool IsSoundPoint(const Pkey& key) {
  const PkeyContext context(EVP_PKEY_CTX_new(key.get(), nullptr));
  return context && EVP_PKEY_public_check(context.get()) == 1;
}

bool IsP256(const Pkey& key) {
  std::array<char, 64> group{};
  std::size_t length = 0;
  return EVP_PKEY_get_base_id(key.get()) == EVP_PKEY_EC &&
         EVP_PKEY_get_group_name(key.get(), group.data(), group.size(), &length) == 1 &&
         std::string_view(group.data(), length) == "prime256v1";
}

// With the exponent 1 a signature is the padded message itself, which anybody can write; an even one has no inverse.
bool IsSoundRsa(const Pkey& key) {
  if (EVP_PKEY_get_base_id(key.get()) != EVP_PKEY_RSA) return false;
  const int bits = EVP_PKEY_get_bits(key.get());
  if (bits < kMinRsaBits || bits > kMaxRsaBits) return false;
  BIGNUM* raw = nullptr;
  if (EVP_PKEY_get_bn_param(key.get(), OSSL_PKEY_PARAM_RSA_E, &raw) != 1) return false;
  const Number exponent(raw);
  return BN_is_odd(raw) == 1 && BN_is_one(raw) == 0 && BN_num_bits(raw) <= kMaxExponentBits;
}

// Gives a P-256 key the one encoding that it is compared by: named curve, uncompressed point. Otherwise a compressed and an
// uncompressed spelling of one key would count as two.
bool Normalise(const Pkey& key) {
  return EVP_PKEY_set_utf8_string_param(key.get(), OSSL_PKEY_PARAM_EC_ENCODING, OSSL_PKEY_EC_ENCODING_GROUP) == 1 &&
         EVP_PKEY_set_utf8_string_param(key.get(), OSSL_PKEY_PARAM_EC_POINT_CONVERSION_FORMAT,
                                        OSSL_PKEY_EC_POINT_CONVERSION_FORMAT_UNCOMPRESSED) == 1;
}

bool VerifyWithLibcrypto(SignatureScheme scheme, ByteView der, ByteView message, ByteView signature) {
  const Pkey key = ParseDer(der);
  const MdContext context(EVP_MD_CTX_new());
  EVP_PKEY_CTX* pkey_context = nullptr;  // owned by `context`
  if (!key || !context ||
      EVP_DigestVerifyInit(context.get(), &pkey_context, EVP_sha256(), nullptr, key.get()) != 1) {
    return false;
  }
  if (scheme == SignatureScheme::kRsassaPssSha256 &&
      (EVP_PKEY_CTX_set_rsa_padding(pkey_context, RSA_PKCS1_PSS_PADDING) != 1 ||
       EVP_PKEY_CTX_set_rsa_pss_saltlen(pkey_context, RSA_PSS_SALTLEN_AUTO) != 1)) {
    return false;
  }
  return EVP_DigestVerify(context.get(), signature.data(), signature.size(), message.data(), message.size()) == 1;
}

}  // namespace

Result<PublicKey> PublicKey::FromEd25519(ByteView raw) {
  if (raw.size() != kEd25519PublicKeyBytes) {
    return Fail(ErrorCode::kKeyInvalid, Format("expected an Ed25519 key of 32 bytes, found {}", raw.size()));
  }
  Bytes identity{static_cast<std::uint8_t>(SignatureScheme::kEd25519)};
  identity.insert(identity.end(), raw.begin(), raw.end());
  return PublicKey(SignatureScheme::kEd25519, std::move(identity));
}

Result<PublicKey> PublicKey::FromTuf(std::string_view keytype, std::string_view scheme,
                                     std::string_view public_text) {
  if (keytype == "ed25519" && scheme == "ed25519") {
    auto raw = HexDecode(public_text);
    if (!raw) return Fail(ErrorCode::kKeyInvalid, "expected an Ed25519 key as 64 lower-case hex digits");
    return FromEd25519(*raw);
  }
  const bool ecdsa = (keytype == "ecdsa" || keytype == "ecdsa-sha2-nistp256") && scheme == "ecdsa-sha2-nistp256";
  const bool rsa = keytype == "rsa" && scheme == "rsassa-pss-sha256";
  if (!ecdsa && !rsa) {
    return Fail(ErrorCode::kKeyInvalid, Format("unsupported key type '{}' with scheme '{}'", keytype, scheme));
  }
  if (public_text.size() > kMaxPemBytes) return Fail(ErrorCode::kKeyInvalid, "public key is too long");
  const Pkey key = ParsePem(public_text);
  if (!key) return Fail(ErrorCode::kKeyInvalid, "expected a PEM public key");
  if (ecdsa && (!IsP256(key) || !IsSoundPoint(key) || !Normalise(key))) return Fail(ErrorCode::kKeyInvalid, "expected a key on the curve P-256");
  if (rsa && !IsSoundRsa(key)) {
    return Fail(ErrorCode::kKeyInvalid, "expected an RSA key of 2048 to 4096 bits with an odd exponent of 3 to 2^32");
  }
  const SignatureScheme kind = ecdsa ? SignatureScheme::kEcdsaSha2Nistp256 : SignatureScheme::kRsassaPssSha256;
  Bytes identity{static_cast<std::uint8_t>(kind)};
  const Bytes der = EncodeDer(key);
  if (der.empty()) return Fail(ErrorCode::kKeyInvalid, "the public key cannot be encoded");
  identity.insert(identity.end(), der.begin(), der.end());
  return PublicKey(kind, std::move(identity));
}

bool PublicKey::Verify(ByteView message, ByteView signature) const {
  const ByteView material = ByteView(*identity_).subspan(1);
  if (scheme_ == SignatureScheme::kEd25519) {
    return signature.size() == kEd25519SignatureBytes &&
           crypto_sign_verify_detached(signature.data(), message.data(), message.size(), material.data()) == 0;
  }
  return !signature.empty() && VerifyWithLibcrypto(scheme_, material, message, signature);
}

Result<std::string> P256Pem(ByteView point) {
  // SubjectPublicKeyInfo up to the point: id-ecPublicKey, prime256v1, BIT STRING of 66 bytes (RFC 5480, 2).
  constexpr auto kPrefix = std::to_array<std::uint8_t>(
      {0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01,
       0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00});
  Bytes der(kPrefix.begin(), kPrefix.end());
  der.insert(der.end(), point.begin(), point.end());
  // The library would take the hybrid form of X9.62 as well, whose first byte is 6 or 7.
  const bool uncompressed = point.size() == kP256PointBytes && point.front() == 0x04;
  const Pkey key = uncompressed ? ParseDer(der) : nullptr;
  if (!key || EncodeDer(key) != der) {
    return Fail(ErrorCode::kKeyInvalid,
                Format("expected a point on P-256 as 65 bytes that begin with 04, found {}", point.size()));
  }
  const Bio bio(BIO_new(BIO_s_mem()));
  char* text = nullptr;  // owned by `bio`
  const bool written = bio && PEM_write_bio_PUBKEY(bio.get(), key.get()) == 1;
  const long length = written ? BIO_get_mem_data(bio.get(), &text) : 0;
  if (length <= 0) return Fail(ErrorCode::kKeyInvalid, "the public key cannot be encoded");
  return std::string(text, static_cast<std::size_t>(length));
}

Result<Bytes> EcdsaSignatureToDer(ByteView raw) {
  if (raw.size() != kP256SignatureBytes) {
    return Fail(ErrorCode::kKeyInvalid, Format("expected an ECDSA signature of 64 bytes, found {}", raw.size()));
  }
  const EcdsaSig signature(ECDSA_SIG_new());
  BIGNUM* r = BN_bin2bn(raw.data(), 32, nullptr);
  BIGNUM* s = BN_bin2bn(raw.data() + 32, 32, nullptr);
  if (!signature || ECDSA_SIG_set0(signature.get(), r, s) != 1) {  // takes both, unless it fails
    BN_free(r);
    BN_free(s);
    return Fail(ErrorCode::kKeyInvalid, "the signature cannot be encoded");
  }
  std::uint8_t* encoded = nullptr;
  const int length = i2d_ECDSA_SIG(signature.get(), &encoded);
  if (length <= 0) return Fail(ErrorCode::kKeyInvalid, "the signature cannot be encoded");
  Bytes der(encoded, encoded + length);
  OPENSSL_free(encoded);
  return der;
}

Result<Ed25519Key> Ed25519Key::FromSeed(const SecretBuffer& seed) {
  if (seed.size() != kEd25519SeedBytes) {
    return Fail(ErrorCode::kKeyInvalid, Format("expected a seed of 32 bytes, found {}", seed.size()));
  }
  PAWL_TRY(InitCrypto());
  SecretBuffer secret(crypto_sign_SECRETKEYBYTES);
  Bytes public_key(kEd25519PublicKeyBytes);
  crypto_sign_seed_keypair(public_key.data(), secret.span().data(), seed.view().data());
  return Ed25519Key(std::move(secret), std::move(public_key));
}

Result<Ed25519Key> Ed25519Key::Generate() {
  SecretBuffer seed(kEd25519SeedBytes);
  RandomBytes(seed.span());
  return FromSeed(seed);
}

Bytes Ed25519Key::Sign(ByteView message) const {
  Bytes signature(kEd25519SignatureBytes);
  crypto_sign_detached(signature.data(), nullptr, message.data(), message.size(), secret_.view().data());
  return signature;
}

SecretBuffer Ed25519Key::Seed() const {
  SecretBuffer seed(kEd25519SeedBytes);
  std::ranges::copy(secret_.view().first(kEd25519SeedBytes), seed.span().data());
  return seed;
}

}  // namespace pawl
