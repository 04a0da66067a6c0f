// SPDX-License-Identifier: Apache-2.0
#include "signer/bundle_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <utility>

#include "base/block_io.h"
#include "base/format.h"
#include "base/hash.h"

namespace pawl::signer {

Result<BundleFile> BundleFile::Create(const std::string& path) {
  if (PathExists(path)) return Fail(ErrorCode::kOutputExists, path);
  std::array<std::uint8_t, 8> random{};
  RandomBytes(random);
  const std::string temporary = Format("{}.{}.tmp", path, HexEncode(random));
  PAWL_ASSIGN_OR_RETURN(UniqueFd fd, OpenFile(temporary, O_RDWR | O_CREAT | O_EXCL, 0644));
  return BundleFile(std::move(fd), path, temporary);
}

BundleFile::BundleFile(BundleFile&& other) noexcept
    : fd_(std::move(other.fd_)),
      path_(std::move(other.path_)),
      temporary_(std::exchange(other.temporary_, {})),
      bytes_(other.bytes_) {}

BundleFile::~BundleFile() {
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
}

Status BundleFile::Write(ByteView bytes) {
  PAWL_TRY(WriteExactAt(fd_.get(), bytes_, bytes, temporary_));
  bytes_ += bytes.size();
  return {};
}

Status BundleFile::CopyFrom(const BundleItem& item) {
  const manifest::FileReference& wanted = item.reference;
  const auto differs = [&](std::string_view what) {
    return Fail(ErrorCode::kReleaseFileMismatch,
                Format("{}: expected {} bytes with SHA-256 {}, found {}", item.source,
                       wanted.length, wanted.sha256.Hex(), what));
  };
  PAWL_ASSIGN_OR_RETURN(const UniqueFd source, OpenFile(item.source, O_RDONLY | O_NOFOLLOW));
  PAWL_ASSIGN_OR_RETURN(const std::uint64_t size, FileSize(item.source));
  if (size != wanted.length) return differs(Format("{} bytes", size));
  Sha256 hash;
  Bytes buffer(static_cast<std::size_t>(std::min(kChunkBytes, size)));
  for (std::uint64_t done = 0; done < size; done += buffer.size()) {
    buffer.resize(static_cast<std::size_t>(std::min(kChunkBytes, size - done)));
    PAWL_TRY(ReadExactAt(source.get(), done, buffer, item.source));
    hash.Update(buffer);
    PAWL_TRY(Write(buffer));
  }
  const Sha256Digest found = hash.Finish();
  return found == wanted.sha256 ? Status() : differs(found.Hex());
}

Status BundleFile::Append(const std::string& name, const BundleItem& item) {
  PAWL_ASSIGN_OR_RETURN(const manifest::BundleBlock header,
                        manifest::EncodeBundleHeader(name, item.size()));
  PAWL_TRY(Write(header));
  PAWL_TRY(item.source.empty() ? Write(item.bytes) : CopyFrom(item));
  return Write(Bytes(static_cast<std::size_t>(manifest::BundlePadding(item.size()))));
}

Status BundleFile::Finish() {
  PAWL_TRY(Write(Bytes(2 * manifest::kBundleBlockBytes)));
  return SyncFd(fd_.get(), temporary_);
}

Status BundleFile::Publish() {
  // A stick's file system has no links and no rename that refuses; two runs for one name are one
  // person's mistake and lose nothing but the older of two whole bundles.
  if (PathExists(path_)) return Fail(ErrorCode::kOutputExists, path_);
  if (std::rename(temporary_.c_str(), path_.c_str()) != 0) {
    return std::unexpected(ErrnoError(errno, path_));
  }
  temporary_.clear();
  const std::string folder = std::filesystem::path(path_).parent_path().string();
  return SyncDirectory(folder.empty() ? "." : folder);
}

}  // namespace pawl::signer
