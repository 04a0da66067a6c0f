// SPDX-License-Identifier: Apache-2.0
#include "base/file.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <memory>
#include <system_error>
#include <utility>

#include "base/format.h"
#include "base/secret.h"

namespace pawl {
namespace {

std::string ParentOf(const std::string& path) {
  const std::string parent = std::filesystem::path(path).parent_path().string();
  return parent.empty() ? "." : parent;
}

// Writes and syncs a fresh temporary file beside `path`. The caller renames or links it, and removes it on failure.
Result<std::string> WriteTemporary(const std::string& path, ByteView bytes, mode_t mode) {
  std::array<std::uint8_t, 8> random{};
  RandomBytes(random);
  // Never "*.json": some readers take every *.json in a metadata folder for metadata.
  std::string temporary = Format("{}.{}.tmp", path, HexEncode(random));
  PAWL_ASSIGN_OR_RETURN(const UniqueFd fd, OpenFile(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, mode));
  auto written = WriteExactAt(fd.get(), 0, bytes, path);
  if (written) written = SyncFd(fd.get(), path);
  if (!written) {
    unlink(temporary.c_str());
    return std::unexpected(std::move(written).error());
  }
  return temporary;
}

}  // namespace

UniqueFd::~UniqueFd() {
  if (fd_ >= 0) close(fd_);
}
UniqueFd::UniqueFd(UniqueFd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
UniqueFd& UniqueFd::operator=(UniqueFd&& other) noexcept {
  std::swap(fd_, other.fd_);
  return *this;
}

Error ErrnoError(int error_number, std::string_view what) {
  ErrorCode code = ErrorCode::kIo;
  switch (error_number) {
    case ENOSPC:
    case EDQUOT: code = ErrorCode::kNoSpace; break;
    case EACCES:
    case EPERM:
    case EROFS: code = ErrorCode::kPermission; break;
    case ENOENT:
    case ENOTDIR: code = ErrorCode::kInputMissing; break;
    case ELOOP: code = ErrorCode::kPathUnsafe; break;
    default: break;
  }
  return {code, Format("{}: {}", what, std::system_category().message(error_number))};
}

Result<UniqueFd> OpenFile(const std::string& path, int flags, mode_t mode) {
  int fd = -1;
  do {
    fd = open(path.c_str(), flags | O_CLOEXEC, mode);
  } while (fd < 0 && errno == EINTR);
  if (fd < 0) return std::unexpected(ErrnoError(errno, path));
  return UniqueFd(fd);
}

Result<Bytes> ReadFile(const std::string& path, std::uint64_t max_bytes) {
  max_bytes = std::min<std::uint64_t>(max_bytes, INT64_MAX - 1);  // so that "one more" cannot overflow below
  PAWL_ASSIGN_OR_RETURN(const UniqueFd fd, OpenFile(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK));
  struct stat info {};
  if (fstat(fd.get(), &info) != 0) return std::unexpected(ErrnoError(errno, path));
  if (!S_ISREG(info.st_mode)) {
    return Fail(ErrorCode::kInputInvalid, Format("{}: expected a regular file", path));
  }
  // Files of procfs and sysfs say size 0, so the size is only a first guess; reading goes on to the end.
  Bytes bytes;
  std::size_t filled = 0;
  bytes.resize(static_cast<std::size_t>(std::min<std::uint64_t>(static_cast<std::uint64_t>(info.st_size), max_bytes)) + 1);
  while (true) {
    const ssize_t got = read(fd.get(), bytes.data() + filled, bytes.size() - filled);
    if (got < 0) {
      if (errno == EINTR) continue;
      return std::unexpected(ErrnoError(errno, path));
    }
    if (got == 0) break;
    filled += static_cast<std::size_t>(got);
    if (filled > max_bytes) {
      return Fail(ErrorCode::kInputInvalid, Format("{}: expected at most {} bytes, found more", path, max_bytes));
    }
    if (filled == bytes.size()) {
      bytes.resize(static_cast<std::size_t>(std::min<std::uint64_t>(bytes.size() * 2, max_bytes + 1)));
    }
  }
  bytes.resize(filled);
  return bytes;
}

Result<std::optional<Bytes>> ReadFileIfExists(const std::string& path, std::uint64_t max_bytes) {
  auto bytes = ReadFile(path, max_bytes);
  if (bytes) return std::optional<Bytes>(std::move(*bytes));
  if (bytes.error().code() == ErrorCode::kInputMissing) return std::optional<Bytes>();
  return std::unexpected(std::move(bytes).error());
}

Status ReadExactAt(int fd, std::uint64_t offset, ByteSpan out, std::string_view what) {
  while (!out.empty()) {
    const ssize_t got = pread(fd, out.data(), out.size(), static_cast<off_t>(offset));
    if (got < 0) {
      if (errno == EINTR) continue;
      return std::unexpected(ErrnoError(errno, what));
    }
    if (got == 0) {
      return Fail(ErrorCode::kIo, Format("{}: ends at {}, {} more bytes were expected", what, offset, out.size()));
    }
    out = out.subspan(static_cast<std::size_t>(got));
    offset += static_cast<std::uint64_t>(got);
  }
  return {};
}

Status WriteExactAt(int fd, std::uint64_t offset, ByteView bytes, std::string_view what) {
  while (!bytes.empty()) {
    const ssize_t put = pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (put < 0) {
      if (errno == EINTR) continue;
      return std::unexpected(ErrnoError(errno, what));
    }
    bytes = bytes.subspan(static_cast<std::size_t>(put));
    offset += static_cast<std::uint64_t>(put);
  }
  return {};
}

Status SyncFd(int fd, std::string_view what) {
  if (fsync(fd) != 0) return std::unexpected(ErrnoError(errno, what));
  return {};
}

Status SyncDirectory(const std::string& directory) {
  PAWL_ASSIGN_OR_RETURN(const UniqueFd fd, OpenFile(directory, O_RDONLY | O_DIRECTORY));
  return SyncFd(fd.get(), directory);
}

Status AtomicWriteFile(const std::string& path, ByteView bytes, mode_t mode) {
  PAWL_ASSIGN_OR_RETURN(const std::string temporary, WriteTemporary(path, bytes, mode));
  if (rename(temporary.c_str(), path.c_str()) != 0) {
    const Error error = ErrnoError(errno, path);
    unlink(temporary.c_str());
    return std::unexpected(error);
  }
  return SyncDirectory(ParentOf(path));
}

Status CreateNewFile(const std::string& path, ByteView bytes, mode_t mode) {
  PAWL_ASSIGN_OR_RETURN(const std::string temporary, WriteTemporary(path, bytes, mode));
  const int linked = link(temporary.c_str(), path.c_str());  // link(2) refuses an existing name atomically
  const int why = errno;
  unlink(temporary.c_str());
  if (linked != 0) {
    if (why == EEXIST) return Fail(ErrorCode::kOutputExists, Format("{} exists already", path));
    return std::unexpected(ErrnoError(why, path));
  }
  return SyncDirectory(ParentOf(path));
}

Status MakeDirectories(const std::string& path, mode_t mode) {
  if (path.empty()) return std::unexpected(ErrnoError(ENOENT, "an empty path"));
  std::error_code failure;
  std::filesystem::path made;
  for (const std::filesystem::path& part : std::filesystem::path(path)) {
    made /= part;
    if (std::filesystem::is_directory(made, failure)) continue;
    if (mkdir(made.c_str(), mode) != 0) {
      const int why = errno;
      // Another process may have been faster; anything else of that name is in the way.
      if (why != EEXIST || !std::filesystem::is_directory(made, failure)) {
        return std::unexpected(ErrnoError(why, made.string()));
      }
    }
    PAWL_TRY(SyncDirectory(ParentOf(made.string())));
  }
  return {};
}

Status RemoveFileIfExists(const std::string& path) {
  if (unlink(path.c_str()) != 0 && errno != ENOENT) return std::unexpected(ErrnoError(errno, path));
  return {};
}

Result<std::vector<std::string>> ListDirectory(const std::string& path) {
  std::error_code failure;
  std::filesystem::directory_iterator entries(path, failure);
  if (failure) return std::unexpected(ErrnoError(failure.value(), path));
  std::vector<std::string> names;
  for (const std::filesystem::directory_iterator end; entries != end; entries.increment(failure)) {
    names.push_back(entries->path().filename().string());
  }
  // A failed increment() makes the iterator equal to `end`: half a listing must not pass for all of it.
  if (failure) return std::unexpected(ErrnoError(failure.value(), path));
  std::ranges::sort(names);
  return names;
}

Result<std::uint64_t> FileSize(const std::string& path) {
  struct stat info {};
  if (stat(path.c_str(), &info) != 0) return std::unexpected(ErrnoError(errno, path));
  return static_cast<std::uint64_t>(info.st_size);
}

bool PathExists(const std::string& path) {
  struct stat info {};
  return lstat(path.c_str(), &info) == 0;
}

std::string JoinPath(std::string_view directory, std::string_view name) {
  std::string out(directory);
  if (!out.empty() && out.back() != '/') out += '/';
  return out.append(name);
}

std::string EncodeFileName(std::string_view name) {
  std::string out;
  for (const char c : name) {
    const bool plain = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' ||
                       c == '-' || c == '~' || (c == '.' && !out.empty());
    if (plain) {
      out += c;
    } else {
      out += Format("%{:02X}", static_cast<unsigned>(static_cast<unsigned char>(c)));
    }
  }
  return out;
}

Result<FileLock> FileLock::Acquire(const std::string& path) {
  PAWL_ASSIGN_OR_RETURN(UniqueFd fd, OpenFile(path, O_RDWR | O_CREAT | O_NOFOLLOW, 0600));
  if (flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK) return Fail(ErrorCode::kLockHeld, Format("{} is locked by another process", path));
    return std::unexpected(ErrnoError(errno, path));
  }
  return FileLock(std::move(fd));
}

}  // namespace pawl
