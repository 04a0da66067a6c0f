// SPDX-License-Identifier: Apache-2.0
#pragma once

// Brings one component of a release into the target slot: streams a container, checks and decodes frame by frame, writes chunks that are
// what was signed, fetches the others from the full container, and keeps its place so that any interruption resumes.
//
// Memory: one payload, one chunk, and the decoder's bound. Source: delta.md, "One container for everything".

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/hash.h"
#include "base/result.h"
#include "client/core/agent_state.h"
#include "client/ports/block_device.h"
#include "client/ports/http.h"
#include "delta/apply/decoder.h"
#include "delta/apply/head.h"
#include "manifest/release.h"

namespace pawl::client {

struct InstallSettings {
  std::string base_url;                       // ends with '/'
  std::uint64_t checkpoint_bytes = 8U << 20;  // of target between two durable checkpoints
  std::uint64_t decoder_memory = 0;           // bytes
};

// What the installer is to bring where. All references must outlive it.
struct InstallJob {
  const manifest::Component& component;
  const manifest::ContainerReference& container;  // of the chosen route
  const std::vector<Sha256Digest>& chunks;        // signed digests of the target image
  RandomReader* source;                           // the booted slot; null for a full container
  BlockDevice& target;
};

struct InstallHooks {
  // Makes `progress` durable. Called only after the target was synced: data before place.
  std::function<Status(const WriteProgress& progress)> checkpoint;
  std::function<void(std::uint64_t target_bytes_done, std::uint64_t target_bytes)> report;  // may be empty
};

struct InstallResult {
  std::uint64_t bytes_fetched = 0;
  std::uint64_t chunks_repaired = 0;
};

class Installer {
 public:
  Installer(Http& http, const InstallSettings& settings) : http_(http), settings_(settings) {}

  // Goes on from `progress` and leaves it `done`. REQUIRES: progress belongs to this job (same head, partition and release).
  // ERRORS: E03xx and E04xx; kSlotTooSmall; kIo. Progress that was checkpointed stays.
  Result<InstallResult> Install(const InstallJob& job, WriteProgress& progress, const InstallHooks& hooks);

 private:
  Result<delta::Head> FetchHead(const manifest::ContainerReference& container, const manifest::Component& component);
  Status StreamFrames(const InstallJob& job, const delta::Head& head, WriteProgress& progress, const InstallHooks& hooks);
  Status RepairChunks(const InstallJob& job, WriteProgress& progress, const InstallHooks& hooks);

  Http& http_;
  const InstallSettings& settings_;
  InstallResult result_;
};

}  // namespace pawl::client
