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

// `progress` is that of the container which is being tried.
struct Agent::Writing {
  const manifest::Component& component;
  const std::string partition;
  const LocalSlots slots;
  const InstallJob job;
  WriteProgress progress;
  Installer installer;
  InstallHooks hooks;
  std::set<std::size_t> refused;  // deltas that turned out to be of no use before they made anything
  std::optional<Error> why;       // of the last one
};

Result<Route> Agent::RouteFor(const manifest::Component& component,
                              const std::set<std::size_t>& refused) {
  std::vector<DeltaFit> fits;
  for (std::size_t i = 0; i < component.deltas.size(); ++i) {
    if (refused.contains(i)) continue;
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

// By which container: a delta that fits, or the full one with what the device has. The cheaper of
// what is known to be possible. `full` is that route where it was looked at before.
Result<Agent::Way> Agent::ChooseWay(const Writing& writing, std::optional<FullRoute> full) {
  const manifest::Component& component = writing.component;
  Way way;
  way.route.expected_bytes = component.full.file.length;
  // What is being written from the full container already stays with it: a delta may have been
  // given up.
  const bool full_begun = writing.progress.head_sha256 == component.full.head_sha256;
  if (!full_begun) {
    PAWL_ASSIGN_OR_RETURN(way.route, RouteFor(component, writing.refused));
  }
  const bool look = MayPayToLook(component, way.route);
  if (way.route.delta && !look) return way;
  if (!full) {
    auto prepared = PrepareFullRoute(ports_.http, settings_.install.base_url, component, look,
                                     writing.slots);
    if (!prepared && way.route.delta) {
      Log(LogLevel::kWarning, Format("event=full-skipped code={} {}",
                                     CodeName(prepared.error().code()), prepared.error().Message()));
      return way;
    }
    if (!prepared) return std::unexpected(std::move(prepared).error());
    state_.update.bytes_fetched += prepared->bytes_fetched;
    way.fetched = prepared->bytes_fetched;
    full = *std::move(prepared);
  }
  way.full = std::move(full);
  if (way.full->expected_bytes < way.route.expected_bytes) way.route.delta.reset();
  return way;
}

void Agent::NoteGivenUp(const manifest::Component& component, const Error& why,
                        UpdateOutcome& outcome) {
  Log(LogLevel::kWarning, Format("event=delta-given-up component={} code={} {}", component.name,
                                 CodeName(why.code()), why.Message()));
  outcome.delta_given_up = why;
}

// What a delta left comes from the full container: a few chunks, or, with `given_up`, all that it
// had not made yet.
Status Agent::TurnToFull(const Writing& writing, const std::optional<Error>& given_up, Way& way,
                         UpdateOutcome& outcome) {
  const manifest::Component& component = writing.component;
  if (given_up) NoteGivenUp(component, *given_up, outcome);
  if (!way.full) {
    const Route all{std::nullopt, component.full.file.length, 0};
    const bool look = given_up && MayPayToLook(component, all);
    PAWL_ASSIGN_OR_RETURN(way.full, PrepareFullRoute(ports_.http, settings_.install.base_url,
                                                     component, look, writing.slots));
    outcome.bytes_fetched += way.full->bytes_fetched;
    state_.update.bytes_fetched += way.full->bytes_fetched;
  }
  if (!given_up) {
    way.full->local.reset();  // the source of these chunks is what was wrong
    return {};
  }
  state_.update.route = Format("{} (the delta was given up: {})", FullText(*way.full, component),
                               CodeName(given_up->code()));
  return SaveState({Note("delta-given-up", CodeName(given_up->code()), given_up->Message())});
}

// Makes the way that was chosen the one that the store and people know.
Status Agent::BeginWay(Writing& writing, const Way& way, UpdateOutcome& outcome) {
  const manifest::Component& component = writing.component;
  outcome.bytes_fetched += way.fetched;
  const manifest::ContainerReference& container =
      way.route.delta ? component.deltas[*way.route.delta].container : component.full;
  if (writing.progress.head_sha256 != container.head_sha256) {
    writing.progress = {component.name, container.head_sha256, writing.partition, 0, {}, false};
  }
  KeepProgress(writing.progress);
  std::string& route = state_.update.route;
  route = way.route.delta ? DeltaText(way.route) : FullText(*way.full, component);
  if (writing.why) {
    const std::string code = CodeName(writing.why->code());
    route += Format(" ({} was given up: {})", way.route.delta ? "another" : "the delta", code);
    PAWL_TRY(SaveState({Note("delta-given-up", code, writing.why->Message())}));
  }
  Say(Format("writing slot {} ({})", SlotName(state_.update.target), route));
  return {};
}

// A delta that this agent cannot make use of, its encoders being others or its memory too small,
// says so by its head: then the next route is tried as if that delta did not exist.
//= docs/manifest-format.md#M-57
Status Agent::InstallByWays(Writing& writing, UpdateOutcome& outcome) {
  std::optional<FullRoute> full;
  for (;;) {
    PAWL_ASSIGN_OR_RETURN(Way way, ChooseWay(writing, std::move(full)));
    PAWL_TRY(BeginWay(writing, way, outcome));
    if (way.route.delta) {
      const std::size_t delta = *way.route.delta;
      const auto installed =
          writing.installer.InstallDelta(writing.job, writing.component.deltas[delta].container,
                                         writing.progress, writing.hooks);
      if (writing.progress.done) return installed;
      if (!installed && !EndsDelta(installed.error().code())) return installed;
      if (!installed && writing.progress.next_frame == 0) {
        NoteGivenUp(writing.component, installed.error(), outcome);
        writing.why = installed.error();
        writing.refused.insert(delta);
        writing.progress = {writing.component.name, {}, writing.partition, 0, {}, false};
        full = std::move(way.full);
        continue;
      }
      PAWL_TRY(TurnToFull(writing, installed ? std::nullopt : std::optional(installed.error()), way,
                          outcome));
    }
    return writing.installer.InstallFull(writing.job, *way.full, writing.progress, writing.hooks);
  }
}

Status Agent::WriteComponent(const manifest::Component& component, UpdateOutcome& outcome) {
  PAWL_ASSIGN_OR_RETURN(const std::string partition,
                        ports_.slots.PartitionId(state_.update.target, component.name));
  const auto finished =
      std::ranges::find(state_.update.progress, component.name, &WriteProgress::component);
  if (finished != state_.update.progress.end() && finished->done) return {};

  Say("measuring the running slot");
  PAWL_ASSIGN_OR_RETURN(const auto chunks, FetchChunkList(component.chunks, component.size));
  // A running slot that cannot be read is no source; the full container needs none.
  auto source = ports_.broker.OpenForReading(facts_.booted, component.name);
  PAWL_ASSIGN_OR_RETURN(const auto target,
                        ports_.broker.OpenTarget(state_.update.target, component.name));
  const LocalSlots slots{target.get(), source ? source->get() : nullptr};
  Writing writing{component,
                  partition,
                  slots,
                  {component, chunks, slots.booted, *target},
                  KnownProgress(component.name, partition),
                  Installer(ports_.http, settings_.install),
                  {},
                  {},
                  {}};
  writing.hooks.checkpoint = [&](const WriteProgress& reached) -> Status {
    KeepProgress(reached);
    return SaveState({});
  };
  writing.hooks.report = observer_.writing;
  auto installed = InstallByWays(writing, outcome);
  const InstallResult& result = writing.installer.result();
  outcome.bytes_fetched += result.bytes_fetched;
  outcome.chunks_repaired += result.chunks_repaired;
  state_.update.bytes_fetched += result.bytes_fetched;
  return installed;
}

Status Agent::WriteTarget(UpdateOutcome& outcome) {
  PAWL_ASSIGN_OR_RETURN(const auto release, manifest::ParseReleaseManifest(AsBytes(state_.update.release.manifest)));
  for (const manifest::Component& component : release.components) PAWL_TRY(WriteComponent(component, outcome));
  return {};
}

}  // namespace pawl::client
