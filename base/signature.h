// SPDX-License-Identifier: Apache-2.0
#pragma once

// Public keys and signatures in the schemes that the TUF specification (1.0, section 4.2) names.
// The algorithm always comes from the key, never from the signature (CVE-2015-9258).

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"
#include "base/secret.h"

namespace pawl {

enum class SignatureScheme : std::uint8_t { kEd25519, kEcdsaSha2Nistp256, kRsassaPssSha256 };

inline constexpr std::size_t kEd25519PublicKeyBytes = 32;
inline constexpr std::size_t kEd25519SignatureBytes = 64;
inline constexpr std::size_t kEd25519SeedBytes = 32;
inline constexpr std::size_t kP256PointBytes = 65;      // 0x04, X, Y (SEC 1, 2.3.3)
inline constexpr std::size_t kP256SignatureBytes = 64;  // r, s as PKCS#11 gives them

class PublicKey {
 public:
  // Builds a key from the three texts of a TUF key object: keytype, scheme, keyval.public.
  // ed25519: 64 lower-case hex digits. ecdsa (keytype "ecdsa" or "ecdsa-sha2-nistp256") and rsa: PEM SubjectPublicKeyInfo;
  // RSA outside 2048 … 4096 bits or with an exponent that is even, 1 or above 2^32, and curves other than P-256 are refused.
  // ERRORS: kKeyInvalid.
  static Result<PublicKey> FromTuf(std::string_view keytype, std::string_view scheme,
                                   std::string_view public_text);
  // REQUIRES: `raw` has 32 bytes.
  static Result<PublicKey> FromEd25519(ByteView raw);

  // True when `signature` (raw 64 bytes for Ed25519, DER for ECDSA, big-endian for RSA) over `message` is valid.
  // Never an error: a malformed signature is simply not valid.
  bool Verify(ByteView message, ByteView signature) const;

  // The decoded key material with its scheme: equal for the same key in any spelling. Thresholds count distinct identities,
  // never key ids (GHSA-3633-5h82-39pq).
  const Bytes& identity() const { return *identity_; }
  SignatureScheme scheme() const { return scheme_; }

 private:
  PublicKey(SignatureScheme scheme, Bytes identity)
      : scheme_(scheme), identity_(std::make_shared<const Bytes>(std::move(identity))) {}
  SignatureScheme scheme_;
  // One scheme byte, then raw Ed25519 key or DER SubjectPublicKeyInfo. Shared by copies: a few bytes of metadata name a
  // key of half a kibibyte again and again.
  std::shared_ptr<const Bytes> identity_;
};

// The PEM SubjectPublicKeyInfo of a P-256 key, as `openssl pkey -pubout` prints it. `point` is uncompressed.
// ERRORS: kKeyInvalid (length, form, not on the curve).
Result<std::string> P256Pem(ByteView point);

// An ECDSA signature r || s in the DER form that PublicKey::Verify takes (RFC 3279, 2.2.3).
// ERRORS: kKeyInvalid unless `raw` has 64 bytes.
Result<Bytes> EcdsaSignatureToDer(ByteView raw);

// An Ed25519 signing key. The secret stays in guarded memory.
class Ed25519Key {
 public:
  // ERRORS: kKeyInvalid when `seed` is not 32 bytes.
  static Result<Ed25519Key> FromSeed(const SecretBuffer& seed);
  // From the system's random source.
  static Result<Ed25519Key> Generate();

  Bytes Sign(ByteView message) const;  // 64 bytes, deterministic (RFC 8032)
  const Bytes& public_key() const { return public_key_; }
  // A copy of the 32-byte seed, for sealing into a key file.
  SecretBuffer Seed() const;

 private:
  Ed25519Key(SecretBuffer secret, Bytes public_key)
      : secret_(std::move(secret)), public_key_(std::move(public_key)) {}
  SecretBuffer secret_;  // libsodium's 64-byte form
  Bytes public_key_;
};

}  // namespace pawl
