// SPDX-License-Identifier: Apache-2.0
#include "delta/apply/chunks.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <string>

namespace pawl::delta {
namespace {

std::int64_t ModifiedNs(const struct stat& status) {
  return std::int64_t{status.st_mtim.tv_sec} * 1'000'000'000 + status.st_mtim.tv_nsec;
}

}  // namespace

Result<ImageDigests> DigestImage(RandomReader& image, const ProgressFunction& progress) {
  ImageDigests digests;
  digests.whole.bytes = image.SizeBytes();
  Sha256 whole;
  Bytes chunk(static_cast<std::size_t>(std::min(digests.whole.bytes, kChunkBytes)));
  for (std::uint64_t offset = 0; offset < digests.whole.bytes; offset += kChunkBytes) {
    const auto length =
        static_cast<std::size_t>(std::min(kChunkBytes, digests.whole.bytes - offset));
    const ByteSpan part = ByteSpan(chunk).first(length);
    PAWL_TRY(image.ReadAt(offset, part));
    digests.chunks.push_back(HashSha256(part));
    whole.Update(part);
    if (progress) progress(offset + length, digests.whole.bytes);
  }
  digests.whole.sha256 = whole.Finish();
  return digests;
}

Result<std::vector<Sha256Digest>> ChunkDigests(RandomReader& image) {
  std::vector<Sha256Digest> digests;
  const std::uint64_t size = image.SizeBytes();
  Bytes chunk(static_cast<std::size_t>(std::min(size, kChunkBytes)));
  for (std::uint64_t offset = 0; offset < size; offset += kChunkBytes) {
    const ByteSpan part =
        ByteSpan(chunk).first(static_cast<std::size_t>(std::min(kChunkBytes, size - offset)));
    PAWL_TRY(image.ReadAt(offset, part));
    digests.push_back(HashSha256(part));
  }
  return digests;
}

Result<FileReader> FileReader::Open(const std::string& path) {
  PAWL_ASSIGN_OR_RETURN(UniqueFd fd, OpenFile(path, O_RDONLY));
  struct stat status = {};
  if (fstat(fd.get(), &status) != 0) return std::unexpected(ErrnoError(errno, path));
  std::uint64_t size = 0;
  if (S_ISREG(status.st_mode)) {
    size = static_cast<std::uint64_t>(status.st_size);
  } else if (S_ISBLK(status.st_mode)) {
    if (ioctl(fd.get(), BLKGETSIZE64, &size) != 0) return std::unexpected(ErrnoError(errno, path));
  } else {
    return Fail(ErrorCode::kInputInvalid, path + ": not a regular file or block device");
  }
  return FileReader(std::move(fd), path, size, ModifiedNs(status));
}

Status FileReader::ReadAt(std::uint64_t offset, ByteSpan out) {
  if (!Contains(size_, offset, out.size())) {
    return Fail(ErrorCode::kIo, path_ + ": read behind the end");
  }
  return ReadExactAt(fd_.get(), offset, out, path_);
}

Status FileReader::CheckUnchanged() const {
  struct stat status = {};
  if (fstat(fd_.get(), &status) != 0) return std::unexpected(ErrnoError(errno, path_));
  const bool resized =
      S_ISREG(status.st_mode) && static_cast<std::uint64_t>(status.st_size) != size_;
  if (resized || ModifiedNs(status) != modified_ns_) {
    return Fail(ErrorCode::kInputInvalid, path_ + ": changed while it was read");
  }
  return {};
}

Status MemoryReader::ReadAt(std::uint64_t offset, ByteSpan out) {
  if (!Contains(bytes_.size(), offset, out.size())) {
    return Fail(ErrorCode::kIo, "read behind the end of the image");
  }
  std::ranges::copy(bytes_.subspan(static_cast<std::size_t>(offset), out.size()), out.begin());
  return {};
}

}  // namespace pawl::delta
