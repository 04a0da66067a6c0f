// SPDX-License-Identifier: Apache-2.0
#include "signer/public_keys.h"

#include <algorithm>

#include "base/file.h"
#include "base/format.h"
#include "base/hash.h"
#include "manifest/release.h"

namespace pawl::signer {

namespace {

ByteView PointOf(const PublicKey& key) { return ByteView(key.identity()).last(kP256PointBytes); }

// One key, one text, one key id: PEM could be spelled in many ways.
Status CheckSpelling(const std::string& name, const PublicKey& key, const std::string& text) {
  if (key.scheme() != SignatureScheme::kEcdsaSha2Nistp256) return {};
  PAWL_ASSIGN_OR_RETURN(const std::string pem, P256Pem(PointOf(key)));
  if (pem == text) return {};
  return Fail(ErrorCode::kKeyFileMalformed,
              Format("key {}: expected the PEM of an uncompressed key exactly as `openssl pkey "
                     "-pubin -pubout` writes it",
                     name));
}

}  // namespace

std::string KeyIdOf(const Json& tuf_key) {
  return HashSha256(AsBytes(CanonicalJson(tuf_key))).Hex();
}

Result<NamedKey> ReadNamedKey(std::string name, const Json& tuf_key) {
  constexpr ErrorCode kMalformed = ErrorCode::kKeyFileMalformed;
  if (!manifest::IsPlainName(name)) {
    return Fail(ErrorCode::kInputInvalid,
                Format("expected a plain key name ([a-z0-9][a-z0-9._-]*), found '{}'", name));
  }
  PAWL_ASSIGN_OR_RETURN(const JsonObject key, JsonObject::From(tuf_key, "key " + name, kMalformed));
  PAWL_ASSIGN_OR_RETURN(const std::string type, key.String("keytype"));
  PAWL_ASSIGN_OR_RETURN(const std::string scheme, key.String("scheme"));
  PAWL_ASSIGN_OR_RETURN(const JsonObject value, key.Object("keyval"));
  PAWL_ASSIGN_OR_RETURN(const std::string text, value.String("public"));
  PAWL_ASSIGN_OR_RETURN(PublicKey public_key, PublicKey::FromTuf(type, scheme, text));
  PAWL_TRY(CheckSpelling(name, public_key, text));
  std::string keyid = KeyIdOf(tuf_key);
  return NamedKey{std::move(name), tuf_key, std::move(keyid), std::move(public_key)};
}

Result<NamedKey> MakeNamedKey(std::string name, ByteView raw) {
  const Json tuf{
      {"keytype", "ed25519"}, {"scheme", "ed25519"}, {"keyval", Json{{"public", HexEncode(raw)}}}};
  return ReadNamedKey(std::move(name), tuf);
}

Result<NamedKey> MakeNamedP256Key(std::string name, ByteView point) {
  PAWL_ASSIGN_OR_RETURN(const std::string pem, P256Pem(point));
  // "ecdsa" is what the TUF specification names and newer clients insist on.
  const Json tuf{
      {"keytype", "ecdsa"}, {"scheme", "ecdsa-sha2-nistp256"}, {"keyval", Json{{"public", pem}}}};
  return ReadNamedKey(std::move(name), tuf);
}

std::string DescribeKey(const NamedKey& key) {
  const ByteView material = ByteView(key.key.identity()).subspan(1);
  switch (key.key.scheme()) {
    case SignatureScheme::kEd25519:
      return Format("Ed25519 {}", HexEncode(material));
    case SignatureScheme::kEcdsaSha2Nistp256:
      return Format("P-256 {}", HexEncode(PointOf(key.key)));
    case SignatureScheme::kRsassaPssSha256:
      return Format("RSA {}", HexEncode(material));
  }
  return {};
}

Result<NamedKey> ParsePublicKey(ByteView bytes, const std::string& where) {
  constexpr ErrorCode kMalformed = ErrorCode::kKeyFileMalformed;
  auto document = ParseJson(bytes);
  if (!document) return Fail(kMalformed, Format("{}: {}", where, document.error().Message()));
  PAWL_ASSIGN_OR_RETURN(const JsonObject file, JsonObject::From(*document, where, kMalformed));
  PAWL_ASSIGN_OR_RETURN(const std::string schema, file.String("schema"));
  if (schema != kPublicKeySchema) {
    return Fail(kMalformed, Format("{}: expected the schema {}, found \"{}\"", where,
                                   kPublicKeySchema, schema));
  }
  PAWL_ASSIGN_OR_RETURN(const std::string name, file.String("name"));
  PAWL_ASSIGN_OR_RETURN(const JsonObject key, file.Object("key"));
  PAWL_ASSIGN_OR_RETURN(NamedKey named, ReadNamedKey(name, key.json()));
  PAWL_ASSIGN_OR_RETURN(const std::string keyid, file.String("keyid"));
  if (keyid != named.keyid) {
    return Fail(kMalformed,
                Format("{}: expected the key id {}, found {}", where, named.keyid, keyid));
  }
  return named;
}

std::string EncodePublicKey(const NamedKey& key) {
  return PrettyJson(Json{
      {"schema", kPublicKeySchema}, {"name", key.name}, {"keyid", key.keyid}, {"key", key.tuf}});
}

Result<KeyRing> KeyRing::Load(const std::string& directory) {
  KeyRing ring;
  if (!PathExists(directory)) return ring;
  PAWL_ASSIGN_OR_RETURN(const std::vector<std::string> names, ListDirectory(directory));
  for (const std::string& name : names) {
    if (!name.ends_with(".pub")) continue;
    const std::string path = JoinPath(directory, name);
    PAWL_ASSIGN_OR_RETURN(const Bytes bytes, ReadFile(path, kMaxKeyFileBytes));
    PAWL_ASSIGN_OR_RETURN(NamedKey key, ParsePublicKey(bytes, path));
    PAWL_TRY(ring.Add(std::move(key)));
  }
  return ring;
}

Status KeyRing::Add(NamedKey key) {
  for (const auto& [keyid, known] : by_id_) {
    if ((known.name == key.name) != (keyid == key.keyid)) {
      return Fail(ErrorCode::kOutputExists,
                  Format("the key {} is '{}' already; '{}' ({}) needs a name of its own",
                         keyid.substr(0, 8), known.name, key.name, key.keyid.substr(0, 8)));
    }
  }
  std::string keyid = key.keyid;
  by_id_.insert_or_assign(std::move(keyid), std::move(key));
  return {};
}

std::string KeyRing::NameOf(std::string_view keyid) const {
  const auto found = by_id_.find(keyid);
  if (found != by_id_.end()) return found->second.name;
  return Format("key {}", keyid.substr(0, 8));
}

std::string JoinNames(const std::vector<std::string>& names, std::string_view last_separator) {
  std::string out;
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (i > 0) out += i + 1 == names.size() ? last_separator : std::string_view(", ");
    out += names[i];
  }
  return out;
}

}  // namespace pawl::signer
