// SPDX-License-Identifier: Apache-2.0
#include "signer/delta_builder.h"

#include <algorithm>

#include "base/file.h"
#include "base/format.h"
#include "delta/apply/chunks.h"
#include "signer/release_files.h"
#include "signer/scratch.h"

namespace pawl::signer {
namespace {

using manifest::Component;

Status CompareFiles(const std::string& made, const std::string& wanted) {
  PAWL_ASSIGN_OR_RETURN(delta::FileReader a, delta::FileReader::Open(made));
  PAWL_ASSIGN_OR_RETURN(delta::FileReader b, delta::FileReader::Open(wanted));
  const auto differs = [&](std::uint64_t offset) {
    return Fail(
        ErrorCode::kDeltaNotReproducible,
        Format("applying the delta gave other bytes than the image from byte {} on", offset));
  };
  if (a.SizeBytes() != b.SizeBytes()) return differs(std::min(a.SizeBytes(), b.SizeBytes()));
  Bytes from_a(kChunkBytes);
  Bytes from_b(kChunkBytes);
  for (std::uint64_t offset = 0; offset < a.SizeBytes(); offset += kChunkBytes) {
    const auto size = static_cast<std::size_t>(std::min(kChunkBytes, a.SizeBytes() - offset));
    from_a.resize(size);
    from_b.resize(size);
    PAWL_TRY(a.ReadAt(offset, from_a));
    PAWL_TRY(b.ReadAt(offset, from_b));
    if (from_a != from_b) return differs(offset);
  }
  return {};
}

// The image of a component, out of its full container.
Status UnpackImage(const BuiltRelease& release, const Component& component,
                   const std::string& out) {
  const std::string container = JoinPath(release.directory, component.full.file.path);
  PAWL_TRY(CheckReleaseFile(container, component.full.file, Depth::kHashes));
  delta::ApplyOptions options;
  options.memory_limit = std::max(component.full.memory, delta::kDefaultDecoderMemory);
  return delta::ApplyContainer(std::nullopt, container, out, options);
}

// The source's chunk list goes along with the delta: the device measures its slot against it.
Result<manifest::FileReference> CopyChunkList(const BuiltRelease& from, const Component& source,
                                              const BuiltRelease& to) {
  const std::string path = JoinPath(from.directory, source.chunks.file.path);
  PAWL_TRY(CheckReleaseFile(path, source.chunks.file, Depth::kHashes));
  PAWL_ASSIGN_OR_RETURN(const Bytes bytes, ReadFile(path, source.chunks.file.length));
  return StorePayload(bytes, "chunks", to.directory);
}

// What every component of a delta has in common.
struct DeltaJob {
  const DeltaRequest& request;
  const BuiltRelease& from;
  BuiltRelease& to;
  delta::EncoderMatch encoders;  // of the agent in `from`
  std::string work;
};

Result<DeltaOutcome> AddDelta(const DeltaJob& job, const Component& source, Component& target) {
  const auto& [request, from, to, encoders, work] = job;
  const std::string old_image = JoinPath(work, "old.image");
  const std::string new_image = JoinPath(work, "new.image");
  const std::string container = JoinPath(work, "delta.pawl");
  PAWL_TRY(UnpackImage(from, source, old_image));
  PAWL_TRY(UnpackImage(to, target, new_image));
  //= docs/manifest-format.md#M-56
  delta::GenerateOptions generate = request.generate;
  generate.encoders = encoders.usable();
  PAWL_ASSIGN_OR_RETURN(const delta::ContainerInfo info,
                        delta::GenerateDelta(old_image, new_image, container, generate));
  PAWL_TRY(ProveDelta(old_image, container, new_image, JoinPath(work, "proof.image"),
                      request.decoder_memory));
  DeltaOutcome outcome{target.name,
                       info.file_bytes,
                       target.full.file.length,
                       info.head.memory_bytes,
                       ListLeftOut(info.statistics, encoders, request.from),
                       false};
  std::erase_if(target.deltas, [&](const auto& old) { return old.source_sha256 == source.sha256; });
  if (info.file_bytes * 100 > target.full.file.length * kMaxDeltaPercentOfFull) return outcome;
  manifest::Delta delta;
  delta.source_sha256 = source.sha256;
  delta.source_size = source.size;
  PAWL_ASSIGN_OR_RETURN(delta.source_chunks.file, CopyChunkList(from, source, to));
  PAWL_ASSIGN_OR_RETURN(
      manifest::FileReference file,
      AdoptPayload(container, {info.file_bytes, info.sha256}, "pawl", to.directory));
  delta.container = MakeContainerReference(std::move(file), info);
  target.deltas.push_back(std::move(delta));
  std::ranges::sort(target.deltas, {}, &manifest::Delta::source_sha256);
  outcome.kept = true;
  return outcome;
}

Status RemoveIfThere(const std::string& work) {
  for (const char* name : {"old.image", "new.image", "delta.pawl", "proof.image"}) {
    PAWL_TRY(RemoveFileIfExists(JoinPath(work, name)));
  }
  return {};
}

}  // namespace

Status ProveDelta(const std::string& old_path, const std::string& container,
                  const std::string& new_path, const std::string& work_path,
                  std::uint64_t decoder_memory) {
  delta::ApplyOptions options;
  options.memory_limit = decoder_memory;
  PAWL_TRY(delta::ApplyContainer(old_path, container, work_path, options));
  const Status same = CompareFiles(work_path, new_path);
  PAWL_TRY(RemoveFileIfExists(work_path));
  return same;
}

Result<std::vector<DeltaOutcome>> AddDeltas(const Workspace& workspace,
                                            const DeltaRequest& request) {
  if (request.from == request.to) {
    return Fail(ErrorCode::kUsage, "expected two different releases as --from and --to");
  }
  PAWL_ASSIGN_OR_RETURN(const BuiltRelease from,
                        LoadBuiltRelease(workspace, request.product, request.from));
  PAWL_ASSIGN_OR_RETURN(BuiltRelease to, LoadBuiltRelease(workspace, request.product, request.to));
  PAWL_ASSIGN_OR_RETURN(const ScratchDirectory scratch,
                        ScratchDirectory::Create(workspace.Path("releases/" + request.product)));
  PAWL_ASSIGN_OR_RETURN(delta::EncoderMatch encoders,
                        delta::EncoderMatch::Of(from.manifest.encoders));
  const DeltaJob job{request, from, to, std::move(encoders), scratch.path()};
  std::vector<DeltaOutcome> outcomes;
  for (Component& target : to.manifest.components) {
    const auto source = std::ranges::find(from.manifest.components, target.name, &Component::name);
    if (source == from.manifest.components.end()) continue;
    PAWL_ASSIGN_OR_RETURN(DeltaOutcome outcome, AddDelta(job, *source, target));
    outcomes.push_back(std::move(outcome));
    PAWL_TRY(RemoveIfThere(scratch.path()));
  }
  if (outcomes.empty()) {
    return Fail(ErrorCode::kUnknownName,
                Format("{} and {} have no component in common", request.from, request.to));
  }
  const std::string text = manifest::EncodeReleaseManifest(to.manifest);
  PAWL_TRY(manifest::ParseReleaseManifest(AsBytes(text)));
  PAWL_TRY(AtomicWriteFile(JoinPath(to.directory, "manifest.json"), AsBytes(text)));
  return outcomes;
}

}  // namespace pawl::signer
