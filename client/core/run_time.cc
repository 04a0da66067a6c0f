// SPDX-License-Identifier: Apache-2.0
#include "client/core/run_time.h"

#include "manifest/time_floor.h"

namespace pawl::client {
namespace {

// The timestamp keys that the newest root names to which a chain leads from the embedded one: a root that somebody planted in the store
// is not believed. No expiry is looked at, so any time will do.
Result<Sha256Digest> CurrentTimestampKeyset(manifest::MetadataStore& metadata, ByteView embedded_root, UtcTime any_time) {
  PAWL_ASSIGN_OR_RETURN(const auto tuf, manifest::TufClient::Open(metadata, embedded_root, any_time));
  return tuf.timestamp_keyset();
}

}  // namespace

Result<UtcTime> EffectiveRunTime(const AgentState& state, UtcTime system, UtcTime built, manifest::MetadataStore& metadata,
                                 ByteView embedded_root) {
  PAWL_ASSIGN_OR_RETURN(const Sha256Digest keyset, CurrentTimestampKeyset(metadata, embedded_root, system));
  std::optional<manifest::TimeFloor> floor;
  if (state.time_floor) {
    const auto raised_by = Sha256Digest::FromHex(state.time_floor_keyset);
    if (raised_by) floor = manifest::TimeFloor{*state.time_floor, *raised_by};
  }
  return manifest::ComputeEffectiveTime(system, built, floor, keyset).now;
}

//= docs/manifest-format.md#M-35
UtcTime CertificateTime(UtcTime system, UtcTime built, UtcTime effective) { return system >= built ? system : effective; }

}  // namespace pawl::client
