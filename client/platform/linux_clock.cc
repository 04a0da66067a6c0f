// SPDX-License-Identifier: Apache-2.0
#include "client/platform/linux_clock.h"

#include <string_view>
#include <utility>

#include "base/file.h"
#include "base/format.h"

namespace pawl::client {
namespace {

bool IsUuid(std::string_view text) {
  if (text.size() != 36) return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
    const bool hex = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
    if (dash ? c != '-' : !hex) return false;
  }
  return true;
}

}  // namespace

LinuxClock::LinuxClock(std::string boot_id_path) : boot_id_path_(std::move(boot_id_path)) {}

UtcTime LinuxClock::SystemTime() { return SystemUtcTime(); }

Result<std::string> LinuxClock::BootId() {
  PAWL_ASSIGN_OR_RETURN(const Bytes bytes, ReadFile(boot_id_path_, 256));
  std::string_view text = AsText(bytes);
  if (!text.empty() && text.back() == '\n') text.remove_suffix(1);
  if (!IsUuid(text)) {
    return Fail(ErrorCode::kIo, Format("{}: expected a UUID", boot_id_path_));
  }
  return std::string(text);
}

}  // namespace pawl::client
