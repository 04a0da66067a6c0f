// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "base/command_line.h"

namespace pawl {

// A completion script for the commands of `program` and the names of their options. ERRORS: kUsage for another shell than bash or zsh.
Result<std::string> CompletionScript(const ProgramInfo& program, const std::string& shell);

}  // namespace pawl
