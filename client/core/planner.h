// SPDX-License-Identifier: Apache-2.0
#pragma once

// Decides whether a release may be installed on this device and by which route. Pure: facts in, decision out.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/hash.h"
#include "base/result.h"
#include "manifest/release.h"

namespace pawl::client {

// The lowest agent protocol that this agent speaks; a manifest's min_agent is compared with it.
inline constexpr std::uint64_t kAgentProtocol = 1;

// Why a release is looked at: each has its own rule for the order of builds.
enum class Purpose : std::uint8_t {
  kChannel,   // by rollout: only forward, and not while it is held back
  kInstall,   // by order: only forward
  kRollback,  // by order: only backward, never below the security floor
};

struct PolicyFacts {
  std::string product;
  std::string hardware;
  std::uint64_t running_build = 0;
  std::uint64_t floor = 0;  // max of store, running image and key vault
  bool hold = false;
  std::uint64_t held_build = 0;
  std::string held_reason;
};

// ERRORS: kProductMismatch, kHardwareIncompatible, kAgentTooOld, kEpochBelowFloor, kHeldBack, kBuildNotNewer.
Status CheckPolicy(const manifest::ReleaseManifest& release, Purpose purpose, const PolicyFacts& facts);

struct Route {
  std::optional<std::size_t> delta;    // index into component.deltas; none: the full container
  std::uint64_t expected_bytes = 0;    // to fetch: container, head and repairs
  std::uint64_t foreign_chunks = 0;    // chunks of the source that are not what the delta expects
};

// What is known about one delta's source and the booted slot.
struct DeltaFit {
  std::size_t delta = 0;
  std::uint64_t foreign_chunks = 0;
};

// Chunks that differ between what a delta expects and what was measured. Lists of different length: every chunk is foreign.
std::uint64_t CountForeignChunks(const std::vector<Sha256Digest>& expected, const std::vector<Sha256Digest>& measured);

// The cheapest route: a delta costs its own bytes and, for each foreign chunk, an average chunk of the full container.
Route ChooseRoute(const manifest::Component& component, const std::vector<DeltaFit>& fits);

// Is it worth fetching the block index and the head of the full container, to see what the device has of the image? Not where a delta
// fits exactly, and not when the two alone cost as much as the route, or the index is more than a device holds.
bool MayPayToLook(const manifest::Component& component, const Route& route);

}  // namespace pawl::client
