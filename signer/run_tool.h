// SPDX-License-Identifier: Apache-2.0
#pragma once

// Runs a program of the operating system and takes what it prints.

#include <cstdint>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"

namespace pawl::signer {

struct Tool {
  std::string program;
  std::string package;  // the Debian package that has it, for the error
};

struct ToolOutput {
  int exit_status = 0;
  Bytes text;  // standard output
};

// Looks for the program in /usr/sbin, /usr/bin, /sbin and /bin only: what a user's PATH holds must
// not decide what an image is said to be. Standard error is dropped. ERRORS: kToolMissing;
// kInputInvalid when it prints more than `max_output` bytes; kIo.
Result<ToolOutput> RunTool(const Tool& tool, const std::vector<std::string>& arguments,
                           std::uint64_t max_output);

}  // namespace pawl::signer
