// SPDX-License-Identifier: Apache-2.0
#include "client/platform/sqlite_state_store.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <string_view>
#include <utility>

#include "base/file.h"
#include "base/format.h"

namespace pawl::client {
namespace {

constexpr int kBusyMilliseconds = 5'000;  // `status` reads while `update` commits
constexpr int kVersionsPerMajor = 100;
constexpr std::string_view kSchema =
    "CREATE TABLE document(id INTEGER PRIMARY KEY CHECK (id = 1), json TEXT NOT NULL);"
    "CREATE TABLE history(seq INTEGER PRIMARY KEY, at INTEGER NOT NULL, event TEXT NOT NULL,"
    " code TEXT NOT NULL, text TEXT NOT NULL);";

ErrorCode CodeOfErrno(int error_number) {
  // A limit of the file size is a full disk too.
  if (error_number == EFBIG) return ErrorCode::kNoSpace;
  const ErrorCode code = ErrnoError(error_number, "").code();
  return code == ErrorCode::kInputMissing ? ErrorCode::kIo : code;
}

Error SqliteError(sqlite3* connection, int code, const std::string& path) {
  const std::string why = connection != nullptr ? sqlite3_errmsg(connection) : sqlite3_errstr(code);
  ErrorCode mapped = ErrorCode::kIo;
  switch (code & 0xff) {
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      mapped = ErrorCode::kStoreCorrupt;
      break;
    case SQLITE_FULL:
      mapped = ErrorCode::kNoSpace;
      break;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      mapped = ErrorCode::kLockHeld;
      break;
    case SQLITE_PERM:
    case SQLITE_READONLY:
    case SQLITE_AUTH:
      mapped = ErrorCode::kPermission;
      break;
    case SQLITE_ERROR:
      mapped = ErrorCode::kStoreCorrupt;
      break;  // a table is missing or another
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
      if (connection != nullptr) mapped = CodeOfErrno(sqlite3_system_errno(connection));
      break;
    default:
      break;
  }
  return {mapped, Format("{}: {}", path, why)};
}

// A prepared statement. Values are bound in order; Step() is true while there is a row.
class Statement {
 public:
  Statement(sqlite3* connection, std::string_view sql, const std::string& path)
      : connection_(connection), path_(path) {
    code_ = sqlite3_prepare_v2(connection, sql.data(), static_cast<int>(sql.size()), &statement_,
                               nullptr);
  }
  ~Statement() { sqlite3_finalize(statement_); }
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;

  Statement& Bind(std::string_view text) {
    if (code_ == SQLITE_OK) {
      code_ = sqlite3_bind_text64(statement_, ++bound_, text.data(), text.size(), SQLITE_TRANSIENT,
                                  SQLITE_UTF8);
    }
    return *this;
  }
  Statement& Bind(std::int64_t value) {
    if (code_ == SQLITE_OK) code_ = sqlite3_bind_int64(statement_, ++bound_, value);
    return *this;
  }
  Result<bool> Step() {
    if (code_ == SQLITE_OK || code_ == SQLITE_ROW) code_ = sqlite3_step(statement_);
    if (code_ == SQLITE_ROW) return true;
    if (code_ == SQLITE_DONE) return false;
    return std::unexpected(SqliteError(connection_, code_, path_));
  }
  std::int64_t Integer(int column) const { return sqlite3_column_int64(statement_, column); }
  std::string Text(int column) const {
    const unsigned char* text = sqlite3_column_text(statement_, column);
    const auto size = static_cast<std::size_t>(sqlite3_column_bytes(statement_, column));
    return text == nullptr ? std::string() : std::string(text, text + size);
  }

