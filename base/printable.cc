// SPDX-License-Identifier: Apache-2.0
#include "base/printable.h"

#include "base/format.h"

namespace pawl {

//= docs/manifest-format.md#M-36
std::string Printable(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    const auto next = static_cast<unsigned char>(i + 1 < text.size() ? text[i + 1] : 0);
    // U+0080 … U+009F in UTF-8.
    const bool second_set = byte == 0xC2 && next >= 0x80 && next < 0xA0;
    if (byte >= 0x20 && byte != 0x7F && !second_set) {
      out += text[i];
      continue;
    }
    out += Format("\\x{:02x}", static_cast<unsigned>(second_set ? next : byte));
    if (second_set) ++i;
  }
  return out;
}

}  // namespace pawl
