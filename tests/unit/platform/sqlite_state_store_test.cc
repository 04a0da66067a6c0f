// SPDX-License-Identifier: Apache-2.0
#include "client/platform/sqlite_state_store.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <string>

#include "base/format.h"
#include "tests/unit/platform/temp_dir.h"

namespace pawl::client {
namespace {

HistoryEntry Entry(std::int64_t at, std::string event) {
  return {{at}, std::move(event), "E0603", "A sentence with 'quotes' and \"more\".\n"};
}

class SqliteStateStoreTest : public testing::Test {
 protected:
  void MakeStore() { ASSERT_TRUE(SqliteStateStore::Create(path_, Json{{"first", 1}})); }
  void Sql(const std::string& sql) {
    sqlite3* connection = nullptr;
    ASSERT_EQ(sqlite3_open(path_.c_str(), &connection), SQLITE_OK);
    EXPECT_EQ(sqlite3_exec(connection, sql.c_str(), nullptr, nullptr, nullptr), SQLITE_OK)
        << sqlite3_errmsg(connection);
    sqlite3_close(connection);
  }
  ErrorCode LoadCode() {
    SqliteStateStore store(path_);
    const auto loaded = store.Load();
    return loaded ? ErrorCode::kAlreadyDone : loaded.error().code();
  }
  TempDir dir_;
  std::string path_ = dir_.Of("state.db");
};

TEST_F(SqliteStateStoreTest, AbsentFileIsNotProvisionedAndStaysAbsent) {
  EXPECT_EQ(LoadCode(), ErrorCode::kNotProvisioned);
  EXPECT_FALSE(PathExists(path_));
}

TEST_F(SqliteStateStoreTest, CreateMakesAPrivateFileOnceAndLeavesNothingElse) {
  MakeStore();
  struct stat info{};
  ASSERT_EQ(stat(path_.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 0600U);
  EXPECT_EQ(*SqliteStateStore(path_).Load(), (Json{{"first", 1}}));
  EXPECT_EQ(SqliteStateStore::Create(path_, Json::object()).error().code(),
            ErrorCode::kOutputExists);
  EXPECT_EQ(ListDirectory(dir_.path())->size(), 1U);
}

TEST_F(SqliteStateStoreTest, CommitsDocumentAndHistoryForTheNextProcess) {
  MakeStore();
  const Json document = {{"text", "ünïcode \n\t\" \\ "}, {"deep", {{"list", {1, 2, nullptr}}}}};
  {
    SqliteStateStore store(path_);
    ASSERT_TRUE(store.Commit(document, {Entry(10, "armed"), Entry(20, "confirmed")}));
  }
  SqliteStateStore store(path_);
  EXPECT_EQ(*store.Load(), document);
  const auto history = store.History(10);
  ASSERT_TRUE(history);
  ASSERT_EQ(history->size(), 2U);
  EXPECT_EQ((*history)[0].event, "confirmed");
  EXPECT_EQ((*history)[1].at.seconds, 10);
  EXPECT_EQ((*history)[1].text, Entry(0, "").text);
  EXPECT_EQ(store.History(1)->size(), 1U);
}

TEST_F(SqliteStateStoreTest, HistoryKeepsTheNewestThousand) {
  MakeStore();
  SqliteStateStore store(path_);
  std::vector<HistoryEntry> many;
  for (int i = 0; i < 1005; ++i) many.push_back(Entry(i, Format("e{}", i)));
  ASSERT_TRUE(store.Commit(Json::object(), many));
  const auto history = store.History(5000);
  ASSERT_EQ(history->size(), kHistoryEntriesKept);
  EXPECT_EQ(history->front().event, "e1004");
  EXPECT_EQ(history->back().event, "e5");
}

TEST_F(SqliteStateStoreTest, JournalAndSynchronousAreTheSafeOnes) {
  MakeStore();
  SqliteStateStore store(path_);
  ASSERT_TRUE(store.Commit(Json::object(), {}));
  EXPECT_FALSE(PathExists(path_ + "-wal"));
  EXPECT_FALSE(PathExists(path_ + "-journal"));
}

TEST_F(SqliteStateStoreTest, DamageIsReportedAsDamage) {
  dir_.Put("state.db", "");
  EXPECT_EQ(LoadCode(), ErrorCode::kStoreCorrupt);
  dir_.Put("state.db",
           "this is no database, but a text that is long enough to be looked at ........"
           ".............................................................");
  EXPECT_EQ(LoadCode(), ErrorCode::kStoreCorrupt);
  ASSERT_EQ(unlink(path_.c_str()), 0);
  MakeStore();
  const std::string whole = dir_.Get("state.db");
  dir_.Put("state.db", whole.substr(0, whole.size() / 2));
  EXPECT_EQ(LoadCode(), ErrorCode::kStoreCorrupt);
  std::string flipped = whole;
  for (std::size_t i = 4096; i < flipped.size(); ++i) flipped[i] = static_cast<char>(~flipped[i]);
  dir_.Put("state.db", flipped);
  EXPECT_EQ(LoadCode(), ErrorCode::kStoreCorrupt);
}

TEST_F(SqliteStateStoreTest, DocumentThatIsNoObjectIsDamage) {
  MakeStore();
  Sql("UPDATE document SET json = '[1]'");
  EXPECT_EQ(LoadCode(), ErrorCode::kStoreCorrupt);
  Sql("DELETE FROM document");
  EXPECT_EQ(*SqliteStateStore(path_).Load(), Json::object());
  Sql("DROP TABLE document");
  EXPECT_EQ(LoadCode(), ErrorCode::kStoreCorrupt);
}

TEST_F(SqliteStateStoreTest, NewerAdditiveSchemaIsUsedAndKept) {
  MakeStore();
  Sql("ALTER TABLE document ADD COLUMN extra TEXT DEFAULT 'kept';"
      "UPDATE document SET extra = 'mine'; CREATE TABLE reports(id INTEGER);"
      "ALTER TABLE history ADD COLUMN origin TEXT NOT NULL DEFAULT '';"
      "PRAGMA user_version = 7;");
  SqliteStateStore store(path_);
  ASSERT_TRUE(store.Load());
  ASSERT_TRUE(store.Commit(Json{{"second", 2}}, {Entry(1, "armed")}));
  Sql("CREATE TABLE proof AS SELECT 1 FROM document WHERE extra = 'mine';"
      "INSERT INTO reports SELECT count(*) FROM proof;"
      "UPDATE document SET json = (SELECT '{\"rows\":' || id || '}' FROM reports)");
  EXPECT_EQ((*SqliteStateStore(path_).Load())["rows"], 1);
}

TEST_F(SqliteStateStoreTest, IncompatibleSchemaIsRefused) {
  MakeStore();
  Sql("PRAGMA user_version = 100");
  EXPECT_EQ(LoadCode(), ErrorCode::kStoreSchema);
  Sql("PRAGMA user_version = 0");
  EXPECT_EQ(LoadCode(), ErrorCode::kStoreCorrupt);
}

TEST_F(SqliteStateStoreTest, SymbolicLinkIsNotFollowed) {
  MakeStore();
  ASSERT_EQ(rename(path_.c_str(), dir_.Of("real.db").c_str()), 0);
  ASSERT_EQ(symlink("real.db", path_.c_str()), 0);
  EXPECT_NE(LoadCode(), ErrorCode::kAlreadyDone);
}

// A cut in the middle of a commit: the database file half written, its journal still there.
TEST_F(SqliteStateStoreTest, CutInTheMiddleOfACommitLeavesTheStateBefore) {
  MakeStore();
  sqlite3* connection = nullptr;
  ASSERT_EQ(sqlite3_open(path_.c_str(), &connection), SQLITE_OK);
  // A cache of one page forces pages of the open transaction into the file.
  const std::string sql =
      "PRAGMA cache_size=1; PRAGMA cache_spill=1; BEGIN; UPDATE document SET json = '{\"torn\":1}';"
      "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000) "
      "INSERT INTO history(at, event, code, text) SELECT i, hex(randomblob(100)), '', '' FROM n;";
  ASSERT_EQ(sqlite3_exec(connection, sql.c_str(), nullptr, nullptr, nullptr), SQLITE_OK);
  TempDir after;
  ASSERT_TRUE(PathExists(path_ + "-journal"));
  std::filesystem::copy_file(path_, after.Of("state.db"));
  std::filesystem::copy_file(path_ + "-journal", after.Of("state.db-journal"));
  sqlite3_close(connection);
  EXPECT_GT(*FileSize(after.Of("state.db")), 100'000U) << "nothing was spilled";
  SqliteStateStore store(after.Of("state.db"));
  const auto document = store.Load();
  ASSERT_TRUE(document) << document.error().Message();
  EXPECT_EQ(*document, (Json{{"first", 1}}));
  EXPECT_TRUE(store.History(10)->empty());
}

// A limit of the file size stands for the full disk: the write fails in the middle of a commit.
TEST_F(SqliteStateStoreTest, FullDiskLeavesTheStateBefore) {
  MakeStore();
  SqliteStateStore store(path_);
  ASSERT_TRUE(store.Commit(Json{{"before", true}}, {}));
  rlimit old{};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &old), 0);
  signal(SIGXFSZ, SIG_IGN);
  const rlimit small{64 * 1024, old.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
  const Status committed =
      store.Commit(Json{{"large", std::string(1 << 20, 'x')}}, {Entry(1, "armed")});
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &old), 0);
  signal(SIGXFSZ, SIG_DFL);
  ASSERT_FALSE(committed);
  EXPECT_EQ(committed.error().code(), ErrorCode::kNoSpace) << committed.error().Message();
  EXPECT_EQ(*store.Load(), (Json{{"before", true}}));
  EXPECT_EQ(*SqliteStateStore(path_).Load(), (Json{{"before", true}}));
  EXPECT_TRUE(store.Commit(Json{{"after", true}}, {}));
}

TEST_F(SqliteStateStoreTest, TwoProcessesSeeEachOthersCommits) {
  MakeStore();
  SqliteStateStore writer(path_);
  SqliteStateStore reader(path_);
  ASSERT_TRUE(reader.Load());
  ASSERT_TRUE(writer.Commit(Json{{"n", 2}}, {}));
  EXPECT_EQ((*reader.Load())["n"], 2);
}

}  // namespace
}  // namespace pawl::client
