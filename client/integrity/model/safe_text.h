// SPDX-License-Identifier: Apache-2.0
#pragma once

// Text from a probe or a foreign device on its way into JSON, logs and terminals (attack A19 of
// docs/integrity-statement.md).

#include <cstddef>
#include <string>
#include <string_view>

#include "base/bytes.h"

namespace pawl::integrity {

inline constexpr std::size_t kMaxValueChars = 256;  // of one raw value

// Printable ASCII: every byte outside 0x20 … 0x7e, and the backslash, becomes \xNN. What does not
// fit `max_chars` is cut and ends with "..sha256:" and the first 16 hex digits of the hash of all
// bytes. REQUIRES: max_chars >= 64.
std::string SafeText(ByteView bytes, std::size_t max_chars = kMaxValueChars);
inline std::string SafeText(std::string_view text, std::size_t max_chars = kMaxValueChars) {
  return SafeText(AsBytes(text), max_chars);
}

// True when `text` could have come from SafeText: printable ASCII of at most `max_chars`.
bool IsSafeText(std::string_view text, std::size_t max_chars = kMaxValueChars);

}  // namespace pawl::integrity
