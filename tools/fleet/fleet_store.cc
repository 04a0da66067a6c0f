// SPDX-License-Identifier: Apache-2.0
#include "tools/fleet/fleet_store.h"

#include "base/format.h"

namespace pawl::fleet {
namespace {

constexpr std::int64_t kSchemaVersion = 1;
constexpr std::string_view kSchema =
    "CREATE TABLE devices(kid TEXT PRIMARY KEY, device TEXT NOT NULL UNIQUE, ueid BLOB NOT NULL "
    "UNIQUE,"
    " public_key BLOB NOT NULL UNIQUE, registered INTEGER NOT NULL, forked INTEGER);"
    "CREATE TABLE statements(kid TEXT NOT NULL REFERENCES devices(kid), seq INTEGER NOT NULL, "
    "sha256 BLOB NOT NULL,"
    " issued INTEGER NOT NULL, seen INTEGER NOT NULL, level TEXT NOT NULL, tier TEXT NOT NULL, "
    "version TEXT NOT NULL,"
    " PRIMARY KEY(kid, seq));"
    "CREATE TABLE nonces(nonce BLOB PRIMARY KEY, issued INTEGER NOT NULL, device TEXT NOT NULL, "
    "spent INTEGER);"
    "PRAGMA user_version=1;";

constexpr std::string_view kSelectDevices =
    "SELECT d.kid, d.device, d.ueid, d.public_key, d.registered, d.forked, s.seen, s.seq, s.level, "
    "s.tier, s.version"
    " FROM devices d LEFT JOIN statements s ON s.kid = d.kid AND s.seq ="
    " (SELECT max(seq) FROM statements WHERE kid = d.kid)";

RegisteredDevice ReadRow(const SqliteQuery& row) {
  RegisteredDevice device;
  device.key.device = row.Text(1);
  device.key.ueid = row.Blob(2);
  device.key.public_key = row.Blob(3);
  device.registered = {row.Integer(4)};
  if (!row.IsNull(5)) device.forked = UtcTime{row.Integer(5)};
  if (!row.IsNull(6)) device.last_seen = UtcTime{row.Integer(6)};
  device.last_seq = static_cast<std::uint64_t>(row.Integer(7));
  device.last_level = row.Text(8);
  device.last_tier = row.Text(9);
  device.last_version = row.Text(10);
  return device;
}

std::unexpected<Error> Replayed(std::string why) {
  return Fail(ErrorCode::kStatementReplayed, std::move(why));
}

}  // namespace

Result<FleetStore> FleetStore::Open(const std::string& path) {
  PAWL_ASSIGN_OR_RETURN(SqliteConnection connection, SqliteConnection::Open(path));
  PAWL_ASSIGN_OR_RETURN(SqliteTransaction transaction, SqliteTransaction::Begin(connection));
  {
    SqliteQuery version(connection, "PRAGMA user_version");
    PAWL_TRY(version.Step());
    if (version.Integer(0) == 0) {
      PAWL_TRY(connection.Execute(std::string(kSchema)));
    } else if (version.Integer(0) != kSchemaVersion) {
      return Fail(ErrorCode::kStoreSchema, Format("{}: expected schema {}, found {}", path,
                                                  kSchemaVersion, version.Integer(0)));
    }
  }
  PAWL_TRY(transaction.Commit());
  return FleetStore(std::move(connection));
}

Result<bool> FleetStore::Register(const integrity::DeviceKey& key, UtcTime now) {
  PAWL_ASSIGN_OR_RETURN(SqliteTransaction transaction, SqliteTransaction::Begin(connection_));
  {
    SqliteQuery find(connection_,
                     "SELECT device, ueid, public_key FROM devices WHERE device = ? OR ueid = ? OR "
                     "public_key = ?");
    find.Bind(key.device).Bind(ByteView(key.ueid)).Bind(ByteView(key.public_key));
    PAWL_ASSIGN_OR_RETURN(const bool known, find.Step());
    if (known) {
      if (find.Text(0) == key.device && find.Blob(1) == key.ueid && find.Blob(2) == key.public_key)
        return false;
      //= docs/integrity-statement.md#S-13
      return Fail(ErrorCode::kStatementKeyUnknown,
                  Format("the name, ueid or key of {} is registered already with another device "
                         "({}); a binding never changes",
                         key.device, find.Text(0)));
    }
  }
  SqliteQuery insert(
      connection_,
      "INSERT INTO devices(kid, device, ueid, public_key, registered) VALUES (?, ?, ?, ?, ?)");
  PAWL_TRY(insert.Bind(key.Thumbprint())
               .Bind(key.device)
               .Bind(ByteView(key.ueid))
               .Bind(ByteView(key.public_key))
               .Bind(now.seconds)
               .Run());
  PAWL_TRY(transaction.Commit());
  return true;
}

Result<std::optional<RegisteredDevice>> FleetStore::FindByThumbprint(std::string_view kid) {
  SqliteQuery find(connection_, std::string(kSelectDevices) + " WHERE d.kid = ?");
  PAWL_ASSIGN_OR_RETURN(const bool found, find.Bind(kid).Step());
  return found ? std::optional<RegisteredDevice>(ReadRow(find)) : std::nullopt;
}

Result<std::vector<RegisteredDevice>> FleetStore::Devices() {
  SqliteQuery all(connection_, std::string(kSelectDevices) + " ORDER BY d.device");
  std::vector<RegisteredDevice> devices;
  while (true) {
    PAWL_ASSIGN_OR_RETURN(const bool more, all.Step());
    if (!more) return devices;
    devices.push_back(ReadRow(all));
  }
}

Status FleetStore::IssueNonce(ByteView nonce, std::string_view device, UtcTime now) {
  // Spent ones are kept as long as a statement that answers them could still be in date, and then
  // some.
  SqliteQuery prune(connection_, "DELETE FROM nonces WHERE issued < ?");
  PAWL_TRY(prune.Bind(now.seconds - 10 * kNonceLifetimeSeconds).Run());
  SqliteQuery insert(connection_, "INSERT INTO nonces(nonce, issued, device) VALUES (?, ?, ?)");
  return insert.Bind(nonce).Bind(now.seconds).Bind(device).Run();
}

//= docs/integrity-statement.md#S-11
Status FleetStore::SpendNonce(const std::string& device, const SeenStatement& seen, bool demanded,
                              UtcTime now) {
  if (!seen.nonce) return {};
  const ByteView nonce = *seen.nonce;
  bool known = false;
  {
    SqliteQuery find(connection_, "SELECT issued, device, spent FROM nonces WHERE nonce = ?");
    PAWL_ASSIGN_OR_RETURN(known, find.Bind(nonce).Step());
    if (known && !find.IsNull(2))
      return Fail(ErrorCode::kStatementNonce, "the nonce has been answered before");
    if (known && find.Integer(0) + kNonceLifetimeSeconds < now.seconds) {
      return Fail(ErrorCode::kStatementNonce,
                  Format("the nonce was issued more than {} s ago", kNonceLifetimeSeconds));
    }
    if (known && !find.Text(1).empty() && find.Text(1) != device) {
      return Fail(ErrorCode::kStatementNonce,
                  Format("the nonce was issued to {}, {} answers it", find.Text(1), device));
    }
  }
  if (known) {
    SqliteQuery spend(connection_, "UPDATE nonces SET spent = ? WHERE nonce = ?");
    return spend.Bind(now.seconds).Bind(nonce).Run();
  }
  if (!demanded) return {};
  SqliteQuery insert(connection_,
                     "INSERT INTO nonces(nonce, issued, device, spent) VALUES (?, ?, ?, ?)");
  return insert.Bind(nonce).Bind(now.seconds).Bind(device).Bind(now.seconds).Run();
}

//= docs/integrity-statement.md#S-12
Result<Acceptance> FleetStore::CheckSequence(const RegisteredDevice& device,
                                             const SeenStatement& seen, bool& fork) {
  const auto sequence = static_cast<std::int64_t>(seen.seq);
  if (!device.last_seen) return Acceptance{true, 0};
  if (seen.seq <= device.last_seq) {
    SqliteQuery same(connection_, "SELECT sha256 FROM statements WHERE kid = ? AND seq = ?");
    PAWL_ASSIGN_OR_RETURN(const bool known,
                          same.Bind(device.key.Thumbprint()).Bind(sequence).Step());
    fork = known && same.Blob(0) != Bytes(seen.sha256.bytes.begin(), seen.sha256.bytes.end());
    if (fork)
      return Replayed(Format("another statement {} of {} was seen: the key exists twice", seen.seq,
                             device.key.device));
    return Replayed(Format("statement {} of {} is not newer than {}", seen.seq, device.key.device,
                           device.last_seq));
  }
  if (seen.seq > device.last_seq + 1) return Acceptance{false, seen.seq - device.last_seq - 1};
  SqliteQuery last(connection_, "SELECT sha256 FROM statements WHERE kid = ? AND seq = ?");
  PAWL_TRY(
      last.Bind(device.key.Thumbprint()).Bind(static_cast<std::int64_t>(device.last_seq)).Step());
  fork = !seen.prev || last.Blob(0) != Bytes(seen.prev->bytes.begin(), seen.prev->bytes.end());
  if (fork) {
    return Replayed(
        Format("statement {} of {} does not follow the statement {} that was seen: the key exists "
               "twice, or the "
               "device's state was put back",
               seen.seq, device.key.device, device.last_seq));
  }
  return Acceptance{};
}

Status FleetStore::Remember(const std::string& kid, const SeenStatement& seen, UtcTime now) {
  const auto sequence = static_cast<std::int64_t>(seen.seq);
  SqliteQuery insert(connection_,
                     "INSERT INTO statements(kid, seq, sha256, issued, seen, level, tier, version) "
                     "VALUES (?, ?, ?, ?, ?, ?, ?, ?)");
  PAWL_TRY(insert.Bind(kid)
               .Bind(sequence)
               .Bind(ByteView(seen.sha256.bytes))
               .Bind(seen.issued.seconds)
               .Bind(now.seconds)
               .Bind(seen.level)
               .Bind(seen.tier)
               .Bind(seen.version)
               .Run());
  SqliteQuery prune(connection_, "DELETE FROM statements WHERE kid = ? AND seq < ?");
  return prune.Bind(kid).Bind(sequence - kStatementsKept).Run();
}

Result<Acceptance> FleetStore::Accept(const integrity::DeviceKey& key, const SeenStatement& seen,
                                      bool nonce_demanded, UtcTime now) {
  PAWL_ASSIGN_OR_RETURN(SqliteTransaction transaction, SqliteTransaction::Begin(connection_));
  const std::string kid = key.Thumbprint();
  PAWL_ASSIGN_OR_RETURN(const std::optional<RegisteredDevice> device, FindByThumbprint(kid));
  if (!device)
    return Fail(ErrorCode::kStatementKeyUnknown, Format("{} is not registered", key.device));
  bool fork = false;
  auto accepted = CheckSequence(*device, seen, fork);
  if (!accepted) {
    if (fork) {
      SqliteQuery mark(connection_,
                       "UPDATE devices SET forked = ? WHERE kid = ? AND forked IS NULL");
      PAWL_TRY(mark.Bind(now.seconds).Bind(kid).Run());
      PAWL_TRY(transaction.Commit());
    }
    return accepted;
  }
  PAWL_TRY(SpendNonce(key.device, seen, nonce_demanded, now));
  PAWL_TRY(Remember(kid, seen, now));
  PAWL_TRY(transaction.Commit());
  return accepted;
}

}  // namespace pawl::fleet
