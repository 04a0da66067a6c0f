// SPDX-License-Identifier: Apache-2.0
#pragma once

// From findings and facts to a signed statement.

#include <cstdint>
#include <optional>
#include <string>

#include "base/bytes.h"
#include "base/hash.h"
#include "base/result.h"
#include "base/time.h"
#include "client/integrity/collector.h"
#include "client/integrity/model/statement.h"
#include "client/ports/key_vault.h"

namespace pawl::integrity {

struct DeviceFacts {
  Bytes ueid;             // kUeidBytes, made at provisioning (model/device_key.h)
  std::string hwmodel;    // "gateway-x1"
  std::string hwversion;  // may be empty
  std::string swname;     // product
  std::string swversion;  // running release
  std::string agent_version;
  std::uint64_t boot_count = 0;
  std::string boot_id;  // Clock::BootId(); goes into the statement only as a hash
};

struct StatementRequest {
  UtcTime now;
  std::string audience{kDefaultAudience};
  std::optional<Bytes> nonce;  // the verifier's, kMinNonceBytes … kMaxNonceBytes
  std::uint64_t seq = 0;  // last + 1, committed to the store before the statement leaves the device
  std::optional<Sha256Digest>
      prev;  // SignedStatement::sha256 of the statement before; absent for seq 1
  std::int64_t lifetime_seconds = kMaxLifetimeSeconds;
};

struct SignedStatement {
  std::string compact;     // what is sent: ASCII, no newline
  Sha256Digest sha256;     // StatementHash(compact): remember it as the next one's `prev`
  StatementClaims claims;  // with the device's own view
};

// REQUIRES: `observation` from Collect with the same `inputs`.
// ERRORS: kInputInvalid for facts that no statement may carry (seq 0, prev missing or superfluous,
// wrong ueid, lifetime); kStatementNonce; kDeviceKeyMissing from the vault.
Result<SignedStatement> BuildStatement(const StatementRequest& request, const DeviceFacts& device,
                                       const CollectInputs& inputs, const Observation& observation,
                                       client::KeyVault& vault);

}  // namespace pawl::integrity
