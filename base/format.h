// SPDX-License-Identifier: Apache-2.0
#pragma once

// Format("expected {}, found {}", a, b): checked at compile time. GCC 12 has no <format>, so libfmt stands in for it, here only.

#include <fmt/format.h>

#include <string>
#include <utility>

namespace pawl {

template <class... Args>
std::string Format(fmt::format_string<Args...> text, Args&&... args) {
  return fmt::format(text, std::forward<Args>(args)...);
}

}  // namespace pawl
