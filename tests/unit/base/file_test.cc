// SPDX-License-Identifier: Apache-2.0
#include "base/file.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <filesystem>
#include <thread>

#include "base/format.h"
#include "tests/matchers.h"

namespace pawl {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using testing::IsError;
using testing::IsOk;

class FileTest : public ::testing::Test {
 protected:
  FileTest() {
    std::string pattern = ::testing::TempDir() + "pawl-file-XXXXXX";
    directory_ = mkdtemp(pattern.data());
  }
  ~FileTest() override { std::filesystem::remove_all(directory_); }
  std::string At(std::string_view name) const { return JoinPath(directory_, name); }
  std::string Text(const std::string& path) const {
    const auto bytes = ReadFile(path, 1 << 20);
    return bytes ? std::string(AsText(*bytes)) : "unreadable: " + bytes.error().Message();
  }
  std::string directory_;
};

TEST_F(FileTest, AtomicWriteReplacesAndLeavesNothingElse) {
  ASSERT_THAT(AtomicWriteFile(At("f"), AsBytes("old")), IsOk());
  ASSERT_THAT(AtomicWriteFile(At("f"), AsBytes("new")), IsOk());
  EXPECT_EQ(Text(At("f")), "new");
  EXPECT_THAT(*ListDirectory(directory_), ElementsAre("f"));
}

TEST_F(FileTest, AtomicWriteSetsTheMode) {
  ASSERT_THAT(AtomicWriteFile(At("f"), AsBytes("x"), 0600), IsOk());
  struct stat info{};
  ASSERT_EQ(stat(At("f").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777U, 0600U);
}

TEST_F(FileTest, AtomicWriteReplacesALinkAndNotWhatItPointsTo) {
  ASSERT_THAT(AtomicWriteFile(At("other"), AsBytes("mine")), IsOk());
  ASSERT_EQ(symlink("other", At("f").c_str()), 0);
  ASSERT_THAT(AtomicWriteFile(At("f"), AsBytes("new")), IsOk());
  EXPECT_EQ(Text(At("other")), "mine");
  EXPECT_EQ(Text(At("f")), "new");
}

TEST_F(FileTest, FailedAtomicWriteKeepsTheOldContent) {
  ASSERT_THAT(MakeDirectories(At("taken/inside")),
              IsOk());  // a directory cannot be replaced by a file
  EXPECT_THAT(AtomicWriteFile(At("taken"), AsBytes("new")), IsError(ErrorCode::kIo));
  EXPECT_THAT(*ListDirectory(directory_), ElementsAre("taken"));
  EXPECT_THAT(AtomicWriteFile(At("absent/f"), AsBytes("new")), IsError(ErrorCode::kInputMissing));
}

TEST_F(FileTest, FullFileSystemKeepsTheOldContent) {
  // In a mount namespace of our own, so that nothing is left behind however this ends.
  if (unshare(CLONE_NEWNS) != 0 ||
      mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
      mount("tmpfs", directory_.c_str(), "tmpfs", 0, "size=64k") != 0) {
    GTEST_SKIP() << "no right to mount a tmpfs";
  }
  ASSERT_THAT(AtomicWriteFile(At("f"), AsBytes("old")), IsOk());
  EXPECT_THAT(AtomicWriteFile(At("f"), Bytes(1 << 20)), IsError(ErrorCode::kNoSpace));
  EXPECT_THAT(CreateNewFile(At("g"), Bytes(1 << 20)), IsError(ErrorCode::kNoSpace));
  EXPECT_EQ(Text(At("f")), "old");
  EXPECT_THAT(*ListDirectory(directory_), ElementsAre("f"));
  umount(directory_.c_str());
}

TEST_F(FileTest, CreateNewFileNeverReplaces) {
  ASSERT_THAT(CreateNewFile(At("f"), AsBytes("first")), IsOk());
  EXPECT_THAT(CreateNewFile(At("f"), AsBytes("second")), IsError(ErrorCode::kOutputExists));
  ASSERT_EQ(symlink("nowhere", At("link").c_str()), 0);
  EXPECT_THAT(CreateNewFile(At("link"), AsBytes("x")), IsError(ErrorCode::kOutputExists));
  EXPECT_EQ(Text(At("f")), "first");
}

TEST_F(FileTest, OfManyCreatorsExactlyOneWins) {
  std::atomic<int> winners = 0;
  std::atomic<int> losers = 0;
  std::vector<std::jthread> creators;
  for (int i = 0; i < 8; ++i) {
    creators.emplace_back([&, i] {
      const auto created = CreateNewFile(At("f"), AsBytes(Format("{}", i)));
      if (created) ++winners;
      if (!created && created.error().code() == ErrorCode::kOutputExists) ++losers;
    });
  }
  creators.clear();
  EXPECT_EQ(winners, 1);
  EXPECT_EQ(losers, 7);
  EXPECT_THAT(*ListDirectory(directory_), ElementsAre("f"));
}

TEST_F(FileTest, ReadHonoursTheCap) {
  ASSERT_THAT(AtomicWriteFile(At("f"), AsBytes("12345")), IsOk());
  EXPECT_EQ(Text(At("f")), "12345");
  EXPECT_THAT(ReadFile(At("f"), 5), IsOk());
  EXPECT_THAT(ReadFile(At("f"), 4), IsError(ErrorCode::kInputInvalid));
  EXPECT_THAT(ReadFile(At("f"), 0), IsError(ErrorCode::kInputInvalid));
  EXPECT_THAT(ReadFile(At("f"), UINT64_MAX), IsOk());
}

TEST(ProcFileTest, FilesThatSaySizeZeroAreReadWholeAndCapped) {
  const auto whole = ReadFile("/proc/self/maps", 1 << 22);
  ASSERT_THAT(whole, IsOk());
  EXPECT_GT(whole->size(), 4096U);
  EXPECT_THAT(ReadFile("/proc/self/maps", 100), IsError(ErrorCode::kInputInvalid));
  EXPECT_THAT(ReadFile("/proc/self/maps", UINT64_MAX), IsOk());
}

TEST_F(FileTest, ReadTakesRegularFilesOnly) {
  ASSERT_THAT(AtomicWriteFile(At("f"), AsBytes("x")), IsOk());
  ASSERT_EQ(symlink("f", At("link").c_str()), 0);
  ASSERT_EQ(mkfifo(At("fifo").c_str(), 0600), 0);
  EXPECT_THAT(ReadFile(At("link"), 10), IsError(ErrorCode::kPathUnsafe));
  EXPECT_THAT(ReadFile(At("fifo"), 10),
              IsError(ErrorCode::kInputInvalid));  // and does not wait for a writer
  EXPECT_THAT(ReadFile(directory_, 10), IsError(ErrorCode::kInputInvalid));
  EXPECT_THAT(ReadFile("/dev/zero", 10), IsError(ErrorCode::kInputInvalid));
  EXPECT_THAT(ReadFile(At("absent"), 10), IsError(ErrorCode::kInputMissing));
}

TEST_F(FileTest, ReadIfExistsTellsAbsentFromUnreadable) {
  const auto absent = ReadFileIfExists(At("absent"), 10);
  ASSERT_THAT(absent, IsOk());
  EXPECT_FALSE(absent->has_value());
  EXPECT_THAT(ReadFileIfExists(directory_, 10), IsError(ErrorCode::kInputInvalid));
}

TEST_F(FileTest, ExactReadsAndWritesSayWhereAFileEnds) {
  const auto fd = OpenFile(At("f"), O_RDWR | O_CREAT, 0600);
  ASSERT_THAT(fd, IsOk());
  ASSERT_THAT(WriteExactAt(fd->get(), 2, AsBytes("abc"), "f"), IsOk());
  Bytes bytes(3);
  EXPECT_THAT(ReadExactAt(fd->get(), 2, bytes, "f"), IsOk());
  EXPECT_EQ(AsText(bytes), "abc");
  const auto beyond = ReadExactAt(fd->get(), 4, bytes, "f");
  ASSERT_THAT(beyond, IsError(ErrorCode::kIo));
  EXPECT_THAT(beyond.error().Message(), ::testing::HasSubstr("ends at 5"));
}

TEST_F(FileTest, DirectoriesAreMadeWithTheirParents) {
  EXPECT_THAT(MakeDirectories(At("a/b/c")), IsOk());
  EXPECT_THAT(MakeDirectories(At("a/b/c/")), IsOk());
  ASSERT_THAT(AtomicWriteFile(At("file"), AsBytes("x")), IsOk());
  EXPECT_FALSE(MakeDirectories(At("file")).has_value());
  EXPECT_FALSE(MakeDirectories(At("file/below")).has_value());
  EXPECT_THAT(MakeDirectories(""), IsError(ErrorCode::kInputMissing));
  EXPECT_THAT(MakeDirectories("/"), IsOk());
}

TEST_F(FileTest, ListingIsSortedBytewise) {
  for (const char* name : {"b", "a", "B", "10", "9"})
    ASSERT_THAT(AtomicWriteFile(At(name), AsBytes("")), IsOk());
  EXPECT_THAT(*ListDirectory(directory_), ElementsAre("10", "9", "B", "a", "b"));
  EXPECT_THAT(ListDirectory(At("absent")), IsError(ErrorCode::kInputMissing));
}

TEST_F(FileTest, RemovingWhatIsNotThereIsFine) {
  ASSERT_THAT(AtomicWriteFile(At("f"), AsBytes("x")), IsOk());
  EXPECT_THAT(RemoveFileIfExists(At("f")), IsOk());
  EXPECT_THAT(RemoveFileIfExists(At("f")), IsOk());
  EXPECT_THAT(*ListDirectory(directory_), IsEmpty());
}

TEST_F(FileTest, LockIsHeldWhileTheObjectLives) {
  {
    const auto lock = FileLock::Acquire(At("lock"));
    ASSERT_THAT(lock, IsOk());
    EXPECT_THAT(FileLock::Acquire(At("lock")), IsError(ErrorCode::kLockHeld));
  }
  EXPECT_THAT(FileLock::Acquire(At("lock")), IsOk());
}

TEST_F(FileTest, LockEndsWithTheProcessHoweverItEnds) {
  int ready[2];
  ASSERT_EQ(pipe(ready), 0);
  const pid_t child = fork();
  if (child == 0) {
    const auto lock = FileLock::Acquire(At("lock"));
    const char byte = lock ? '1' : '0';
    if (write(ready[1], &byte, 1) == 1) pause();
    _exit(1);
  }
  char byte = '0';
  ASSERT_EQ(read(ready[0], &byte, 1), 1);
  EXPECT_EQ(byte, '1');
  EXPECT_THAT(FileLock::Acquire(At("lock")), IsError(ErrorCode::kLockHeld));
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  EXPECT_THAT(FileLock::Acquire(At("lock")), IsOk());
  close(ready[0]);
  close(ready[1]);
}

TEST_F(FileTest, LockFollowsNoLink) {
  ASSERT_EQ(symlink("target", At("lock").c_str()), 0);
  EXPECT_THAT(FileLock::Acquire(At("lock")), IsError(ErrorCode::kPathUnsafe));
  EXPECT_FALSE(PathExists(At("target")));
}

TEST(PathTest, JoinsWithOneSlash) {
  EXPECT_EQ(JoinPath("a", "b"), "a/b");
  EXPECT_EQ(JoinPath("a/", "b"), "a/b");
  EXPECT_EQ(JoinPath("", "b"), "b");
  EXPECT_EQ(JoinPath("/", "b"), "/b");
}

// T-BOUNDARY-6: names never reach the file system un-encoded.
TEST(EncodeFileNameTest, MakesOneHarmlessComponentOfAnyName) {
  const std::vector<std::pair<std::string, std::string>> cases{{"releases-gw3", "releases-gw3"},
                                                               {"../a", "%2E.%2Fa"},
                                                               {".", "%2E"},
                                                               {"..", "%2E."},
                                                               {"a/b", "a%2Fb"},
                                                               {"/etc/passwd", "%2Fetc%2Fpasswd"},
                                                               {"a\\b", "a%5Cb"},
                                                               {"\xc3\xb6", "%C3%B6"},
                                                               {std::string("a\0b", 3), "a%00b"},
                                                               {"%2E", "%252E"},
                                                               {"a b", "a%20b"},
                                                               {".hidden", "%2Ehidden"},
                                                               {"1.root.json", "1.root.json"},
                                                               {"~_-", "~_-"}};
  for (const auto& [name, encoded] : cases) EXPECT_EQ(EncodeFileName(name), encoded);
}

TEST(EncodeFileNameTest, KeepsDifferentNamesApart) {
  std::vector<std::string> seen;
  for (int a = 0; a < 256; ++a) {
    for (const char* tail : {"", "a", "%", "."}) {
      seen.push_back(EncodeFileName(std::string(1, static_cast<char>(a)) + tail));
      EXPECT_EQ(seen.back().find('/'), std::string::npos);
      EXPECT_NE(seen.back().front(), '.');
    }
  }
  std::ranges::sort(seen);
  EXPECT_EQ(std::ranges::adjacent_find(seen), seen.end());
}

TEST(ErrnoErrorTest, GivesCommonFailuresTheirOwnCode) {
  EXPECT_EQ(ErrnoError(ENOSPC, "f").code(), ErrorCode::kNoSpace);
  EXPECT_EQ(ErrnoError(EACCES, "f").code(), ErrorCode::kPermission);
  EXPECT_EQ(ErrnoError(EROFS, "f").code(), ErrorCode::kPermission);
  EXPECT_EQ(ErrnoError(ENOENT, "f").code(), ErrorCode::kInputMissing);
  EXPECT_EQ(ErrnoError(EIO, "f").code(), ErrorCode::kIo);
  EXPECT_EQ(ErrnoError(EIO, "slot b").Message(), "slot b: Input/output error");
}

TEST(UniqueFdTest, ClosesOnceAndMoves) {
  UniqueFd first(dup(STDERR_FILENO));
  const int number = first.get();
  UniqueFd second(std::move(first));
  EXPECT_EQ(second.get(), number);
  {
    const UniqueFd third(std::move(second));
    EXPECT_NE(fcntl(number, F_GETFD), -1);
  }
  EXPECT_EQ(fcntl(number, F_GETFD), -1);
}

}  // namespace
}  // namespace pawl
