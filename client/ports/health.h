// SPDX-License-Identifier: Apache-2.0
#pragma once

// Asks the running system whether it is well, by programs that lie in its own (verified) image.

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"

namespace pawl::client {

class Health {
 public:
  virtual ~Health() = default;
  // Runs the named hooks in order; all must exit 0 within `deadline_s` seconds together.
  // ERRORS: kHealthCheckFailed (which hook, exit status, its last line of output; a missing hook is a failure), kHealthTimeout.
  virtual Status Probe(const std::vector<std::string>& hooks, std::uint64_t deadline_s) = 0;
};

}  // namespace pawl::client
