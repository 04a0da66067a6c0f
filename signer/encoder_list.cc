// SPDX-License-Identifier: Apache-2.0
#include "signer/encoder_list.h"

#include <algorithm>

#include "base/file.h"
#include "base/format.h"
#include "manifest/release.h"

namespace pawl::signer {
namespace {

constexpr std::uint64_t kMaxFileBytes = 16U << 10;

//= docs/manifest-format.md#M-55
Result<std::vector<std::string>> ParseList(const std::string& path, std::string_view text) {
  std::vector<std::string> names;
  while (!text.empty()) {
    const std::string name(text.substr(0, text.find('\n')));
    text.remove_prefix(std::min(text.size(), name.size() + 1));
    if (name.empty()) continue;
    if (!manifest::IsPlainName(name) || !delta::IsEncoderName(name)) {
      return Fail(ErrorCode::kInputInvalid,
                  Format("{}: expected one encoder a line, as 'pawl-agent encoders' prints them, "
                         "found '{}'",
                         path, name));
    }
    names.push_back(name);
  }
  std::ranges::sort(names);
  const auto twice = std::ranges::unique(names);
  names.erase(twice.begin(), twice.end());
  if (names.empty()) {
    return Fail(ErrorCode::kInputInvalid,
                Format("{}: expected encoders, as 'pawl-agent encoders' prints them, found no name; "
                       "for an agent without any say '{}'",
                       path, kNoEncoders));
  }
  if (names.size() > kMaxEncoders) {
    return Fail(ErrorCode::kInputInvalid, Format("{}: expected at most {} encoders, found {}",
                                                 path, kMaxEncoders, names.size()));
  }
  return names;
}

}  // namespace

Result<std::vector<std::string>> ReadEncoders(const std::string& choice) {
  if (choice == kNoEncoders) return std::vector<std::string>();
  if (choice == kOwnEncoders) return delta::OwnEncoderNames();
  PAWL_ASSIGN_OR_RETURN(const Bytes bytes, ReadFile(choice, kMaxFileBytes));
  return ParseList(choice, AsText(bytes));
}

std::vector<LeftOut> ListLeftOut(const delta::GenerateStatistics& statistics,
                                 const delta::EncoderMatch& match, const std::string& who) {
  std::vector<LeftOut> list;
  for (const auto& [id, blocks] : statistics.blocks_left_out) {
    const delta::EncoderFamily family{.id = id};
    list.push_back({std::string(delta::FamilyName(id)), blocks,
                    Format("{} {}", who, match.WhyNot(family))});
  }
  return list;
}

std::string LeftOutText(const std::vector<LeftOut>& list) {
  std::string text;
  for (const LeftOut& item : list) {
    text += Format("  {} {} block{} not looked into: {}\n", item.blocks, item.encoder,
                   item.blocks == 1 ? "" : "s", item.why);
  }
  return text;
}

Json LeftOutJson(const std::vector<LeftOut>& list) {
  Json json = Json::array();
  for (const LeftOut& item : list) {
    json.push_back(Json{{"encoder", item.encoder}, {"blocks", item.blocks}, {"why", item.why}});
  }
  return json;
}

}  // namespace pawl::signer
