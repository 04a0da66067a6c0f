// SPDX-License-Identifier: Apache-2.0
#pragma once

// The effective time of one run: fixed once, never behind signed times, never taken from the store when the keys that vouched for it
// have been replaced. Source: trust.md, "Time".

#include "base/result.h"
#include "base/time.h"
#include "client/core/agent_state.h"
#include "manifest/refresh.h"

namespace pawl::client {

// max(system clock, build time of the running image, persisted floor), the last only while the stored root of trust still names the
// timestamp keys that raised it. ERRORS: kRootMissing and what the metadata store says.
Result<UtcTime> EffectiveRunTime(const AgentState& state, UtcTime system, UtcTime built, manifest::MetadataStore& metadata,
                                 ByteView embedded_root);

// When TLS certificates must be valid: at the system clock when that is plausible, not before the build time of the running image; else at
// the effective time, so that a device without a clock can speak TLS. The floor does not count against a plausible clock: a stolen timestamp
// key could put it behind every certificate's end, and the root that recovers from that must still get through. Trust does not rest on TLS
// (docs/adr/0008-time-of-tls.md).
UtcTime CertificateTime(UtcTime system, UtcTime built, UtcTime effective);

}  // namespace pawl::client
