// SPDX-License-Identifier: Apache-2.0
#pragma once

// Format("expected {}, found {}", a, b): checked at compile time. GCC 12 has no <format>, so libfmt stands in for it, here only.

#include <fmt/format.h>

#include <string>
#include <string_view>
#include <utility>

namespace pawl {

template <class... Args>
std::string Format(fmt::format_string<Args...> text, Args&&... args) {
  return fmt::format(text, std::forward<Args>(args)...);
}

// Join({"a", "b"}, ", ") → "a, b"
template <class Range>
std::string Join(const Range& items, std::string_view separator) {
  return fmt::format("{}", fmt::join(items, separator));
}

}  // namespace pawl
