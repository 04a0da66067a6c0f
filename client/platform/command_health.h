// SPDX-License-Identifier: Apache-2.0
#pragma once

// Health hooks as programs in the running image. Each runs in a process group of its own, with no
// standard input and a small fixed environment; the whole group is killed when the common deadline
// passes, so that a hook's children cannot outlive the decision.

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "client/ports/health.h"

namespace pawl::client {

class CommandHealth : public Health {
 public:
  // "/usr/lib/pawl/health.d"; part of the verified image.
  explicit CommandHealth(std::string directory);

  // Hook names are one path component of A-Z a-z 0-9 . _ - that does not start with a dot; anything
  // else, a missing file, a file that is no regular executable or that others may write is
  // kHealthCheckFailed.
  Status Probe(const std::vector<std::string>& hooks, std::uint64_t deadline_s) override;

 private:
  std::string directory_;
};

}  // namespace pawl::client
