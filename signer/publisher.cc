// SPDX-License-Identifier: Apache-2.0
#include "signer/publisher.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>

#include "base/block_io.h"
#include "base/file.h"
#include "base/format.h"
#include "base/hash.h"
#include "base/secret.h"

namespace pawl::signer {
namespace {

std::string ParentOf(const std::string& path) {
  return std::filesystem::path(path).parent_path().string();
}

// Two people who publish at once from two places: the second must look again.
Status CheckNobodyElsePublished(const Workspace& workspace, const Publication& plan) {
  const std::string path = workspace.PublicPath(PublishedMetadataPath("timestamp", 0));
  PAWL_ASSIGN_OR_RETURN(const auto now, ReadFileIfExists(path, kMaxMetadataFileBytes));
  if (now == plan.started_from) return {};
  return Fail(
      ErrorCode::kVersionMismatch,
      Format("{} was changed by somebody else while this publication was being made; nothing that "
             "devices see was changed by it. Run the command again",
             path));
}

Status WriteFiles(const Workspace& workspace, const Publication& plan, TreeWriter& writer) {
  PAWL_TRY(CheckNobodyElsePublished(workspace, plan));
  Progress progress("publishing", plan.files.size(), "files");
  std::uint64_t done = 0;
  for (const PlannedFile& file : plan.files) {
    progress.Update(done++);
    if (file.source) {
      PAWL_TRY(writer.Copy(*file.source, file.path, *file.reference));
      continue;
    }
    // The timestamp is the switch: it is looked at once more before it is turned.
    if (&file == &plan.files.back()) PAWL_TRY(CheckNobodyElsePublished(workspace, plan));
    PAWL_TRY(writer.Write(file.path, file.bytes));
  }
  progress.Update(done);
  progress.Finish();
  return {};
}

// Only a draft whose text is public now is removed; the files of its targets go with it.
Status RemoveDrafts(const Workspace& workspace, const Publication& plan) {
  std::vector<std::string> done = plan.roles;
  std::ranges::copy(plan.finished, std::back_inserter(done));
  PAWL_ASSIGN_OR_RETURN(const Roles roles, Roles::Load(workspace));
  for (const std::string& role : done) {
    const RoleFile* draft = roles.Draft(role);
    const RoleFile* published = roles.Published(role);
    if (draft == nullptr || published == nullptr ||
        draft->file.SignedBytes() != published->file.SignedBytes()) {
      continue;
    }
    PAWL_TRY(RemoveFileIfExists(workspace.DraftPath(role)));
    if (draft->metadata.targets() == nullptr) continue;
    for (const auto& [path, target] : draft->metadata.targets()->targets) {
      // Built releases stay: deltas to later releases are made from them.
      if (path.starts_with("releases/")) continue;
      PAWL_TRY(RemoveFileIfExists(workspace.WaitingTargetPath(path)));
    }
  }
  return {};
}

Result<TreeReport> ReadBack(const std::string& directory, UtcTime now,
                            std::optional<std::set<std::string>> hash_releases) {
  auto first_root =
      ReadFile(JoinPath(directory, PublishedMetadataPath("root", 1)), kMaxMetadataFileBytes);
  if (!first_root) {
    return Fail(ErrorCode::kRootMissing,
                Format("{} is no published repository: it has no metadata/1.root.json", directory));
  }
  TreeFetcher tree(directory);
  MemoryMetadataStore store;
  TreeCheckOptions options;
  options.now = now;
  options.payloads = Below(directory);
  options.hash_releases = std::move(hash_releases);
  return CheckTree(tree, *first_root, store, options);
}

// A temporary file that goes away unless it is kept.
class TemporaryFile {
 public:
  explicit TemporaryFile(std::string path) : path_(std::move(path)) {}
  ~TemporaryFile() {
    if (!path_.empty()) unlink(path_.c_str());
  }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  const std::string& path() const { return path_; }
  void Keep() { path_.clear(); }

 private:
  std::string path_;
};

Result<FileDigest> CopyBytes(int from, int to, std::uint64_t length, const std::string& source) {
  Sha256 hash;
  Bytes buffer;
  for (std::uint64_t offset = 0; offset < length; offset += buffer.size()) {
    buffer.resize(static_cast<std::size_t>(std::min(kChunkBytes, length - offset)));
    PAWL_TRY(ReadExactAt(from, offset, buffer, source));
    hash.Update(buffer);
    PAWL_TRY(WriteExactAt(to, offset, buffer, source));
  }
  return FileDigest{length, hash.Finish()};
}

}  // namespace

Status DirectoryTreeWriter::Write(const std::string& path, ByteView bytes) {
  const std::string place = JoinPath(directory_, path);
  PAWL_TRY(MakeDirectories(ParentOf(place)));
  return AtomicWriteFile(place, bytes);
}

Status DirectoryTreeWriter::Copy(const std::string& source, const std::string& path,
                                 const manifest::FileReference& reference) {
  const std::string place = JoinPath(directory_, path);
  PAWL_TRY(MakeDirectories(ParentOf(place)));
  std::array<std::uint8_t, 8> random{};
  RandomBytes(random);
  TemporaryFile temporary(Format("{}.{}.tmp", place, HexEncode(random)));
  PAWL_ASSIGN_OR_RETURN(const UniqueFd from, OpenFile(source, O_RDONLY | O_NOFOLLOW));
  PAWL_ASSIGN_OR_RETURN(const UniqueFd to,
                        OpenFile(temporary.path(), O_WRONLY | O_CREAT | O_EXCL, 0644));
  PAWL_ASSIGN_OR_RETURN(const FileDigest copied,
                        CopyBytes(from.get(), to.get(), reference.length, source));
  if (copied.sha256 != reference.sha256) {
    return Fail(ErrorCode::kReleaseFileMismatch,
                Format("{} changed while it was published", source));
  }
  PAWL_TRY(SyncFd(to.get(), temporary.path()));
  if (std::rename(temporary.path().c_str(), place.c_str()) != 0) {
    return std::unexpected(ErrnoError(errno, place));
  }
  temporary.Keep();
  return SyncDirectory(ParentOf(place));
}

Result<Publication> Publish(const Workspace& workspace, const PublicationRequest& request,
                            TreeWriter& writer) {
  PAWL_ASSIGN_OR_RETURN(const FileLock lock, workspace.Lock());
  PAWL_ASSIGN_OR_RETURN(Publication plan, PlanPublication(workspace, request));
  PAWL_TRY(WriteFiles(workspace, plan, writer));
  auto read_back = JudgeTree(workspace.PublicDirectory(), request.now);
  if (!read_back) return FailIn("reading back what was published", std::move(read_back).error());
  PAWL_TRY(RemoveDrafts(workspace, plan));
  return plan;
}

Result<TreeReport> VerifyTree(const std::string& directory, UtcTime now) {
  return ReadBack(directory, now, std::nullopt);
}

Result<TreeReport> JudgeTree(const std::string& directory, UtcTime now) {
  return ReadBack(directory, now, std::set<std::string>{});
}

}  // namespace pawl::signer
