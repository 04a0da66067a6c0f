// SPDX-License-Identifier: Apache-2.0
#include "client/core/planner.h"

#include <algorithm>

#include "base/block_io.h"
#include "base/format.h"
#include "delta/apply/block_index.h"

namespace pawl::client {
namespace {

Status CheckOrderOfBuilds(const manifest::ReleaseManifest& release, Purpose purpose, const PolicyFacts& facts) {
  if (purpose == Purpose::kRollback) {
    if (release.build >= facts.running_build) {
      return Fail(ErrorCode::kBuildNotNewer, Format("a rollback goes to a build below the running {}, found {}",
                                                    facts.running_build, release.build));
    }
    return {};
  }
  if (release.build <= facts.running_build) {
    return Fail(ErrorCode::kBuildNotNewer,
                Format("expected a build above the running {}, found {} ({})", facts.running_build, release.build, release.version));
  }
  if (purpose != Purpose::kChannel) return {};
  if (facts.hold) return Fail(ErrorCode::kHeldBack, Format("an order holds all updates: {}", facts.held_reason));
  if (release.build <= facts.held_build) {
    return Fail(ErrorCode::kHeldBack,
                Format("{} (build {}) is on hold up to build {}: {}", release.version, release.build, facts.held_build, facts.held_reason));
  }
  return {};
}

}  // namespace

Status CheckPolicy(const manifest::ReleaseManifest& release, Purpose purpose, const PolicyFacts& facts) {
  if (release.product != facts.product) {
    return Fail(ErrorCode::kProductMismatch, Format("expected product '{}', found '{}'", facts.product, release.product));
  }
  if (std::ranges::find(release.hardware, facts.hardware) == release.hardware.end()) {
    return Fail(ErrorCode::kHardwareIncompatible,
                Format("this device is '{}', the release is for {}", facts.hardware, Join(release.hardware, ", ")));
  }
  if (release.min_agent > kAgentProtocol) {
    return Fail(ErrorCode::kAgentTooOld,
                Format("the release needs agent protocol {}, this agent speaks {}", release.min_agent, kAgentProtocol));
  }
  // Before the order of builds: whoever asks for a build below the floor shall hear about the floor.
  if (release.epoch < facts.floor) {
    return Fail(ErrorCode::kEpochBelowFloor,
                Format("expected epoch {} or higher, found {} in {}", facts.floor, release.epoch, release.version));
  }
  return CheckOrderOfBuilds(release, purpose, facts);
}

std::uint64_t CountForeignChunks(const std::vector<Sha256Digest>& expected, const std::vector<Sha256Digest>& measured) {
  if (expected.size() != measured.size()) return expected.size();
  std::uint64_t foreign = 0;
  for (std::size_t i = 0; i < expected.size(); ++i) foreign += expected[i] == measured[i] ? 0U : 1U;
  return foreign;
}

Route ChooseRoute(const manifest::Component& component, const std::vector<DeltaFit>& fits) {
  const std::uint64_t chunks = std::max<std::uint64_t>(ChunkCount(component.size), 1);
  const std::uint64_t chunk_cost = component.full.file.length / chunks;
  Route best{std::nullopt, component.full.file.length, 0};
  for (const DeltaFit& fit : fits) {
    const manifest::Delta& delta = component.deltas[fit.delta];
    // Repairs need the full container's head as well.
    const std::uint64_t repairs = fit.foreign_chunks == 0 ? 0 : component.full.head_length + fit.foreign_chunks * chunk_cost;
    const std::uint64_t cost = delta.container.file.length + repairs;
    if (cost < best.expected_bytes) best = {fit.delta, cost, fit.foreign_chunks};
  }
  return best;
}

bool MayPayToLook(const manifest::Component& component, const Route& route) {
  if (!component.index || component.index->length > delta::kMaxBlockIndexBytes) return false;
  if (route.delta && route.foreign_chunks == 0) return false;
  return component.index->length + component.full.head_length < route.expected_bytes;
}

}  // namespace pawl::client
