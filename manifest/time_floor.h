// SPDX-License-Identifier: Apache-2.0
#pragma once

// Time on a device that may have no clock, or a wrong one. Pure.
//
// The effective time of a run never lies before what signed files prove: the build time of the
// running image and the issue time of the newest verified timestamp. An unsigned clock is used when
// it is ahead of that, and never remembered: one wrong boot must not make everything look expired
// for ever. Source: docs/manifest-format.md, part 1, "Time"; research on Uptane issues #169 and
// #267.

#include <optional>

#include "base/hash.h"
#include "base/time.h"

namespace pawl::manifest {

// What a device remembers: a signed time, and the set of timestamp keys that vouched for it.
struct TimeFloor {
  UtcTime value;
  Sha256Digest timestamp_keyset;  // Signers::KeysetId of root's timestamp role
};

// A floor that was raised by other timestamp keys than the current root names is dropped: they may
// have been stolen, and root is how their owner says so.
std::optional<TimeFloor> KeepFloor(const std::optional<TimeFloor>& floor,
                                   const Sha256Digest& current_keyset);

struct EffectiveTime {
  UtcTime now;
  bool clock_behind = false;  // the system clock stands before a signed time
};

// max(system clock, build time of the running image, floor if it is kept). Fixed once per run.
EffectiveTime ComputeEffectiveTime(UtcTime system, UtcTime image_built,
                                   const std::optional<TimeFloor>& floor,
                                   const Sha256Digest& current_keyset);

// The floor after a timestamp was verified. `issued` is its x-issued; without one nothing is
// raised.
std::optional<TimeFloor> RaiseFloor(const std::optional<TimeFloor>& floor,
                                    const std::optional<UtcTime>& issued,
                                    const Sha256Digest& current_keyset);

}  // namespace pawl::manifest
