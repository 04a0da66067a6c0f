// SPDX-License-Identifier: Apache-2.0
#pragma once

// Collects one finding for every row of the catalogue. Reads only; needs root for some rows, which
// are unknown without.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/hash.h"
#include "base/time.h"
#include "client/integrity/model/judgement.h"
#include "client/integrity/model/profile.h"
#include "client/integrity/sysroot.h"
#include "client/integrity/update_facts.h"

namespace pawl::integrity {

struct CollectInputs {
  Sysroot root;  // "/" in production
  DeviceProfile profile = GenericProfile();
  std::string key_file;  // the device key, as an absolute path on the device; empty: not a file
  UtcTime now;
  // From KernelClockSynchronised(); absent: not known.
  std::optional<bool> clock_synchronised;
  UpdateFacts update;
};

struct Observation {
  std::vector<Finding> findings;  // every row of the catalogue, in its order
  std::optional<Sha256Digest> agent_digest;
  std::optional<std::uint64_t> uptime_seconds;
  std::uint64_t collect_ms = 0;
  bool test_mode = false;  // the root was not "/"
};

Observation Collect(const CollectInputs& inputs);

// adjtimex(2) without STA_UNSYNC. Empty when the kernel does not answer.
std::optional<bool> KernelClockSynchronised();

}  // namespace pawl::integrity
