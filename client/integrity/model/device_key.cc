// SPDX-License-Identifier: Apache-2.0
#include "client/integrity/model/device_key.h"

#include <algorithm>

#include "base/format.h"
#include "base/hash.h"
#include "base/json.h"
#include "client/integrity/model/safe_text.h"

namespace pawl::integrity {
namespace {

constexpr std::string_view kSchema = "pawl.device-key/1";
constexpr ErrorCode kMalformed = ErrorCode::kKeyInvalid;

// The member under our name, or under the name that it has in a TUF key object.
Result<std::string> Either(const JsonObject& object, std::string_view ours, std::string_view tuf) {
  return object.String(object.Has(ours) ? ours : tuf);
}

Result<Bytes> ReadUeid(const JsonObject& object, ByteView public_key) {
  if (!object.Has("ueid")) return UeidOfKey(public_key);
  PAWL_ASSIGN_OR_RETURN(const std::string hex, object.String("ueid"));
  auto ueid = HexDecode(hex);
  if (!ueid || ueid->size() != kUeidBytes || ueid->front() != kUeidTypeRandom) {
    return std::unexpected(object.Malformed("ueid", "66 lower-case hex digits beginning with 01"));
  }
  return std::move(*ueid);
}

}  // namespace

std::string KeyThumbprint(ByteView ed25519_public_key) {
  // The members that RFC 7638 requires for the key type, in lexicographic order, without white
  // space.
  return Base64UrlEncode(HashSha256(AsBytes(Format(R"({{"crv":"Ed25519","kty":"OKP","x":"{}"}})",
                                                   Base64UrlEncode(ed25519_public_key))))
                             .bytes);
}

std::string DeviceKey::Thumbprint() const { return KeyThumbprint(public_key); }

Bytes UeidOfKey(ByteView ed25519_public_key) {
  const Sha256Digest digest = HashSha256(ed25519_public_key);
  Bytes ueid(kUeidBytes);
  ueid.front() = kUeidTypeRandom;
  std::ranges::copy(digest.bytes, ueid.begin() + 1);
  return ueid;
}

Result<DeviceKey> ParseDeviceKey(ByteView bytes) {
  if (bytes.size() > kMaxDeviceKeyFileBytes) {
    return Fail(kMalformed, Format("device key: expected at most {} bytes, found {}",
                                   kMaxDeviceKeyFileBytes, bytes.size()));
  }
  auto json = ParseJson(bytes);
  if (!json) return Fail(kMalformed, Format("device key: {}", json.error().Message()));
  PAWL_ASSIGN_OR_RETURN(const JsonObject object, JsonObject::From(*json, "device key", kMalformed));
  PAWL_ASSIGN_OR_RETURN(const std::string schema, object.String("schema"));
  PAWL_ASSIGN_OR_RETURN(const std::string algorithm, Either(object, "algorithm", "keytype"));
  if (schema != kSchema || algorithm != "ed25519") {
    return Fail(kMalformed,
                Format("device key: expected schema {} and algorithm ed25519", kSchema));
  }
  DeviceKey key;
  PAWL_ASSIGN_OR_RETURN(key.device, object.String("device"));
  if (key.device.empty() || !IsSafeText(key.device, kMaxDeviceIdChars)) {
    return std::unexpected(object.Malformed("device", "1 to 128 printable ASCII characters"));
  }
  PAWL_ASSIGN_OR_RETURN(const std::string material, Either(object, "public_key", "public"));
  auto public_key = HexDecode(material);
  if (!public_key || public_key->size() != kEd25519PublicKeyBytes) {
    return std::unexpected(object.Malformed("public_key", "64 lower-case hex digits"));
  }
  key.public_key = std::move(*public_key);
  PAWL_ASSIGN_OR_RETURN(key.ueid, ReadUeid(object, key.public_key));
  return key;
}

std::string EncodeDeviceKey(const DeviceKey& key) {
  return PrettyJson(Json{{"schema", kSchema},
                         {"device", key.device},
                         {"ueid", HexEncode(key.ueid)},
                         {"algorithm", "ed25519"},
                         {"public_key", HexEncode(key.public_key)}});
}

}  // namespace pawl::integrity