 private:
  sqlite3* connection_;
  const std::string& path_;
  sqlite3_stmt* statement_ = nullptr;
  int bound_ = 0;
  int code_ = SQLITE_OK;
};

Status Execute(sqlite3* connection, const std::string& sql, const std::string& path) {
  const int code = sqlite3_exec(connection, sql.c_str(), nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) return std::unexpected(SqliteError(connection, code, path));
  return {};
}

// Rolls back on every way out but a successful Commit().
class Transaction {
 public:
  static Result<Transaction> Begin(sqlite3* connection, const std::string& path) {
    PAWL_TRY(Execute(connection, "BEGIN IMMEDIATE", path));
    return Transaction(connection, path);
  }
  ~Transaction() {
    // Nothing is left to roll back when SQLite did it by itself on a full disk.
    if (connection_ != nullptr && sqlite3_get_autocommit(connection_) == 0) {
      sqlite3_exec(connection_, "ROLLBACK", nullptr, nullptr, nullptr);
    }
  }
  Transaction(Transaction&& other) noexcept
      : connection_(std::exchange(other.connection_, nullptr)), path_(std::move(other.path_)) {}
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;
  Status Commit() { return Execute(connection_, "COMMIT", path_); }

 private:
  Transaction(sqlite3* connection, std::string path)
      : connection_(connection), path_(std::move(path)) {}
  sqlite3* connection_;
  std::string path_;
};

Status PutDocument(sqlite3* connection, const Json& document, const std::string& path) {
  // An upsert, not a replacement of the row: a newer schema's further columns keep their values.
  Statement put(connection,
                "INSERT INTO document(id, json) VALUES (1, ?) "
                "ON CONFLICT(id) DO UPDATE SET json = excluded.json",
                path);
  PAWL_TRY(put.Bind(document.dump(-1, ' ', false, Json::error_handler_t::replace)).Step());
  return {};
}

// Closed on every way out.
class ScopedConnection {
 public:
  ScopedConnection() = default;
  ~ScopedConnection() { sqlite3_close_v2(connection); }
  ScopedConnection(const ScopedConnection&) = delete;
  ScopedConnection& operator=(const ScopedConnection&) = delete;
  sqlite3* connection = nullptr;
};

Status Connect(const std::string& path, sqlite3*& connection) {
  constexpr int kFlags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOFOLLOW | SQLITE_OPEN_NOMUTEX;
  const int code = sqlite3_open_v2(path.c_str(), &connection, kFlags, nullptr);
  if (code != SQLITE_OK) return std::unexpected(SqliteError(connection, code, path));
  sqlite3_busy_timeout(connection, kBusyMilliseconds);
  sqlite3_extended_result_codes(connection, 1);
  return Execute(connection,
                 "PRAGMA journal_mode=DELETE; PRAGMA synchronous=EXTRA; PRAGMA trusted_schema=OFF;"
                 "PRAGMA cell_size_check=ON; PRAGMA temp_store=MEMORY; PRAGMA cache_size=-256;",
                 path);
}

Status Check(sqlite3* connection, const std::string& path) {
  Statement version(connection, "PRAGMA user_version", path);
  PAWL_TRY(version.Step());
  const std::int64_t found = version.Integer(0);
  if (found < 1) {
    return Fail(ErrorCode::kStoreCorrupt, Format("{} is a database, but not a store", path));
  }
  if (found / kVersionsPerMajor != kStoreSchemaVersion / kVersionsPerMajor) {
    return Fail(ErrorCode::kStoreSchema, Format("{}: expected a schema of {} … {}, found {}", path,
                                                kStoreSchemaVersion, kVersionsPerMajor - 1, found));
  }
  Statement check(connection, "PRAGMA quick_check(1)", path);
  PAWL_TRY(check.Step());
  if (check.Text(0) != "ok") {
    return Fail(ErrorCode::kStoreCorrupt, Format("{}: {}", path, check.Text(0)));
  }
  return {};
}

// Fills the empty database at `path`.
Status FillNew(const std::string& path, const Json& document) {
  ScopedConnection opened;
  PAWL_TRY(Connect(path, opened.connection));
  PAWL_ASSIGN_OR_RETURN(Transaction transaction, Transaction::Begin(opened.connection, path));
  PAWL_TRY(Execute(opened.connection, std::string(kSchema), path));
  PAWL_TRY(Execute(opened.connection, Format("PRAGMA user_version={}", kStoreSchemaVersion), path));
  PAWL_TRY(PutDocument(opened.connection, document, path));
  return transaction.Commit();
}

}  // namespace

void SqliteStateStore::Close::operator()(sqlite3* connection) const {
  sqlite3_close_v2(connection);
}

SqliteStateStore::SqliteStateStore(std::string path) : path_(std::move(path)) {}
SqliteStateStore::~SqliteStateStore() = default;

Status SqliteStateStore::Create(const std::string& path, const Json& document) {
  if (PathExists(path)) return Fail(ErrorCode::kOutputExists, Format("{} exists already", path));
  // Built under another name: a cut leaves no store rather than an empty one.
  const std::string temporary = path + ".new";
  PAWL_TRY(RemoveFileIfExists(temporary));
  PAWL_TRY(RemoveFileIfExists(temporary + "-journal"));
  {
    PAWL_ASSIGN_OR_RETURN(const UniqueFd made,
                          OpenFile(temporary, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0600));
  }
  auto filled = FillNew(temporary, document);
  if (filled && link(temporary.c_str(), path.c_str()) != 0) {
    filled = errno == EEXIST ? Fail(ErrorCode::kOutputExists, Format("{} exists already", path))
                             : Status(std::unexpected(ErrnoError(errno, path)));
  }
  PAWL_TRY(RemoveFileIfExists(temporary));
  PAWL_TRY(filled);
  const std::string parent = std::filesystem::path(path).parent_path().string();
  return SyncDirectory(parent.empty() ? "." : parent);
}

Result<sqlite3*> SqliteStateStore::Open() {
  if (connection_) return connection_.get();
  if (!PathExists(path_)) {
    return Fail(ErrorCode::kNotProvisioned, Format("{} does not exist", path_));
  }
  sqlite3* raw = nullptr;
  const Status connected = Connect(path_, raw);
  Connection connection(raw);
  PAWL_TRY(connected);
  PAWL_TRY(Check(raw, path_));
  connection_ = std::move(connection);
  return raw;
}

Result<Json> SqliteStateStore::Load() {
  PAWL_ASSIGN_OR_RETURN(sqlite3 * connection, Open());
  Statement get(connection, "SELECT json FROM document WHERE id = 1", path_);
  PAWL_ASSIGN_OR_RETURN(const bool found, get.Step());
  if (!found) return Json::object();
  auto document = ParseJson(get.Text(0));
  if (!document || !document->is_object()) {
    return Fail(ErrorCode::kStoreCorrupt, Format("{}: the document is not a JSON object", path_));
  }
  return document;
}

Status SqliteStateStore::Commit(const Json& document, const std::vector<HistoryEntry>& entries) {
  PAWL_ASSIGN_OR_RETURN(sqlite3 * connection, Open());
  PAWL_ASSIGN_OR_RETURN(Transaction transaction, Transaction::Begin(connection, path_));
  PAWL_TRY(PutDocument(connection, document, path_));
  for (const HistoryEntry& entry : entries) {
    Statement add(connection, "INSERT INTO history(at, event, code, text) VALUES (?, ?, ?, ?)",
                  path_);
    PAWL_TRY(add.Bind(entry.at.seconds).Bind(entry.event).Bind(entry.code).Bind(entry.text).Step());
  }
  if (!entries.empty()) {
    Statement prune(connection,
                    "DELETE FROM history WHERE seq <= (SELECT max(seq) FROM history) - ?", path_);
    PAWL_TRY(prune.Bind(static_cast<std::int64_t>(kHistoryEntriesKept)).Step());
  }
  return transaction.Commit();
}

Result<std::vector<HistoryEntry>> SqliteStateStore::History(std::size_t limit) {
  PAWL_ASSIGN_OR_RETURN(sqlite3 * connection, Open());
  Statement get(connection, "SELECT at, event, code, text FROM history ORDER BY seq DESC LIMIT ?",
                path_);
  get.Bind(static_cast<std::int64_t>(std::min(limit, kHistoryEntriesKept)));
  std::vector<HistoryEntry> entries;
  while (true) {
    PAWL_ASSIGN_OR_RETURN(const bool more, get.Step());
    if (!more) return entries;
    entries.push_back({{get.Integer(0)}, get.Text(1), get.Text(2), get.Text(3)});
  }
}

}  // namespace pawl::client
