// SPDX-License-Identifier: Apache-2.0
#pragma once

// The way by the full container: its head, and what the device has of the image already, by the block index of the signed manifest.

#include <cstdint>
#include <optional>
#include <string>

#include "base/result.h"
#include "client/ports/http.h"
#include "delta/apply/head.h"
#include "delta/apply/local_blocks.h"
#include "manifest/release.h"

namespace pawl::client {

struct FullRoute {
  delta::Head head;
  std::optional<delta::LocalBlocks> local;  // none: everything is fetched
  std::uint64_t expected_bytes = 0;         // still to be fetched
  std::uint64_t bytes_fetched = 0;          // to know all this
};

// A file that the signed manifest names, whole. ERRORS: E04xx; kMetadataHashMismatch when it is another one.
Result<Bytes> FetchFile(Http& http, const std::string& base_url, const manifest::FileReference& file);

// The head of a container that makes the component's image. ERRORS: E04xx; kContainerHeadMismatch, kManifestMismatch; as ParseHead.
Result<delta::Head> FetchHead(Http& http, const std::string& base_url, const manifest::ContainerReference& container,
                              const manifest::Component& component);

// What a slot may hold: both are read, neither is trusted. Null: not there.
struct LocalSlots {
  RandomReader* target = nullptr;  // the slot that will be written
  RandomReader* booted = nullptr;
};

// Fetches the head of the full container and, with `look`, the block index, and finds what the device has. An index that is missing or
// broken leaves everything to be fetched and is logged. ERRORS: those of FetchHead; kManifestMismatch for a full container with a source.
Result<FullRoute> PrepareFullRoute(Http& http, const std::string& base_url, const manifest::Component& component, bool look,
                                   const LocalSlots& slots);

}  // namespace pawl::client
