// SPDX-License-Identifier: Apache-2.0
#pragma once

// The verifier's checks of one statement that need no memory. Replay and fork of "seq" need a
// store: tools/fleet/fleet_store.h.

#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/time.h"
#include "client/integrity/model/device_key.h"
#include "client/integrity/model/statement.h"

namespace pawl::integrity {

struct Expectations {
  std::string audience{kDefaultAudience};
  std::optional<Bytes> nonce;  // as issued; absent: none was asked for
  UtcTime now;
};

// The kid in the header, for finding the key. Not authentic. ERRORS: kStatementMalformed.
Result<std::string> StatementKid(std::string_view compact);

// Size, header, key, signature, claims, identity, audience, nonce, time: in this order, and nothing
// is read before its signature but the header. ERRORS: kStatementMalformed, kStatementKeyUnknown,
// kStatementSignature, kStatementNonce, kStatementExpired.
Result<StatementClaims> VerifyStatement(std::string_view compact, const DeviceKey& key,
                                        const Expectations& expected);

}  // namespace pawl::integrity
