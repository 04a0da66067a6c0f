// SPDX-License-Identifier: Apache-2.0
#pragma once

// One program, argv by argv, never through a shell. It runs in a process group of its own that is
// killed when the deadline passes; what it leaves running in that group when it ends is killed too.

#include <chrono>
#include <string>
#include <vector>

#include "base/result.h"

namespace pawl::client {

struct SpawnRequest {
  std::string program;  // a path, or a name that is looked up in fixed system folders
  std::vector<std::string> arguments;  // without argv[0]
  std::string input;                   // given on standard input; at most kMaxSpawnInput bytes
  std::chrono::steady_clock::time_point deadline;
};

inline constexpr std::size_t kMaxSpawnInput = 32 * 1024;  // fits a pipe: writing never blocks
inline constexpr std::size_t kMaxSpawnOutput = 4 * 1024;  // what is kept of the end of the output

struct SpawnOutcome {
  bool timed_out = false;
  int exit_status = 0;           // 128 + signal when a signal ended it
  std::string tail;              // the end of standard output and error together
  std::string LastLine() const;  // of `tail`, printable characters only, at most 200 bytes
};

// ERRORS: kToolMissing when the program is not there, kIo.
Result<SpawnOutcome> Spawn(const SpawnRequest& request);

}  // namespace pawl::client
