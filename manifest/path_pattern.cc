// SPDX-License-Identifier: Apache-2.0
#include "manifest/path_pattern.h"

#include <algorithm>

#include "base/format.h"
#include "base/hash.h"

namespace pawl::manifest {
namespace {

std::string BinNumber(const SuccinctRoles& roles, std::uint32_t bin) {
  // As many hex digits as the highest bin needs: 8 bits → 2, 9 bits → 3.
  const std::uint32_t digits = (roles.bit_length + 3) / 4;
  return Format("{:0{}x}", bin, digits);
}

}  // namespace

// Greedy with one point to come back to: since '*' cannot cross '/', and a later '*' can take over
// all that an earlier one gave up within the same component, only the last '*' is ever tried again.
//= docs/manifest-format.md#M-20
bool MatchesPattern(std::string_view pattern, std::string_view path) {
  constexpr std::size_t kNone = std::string_view::npos;
  std::size_t p = 0;
  std::size_t t = 0;
  std::size_t star = kNone;   // position after the last '*'
  std::size_t star_text = 0;  // where its run ends now
  while (t < path.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = ++p;
      star_text = t;
      continue;
    }
    const bool same =
        p < pattern.size() && (pattern[p] == path[t] || (pattern[p] == '?' && path[t] != '/'));
    if (same) {
      // A '/' of the pattern pins what came before it.
      if (pattern[p] == '/') star = kNone;
      ++p;
      ++t;
      continue;
    }
    if (star == kNone || path[star_text] == '/') return false;
    p = star;
    t = ++star_text;
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

bool Covers(const Delegation& delegation, std::string_view path) {
  if (!delegation.path_hash_prefixes.empty()) {
    const std::string hash = HashSha256(AsBytes(path)).Hex();
    return std::ranges::any_of(delegation.path_hash_prefixes,
                               [&](const std::string& prefix) { return hash.starts_with(prefix); });
  }
  return std::ranges::any_of(
      delegation.paths, [&](const std::string& pattern) { return MatchesPattern(pattern, path); });
}

//= docs/manifest-format.md#M-22
std::string BinName(const SuccinctRoles& roles, std::string_view path) {
  const Sha256Digest hash = HashSha256(AsBytes(path));
  std::uint32_t first = 0;
  for (std::size_t i = 0; i < 4; ++i) first = (first << 8U) | hash.bytes[i];
  return roles.name_prefix + "-" + BinNumber(roles, first >> (32U - roles.bit_length));
}

bool IsBinName(const SuccinctRoles& roles, std::string_view name) {
  if (!name.starts_with(roles.name_prefix + "-")) return false;
  const std::string_view number = name.substr(roles.name_prefix.size() + 1);
  if (number.size() != (roles.bit_length + 3) / 4) return false;
  std::uint64_t bin = 0;
  for (const char c : number) {
    const std::size_t digit = std::string_view("0123456789abcdef").find(c);
    if (digit == std::string_view::npos) return false;
    bin = bin * 16 + digit;
  }
  return bin < (std::uint64_t{1} << roles.bit_length);
}

}  // namespace pawl::manifest
