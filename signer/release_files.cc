// SPDX-License-Identifier: Apache-2.0
#include "signer/release_files.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <set>

#include "base/file.h"
#include "base/format.h"
#include "delta/apply/chunks.h"
#include "delta/apply/head.h"
#include "signer/roles.h"

namespace pawl::signer {
namespace {

using manifest::Component;
using manifest::ContainerReference;
using manifest::FileReference;
using manifest::ReleaseManifest;

constexpr std::string_view kManifestName = "manifest.json";

std::string_view CodecName(delta::CodecId id) {
  switch (id) {
    case delta::CodecId::kStored:
      return "stored";
    case delta::CodecId::kZstd:
      return "zstd";
    case delta::CodecId::kLzma:
      return "lzma";
    case delta::CodecId::kContextMixing:
      return "context-mixing";
  }
  return "unknown";
}

std::string ParentOf(const std::string& path) {
  return std::filesystem::path(path).parent_path().string();
}

// Does the head agree with what the manifest says of image, source and container?
Status CheckHead(const std::string& path, const ContainerReference& reference,
                 const delta::ImageIdentity& target, const delta::ImageIdentity* source) {
  const auto differs = [&](std::string_view what) {
    return Fail(
        ErrorCode::kManifestMismatch,
        Format("{}: the container's {} is not what the manifest says", reference.file.path, what));
  };
  PAWL_ASSIGN_OR_RETURN(const UniqueFd fd, OpenFile(path, O_RDONLY | O_NOFOLLOW));
  Bytes bytes(static_cast<std::size_t>(reference.head_length));
  PAWL_TRY(ReadExactAt(fd.get(), 0, bytes, path));
  if (HashSha256(bytes) != reference.head_sha256) return differs("head");
  PAWL_ASSIGN_OR_RETURN(const delta::Head head, delta::ParseHead(bytes, delta::HeadLimits{}));
  if (head.target != target) return differs("target");
  if (head.source.has_value() != (source != nullptr) || (source && *head.source != *source)) {
    return differs("source");
  }
  if (head.memory_bytes != reference.memory) return differs("memory");
  if (head.ContainerBytes() != reference.file.length) return differs("length");
  return {};
}

}  // namespace

Result<FileDigest> DigestFile(const std::string& path) {
  PAWL_ASSIGN_OR_RETURN(const UniqueFd fd, OpenFile(path, O_RDONLY | O_NOFOLLOW));
  PAWL_ASSIGN_OR_RETURN(const std::uint64_t size, FileSize(path));
  Sha256 hash;
  Bytes buffer(kChunkBytes);
  for (std::uint64_t offset = 0; offset < size; offset += buffer.size()) {
    buffer.resize(static_cast<std::size_t>(std::min<std::uint64_t>(kChunkBytes, size - offset)));
    PAWL_TRY(ReadExactAt(fd.get(), offset, buffer, path));
    hash.Update(buffer);
  }
  return FileDigest{size, hash.Finish()};
}

std::string PayloadPath(const Sha256Digest& sha256, std::string_view ending) {
  const std::string hex = sha256.Hex();
  return Format("payloads/{}/{}.{}", hex.substr(0, 2), hex, ending);
}

Result<FileReference> AdoptPayload(const std::string& temporary, const FileDigest& digest,
                                   std::string_view ending, const std::string& directory) {
  FileReference reference{PayloadPath(digest.sha256, ending), digest.length, digest.sha256};
  const std::string path = JoinPath(directory, reference.path);
  PAWL_TRY(MakeDirectories(ParentOf(path)));
  if (std::rename(temporary.c_str(), path.c_str()) != 0) {
    return std::unexpected(ErrnoError(errno, path));
  }
  PAWL_TRY(SyncDirectory(ParentOf(path)));
  return reference;
}

Result<FileReference> StorePayload(ByteView bytes, std::string_view ending,
                                   const std::string& directory) {
  const Sha256Digest sha256 = HashSha256(bytes);
  FileReference reference{PayloadPath(sha256, ending), bytes.size(), sha256};
  const std::string path = JoinPath(directory, reference.path);
  PAWL_TRY(MakeDirectories(ParentOf(path)));
  PAWL_TRY(AtomicWriteFile(path, bytes));
  return reference;
}

ContainerReference MakeContainerReference(FileReference file, const delta::ContainerInfo& info) {
  ContainerReference reference{
      std::move(file), info.head_bytes, info.head_sha256, info.head.memory_bytes, {}};
  for (const delta::Codec& codec : info.head.codecs) {
    reference.codecs.emplace_back(CodecName(codec.id));
  }
  std::ranges::sort(reference.codecs);
  return reference;
}

std::vector<FileReference> FilesOf(const ReleaseManifest& release) {
  std::vector<FileReference> files;
  std::set<std::string> seen;
  const auto add = [&](const FileReference& file) {
    if (seen.insert(file.path).second) files.push_back(file);
  };
  for (const Component& component : release.components) {
    add(component.chunks.file);
    add(component.full.file);
    if (component.index) add(*component.index);
    for (const manifest::Delta& delta : component.deltas) {
      add(delta.source_chunks.file);
      add(delta.container.file);
    }
  }
  return files;
}

Locator Below(const std::string& directory) {
  return [directory](const std::string& relative) { return JoinPath(directory, relative); };
}

Status CheckReleaseFile(const std::string& path, const FileReference& file, Depth depth) {
  const auto length = FileSize(path);
  if (!length) {
    return Fail(ErrorCode::kReleaseFileMismatch,
                Format("{} cannot be read: {}", path, length.error().Message()));
  }
  if (*length != file.length) {
    return Fail(ErrorCode::kReleaseFileMismatch,
                Format("{}: expected {} bytes, found {}", path, file.length, *length));
  }
  if (depth == Depth::kLengths) return {};
  PAWL_ASSIGN_OR_RETURN(const FileDigest found, DigestFile(path));
  if (found.length != file.length || found.sha256 != file.sha256) {
    return Fail(ErrorCode::kReleaseFileMismatch,
                Format("{}: expected the sha256 {}, found {}", path, file.sha256.Hex(),
                       found.sha256.Hex()));
  }
  return {};
}

Status CheckReleaseFiles(const Locator& locate, const ReleaseManifest& release, Depth depth) {
  for (const FileReference& file : FilesOf(release)) {
    PAWL_TRY(CheckReleaseFile(locate(file.path), file, depth));
  }
  for (const Component& component : release.components) {
    const delta::ImageIdentity target{component.size, component.sha256};
    PAWL_TRY(CheckHead(locate(component.full.file.path), component.full, target, nullptr));
    for (const manifest::Delta& delta : component.deltas) {
      const delta::ImageIdentity source{delta.source_size, delta.source_sha256};
      PAWL_TRY(CheckHead(locate(delta.container.file.path), delta.container, target, &source));
    }
  }
  return {};
}

Result<std::vector<std::string>> BuiltVersions(const Workspace& workspace,
                                               const std::string& product) {
  std::vector<std::string> versions;
  const std::string directory = workspace.Path("releases/" + product);
  if (!PathExists(directory)) return versions;
  PAWL_ASSIGN_OR_RETURN(const std::vector<std::string> names, ListDirectory(directory));
  for (const std::string& name : names) {
    if (manifest::IsPlainVersion(name) &&
        PathExists(JoinPath(JoinPath(directory, name), kManifestName))) {
      versions.push_back(name);
    }
  }
  return versions;
}

Result<BuiltRelease> LoadBuiltRelease(const Workspace& workspace, const std::string& product,
                                      const std::string& version) {
  PAWL_ASSIGN_OR_RETURN(const std::vector<std::string> built, BuiltVersions(workspace, product));
  if (std::ranges::find(built, version) == built.end()) {
    return Fail(ErrorCode::kUnknownName,
                Format("release '{}' of {} is not built here; built are: {}", version, product,
                       built.empty() ? "none" : Join(built, ", ")));
  }
  BuiltRelease release;
  release.directory = workspace.ReleaseDirectory(product, version);
  const std::string path = JoinPath(release.directory, kManifestName);
  PAWL_ASSIGN_OR_RETURN(release.manifest_bytes, ReadFile(path, manifest::kMaxReleaseManifestBytes));
  auto parsed = manifest::ParseReleaseManifest(release.manifest_bytes);
  if (!parsed) return FailIn(path, std::move(parsed).error());
  release.manifest = *std::move(parsed);
  if (release.manifest.product != product || release.manifest.version != version) {
    return Fail(ErrorCode::kManifestMismatch,
                Format("{}: expected {} {}, found {} {}", path, product, version,
                       release.manifest.product, release.manifest.version));
  }
  return release;
}

Result<std::uint64_t> HighestListedEpoch(const Workspace& workspace, const std::string& product) {
  PAWL_ASSIGN_OR_RETURN(const Roles roles, Roles::Load(workspace));
  std::uint64_t highest = 0;
  for (const RoleFile* file :
       {roles.Published(ReleasesRole(product)), roles.Draft(ReleasesRole(product))}) {
    if (file == nullptr || file->metadata.targets() == nullptr) continue;
    for (const auto& [path, target] : file->metadata.targets()->targets) {
      const auto summary = manifest::ParseReleaseSummary(target.custom);
      if (summary) highest = std::max(highest, summary->epoch);
    }
  }
  return highest;
}

}  // namespace pawl::signer
