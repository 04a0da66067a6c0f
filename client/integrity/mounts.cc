// SPDX-License-Identifier: Apache-2.0
#include "client/integrity/mounts.h"

#include <algorithm>
#include <ranges>

namespace pawl::integrity {
namespace {

constexpr std::uint64_t kMaxMountInfoBytes = 1U << 20U;

std::vector<std::string> Split(std::string_view text, char separator) {
  std::vector<std::string> words;
  for (const auto part : std::views::split(text, separator))
    words.emplace_back(part.begin(), part.end());
  return words;
}

// "\040" is how the kernel writes a blank in a path.
std::string Unescape(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto octal = [&](std::size_t at) { return text[at] >= '0' && text[at] <= '7'; };
    if (text[i] == '\\' && i + 3 < text.size() && octal(i + 1) && octal(i + 2) && octal(i + 3)) {
      out += static_cast<char>((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 +
                               (text[i + 3] - '0'));
      i += 3;
    } else {
      out += text[i];
    }
  }
  return out;
}

// "36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue"
std::optional<Mount> ParseLine(std::string_view line) {
  const std::vector<std::string> words = Split(line, ' ');
  const auto dash = std::ranges::find(words, "-");
  if (words.size() < 10 || dash - words.begin() < 6 || words.end() - dash < 4) return std::nullopt;
  return Mount{Unescape(words[4]), Split(words[5], ','), Split(*(dash + 3), ','), *(dash + 1),
               Unescape(*(dash + 2))};
}

bool Below(std::string_view path, std::string_view point) {
  if (point == "/") return true;
  return path.starts_with(point) && (path.size() == point.size() || path[point.size()] == '/');
}

}  // namespace

bool Mount::Has(std::string_view option) const {
  return std::ranges::find(options, option) != options.end();
}

bool Mount::read_only() const {
  return Has("ro") || std::ranges::find(super_options, "ro") != super_options.end();
}

std::optional<std::vector<Mount>> ParseMountInfo(std::string_view text) {
  std::vector<Mount> mounts;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    auto mount = ParseLine(text.substr(0, end));
    if (!mount) return std::nullopt;
    mounts.push_back(std::move(*mount));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  if (mounts.empty()) return std::nullopt;
  return mounts;
}

std::optional<std::vector<Mount>> ReadMounts(const Sysroot& root) {
  const std::optional<std::string> text = root.Text("/proc/self/mountinfo", kMaxMountInfoBytes);
  return text ? ParseMountInfo(*text) : std::nullopt;
}

const Mount* CoveringMount(const std::vector<Mount>& mounts, std::string_view path) {
  const Mount* best = nullptr;
  for (const Mount& mount : mounts) {
    if (Below(path, mount.point) && (best == nullptr || mount.point.size() >= best->point.size()))
      best = &mount;
  }
  return best;
}

}  // namespace pawl::integrity
