// SPDX-License-Identifier: Apache-2.0
#pragma once

// The agent's memory in one SQLite file, rollback journal, synchronous=EXTRA: a Commit that
// returned survives a power cut, one that did not leaves the state before it.
//
// Schema versions: `user_version` 1 … 99 only add to each other (tables, columns with defaults), so
// an older agent reads and writes a newer store of the same hundred and leaves alone what it does
// not know. Another hundred is kStoreSchema. Version 1:
//   document(id INTEGER PRIMARY KEY CHECK (id = 1), json TEXT NOT NULL)
//   history(seq INTEGER PRIMARY KEY, at INTEGER NOT NULL, event TEXT, code TEXT, text TEXT)   at:
//   Unix seconds

#include <memory>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "client/ports/state_store.h"

struct sqlite3;

namespace pawl::client {

inline constexpr int kStoreSchemaVersion = 1;
inline constexpr std::size_t kHistoryEntriesKept = 1000;  // the oldest go first

class SqliteStateStore : public StateStore {
 public:
  // The file is opened and checked at the first call of a method.
  explicit SqliteStateStore(std::string path);
  ~SqliteStateStore() override;

  // Makes a new store, mode 0600, with a first document. ERRORS: kOutputExists, kNoSpace, kIo.
  static Status Create(const std::string& path, const Json& document);

  // ERRORS of all: kNotProvisioned when the file is absent, kStoreCorrupt, kStoreSchema,
  // kPermission, kLockHeld when another process keeps it locked. Commit: kNoSpace, kIo; the state
  // is then the old one.
  Result<Json> Load() override;
  Status Commit(const Json& document, const std::vector<HistoryEntry>& entries) override;
  Result<std::vector<HistoryEntry>> History(std::size_t limit) override;

 private:
  struct Close {
    void operator()(sqlite3* connection) const;
  };
  using Connection = std::unique_ptr<sqlite3, Close>;
  Result<sqlite3*> Open();
  std::string path_;
  Connection connection_;
};

}  // namespace pawl::client
