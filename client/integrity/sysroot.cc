// SPDX-License-Identifier: Apache-2.0
#include "client/integrity/sysroot.h"

#include <algorithm>
#include <charconv>

namespace pawl::integrity {

std::string Sysroot::Path(std::string_view path) const {
  return root_ == "/" ? std::string(path) : root_ + std::string(path);
}

Result<Bytes> Sysroot::Read(std::string_view path, std::uint64_t max_bytes) const {
  return ReadFile(Path(path), max_bytes);
}

std::optional<std::string> Sysroot::Text(std::string_view path, std::uint64_t max_bytes) const {
  const auto bytes = Read(path, max_bytes);
  if (!bytes) return std::nullopt;
  std::string text(AsText(*bytes));
  if (text.ends_with('\n')) text.pop_back();
  return text;
}

std::optional<std::int64_t> Sysroot::Number(std::string_view path) const {
  const std::optional<std::string> text = Text(path);
  if (!text || text->empty()) return std::nullopt;
  std::int64_t number = 0;
  const char* end = text->data() + text->size();
  const auto [stop, failure] = std::from_chars(text->data(), end, number);
  if (failure != std::errc() || stop != end) return std::nullopt;
  return number;
}

std::optional<std::vector<std::string>> Sysroot::List(std::string_view path) const {
  auto names = ListDirectory(Path(path));
  if (!names) return std::nullopt;
  return std::move(*names);
}

bool Sysroot::Exists(std::string_view path) const { return PathExists(Path(path)); }

}  // namespace pawl::integrity
