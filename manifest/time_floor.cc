// SPDX-License-Identifier: Apache-2.0
#include "manifest/time_floor.h"

#include <algorithm>

namespace pawl::manifest {

//= docs/manifest-format.md#M-32
std::optional<TimeFloor> KeepFloor(const std::optional<TimeFloor>& floor,
                                   const Sha256Digest& current_keyset) {
  if (!floor || floor->timestamp_keyset != current_keyset) return std::nullopt;
  return floor;
}

//= docs/manifest-format.md#M-31
EffectiveTime ComputeEffectiveTime(UtcTime system, UtcTime image_built,
                                   const std::optional<TimeFloor>& floor,
                                   const Sha256Digest& current_keyset) {
  UtcTime proven = image_built;
  if (const auto kept = KeepFloor(floor, current_keyset)) proven = std::max(proven, kept->value);
  return {std::max(system, proven), system < proven};
}

//= docs/manifest-format.md#M-33
std::optional<TimeFloor> RaiseFloor(const std::optional<TimeFloor>& floor,
                                    const std::optional<UtcTime>& issued,
                                    const Sha256Digest& current_keyset) {
  auto kept = KeepFloor(floor, current_keyset);
  if (!issued) return kept;
  if (!kept || kept->value < *issued) kept = TimeFloor{*issued, current_keyset};
  return kept;
}

}  // namespace pawl::manifest
