// SPDX-License-Identifier: Apache-2.0
#pragma once

// SQLite as owned handles with Result.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"

struct sqlite3;
struct sqlite3_stmt;

namespace pawl::fleet {

class SqliteConnection {
 public:
  // Creates the file (0600) when it is not there. ERRORS: kStoreCorrupt, kIo, kPermission,
  // kLockHeld.
  static Result<SqliteConnection> Open(const std::string& path);
  // One or more statements without values.
  Status Execute(const std::string& sql);

 private:
  friend class SqliteQuery;
  struct Close {
    void operator()(sqlite3* connection) const;
  };
  SqliteConnection(sqlite3* connection, std::string path)
      : connection_(connection), path_(std::move(path)) {}
  std::unique_ptr<sqlite3, Close> connection_;
  std::string path_;
};

// Values are bound in order; Step() is true while there is a row. The connection must outlive it.
class SqliteQuery {
 public:
  SqliteQuery(SqliteConnection& connection, std::string_view sql);
  ~SqliteQuery();
  SqliteQuery(const SqliteQuery&) = delete;
  SqliteQuery& operator=(const SqliteQuery&) = delete;

  SqliteQuery& Bind(std::string_view text);
  SqliteQuery& Bind(ByteView blob);
  SqliteQuery& Bind(std::int64_t value);
  Result<bool> Step();
  // The only step of a statement that returns no rows.
  Status Run();

  std::int64_t Integer(int column) const;
  std::string Text(int column) const;
  Bytes Blob(int column) const;
  bool IsNull(int column) const;

 private:
  SqliteConnection& connection_;
  sqlite3_stmt* statement_ = nullptr;
  int bound_ = 0;
  int code_ = 0;
};

// Rolls back on every way out but a successful Commit(). The connection must outlive it.
class SqliteTransaction {
 public:
  static Result<SqliteTransaction> Begin(SqliteConnection& connection);
  ~SqliteTransaction();
  SqliteTransaction(SqliteTransaction&& other) noexcept;
  SqliteTransaction& operator=(SqliteTransaction&&) = delete;
  SqliteTransaction(const SqliteTransaction&) = delete;
  SqliteTransaction& operator=(const SqliteTransaction&) = delete;
  Status Commit();

 private:
  explicit SqliteTransaction(SqliteConnection& connection) : connection_(&connection) {}
  SqliteConnection* connection_;
};

}  // namespace pawl::fleet
