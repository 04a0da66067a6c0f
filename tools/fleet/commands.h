// SPDX-License-Identifier: Apache-2.0
#pragma once

// pawl-fleet: believes no device, checks what they say. Its clock is the system clock, its memory
// one SQLite file.

#include <cstdint>

#include "base/command_line.h"

namespace pawl::fleet {

inline constexpr std::string_view kDefaultDatabase = "fleet.db";

ProgramInfo FleetProgram();

// verify_command.cc
Command VerifyCommand();

}  // namespace pawl::fleet
