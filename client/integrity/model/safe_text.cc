// SPDX-License-Identifier: Apache-2.0
#include "client/integrity/model/safe_text.h"

#include <algorithm>

#include "base/format.h"
#include "base/hash.h"

namespace pawl::integrity {
namespace {

constexpr std::size_t kHashChars = 16;
constexpr std::string_view kHashMark = "..sha256:";

bool Plain(char c) { return c >= 0x20 && c <= 0x7e; }

}  // namespace

std::string SafeText(ByteView bytes, std::size_t max_chars) {
  std::string out;
  // The longest prefix that leaves room for the mark; kept in case the whole does not fit.
  std::size_t room = max_chars - kHashMark.size() - kHashChars;
  std::size_t prefix = 0;
  for (const std::uint8_t byte : bytes) {
    const char c = static_cast<char>(byte);
    if (Plain(c) && c != '\\') {
      out += c;
    } else {
      out += Format("\\x{:02x}", byte);
    }
    if (out.size() <= room) prefix = out.size();
    if (out.size() > max_chars) {
      out.resize(prefix);
      return out.append(kHashMark).append(HashSha256(bytes).Hex().substr(0, kHashChars));
    }
  }
  return out;
}

bool IsSafeText(std::string_view text, std::size_t max_chars) {
  return text.size() <= max_chars && std::ranges::all_of(text, Plain);
}

}  // namespace pawl::integrity
