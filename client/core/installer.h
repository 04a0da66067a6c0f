// SPDX-License-Identifier: Apache-2.0
#pragma once

// Brings one component of a release into the target slot: by a delta, whose frames are streamed, checked and decoded one by one, or from
// the full container, of which only what the device lacks is fetched. Writes only chunks that are what was signed, and keeps its place so
// that any interruption resumes. A chunk that a delta does not make right is left for the full container; a delta that is broken
// altogether is given up, and what it has made stays.
//
// Memory: one payload, one chunk, and the decoder's bound; block hints where they are used. Source: delta.md, "One container for everything".

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/hash.h"
#include "base/result.h"
#include "client/core/agent_state.h"
#include "client/core/full_route.h"
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
  const std::vector<Sha256Digest>& chunks;  // signed digests of the target image
  RandomReader* source;                     // the booted slot; null: it cannot be read
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

// Is this an error of the delta itself, which another route does not have? Errors of the network and of storage are not.
bool EndsDelta(ErrorCode code);

class Installer {
 public:
  Installer(Http& http, const InstallSettings& settings) : http_(http), settings_(settings) {}

  // Goes on from `progress` and leaves it `done`, or, with chunks that did not come out right, as the progress of the full container that
  // is to bring them. REQUIRES: progress belongs to this job (same head, partition and release), or is fresh.
  // ERRORS: E03xx and E04xx; kSlotTooSmall; kIo. Progress that was checkpointed stays. After an error with EndsDelta, `progress` is that
  // of the full container: what the delta has made stays made.
  Status InstallDelta(const InstallJob& job, const manifest::ContainerReference& container, WriteProgress& progress,
                      const InstallHooks& hooks);

  // The same from the full container. REQUIRES: progress is keyed by its head.
  Status InstallFull(const InstallJob& job, const FullRoute& route, WriteProgress& progress, const InstallHooks& hooks);

  // What all calls together fetched and repaired.
  const InstallResult& result() const { return result_; }

 private:
  Status StreamDelta(const InstallJob& job, const manifest::ContainerReference& container, WriteProgress& progress, const InstallHooks& hooks);
  Status StreamFrames(const InstallJob& job, const manifest::ContainerReference& container, const delta::Head& head, WriteProgress& progress,
                      const InstallHooks& hooks);
  Status WriteFromFull(const InstallJob& job, const FullRoute& route, WriteProgress& progress, const InstallHooks& hooks);
  Status Checkpoint(const InstallJob& job, const WriteProgress& progress, const InstallHooks& hooks, std::uint64_t bytes);
  Status Finish(const InstallJob& job, WriteProgress& progress, const InstallHooks& hooks);
  // Runs `attempt` again while a link that breaks off still brings something.
  Status WithRetries(const InstallJob& job, WriteProgress& progress, const InstallHooks& hooks, const std::function<Status()>& attempt);

  Http& http_;
  const InstallSettings& settings_;
  InstallResult result_;
  std::uint64_t since_checkpoint_ = 0;  // bytes of target
  std::uint64_t chunks_of_delta_ = 0;   // that the delta has been through
  int broken_frames_ = 0;
};

}  // namespace pawl::client
