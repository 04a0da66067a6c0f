// SPDX-License-Identifier: Apache-2.0
#include "signer/web.h"

#include <algorithm>
#include <charconv>
#include <ctime>

#include "base/format.h"

namespace pawl::signer {
namespace {

std::string_view Trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

std::string Lower(std::string_view text) {
  std::string out(text);
  std::ranges::transform(out, out.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  });
  return out;
}

// The value of a directive of Cache-Control; "" for one without a value.
std::optional<std::string> Directive(std::string_view header, std::string_view name) {
  while (!header.empty()) {
    const std::size_t comma = header.find(',');
    const std::string part = Lower(Trim(header.substr(0, comma)));
    const std::size_t equals = part.find('=');
    if (part.substr(0, equals) == name) {
      return equals == std::string::npos ? "" : part.substr(equals + 1);
    }
    if (comma == std::string_view::npos) return {};
    header.remove_prefix(comma + 1);
  }
  return {};
}

std::optional<std::int64_t> Seconds(const std::optional<std::string>& text) {
  if (!text) return {};
  std::int64_t value = 0;
  const char* end = text->data() + text->size();
  const auto [rest, failure] = std::from_chars(text->data(), end, value);
  // What cannot be read counts as stale (RFC 9111, section 4.2.1).
  return failure == std::errc() && rest == end && value > 0 ? value : 0;
}

}  // namespace

std::string_view WebAnswer::Header(std::string_view name) const {
  const auto found = headers.find(name);
  return found == headers.end() ? std::string_view() : std::string_view(found->second);
}

std::optional<UtcTime> ParseHttpDate(std::string_view text) {
  std::tm parts{};
  const std::string whole(Trim(text));
  const char* rest = strptime(whole.c_str(), "%a, %d %b %Y %H:%M:%S GMT", &parts);
  if (rest == nullptr || *rest != '\0') return {};
  return UtcTime{static_cast<std::int64_t>(timegm(&parts))};
}

Result<Bytes> WebFetcher::Fetch(std::string_view name, std::uint64_t max_bytes) {
  WebRequest request;
  request.url = base_url_ + std::string(name);
  request.max_bytes = max_bytes;
  PAWL_ASSIGN_OR_RETURN(WebAnswer answer, web_.Ask(request));
  if (IsNotThere(answer.status)) {
    return Fail(ErrorCode::kNotFound,
                Format("{}: the server has no such file (status {})", request.url, answer.status));
  }
  if (answer.status != 200) {
    return Fail(ErrorCode::kHttpStatus,
                Format("{}: expected status 200, found {}{}", request.url, answer.status,
                       answer.status / 100 == 3 ? "; redirects are not followed" : ""));
  }
  const std::string_view encoding = answer.Header("content-encoding");
  if (!encoding.empty() && Lower(encoding) != "identity") {
    return Fail(ErrorCode::kContentEncoding,
                Format("{}: expected the bytes as they are, found content-encoding \"{}\"",
                       request.url, encoding));
  }
  if (answer.cut) {
    return Fail(
        ErrorCode::kTransferTooLarge,
        Format("{}: expected at most {} bytes, the server sends more", request.url, max_bytes));
  }
  return std::move(answer.body);
}

CacheLife CacheLifeOf(const WebAnswer& answer) {
  const std::string_view control = answer.Header("cache-control");
  for (const std::string_view never : {"no-store", "no-cache"}) {
    if (Directive(control, never)) return {true, 0};
  }
  for (const std::string_view name : {"s-maxage", "max-age"}) {  // the first is for shared caches
    if (const auto seconds = Seconds(Directive(control, name))) return {true, *seconds};
  }
  if (answer.Header("expires").empty()) return {};
  const auto until = ParseHttpDate(answer.Header("expires"));
  const auto date = ParseHttpDate(answer.Header("date"));
  if (!until || !date) return {true, 0};
  return {true, std::max<std::int64_t>(until->seconds - date->seconds, 0)};
}

}  // namespace pawl::signer
