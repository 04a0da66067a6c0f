// SPDX-License-Identifier: Apache-2.0
#include "signer/pkcs11_encoding.h"

#include <algorithm>
#include <array>

#include "base/format.h"
#include "base/signature.h"

namespace pawl::signer {
namespace {

constexpr std::uint8_t kOctetString = 0x04;
constexpr std::uint8_t kUncompressed = 0x04;

// PrintableString "edwards25519" (PKCS#11 3.0, 2.3.10).
constexpr auto kEdwardsName = std::to_array<std::uint8_t>(
    {0x13, 0x0c, 'e', 'd', 'w', 'a', 'r', 'd', 's', '2', '5', '5', '1', '9'});
// 1.3.101.112, id-Ed25519 (RFC 8410).
constexpr auto kEd25519Oid = std::to_array<std::uint8_t>({0x06, 0x03, 0x2b, 0x65, 0x70});
// 1.3.6.1.4.1.11591.15.1, which OpenPGP cards show.
constexpr auto kGnuEd25519Oid =
    std::to_array<std::uint8_t>({0x06, 0x09, 0x2b, 0x06, 0x01, 0x04, 0x01, 0xda, 0x47, 0x0f, 0x01});
// 1.2.840.10045.3.1.7, prime256v1 (RFC 5480).
constexpr auto kP256Oid =
    std::to_array<std::uint8_t>({0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07});

bool Equal(ByteView a, ByteView b) { return std::ranges::equal(a, b); }

Bytes ToBytes(ByteView view) { return {view.begin(), view.end()}; }

}  // namespace

std::string_view NameOf(TokenKeyType type) {
  return type == TokenKeyType::kEd25519 ? "Ed25519" : "P-256";
}

std::optional<TokenKeyType> CurveOf(ByteView ec_params) {
  if (Equal(ec_params, kP256Oid)) return TokenKeyType::kP256;
  if (Equal(ec_params, kEdwardsName) || Equal(ec_params, kEd25519Oid) ||
      Equal(ec_params, kGnuEd25519Oid)) {
    return TokenKeyType::kEd25519;
  }
  return std::nullopt;
}

std::vector<Bytes> CurveParameters(TokenKeyType type) {
  if (type == TokenKeyType::kP256) return {ToBytes(kP256Oid)};
  return {ToBytes(kEdwardsName), ToBytes(kEd25519Oid)};
}

Result<Bytes> PublicPoint(TokenKeyType type, ByteView ec_point) {
  const std::size_t size =
      type == TokenKeyType::kEd25519 ? kEd25519PublicKeyBytes : kP256PointBytes;
  ByteView raw = ec_point;
  if (raw.size() == size + 2 && raw[0] == kOctetString && raw[1] == size) raw = raw.subspan(2);
  const bool uncompressed =
      type == TokenKeyType::kEd25519 || (!raw.empty() && raw.front() == kUncompressed);
  if (raw.size() == size && uncompressed) return ToBytes(raw);
  return Fail(ErrorCode::kTokenMechanism,
              Format("expected the {} public key as {} bytes, raw or in an OCTET STRING, found {} "
                     "bytes",
                     NameOf(type), size, ec_point.size()));
}

}  // namespace pawl::signer
