// SPDX-License-Identifier: Apache-2.0
#include "client/core/http_fetcher.h"

#include <algorithm>
#include <utility>

#include "base/file.h"
#include "base/format.h"

namespace pawl::client {
namespace {

class Collector : public ByteSink {
 public:
  Status Write(ByteView bytes) override {
    bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
    return {};
  }
  Bytes Take() && { return std::move(bytes_); }

 private:
  Bytes bytes_;
};

bool IsPlainSegment(std::string_view segment) {
  return !segment.empty() && segment != "." && segment != "..";
}

bool IsPlainName(std::string_view name) {
  const bool plain_characters = std::ranges::all_of(
      name, [](char c) { return c > ' ' && c <= '~' && c != '?' && c != '#' && c != '\\'; });
  if (!plain_characters) return false;
  while (true) {
    const std::size_t slash = name.find('/');
    if (!IsPlainSegment(name.substr(0, slash))) return false;
    if (slash == name.npos) return true;
    name.remove_prefix(slash + 1);
  }
}

}  // namespace

HttpFetcher::HttpFetcher(Http& http, std::string base_url)
    : http_(http), base_url_(std::move(base_url)) {
  if (!base_url_.ends_with('/')) base_url_ += '/';
}

Result<std::string> HttpFetcher::Url(std::string_view name) const {
  if (!IsPlainName(name)) {
    return Fail(ErrorCode::kPathUnsafe,
                Format("expected a relative name of plain segments, found \"{}\"",
                       EncodeFileName(name.substr(0, 200))));
  }
  return base_url_ + std::string(name);
}

Result<Bytes> HttpFetcher::Fetch(std::string_view name, std::uint64_t max_bytes) {
  PAWL_ASSIGN_OR_RETURN(std::string url, Url(name));
  Collector collector;
  PAWL_TRY(http_.Get({std::move(url), std::nullopt, max_bytes}, collector));
  return std::move(collector).Take();
}

}  // namespace pawl::client
