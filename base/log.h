// SPDX-License-Identifier: Apache-2.0
#pragma once

// The log is for operators, on stderr, one line per event with a journald priority prefix ("<6>") when stderr is not a terminal.
// It is not a program's answer: that goes to stdout. No keys, no secrets, no query strings.

#include <string_view>

namespace pawl {

enum class LogLevel { kDebug, kInfo, kWarning, kError };

// Default kWarning for interactive programs; `run` and -v raise it.
void SetLogLevel(LogLevel level);
void Log(LogLevel level, std::string_view line);

}  // namespace pawl
