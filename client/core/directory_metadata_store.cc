// SPDX-License-Identifier: Apache-2.0
#include "client/core/directory_metadata_store.h"

#include <sys/stat.h>

#include <algorithm>
#include <utility>

#include "base/file.h"
#include "base/format.h"

namespace pawl::client {
namespace {

bool IsLink(const std::string& path) {
  struct stat info{};
  return lstat(path.c_str(), &info) == 0 && S_ISLNK(info.st_mode);
}

}  // namespace

DirectoryMetadataStore::DirectoryMetadataStore(std::string directory,
                                               const manifest::MetadataLimits& limits)
    : directory_(std::move(directory)),
      max_bytes_(std::max({limits.root_bytes, limits.timestamp_bytes, limits.snapshot_bytes,
                           limits.targets_bytes})) {}

//= docs/manifest-format.md#M-29
// A link would lead a write or a read out of the folder. The folder belongs to the agent alone, so
// nobody else can put one there between this check and the use.
Result<std::string> DirectoryMetadataStore::PathOf(std::string_view name) const {
  std::string path = JoinPath(directory_, EncodeFileName(name) + ".json");
  for (const std::string& part : {directory_, path}) {
    if (IsLink(part)) {
      return Fail(ErrorCode::kPathUnsafe, Format("{} is a symbolic link", part));
    }
  }
  return path;
}

Result<std::optional<Bytes>> DirectoryMetadataStore::Load(std::string_view name) {
  PAWL_ASSIGN_OR_RETURN(const std::string path, PathOf(name));
  auto bytes = ReadFileIfExists(path, max_bytes_);
  if (!bytes && bytes.error().code() == ErrorCode::kInputInvalid) {
    return Fail(ErrorCode::kMetadataTooLarge, bytes.error().Message());
  }
  return bytes;
}

Status DirectoryMetadataStore::Save(std::string_view name, ByteView bytes) {
  PAWL_ASSIGN_OR_RETURN(const std::string path, PathOf(name));
  return AtomicWriteFile(path, bytes, 0644);
}

Status DirectoryMetadataStore::Remove(std::string_view name) {
  PAWL_ASSIGN_OR_RETURN(const std::string path, PathOf(name));
  if (!PathExists(path)) return {};
  PAWL_TRY(RemoveFileIfExists(path));
  return SyncDirectory(directory_);
}

}  // namespace pawl::client
