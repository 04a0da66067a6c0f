// SPDX-License-Identifier: Apache-2.0
#pragma once

// What a verifier must remember: which key belongs to which device, which sequence number each has
// reached, which nonces are out.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/hash.h"
#include "base/result.h"
#include "base/time.h"
#include "client/integrity/model/device_key.h"
#include "client/integrity/model/judgement.h"
#include "tools/fleet/sqlite_handle.h"

namespace pawl::fleet {

inline constexpr std::int64_t kNonceLifetimeSeconds = 300;
// Statements remembered per device, to tell a repeated one from a forked one.
inline constexpr std::int64_t kStatementsKept = 4096;

struct RegisteredDevice {
  integrity::DeviceKey key;
  UtcTime registered;
  std::optional<UtcTime> forked;  // two statements shared a sequence number: the key exists twice
  std::optional<UtcTime> last_seen;
  std::uint64_t last_seq = 0;
  std::string last_level;  // "2!"
  std::string last_tier;
  std::string last_version;
};

// A statement that has passed every other check.
struct SeenStatement {
  std::uint64_t seq = 0;
  std::optional<Sha256Digest> prev;
  Sha256Digest sha256;
  std::optional<Bytes> nonce;
  UtcTime issued;
  std::string level;
  std::string tier;
  std::string version;
};

struct Acceptance {
  bool first = false;         // nothing was known of this device before
  std::uint64_t missing = 0;  // statements between the last one and this that never arrived
};

class FleetStore {
 public:
  // Creates an empty store. ERRORS: kStoreCorrupt, kStoreSchema, kIo, kPermission.
  static Result<FleetStore> Open(const std::string& path);

  // First use binds name, ueid and key to each other for ever. Registering the same again does
  // nothing and returns false. ERRORS: kStatementKeyUnknown when any of the three is bound to
  // something else.
  Result<bool> Register(const integrity::DeviceKey& key, UtcTime now);
  Result<std::optional<RegisteredDevice>> FindByThumbprint(std::string_view kid);
  Result<std::vector<RegisteredDevice>> Devices();

  // Remembers a nonce as issued, for `device` or, when empty, for any.
  Status IssueNonce(ByteView nonce, std::string_view device, UtcTime now);

  // Accepts a statement once. Spends its nonce; a nonce in `demanded` that this store did not issue
  // is remembered as spent. ERRORS: kStatementNonce: spent, too old, issued to another device;
  // kStatementReplayed: shown before, older than the last, or a fork (which is remembered);
  // kStatementKeyUnknown: the device is not registered. On error nothing else has changed.
  Result<Acceptance> Accept(const integrity::DeviceKey& key, const SeenStatement& seen,
                            bool nonce_demanded, UtcTime now);

 private:
  explicit FleetStore(SqliteConnection connection) : connection_(std::move(connection)) {}
  Status SpendNonce(const std::string& device, const SeenStatement& seen, bool demanded,
                    UtcTime now);
  Result<Acceptance> CheckSequence(const RegisteredDevice& device, const SeenStatement& seen,
                                   bool& fork);
  Status Remember(const std::string& device, const SeenStatement& seen, UtcTime now);
  SqliteConnection connection_;
};

}  // namespace pawl::fleet
