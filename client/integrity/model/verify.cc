// SPDX-License-Identifier: Apache-2.0
#include "client/integrity/model/verify.h"

#include "base/format.h"
#include "base/secret.h"
#include "client/integrity/model/jws.h"
#include "client/integrity/model/safe_text.h"

namespace pawl::integrity {
namespace {

//= docs/integrity-statement.md#S-04
Result<JwsParts> Authenticate(std::string_view compact, const DeviceKey& key) {
  PAWL_ASSIGN_OR_RETURN(JwsParts parts, SplitJws(compact));
  if (parts.kid != key.Thumbprint()) {
    return Fail(ErrorCode::kStatementKeyUnknown,
                Format("statement: signed with key {}, but {} is registered with {}", parts.kid,
                       key.device, key.Thumbprint()));
  }
  PAWL_ASSIGN_OR_RETURN(const PublicKey public_key, PublicKey::FromEd25519(key.public_key));
  if (!public_key.Verify(AsBytes(parts.signing_input), parts.signature)) {
    return Fail(ErrorCode::kStatementSignature,
                Format("statement: the signature by {} is not valid", key.device));
  }
  return parts;
}

//= docs/integrity-statement.md#S-08
Status CheckAudience(const StatementClaims& claims, const Expectations& expected) {
  if (claims.audience == expected.audience) return {};
  return Fail(ErrorCode::kStatementMalformed,
              Format("statement: made for the audience \"{}\", expected \"{}\"", claims.audience,
                     SafeText(expected.audience)));
}

//= docs/integrity-statement.md#S-09
Status CheckNonce(const StatementClaims& claims, const Expectations& expected) {
  if (!expected.nonce) return {};
  if (expected.nonce->size() < kMinNonceBytes || expected.nonce->size() > kMaxNonceBytes) {
    return Fail(ErrorCode::kStatementNonce,
                Format("expected a nonce of {} to {} bytes, found {}", kMinNonceBytes,
                       kMaxNonceBytes, expected.nonce->size()));
  }
  if (!claims.nonce)
    return Fail(ErrorCode::kStatementNonce,
                "statement: it answers no nonce, but one was asked for");
  if (!SecretEqual(*claims.nonce, *expected.nonce)) {
    return Fail(ErrorCode::kStatementNonce,
                "statement: it answers another nonce than the one asked for");
  }
  return {};
}

//= docs/integrity-statement.md#S-10
Status CheckTime(const StatementClaims& claims, UtcTime now) {
  const std::int64_t lifetime = claims.expires.seconds - claims.issued.seconds;
  if (lifetime <= 0 || lifetime > kMaxLifetimeSeconds) {
    return Fail(ErrorCode::kStatementMalformed,
                Format("statement: expected a lifetime of 1 to {} s, found {} s",
                       kMaxLifetimeSeconds, lifetime));
  }
  if (claims.issued > now.PlusSeconds(kClockLeewaySeconds)) {
    return Fail(ErrorCode::kStatementExpired,
                Format("statement: issued at {}, which is in the future of this clock ({})",
                       FormatUtcTime(claims.issued), FormatUtcTime(now)));
  }
  if (claims.expires.PlusSeconds(kClockLeewaySeconds) < now) {
    return Fail(ErrorCode::kStatementExpired,
                Format("statement: expired at {}, it is now {}", FormatUtcTime(claims.expires),
                       FormatUtcTime(now)));
  }
  return {};
}

}  // namespace

Result<std::string> StatementKid(std::string_view compact) {
  PAWL_ASSIGN_OR_RETURN(JwsParts parts, SplitJws(compact));
  return std::move(parts.kid);
}

Result<StatementClaims> VerifyStatement(std::string_view compact, const DeviceKey& key,
                                        const Expectations& expected) {
  PAWL_ASSIGN_OR_RETURN(const JwsParts parts, Authenticate(compact, key));
  PAWL_ASSIGN_OR_RETURN(StatementClaims claims, ReadClaims(parts.payload));
  //= docs/integrity-statement.md#S-07
  if (claims.ueid != key.ueid) {
    return Fail(ErrorCode::kStatementKeyUnknown,
                Format("statement: its ueid is not the one registered for {}", key.device));
  }
  PAWL_TRY(CheckAudience(claims, expected));
  PAWL_TRY(CheckNonce(claims, expected));
  PAWL_TRY(CheckTime(claims, expected.now));
  return claims;
}

}  // namespace pawl::integrity
