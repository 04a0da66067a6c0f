// SPDX-License-Identifier: Apache-2.0
// The agent's way from a plan to a written slot: measuring the running slot, choosing the route, installing each component.

#include <algorithm>

#include "base/format.h"
#include "base/log.h"
#include "client/core/agent.h"

namespace pawl::client {
namespace {

class BytesSink : public ByteSink {
 public:
  explicit BytesSink(Bytes& out) : out_(out) {}
  Status Write(ByteView bytes) override {
    out_.insert(out_.end(), bytes.begin(), bytes.end());
    return {};
  }

 private:
  Bytes& out_;
};

}  // namespace

Result<std::vector<Sha256Digest>> Agent::FetchChunkList(const manifest::ChunkListReference& reference, std::uint64_t image_size) {
  Bytes bytes;
  BytesSink sink(bytes);
  PAWL_TRY(ports_.http.Get({settings_.install.base_url + reference.file.path, std::nullopt, reference.file.length}, sink));
  if (bytes.size() != reference.file.length || HashSha256(bytes) != reference.file.sha256) {
    return Fail(ErrorCode::kMetadataHashMismatch, Format("{}: expected {} bytes with SHA-256 {}, found {} bytes with {}", reference.file.path,
                                                         reference.file.length, reference.file.sha256.Hex(), bytes.size(),
                                                         HashSha256(bytes).Hex()));
  }
  return manifest::ParseChunkList(bytes, image_size);
}

// Once per planned update: cached by boot and slot. A slot that cannot be read has no digests, and then no delta fits.
Result<std::vector<Sha256Digest>> Agent::MeasureBooted(const std::string& component, std::uint64_t size_bytes) {
  const auto& cached = state_.measurement;
  if (cached && cached->boot_id == state_.last_boot_id && cached->slot == facts_.booted && cached->component == component &&
      cached->size_bytes == size_bytes) {
    return cached->chunks;
  }
  PAWL_ASSIGN_OR_RETURN(const auto device, ports_.broker.OpenForReading(facts_.booted, component));
  if (device->SizeBytes() < size_bytes) return std::vector<Sha256Digest>();
  Measurement measurement{state_.last_boot_id, component, facts_.booted, size_bytes, {}};
  Bytes buffer(kChunkBytes);
  for (std::uint64_t offset = 0; offset < size_bytes; offset += kChunkBytes) {
    const ByteSpan part = ByteSpan(buffer).first(static_cast<std::size_t>(std::min(kChunkBytes, size_bytes - offset)));
    // An unreadable chunk is foreign: an all-zero digest equals no signed one.
    measurement.chunks.push_back(device->ReadAt(offset, part) ? HashSha256(part) : Sha256Digest{});
  }
  state_.measurement = measurement;
  return measurement.chunks;
}

Result<Route> Agent::RouteFor(const manifest::Component& component) {
  std::vector<DeltaFit> fits;
  for (std::size_t i = 0; i < component.deltas.size(); ++i) {
    const manifest::Delta& delta = component.deltas[i];
    if (delta.container.memory > settings_.install.decoder_memory) continue;
    const auto expected = FetchChunkList(delta.source_chunks, delta.source_size);
    if (!expected) {
      // A delta is an offer; without its list the full image remains.
      // A bundle carries the deltas that somebody chose, so what it lacks is no news.
      const bool chosen = expected.error().code() == ErrorCode::kBundleIncomplete;
      Log(chosen ? LogLevel::kInfo : LogLevel::kWarning, Format("event=delta-skipped code={} {}", CodeName(expected.error().code()), expected.error().Message()));
      continue;
    }
    PAWL_ASSIGN_OR_RETURN(const auto measured, MeasureBooted(component.name, delta.source_size));
    fits.push_back({i, CountForeignChunks(*expected, measured)});
  }
  return ChooseRoute(component, fits);
}

Status Agent::WriteComponent(const manifest::Component& component, UpdateOutcome& outcome) {
  UpdateRecord& update = state_.update;
  const auto known = std::ranges::find(update.progress, component.name, &WriteProgress::component);
  if (known != update.progress.end() && known->done) return {};

  Say("measuring the running slot");
  PAWL_ASSIGN_OR_RETURN(const Route route, RouteFor(component));
  const manifest::ContainerReference& container = route.delta ? component.deltas[*route.delta].container : component.full;
  update.route = route.delta ? Format("delta, {} foreign chunk{}", route.foreign_chunks, route.foreign_chunks == 1 ? "" : "s") : "full image";
  PAWL_ASSIGN_OR_RETURN(const auto chunks, FetchChunkList(component.chunks, component.size));
  std::unique_ptr<RandomReader> source;
  if (route.delta) {
    PAWL_ASSIGN_OR_RETURN(source, ports_.broker.OpenForReading(facts_.booted, component.name));
  }
  PAWL_ASSIGN_OR_RETURN(const auto target, ports_.broker.OpenTarget(update.target, component.name));
  PAWL_ASSIGN_OR_RETURN(const std::string partition, ports_.slots.PartitionId(update.target, component.name));

  WriteProgress progress{component.name, container.head_sha256, partition, 0, {}, false};
  if (known != update.progress.end() && known->head_sha256 == progress.head_sha256 && known->partition_id == partition) progress = *known;
  std::erase_if(update.progress, [&](const WriteProgress& item) { return item.component == component.name; });
  update.progress.push_back(progress);
  WriteProgress& slot_of_progress = update.progress.back();

  Say(Format("writing slot {} ({})", SlotName(update.target), update.route));
  InstallHooks hooks;
  hooks.checkpoint = [&](const WriteProgress& reached) -> Status {
    slot_of_progress = reached;
    return SaveState({});
  };
  hooks.report = observer_.writing;
  Installer installer(ports_.http, settings_.install);
  auto installed = installer.Install({component, container, chunks, source.get(), *target}, progress, hooks);
  if (!installed) return std::unexpected(std::move(installed).error());
  outcome.bytes_fetched += installed->bytes_fetched;
  outcome.chunks_repaired += installed->chunks_repaired;
  update.bytes_fetched += installed->bytes_fetched;
  return {};
}

Status Agent::WriteTarget(UpdateOutcome& outcome) {
  PAWL_ASSIGN_OR_RETURN(const auto release, manifest::ParseReleaseManifest(AsBytes(state_.update.release.manifest)));
  for (const manifest::Component& component : release.components) PAWL_TRY(WriteComponent(component, outcome));
  return {};
}

}  // namespace pawl::client
