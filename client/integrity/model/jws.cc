// SPDX-License-Identifier: Apache-2.0
#include "client/integrity/model/jws.h"

#include <algorithm>

#include "base/format.h"
#include "base/json.h"

namespace pawl::integrity {
namespace {

constexpr std::size_t kMaxHeaderBytes = 512;
constexpr ErrorCode kMalformed = ErrorCode::kStatementMalformed;

//= docs/integrity-statement.md#S-03
Result<std::string> ReadHeader(ByteView bytes) {
  auto json = ParseJson(bytes);  // refuses doubled names
  if (!json) return Fail(kMalformed, Format("statement header: {}", json.error().Message()));
  PAWL_ASSIGN_OR_RETURN(const JsonObject header,
                        JsonObject::From(*json, "statement header", kMalformed));
  PAWL_ASSIGN_OR_RETURN(const std::string algorithm, header.String("alg"));
  PAWL_ASSIGN_OR_RETURN(const std::string type, header.String("typ"));
  PAWL_ASSIGN_OR_RETURN(std::string kid, header.String("kid"));
  if (algorithm != "EdDSA")
    return std::unexpected(header.Malformed("alg", "EdDSA, the only algorithm there is"));
  if (type != kStatementType) return std::unexpected(header.Malformed("typ", kStatementType));
  // "crit", "jwk", "x5u" and the like change how a token is to be read; a reader that ignores them
  // can be led astray.
  if (json->size() != 3)
    return Fail(kMalformed, "statement header: expected alg, typ and kid, found other members");
  auto thumbprint = Base64UrlDecode(kid);
  if (!thumbprint || thumbprint->size() != 32) {
    return std::unexpected(header.Malformed("kid", "a SHA-256 thumbprint in base64url"));
  }
  return kid;
}

Result<Bytes> DecodePart(std::string_view name, std::string_view text) {
  auto bytes = Base64UrlDecode(text);
  if (!bytes) return Fail(kMalformed, Format("statement {}: {}", name, bytes.error().Message()));
  return std::move(*bytes);
}

}  // namespace

std::string JwsSigningInput(std::string_view kid, std::string_view payload) {
  const Json header{{"alg", "EdDSA"}, {"typ", kStatementType}, {"kid", kid}};
  return Base64UrlEncode(AsBytes(header.dump())) + "." + Base64UrlEncode(AsBytes(payload));
}

std::string JwsCompact(std::string_view signing_input, ByteView signature) {
  return std::string(signing_input) + "." + Base64UrlEncode(signature);
}

//= docs/integrity-statement.md#S-01
//= docs/integrity-statement.md#S-02
Result<JwsParts> SplitJws(std::string_view compact) {
  if (compact.size() > kMaxStatementBytes) {
    return Fail(kMalformed, Format("statement: expected at most {} bytes, found {}",
                                   kMaxStatementBytes, compact.size()));
  }
  const std::size_t first = compact.find('.');
  const std::size_t last = compact.rfind('.');
  if (std::ranges::count(compact, '.') != 2) {
    return Fail(kMalformed, "statement: expected three base64url parts with two dots between them");
  }
  if (first > kMaxHeaderBytes) return Fail(kMalformed, "statement header: too long");
  PAWL_ASSIGN_OR_RETURN(const Bytes header, DecodePart("header", compact.substr(0, first)));
  JwsParts parts;
  PAWL_ASSIGN_OR_RETURN(parts.kid, ReadHeader(header));
  PAWL_ASSIGN_OR_RETURN(parts.payload,
                        DecodePart("payload", compact.substr(first + 1, last - first - 1)));
  PAWL_ASSIGN_OR_RETURN(parts.signature, DecodePart("signature", compact.substr(last + 1)));
  parts.signing_input = compact.substr(0, last);
  return parts;
}

}  // namespace pawl::integrity
