// SPDX-License-Identifier: Apache-2.0
#pragma once

// Text from outside on its way to terminals and logs.

#include <string>
#include <string_view>

namespace pawl {

// `text` with its control characters (C0, DEL, C1) shown, as "\x1b": it stays on one line, and no
// byte of it moves a cursor. Text without any is returned as it is.
std::string Printable(std::string_view text);

}  // namespace pawl
