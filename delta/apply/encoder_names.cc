// SPDX-License-Identifier: Apache-2.0
#include "delta/apply/encoder_names.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

namespace pawl::delta {
namespace {

constexpr std::array<std::string_view, 4> kFamilies = {"zstd", "xz", "deflate", "lz4"};
constexpr std::size_t kDigestDigits = 32;

std::string Hex(std::uint64_t value) {
  std::array<char, 16> digits = {};
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value, 16).ptr;
  return {digits.data(), end};
}

bool IsLowerHex(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

// The one spelling of a number: all of `text`, without leading zeros. Empty: it is none.
template <class Number>
std::optional<Number> ParseNumber(std::string_view text, int base) {
  if (!IsLowerHex(text) || (text.size() > 1 && text.front() == '0')) return std::nullopt;
  Number value = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value, base);
  if (error != std::errc() || stop != end) return std::nullopt;
  return value;
}

struct ParsedName {
  std::string_view family;
  std::uint16_t version = 0;
  std::uint64_t parameters = 0;
  std::string_view digest;
};

//= docs/manifest-format.md#M-55
std::optional<ParsedName> ParseName(std::string_view name) {
  constexpr std::size_t kMaxNameCharacters = 64;
  std::array<std::string_view, 4> parts;
  if (name.size() > kMaxNameCharacters || std::ranges::count(name, '-') != 3) return std::nullopt;
  for (std::string_view& part : parts) {
    part = name.substr(0, name.find('-'));
    name.remove_prefix(std::min(name.size(), part.size() + 1));
  }
  const auto version = ParseNumber<std::uint16_t>(parts[1], 10);
  const auto parameters = ParseNumber<std::uint64_t>(parts[2], 16);
  const bool family = !parts[0].empty() && std::ranges::all_of(parts[0], [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
  });
  if (!family || !version || *version == 0 || !parameters) return std::nullopt;
  if (parts[3].size() != kDigestDigits || !IsLowerHex(parts[3])) return std::nullopt;
  return ParsedName{parts[0], *version, *parameters, parts[3]};
}

}  // namespace

std::string_view FamilyName(TransformId id) {
  const auto index = static_cast<std::size_t>(id) - 1;  // 0 becomes the largest number
  return index < kFamilies.size() ? kFamilies.at(index) : "unknown";
}

EncoderFamily FamilyOf(const Transform& transform) { return {transform.id, transform.version}; }

std::string LibraryName(TransformId id) {
  const std::uint32_t number = LibraryVersion(id);
  const auto text = [](std::string_view name, std::uint32_t a, std::uint32_t b, std::uint32_t c) {
    return std::string(name) + " " + std::to_string(a) + "." + std::to_string(b) + "." +
           std::to_string(c);
  };
  switch (id) {
    case TransformId::kZstd:
      return text("libzstd", number / 10'000, number / 100 % 100, number % 100);
    case TransformId::kXz:  // its last digit tells alpha, beta and stable
      return text("liblzma", number / 10'000'000, number / 10'000 % 1000, number / 10 % 1000);
    case TransformId::kDeflate:
      return text("zlib", number >> 12, number >> 8 & 15, number >> 4 & 15);
    case TransformId::kLz4:
      return text("liblz4", number / 10'000, number / 100 % 100, number % 100);
  }
  return "unknown";
}

std::string EncoderName(const TransformEntry& entry) {
  const Transform& transform = entry.transform;
  return std::string(FamilyName(transform.id)) + "-" + std::to_string(transform.version) + "-" +
         Hex(transform.parameters) + "-" + entry.self_test.Hex().substr(0, kDigestDigits);
}

bool IsEncoderName(std::string_view name) { return ParseName(name).has_value(); }

Result<std::vector<std::string>> OwnEncoderNames() {
  PAWL_ASSIGN_OR_RETURN(const std::vector<TransformEntry> own, AvailableTransforms());
  std::vector<std::string> names;
  for (const TransformEntry& entry : own) names.push_back(EncoderName(entry));
  std::ranges::sort(names);
  return names;
}

//= docs/manifest-format.md#M-56
Result<EncoderMatch> EncoderMatch::Of(const std::vector<std::string>& names) {
  EncoderMatch match;
  for (const std::string& name : names) {
    const auto parsed = ParseName(name);
    if (!parsed) continue;
    const auto family = std::ranges::find(kFamilies, parsed->family);
    if (family == kFamilies.end()) continue;
    TransformEntry own;
    own.transform.id = static_cast<TransformId>(family - kFamilies.begin() + 1);
    own.transform.version = parsed->version;
    own.transform.parameters = parsed->parameters;
    const EncoderFamily declared = FamilyOf(own.transform);
    bool same = false;
    if (Supports(own.transform)) {
      PAWL_ASSIGN_OR_RETURN(own.self_test, SelfTest(own.transform));
      same = EncoderName(own) == name;
    }
    if (same) {
      match.usable_.insert(declared);
    } else {
      match.differing_.emplace(declared, name);
    }
  }
  for (const auto& [family, name] : match.differing_) match.usable_.erase(family);
  return match;
}

std::string EncoderMatch::WhyNot(const EncoderFamily& family) const {
  const auto differs = differing_.find(family);
  const std::string name(FamilyName(family.id));
  if (differs == differing_.end()) return "declares no " + name + " encoder";
  return "declares " + differs->second + ", another " + name + " encoder than this program has";
}

}  // namespace pawl::delta
