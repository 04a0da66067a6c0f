// SPDX-License-Identifier: Apache-2.0
// The agent's way from a plan to a written slot: measuring the running slot, choosing the route, installing each component.

#include <algorithm>

#include "base/format.h"
#include "base/log.h"
#include "client/core/agent.h"

namespace pawl::client {
namespace {

std::string DeltaText(const Route& route) {
  return Format("delta, {} foreign chunk{}", route.foreign_chunks, route.foreign_chunks == 1 ? "" : "s");
}

std::string FullText(const FullRoute& route, const manifest::Component& component) {
  if (!route.local) return "full image";
  const std::uint64_t all = std::max<std::uint64_t>(component.full.file.length, 1);
  return Format("blocks of this device and {} % of the full image", (route.expected_bytes * 100 + all - 1) / all);
}

}  // namespace

Result<std::vector<Sha256Digest>> Agent::FetchChunkList(const manifest::ChunkListReference& reference, std::uint64_t image_size) {
  PAWL_ASSIGN_OR_RETURN(const Bytes bytes, FetchFile(ports_.http, settings_.install.base_url, reference.file));
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

// The progress of this component that the store knows, or none. Another partition starts afresh.
WriteProgress Agent::KnownProgress(const std::string& component, const std::string& partition) const {
  const auto known = std::ranges::find(state_.update.progress, component, &WriteProgress::component);
  if (known != state_.update.progress.end() && known->partition_id == partition) return *known;
  return {component, {}, partition, 0, {}, false};
}

void Agent::KeepProgress(const WriteProgress& progress) {
  std::erase_if(state_.update.progress, [&](const WriteProgress& item) { return item.component == progress.component; });
  state_.update.progress.push_back(progress);
}

// By which container: a delta that fits, or the full one with what the device has. The cheaper of what is known to be possible.
Result<Agent::Way> Agent::ChooseWay(const manifest::Component& component, const WriteProgress& known, const LocalSlots& slots) {
  Way way;
  way.route.expected_bytes = component.full.file.length;
  // What is being written from the full container already stays with it: a delta may have been given up.
  const bool full_begun = known.head_sha256 == component.full.head_sha256;
  if (!full_begun) {
    PAWL_ASSIGN_OR_RETURN(way.route, RouteFor(component));
  }
  const bool look = MayPayToLook(component, way.route);
  if (way.route.delta && !look) return way;
  auto full = PrepareFullRoute(ports_.http, settings_.install.base_url, component, look, slots);
  if (!full && way.route.delta) {
    Log(LogLevel::kWarning, Format("event=full-skipped code={} {}", CodeName(full.error().code()), full.error().Message()));
    return way;
  }
  if (!full) return std::unexpected(std::move(full).error());
  state_.update.bytes_fetched += full->bytes_fetched;
  way.fetched = full->bytes_fetched;
  way.full = *std::move(full);
  if (way.full->expected_bytes < way.route.expected_bytes) way.route.delta.reset();
  return way;
}

// What a delta left comes from the full container: a few chunks, or, with `given_up`, all that it should have made.
Status Agent::TurnToFull(const manifest::Component& component, const std::optional<Error>& given_up, const LocalSlots& slots, Way& way,
                         UpdateOutcome& outcome) {
  if (given_up) {
    Log(LogLevel::kWarning,
        Format("event=delta-given-up component={} code={} {}", component.name, CodeName(given_up->code()), given_up->Message()));
    outcome.delta_given_up = given_up;
  }
  if (!way.full) {
    const bool look = given_up && MayPayToLook(component, {std::nullopt, component.full.file.length, 0});
    PAWL_ASSIGN_OR_RETURN(way.full, PrepareFullRoute(ports_.http, settings_.install.base_url, component, look, slots));
    outcome.bytes_fetched += way.full->bytes_fetched;
    state_.update.bytes_fetched += way.full->bytes_fetched;
  }
  if (!given_up) {
    way.full->local.reset();  // the source of these chunks is what was wrong
    return {};
  }
  state_.update.route = Format("{} (the delta was given up: {})", FullText(*way.full, component), CodeName(given_up->code()));
  return SaveState({Note("delta-given-up", CodeName(given_up->code()), given_up->Message())});
}

Status Agent::WriteComponent(const manifest::Component& component, UpdateOutcome& outcome) {
  PAWL_ASSIGN_OR_RETURN(const std::string partition, ports_.slots.PartitionId(state_.update.target, component.name));
  const auto finished = std::ranges::find(state_.update.progress, component.name, &WriteProgress::component);
  if (finished != state_.update.progress.end() && finished->done) return {};

  Say("measuring the running slot");
  PAWL_ASSIGN_OR_RETURN(const auto chunks, FetchChunkList(component.chunks, component.size));
  // A running slot that cannot be read is no source; the full container needs none.
  auto source = ports_.broker.OpenForReading(facts_.booted, component.name);
  PAWL_ASSIGN_OR_RETURN(const auto target, ports_.broker.OpenTarget(state_.update.target, component.name));
  const LocalSlots slots{target.get(), source ? source->get() : nullptr};
  WriteProgress progress = KnownProgress(component.name, partition);
  PAWL_ASSIGN_OR_RETURN(Way way, ChooseWay(component, progress, slots));
  outcome.bytes_fetched += way.fetched;
  const manifest::ContainerReference& container = way.route.delta ? component.deltas[*way.route.delta].container : component.full;
  if (progress.head_sha256 != container.head_sha256) progress = {component.name, container.head_sha256, partition, 0, {}, false};
  KeepProgress(progress);
  state_.update.route = way.route.delta ? DeltaText(way.route) : FullText(*way.full, component);

  Say(Format("writing slot {} ({})", SlotName(state_.update.target), state_.update.route));
  InstallHooks hooks;
  hooks.checkpoint = [&](const WriteProgress& reached) -> Status {
    KeepProgress(reached);
    return SaveState({});
  };
  hooks.report = observer_.writing;
  Installer installer(ports_.http, settings_.install);
  const InstallJob job{component, chunks, slots.booted, *target};
  const auto install = [&]() -> Status {
    if (way.route.delta) {
      auto installed = installer.InstallDelta(job, container, progress, hooks);
      if (progress.done) return installed;
      if (!installed && !EndsDelta(installed.error().code())) return installed;
      PAWL_TRY(TurnToFull(component, installed ? std::nullopt : std::optional(installed.error()), slots, way, outcome));
    }
    return installer.InstallFull(job, *way.full, progress, hooks);
  };
  auto installed = install();
  outcome.bytes_fetched += installer.result().bytes_fetched;
  outcome.chunks_repaired += installer.result().chunks_repaired;
  state_.update.bytes_fetched += installer.result().bytes_fetched;
  return installed;
}

Status Agent::WriteTarget(UpdateOutcome& outcome) {
  PAWL_ASSIGN_OR_RETURN(const auto release, manifest::ParseReleaseManifest(AsBytes(state_.update.release.manifest)));
  for (const manifest::Component& component : release.components) PAWL_TRY(WriteComponent(component, outcome));
  return {};
}

}  // namespace pawl::client
