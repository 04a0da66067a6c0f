// SPDX-License-Identifier: Apache-2.0
#include "delta/apply/container_file.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <utility>

namespace pawl::delta {

Result<ContainerHead> ReadContainerHead(RandomReader& container) {
  const std::uint64_t size = container.SizeBytes();
  Bytes bytes(static_cast<std::size_t>(std::min<std::uint64_t>(size, kHeadPrefixBytes)));
  PAWL_TRY(container.ReadAt(0, bytes));
  PAWL_ASSIGN_OR_RETURN(const std::uint64_t head_bytes, PeekHeadBytes(bytes, {}));
  if (head_bytes > size) return Fail(ErrorCode::kContainerMalformed, "container ends in its head");
  bytes.resize(static_cast<std::size_t>(head_bytes));
  PAWL_TRY(container.ReadAt(0, bytes));
  ContainerHead read;
  PAWL_ASSIGN_OR_RETURN(read.head, ParseHead(bytes, {}));
  read.sha256 = HashSha256(bytes);
  //= docs/container-format.md#C-03
  if (read.head.ContainerBytes() != size) {
    return Fail(ErrorCode::kContainerMalformed,
                "container has " + std::to_string(size) + " bytes, its head says " +
                    std::to_string(read.head.ContainerBytes()));
  }
  return read;
}

Result<PendingFile> PendingFile::Create(const std::string& path) {
  std::string temporary = path + ".tmp-XXXXXX";
  UniqueFd fd(mkostemp(temporary.data(), O_CLOEXEC));
  if (!fd.valid()) return std::unexpected(ErrnoError(errno, path));
  PendingFile file(std::move(fd), std::move(temporary), path);
  if (fchmod(file.fd(), 0644) != 0) return std::unexpected(ErrnoError(errno, path));
  return file;
}

PendingFile::PendingFile(PendingFile&& other) noexcept
    : fd_(std::move(other.fd_)),
      temporary_(std::exchange(other.temporary_, {})),
      path_(std::move(other.path_)) {}

PendingFile::~PendingFile() {
  if (!temporary_.empty()) unlink(temporary_.c_str());
}

Status PendingFile::Commit() {
  PAWL_TRY(SyncFd(fd_.get(), path_));
  if (rename(temporary_.c_str(), path_.c_str()) != 0) {
    return std::unexpected(ErrnoError(errno, path_));
  }
  temporary_.clear();
  const std::size_t slash = path_.rfind('/');
  if (slash == 0) return SyncDirectory("/");
  return SyncDirectory(slash == std::string::npos ? "." : path_.substr(0, slash));
}

}  // namespace pawl::delta
