// SPDX-License-Identifier: Apache-2.0
#include "signer/pkcs11_uri.h"

#include <algorithm>
#include <array>
#include <set>
#include <vector>

#include "base/format.h"

namespace pawl::signer {
namespace {

constexpr std::string_view kScheme = "pkcs11:";
constexpr std::size_t kMaxUriBytes = 4096;

std::unexpected<Error> Refuse(std::string why) {
  return Fail(ErrorCode::kUsage, "in the pkcs11: URI, " + std::move(why));
}

std::vector<std::string_view> Split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(separator), text.size());
    parts.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return parts;
}

Result<std::string> Decode(std::string_view name, std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    std::string digits(text.substr(i + 1, 2));
    std::ranges::transform(digits, digits.begin(), [](char c) {
      return c >= 'A' && c <= 'F' ? static_cast<char>(c - 'A' + 'a') : c;
    });
    const auto byte = HexDecode(digits);
    if (!byte || byte->size() != 1) {
      return Refuse(Format("expected two hex digits after each % of {}", name));
    }
    out += static_cast<char>(byte->front());
    i += 2;
  }
  return out;
}

Status CheckText(std::string_view name, const std::string& value) {
  if (value.find('\0') == std::string::npos) return {};
  return Refuse(Format("expected text in {}, found a NUL byte", name));
}

// Where the value of an attribute of the path goes; null when it is none of those.
std::optional<std::string>* TextMember(TokenUri& uri, std::string_view name) {
  if (name == "token") return &uri.token;
  if (name == "manufacturer") return &uri.manufacturer;
  if (name == "model") return &uri.model;
  if (name == "serial") return &uri.serial;
  if (name == "object") return &uri.object;
  return nullptr;
}

Status SetPathAttribute(TokenUri& uri, std::string_view name, std::string_view text) {
  PAWL_ASSIGN_OR_RETURN(std::string value, Decode(name, text));
  if (std::optional<std::string>* member = TextMember(uri, name)) {
    PAWL_TRY(CheckText(name, value));
    *member = std::move(value);
    return {};
  }
  if (name == "id") {
    const ByteView bytes = AsBytes(value);
    uri.id = Bytes(bytes.begin(), bytes.end());
    return {};
  }
  if (name == "type") {  // other tools write it; which half of the pair is meant is plain here
    if (value == "private" || value == "public") return {};
    return Refuse("expected type=private or nothing: only key pairs sign");
  }
  if (name == "slot-id" || name.starts_with("slot-")) {
    return Refuse(
        Format("{} names a place that changes; name the token by token= or serial=", name));
  }
  return Refuse(Format("expected token, manufacturer, model, serial, object or id, found '{}'",
                       name.substr(0, 40)));
}

Status SetQueryAttribute(TokenUri& uri, std::string_view name, std::string_view text) {
  if (name == "pin-value" || name == "pin-source") {
    return Refuse(
        Format("{} is refused: every user of this computer could read it in the list of "
               "processes; the PIN is asked for, or read from --passphrase-fd",
               name));
  }
  if (name != "module-path") {
    return Refuse(Format("expected module-path alone after the ?, found '{}'", name.substr(0, 40)));
  }
  PAWL_ASSIGN_OR_RETURN(uri.module_path, Decode(name, text));
  return CheckText(name, uri.module_path);
}

using Setter = Status (*)(TokenUri&, std::string_view, std::string_view);
Status SetAll(TokenUri& uri, std::string_view text, char separator, Setter set) {
  std::set<std::string_view> seen;
  for (const std::string_view part : Split(text, separator)) {
    const std::size_t equals = part.find('=');
    const std::string_view name = part.substr(0, equals);
    // The value stays unquoted: it could be a PIN.
    if (equals == std::string_view::npos) return Refuse("expected name=value in each part");
    if (!seen.insert(name).second) return Refuse(Format("{} stands twice", name.substr(0, 40)));
    PAWL_TRY(set(uri, name, part.substr(equals + 1)));
  }
  return {};
}

std::string Encode(std::string_view text, std::string_view also_plain = {}) {
  std::string out;
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       std::string_view("-._~").contains(c) || also_plain.contains(c);
    out += plain ? std::string(1, c) : Format("%{:02X}", static_cast<unsigned char>(c));
  }
  return out;
}

}  // namespace

bool IsTokenUri(std::string_view text) { return text.starts_with(kScheme); }

Result<TokenUri> ParseTokenUri(std::string_view text) {
  if (!IsTokenUri(text) || text.size() > kMaxUriBytes) {
    return Fail(ErrorCode::kUsage, Format("expected a URI as {}token=NAME;object=NAME?module-path="
                                          "/PATH of at most {} bytes",
                                          kScheme, kMaxUriBytes));
  }
  text.remove_prefix(kScheme.size());
  const std::size_t query = std::min(text.find('?'), text.size());
  TokenUri uri;
  PAWL_TRY(SetAll(uri, text.substr(0, query), ';', SetPathAttribute));
  PAWL_TRY(SetAll(uri, text.substr(std::min(query + 1, text.size())), '&', SetQueryAttribute));
  // Relative names would be searched for in folders that the environment names.
  if (!uri.module_path.starts_with('/')) {
    return Refuse("expected ?module-path=/ABSOLUTE/PATH of the token's PKCS#11 library");
  }
  return uri;
}

std::string FormatTokenUri(const TokenUri& uri) {
  std::string path;
  const auto add = [&path](std::string_view name, const std::string& encoded) {
    path += Format("{}{}={}", path.empty() ? "" : ";", name, encoded);
  };
  TokenUri copy = uri;
  for (const std::string_view name : {"token", "manufacturer", "model", "serial", "object"}) {
    const std::optional<std::string>& value = *TextMember(copy, name);
    if (value) add(name, Encode(*value));
  }
  if (uri.id) {
    std::string bytes;
    for (const std::uint8_t byte : *uri.id) bytes += Format("%{:02X}", byte);
    add("id", bytes);
  }
  return Format("{}{}?module-path={}", kScheme, path, Encode(uri.module_path, "/"));
}

}  // namespace pawl::signer
