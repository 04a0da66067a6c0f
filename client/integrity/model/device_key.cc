// SPDX-License-Identifier: Apache-2.0
#include "client/integrity/model/device_key.h"

#include "base/format.h"
#include "base/hash.h"
#include "base/json.h"
#include "client/integrity/model/safe_text.h"

namespace pawl::integrity {
namespace {

constexpr std::string_view kSchema = "pawl.device-key/1";

}  // namespace

std::string KeyThumbprint(ByteView ed25519_public_key) {
  // The members that RFC 7638 requires for the key type, in lexicographic order, without white space.
  return Base64UrlEncode(
      HashSha256(AsBytes(Format(R"({{"crv":"Ed25519","kty":"OKP","x":"{}"}})", Base64UrlEncode(ed25519_public_key))))
          .bytes);
}

std::string DeviceKey::Thumbprint() const { return KeyThumbprint(public_key); }

Result<DeviceKey> ParseDeviceKey(ByteView bytes) {
  constexpr ErrorCode kMalformed = ErrorCode::kKeyInvalid;
  if (bytes.size() > kMaxDeviceKeyFileBytes) {
    return Fail(kMalformed, Format("device key: expected at most {} bytes, found {}", kMaxDeviceKeyFileBytes, bytes.size()));
  }
  auto json = ParseJson(bytes);
  if (!json) return Fail(kMalformed, Format("device key: {}", json.error().Message()));
  PAWL_ASSIGN_OR_RETURN(const JsonObject object, JsonObject::From(*json, "device key", kMalformed));
  PAWL_ASSIGN_OR_RETURN(const std::string schema, object.String("schema"));
  PAWL_ASSIGN_OR_RETURN(const std::string type, object.String("keytype"));
  if (schema != kSchema || type != "ed25519") {
    return Fail(kMalformed, Format("device key: expected schema {} and keytype ed25519", kSchema));
  }
  DeviceKey key;
  PAWL_ASSIGN_OR_RETURN(key.device, object.String("device"));
  if (key.device.empty() || !IsSafeText(key.device, kMaxDeviceIdChars)) {
    return std::unexpected(object.Malformed("device", "1 to 128 printable ASCII characters"));
  }
  PAWL_ASSIGN_OR_RETURN(const std::string ueid, object.String("ueid"));
  PAWL_ASSIGN_OR_RETURN(const std::string material, object.String("public"));
  auto ueid_bytes = HexDecode(ueid);
  if (!ueid_bytes || ueid_bytes->size() != kUeidBytes || ueid_bytes->front() != kUeidTypeRandom) {
    return std::unexpected(object.Malformed("ueid", "66 lower-case hex digits beginning with 01"));
  }
  auto public_key = HexDecode(material);
  if (!public_key || public_key->size() != kEd25519PublicKeyBytes) {
    return std::unexpected(object.Malformed("public", "64 lower-case hex digits"));
  }
  key.ueid = std::move(*ueid_bytes);
  key.public_key = std::move(*public_key);
  return key;
}

std::string EncodeDeviceKey(const DeviceKey& key) {
  return PrettyJson(Json{{"schema", kSchema},
                         {"device", key.device},
                         {"ueid", HexEncode(key.ueid)},
                         {"keytype", "ed25519"},
                         {"public", HexEncode(key.public_key)}});
}

}  // namespace pawl::integrity
