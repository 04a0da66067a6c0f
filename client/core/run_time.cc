// SPDX-License-Identifier: Apache-2.0
#include "client/core/run_time.h"

#include "manifest/time_floor.h"
#include "manifest/verify_role.h"

namespace pawl::client {
namespace {

// The timestamp keys that the newest root of trust on this device names.
Result<Sha256Digest> CurrentTimestampKeyset(manifest::MetadataStore& metadata, ByteView embedded_root) {
  PAWL_ASSIGN_OR_RETURN(const manifest::Metadata embedded, manifest::VerifyEmbeddedRoot(embedded_root));
  PAWL_ASSIGN_OR_RETURN(const auto stored_bytes, metadata.Load(manifest::kRootRole));
  if (stored_bytes) {
    // A stored root that cannot be read counts as absent; the refresh that follows mends it.
    const auto stored = manifest::VerifyEmbeddedRoot(*stored_bytes);
    if (stored && stored->version > embedded.version) return stored->root()->timestamp.KeysetId();
  }
  return embedded.root()->timestamp.KeysetId();
}

}  // namespace

Result<UtcTime> EffectiveRunTime(const AgentState& state, UtcTime system, UtcTime built, manifest::MetadataStore& metadata,
                                 ByteView embedded_root) {
  PAWL_ASSIGN_OR_RETURN(const Sha256Digest keyset, CurrentTimestampKeyset(metadata, embedded_root));
  std::optional<manifest::TimeFloor> floor;
  if (state.time_floor) {
    const auto raised_by = Sha256Digest::FromHex(state.time_floor_keyset);
    if (raised_by) floor = manifest::TimeFloor{*state.time_floor, *raised_by};
  }
  return manifest::ComputeEffectiveTime(system, built, floor, keyset).now;
}

}  // namespace pawl::client
