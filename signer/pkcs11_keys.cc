// SPDX-License-Identifier: Apache-2.0
#include "signer/pkcs11_keys.h"

#include "base/format.h"
#include "signer/pkcs11_errors.h"

namespace pawl::signer {
namespace {

constexpr std::size_t kIdBytes = 8;  // enough that two keys of a token never meet

Result<Bytes> AttributeOr(const Pkcs11Session& session, CK_OBJECT_HANDLE object,
                          CK_ATTRIBUTE_TYPE type) {
  PAWL_ASSIGN_OR_RETURN(auto value, session.Attribute(object, type));
  return std::move(value).value_or(Bytes());
}

// CKA_EC_POINT of the object, or of the public key with the same id: private keys rarely show it.
Result<Bytes> PointOf(const Pkcs11Session& session, const TokenUri& uri, CK_OBJECT_HANDLE object) {
  PAWL_ASSIGN_OR_RETURN(Bytes point, AttributeOr(session, object, CKA_EC_POINT));
  if (!point.empty()) return point;
  TokenUri partner;
  if (uri.id)
    partner.id = uri.id;
  else
    partner.object = uri.object;
  PAWL_ASSIGN_OR_RETURN(const auto publics, session.Find(TemplateOf(partner, KeyHalf::kPublic)));
  if (publics.size() == 1) {
    PAWL_ASSIGN_OR_RETURN(point, AttributeOr(session, publics.front(), CKA_EC_POINT));
  }
  if (!point.empty()) return point;
  return Fail(ErrorCode::kTokenKeyNotFound,
              Format("{}: expected one public key beside the private key, found {}",
                     FormatTokenUri(uri), publics.size()));
}

}  // namespace

CK_MECHANISM_TYPE SigningMechanism(TokenKeyType type) {
  return type == TokenKeyType::kEd25519 ? CKM_EDDSA : CKM_ECDSA;
}

CK_MECHANISM_TYPE MakingMechanism(TokenKeyType type) {
  return type == TokenKeyType::kEd25519 ? CKM_EC_EDWARDS_KEY_PAIR_GEN : CKM_EC_KEY_PAIR_GEN;
}

Pkcs11Template TemplateOf(const TokenUri& uri, KeyHalf half) {
  Pkcs11Template what;
  what.Number(CKA_CLASS, half == KeyHalf::kPrivate ? CKO_PRIVATE_KEY : CKO_PUBLIC_KEY);
  if (uri.object) what.Blob(CKA_LABEL, AsBytes(*uri.object));
  if (uri.id) what.Blob(CKA_ID, *uri.id);
  return what;
}

Result<TokenKey> ReadKey(const Pkcs11Session& session, const TokenUri& token,
                         CK_OBJECT_HANDLE object) {
  PAWL_ASSIGN_OR_RETURN(const Bytes label, AttributeOr(session, object, CKA_LABEL));
  PAWL_ASSIGN_OR_RETURN(const Bytes id, AttributeOr(session, object, CKA_ID));
  PAWL_ASSIGN_OR_RETURN(const Bytes parameters, AttributeOr(session, object, CKA_EC_PARAMS));
  TokenKey key;
  key.uri = token;
  if (!label.empty()) key.uri.object = std::string(AsText(label));
  if (!id.empty()) key.uri.id = id;
  const auto type = CurveOf(parameters);
  if (!type) {
    return Fail(ErrorCode::kTokenMechanism,
                Format("{}: expected a key on the curve of Ed25519 or P-256, found another",
                       FormatTokenUri(key.uri)));
  }
  key.type = *type;
  PAWL_ASSIGN_OR_RETURN(const Bytes point, PointOf(session, key.uri, object));
  PAWL_ASSIGN_OR_RETURN(key.point, PublicPoint(key.type, point));
  return key;
}

Result<std::vector<TokenKey>> ReadKeys(const Pkcs11Session& session, const TokenUri& token,
                                       const TokenUri& wanted, KeyHalf half) {
  PAWL_ASSIGN_OR_RETURN(const auto handles, session.Find(TemplateOf(wanted, half)));
  std::vector<TokenKey> keys;
  std::optional<Error> skipped;
  for (const CK_OBJECT_HANDLE handle : handles) {
    auto key = ReadKey(session, token, handle);
    if (key) {
      keys.push_back(*std::move(key));
    } else if (key.error().code() == ErrorCode::kSigningFailed) {
      return std::unexpected(std::move(key).error());  // the token itself failed
    } else {
      skipped = std::move(key).error();
    }
  }
  // Named, and of no use: that says more than "not found".
  if (keys.empty() && skipped && (wanted.object || wanted.id)) return std::unexpected(*skipped);
  return keys;
}

Result<Pkcs11Session::KeyPair> GeneratePair(const Pkcs11Session& session, const std::string& label,
                                            TokenKeyType type) {
  Bytes id(kIdBytes);
  RandomBytes(id);
  std::optional<Error> refused;
  for (const Bytes& parameters : CurveParameters(type)) {
    Pkcs11Template public_key;
    public_key.Flag(CKA_TOKEN, true).Flag(CKA_PRIVATE, false).Flag(CKA_VERIFY, true);
    public_key.Blob(CKA_LABEL, AsBytes(label)).Blob(CKA_ID, id).Blob(CKA_EC_PARAMS, parameters);
    Pkcs11Template private_key;
    private_key.Flag(CKA_TOKEN, true).Flag(CKA_PRIVATE, true).Flag(CKA_SIGN, true);
    private_key.Flag(CKA_SENSITIVE, true).Flag(CKA_EXTRACTABLE, false);
    private_key.Blob(CKA_LABEL, AsBytes(label)).Blob(CKA_ID, id);
    auto pair = session.Generate(MakingMechanism(type), public_key, private_key);
    if (pair || pair.error().code() != ErrorCode::kTokenMechanism) return pair;
    refused = std::move(pair).error();  // perhaps it knows the other spelling of the curve
  }
  return std::unexpected(*std::move(refused));
}

}  // namespace pawl::signer
