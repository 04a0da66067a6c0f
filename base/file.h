// SPDX-License-Identifier: Apache-2.0
#pragma once

// Files with their durability spelled out. Errors carry the path; ENOSPC, EACCES and ENOENT have codes of their own.

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"

namespace pawl {

class UniqueFd {
 public:
  UniqueFd() = default;
  explicit UniqueFd(int fd) : fd_(fd) {}
  ~UniqueFd();
  UniqueFd(UniqueFd&& other) noexcept;
  UniqueFd& operator=(UniqueFd&& other) noexcept;
  UniqueFd(const UniqueFd&) = delete;
  UniqueFd& operator=(const UniqueFd&) = delete;
  int get() const { return fd_; }
  bool valid() const { return fd_ >= 0; }

 private:
  int fd_ = -1;
};

// The Error for a failed system call: kNoSpace, kPermission, kInputMissing (ENOENT), else kIo; names `what` and errno's text.
Error ErrnoError(int error_number, std::string_view what);

// open(2) with O_CLOEXEC.
Result<UniqueFd> OpenFile(const std::string& path, int flags, mode_t mode = 0);

// The whole of a regular file. ERRORS: kInputMissing, kInputInvalid (larger than max_bytes, not a regular file), kPathUnsafe (a
// symbolic link as last component), kIo.
Result<Bytes> ReadFile(const std::string& path, std::uint64_t max_bytes);
// As ReadFile; an absent file is an empty optional.
Result<std::optional<Bytes>> ReadFileIfExists(const std::string& path, std::uint64_t max_bytes);

// pread/pwrite until all is done. ERRORS: kIo; a short file is kIo ("ends at").
Status ReadExactAt(int fd, std::uint64_t offset, ByteSpan out, std::string_view what);
Status WriteExactAt(int fd, std::uint64_t offset, ByteView bytes, std::string_view what);
Status SyncFd(int fd, std::string_view what);
Status SyncDirectory(const std::string& directory);

// Replaces `path` so that after any crash it holds the old or the new bytes, never a mixture: temporary file in the same
// directory, fsync, rename, fsync of the directory. The temporary name never ends in ".json".
Status AtomicWriteFile(const std::string& path, ByteView bytes, mode_t mode = 0644);
// As AtomicWriteFile, but refuses to replace: kOutputExists.
Status CreateNewFile(const std::string& path, ByteView bytes, mode_t mode = 0644);

Status MakeDirectories(const std::string& path, mode_t mode = 0755);
Status RemoveFileIfExists(const std::string& path);
// Names (not paths) in a directory, sorted bytewise, without "." and "..".
Result<std::vector<std::string>> ListDirectory(const std::string& path);
Result<std::uint64_t> FileSize(const std::string& path);
bool PathExists(const std::string& path);

// "a" + "b" → "a/b".
std::string JoinPath(std::string_view directory, std::string_view name);

// Percent-encodes everything but A-Z a-z 0-9 _ - ~ and '.' (a leading '.' too), upper-case hex, so that a role or file name is one
// harmless path component. Source: TUF conformance CLIENT-CLI protocol.
std::string EncodeFileName(std::string_view name);

// An exclusive lock on a file (flock), held while the object lives.
class FileLock {
 public:
  // ERRORS: kLockHeld when another process has it.
  static Result<FileLock> Acquire(const std::string& path);

 private:
  explicit FileLock(UniqueFd fd) : fd_(std::move(fd)) {}
  UniqueFd fd_;
};

}  // namespace pawl
