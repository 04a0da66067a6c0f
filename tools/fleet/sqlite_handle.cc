// SPDX-License-Identifier: Apache-2.0
#include "tools/fleet/sqlite_handle.h"

#include <fcntl.h>
#include <sqlite3.h>

#include <utility>

#include "base/file.h"
#include "base/format.h"

namespace pawl::fleet {
namespace {

constexpr int kBusyMilliseconds = 5'000;  // another pawl-fleet on the same file

ErrorCode CodeOf(int code) {
  switch (code & 0xff) {
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_ERROR:
      return ErrorCode::kStoreCorrupt;  // a table is missing or another
    case SQLITE_FULL:
      return ErrorCode::kNoSpace;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return ErrorCode::kLockHeld;
    case SQLITE_PERM:
    case SQLITE_READONLY:
    case SQLITE_AUTH:
      return ErrorCode::kPermission;
    default:
      return ErrorCode::kIo;
  }
}

Error SqliteError(sqlite3* connection, int code, const std::string& path) {
  const std::string why = connection != nullptr ? sqlite3_errmsg(connection) : sqlite3_errstr(code);
  return {CodeOf(code), Format("{}: {}", path, why)};
}

}  // namespace

void SqliteConnection::Close::operator()(sqlite3* connection) const {
  sqlite3_close_v2(connection);
}

Result<SqliteConnection> SqliteConnection::Open(const std::string& path) {
  {
    // Made here, because SQLite would make it readable by everybody.
    PAWL_ASSIGN_OR_RETURN(const UniqueFd made, OpenFile(path, O_RDWR | O_CREAT | O_NOFOLLOW, 0600));
  }
  sqlite3* raw = nullptr;
  const int code =
      sqlite3_open_v2(path.c_str(), &raw, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOFOLLOW, nullptr);
  SqliteConnection connection(raw, path);
  if (code != SQLITE_OK) return std::unexpected(SqliteError(raw, code, path));
  sqlite3_busy_timeout(raw, kBusyMilliseconds);
  // FULL: an accepted sequence number must not be forgotten by a power cut, or it could be shown
  // again.
  PAWL_TRY(connection.Execute(
      "PRAGMA synchronous=FULL; PRAGMA trusted_schema=OFF; PRAGMA foreign_keys=ON;"));
  return connection;
}

Status SqliteConnection::Execute(const std::string& sql) {
  const int code = sqlite3_exec(connection_.get(), sql.c_str(), nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) return std::unexpected(SqliteError(connection_.get(), code, path_));
  return {};
}

SqliteQuery::SqliteQuery(SqliteConnection& connection, std::string_view sql)
    : connection_(connection) {
  code_ = sqlite3_prepare_v2(connection.connection_.get(), sql.data(), static_cast<int>(sql.size()),
                             &statement_, nullptr);
}

SqliteQuery::~SqliteQuery() { sqlite3_finalize(statement_); }

SqliteQuery& SqliteQuery::Bind(std::string_view text) {
  if (code_ == SQLITE_OK) {
    code_ = sqlite3_bind_text64(statement_, ++bound_, text.data(), text.size(), SQLITE_TRANSIENT,
                                SQLITE_UTF8);
  }
  return *this;
}

SqliteQuery& SqliteQuery::Bind(ByteView blob) {
  if (code_ == SQLITE_OK) {
    code_ = sqlite3_bind_blob64(statement_, ++bound_, blob.data(), blob.size(), SQLITE_TRANSIENT);
  }
  return *this;
}

SqliteQuery& SqliteQuery::Bind(std::int64_t value) {
  if (code_ == SQLITE_OK) code_ = sqlite3_bind_int64(statement_, ++bound_, value);
  return *this;
}

Result<bool> SqliteQuery::Step() {
  if (code_ == SQLITE_OK || code_ == SQLITE_ROW) code_ = sqlite3_step(statement_);
  if (code_ == SQLITE_ROW) return true;
  if (code_ == SQLITE_DONE) return false;
  return std::unexpected(SqliteError(connection_.connection_.get(), code_, connection_.path_));
}

Status SqliteQuery::Run() {
  PAWL_TRY(Step());
  return {};
}

std::int64_t SqliteQuery::Integer(int column) const {
  return sqlite3_column_int64(statement_, column);
}

std::string SqliteQuery::Text(int column) const { return std::string(AsText(Blob(column))); }

Bytes SqliteQuery::Blob(int column) const {
  const auto* data = static_cast<const std::uint8_t*>(sqlite3_column_blob(statement_, column));
  const auto size = static_cast<std::size_t>(sqlite3_column_bytes(statement_, column));
  return data == nullptr ? Bytes() : Bytes(data, data + size);
}

bool SqliteQuery::IsNull(int column) const {
  return sqlite3_column_type(statement_, column) == SQLITE_NULL;
}

Result<SqliteTransaction> SqliteTransaction::Begin(SqliteConnection& connection) {
  PAWL_TRY(connection.Execute("BEGIN IMMEDIATE"));
  return SqliteTransaction(connection);
}

SqliteTransaction::~SqliteTransaction() {
  // A failing roll-back leaves nothing to do: closing the connection rolls back as well.
  if (connection_ != nullptr) static_cast<void>(connection_->Execute("ROLLBACK"));
}

SqliteTransaction::SqliteTransaction(SqliteTransaction&& other) noexcept
    : connection_(std::exchange(other.connection_, nullptr)) {}

Status SqliteTransaction::Commit() {
  PAWL_TRY(connection_->Execute("COMMIT"));
  connection_ = nullptr;
  return {};
}

}  // namespace pawl::fleet
