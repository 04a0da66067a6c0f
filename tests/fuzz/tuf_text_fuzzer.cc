// SPDX-License-Identifier: Apache-2.0
// The small readers of texts that a hostile file brings: patterns, times, JSON. The first byte
// chooses which; each is compared with a second, plain way to the same answer.

#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/time.h"
#include "manifest/path_pattern.h"

namespace pawl::manifest {
namespace {

void Require(bool holds) {
  if (!holds) std::abort();
}

// By the definition: which prefixes of the path do the first characters of the pattern match?
bool MatchesByTable(std::string_view pattern, std::string_view path) {
  std::vector<bool> reach(path.size() + 1, false);
  reach[0] = true;
  for (const char c : pattern) {
    std::vector<bool> next(path.size() + 1, false);
    for (std::size_t i = 0; i <= path.size(); ++i) {
      if (c == '*') {
        next[i] = reach[i] || (i > 0 && path[i - 1] != '/' && next[i - 1]);
      } else if (i > 0) {
        next[i] = reach[i - 1] && (c == path[i - 1] || (c == '?' && path[i - 1] != '/'));
      }
    }
    reach = std::move(next);
  }
  return reach[path.size()];
}

// The pattern, a NUL, the path.
void RunPattern(std::string_view text) {
  text = text.substr(0, 512);
  const std::size_t end = text.find('\0');
  const std::string_view pattern = text.substr(0, end);
  const std::string_view path = end == text.npos ? std::string_view() : text.substr(end + 1);
  Require(MatchesPattern(pattern, path) == MatchesByTable(pattern, path));
}

void RunTime(std::string_view text) {
  const auto time = ParseUtcTime(text);
  if (time) Require(FormatUtcTime(*time) == text);  // there is one spelling
}

// Canonical JSON is valid JSON but for control characters in texts, which stand in it raw; taken
// back, it is its own canonical form, and means what the document meant.
void RunJson(std::string_view text) {
  const auto document = ParseJson(text);
  if (!document) return;
  const std::string canonical = CanonicalJson(*document);
  for (const char c : canonical) {
    if (static_cast<unsigned char>(c) < 0x20) return;
  }
  const auto again = ParseJson(canonical);
  Require(again.has_value() && *again == *document && CanonicalJson(*again) == canonical);
}

void Run(std::string_view text) {
  if (text.empty()) return;
  const std::string_view rest = text.substr(1);
  switch (text.front()) {
    case 'p':
      RunPattern(rest);
      break;
    case 't':
      RunTime(rest);
      break;
    case 'j':
      RunJson(rest);
      break;
    default:
      break;
  }
}

}  // namespace
}  // namespace pawl::manifest

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  pawl::manifest::Run({reinterpret_cast<const char*>(data), size});
  return 0;
}
