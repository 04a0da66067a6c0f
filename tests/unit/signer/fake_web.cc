// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/signer/fake_web.h"

#include <algorithm>
#include <ctime>
#include <filesystem>

#include "base/format.h"
#include "tests/unit/signer/signer_test_util.h"

namespace pawl::signer::testing {
namespace {

std::string HttpDate(std::int64_t seconds) {
  const auto time = static_cast<std::time_t>(seconds);
  std::tm parts{};
  gmtime_r(&time, &parts);
  char text[64];
  return {text, strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &parts)};
}

bool IsTimestamp(const std::string& path) { return path.starts_with("metadata/timestamp.json"); }

void Send(const WebRequest& request, std::string_view bytes, WebAnswer& answer) {
  if (request.head) return;
  answer.cut = bytes.size() > request.max_bytes;
  const std::string_view sent = bytes.substr(0, static_cast<std::size_t>(request.max_bytes));
  answer.body_bytes = sent.size();
  if (request.sink) {
    request.sink(AsBytes(sent));
  } else {
    answer.body.assign(AsBytes(sent).begin(), AsBytes(sent).end());
  }
}

}  // namespace

std::optional<std::string> FakeWeb::Content(const std::string& path) const {
  const bool fresh = path.contains('?');
  const std::string name = path.substr(0, path.find('?'));
  if (IsTimestamp(name) && cached_timestamp && !fresh) return *cached_timestamp;
  if (const auto other = instead.find(name); other != instead.end()) return other->second;
  const std::string place = directory_ + "/" + name;
  if (!std::filesystem::is_regular_file(place)) return {};
  return ReadText(place);
}

void FakeWeb::AddHeaders(const std::string& path, WebAnswer& answer) const {
  const bool stamp = IsTimestamp(path);
  const std::string& said = answer.status >= 400 ? missing_control
                            : stamp              ? timestamp_control
                                                 : control;
  if (!said.empty()) answer.headers["cache-control"] = said;
  if (stamp && !extra_expires.empty()) answer.headers["expires"] = extra_expires;
  if (date != 0) answer.headers["date"] = HttpDate(date);
  answer.headers["etag"] = "\"1\"";
  answer.certificate_until = certificate_until;
}

Result<WebAnswer> FakeWeb::Ask(const WebRequest& request) {
  if (down) return Fail(ErrorCode::kNetworkUnreachable, request.url + ": connection refused");
  const std::string base = std::string(kFakeUrl) + "/";
  const std::string path = request.url.starts_with(base) ? request.url.substr(base.size()) : "?";
  asked.push_back(path);
  WebAnswer answer;
  answer.status = 200;
  auto content = Content(path);
  const auto forced = status.find(path);
  if (!redirect_to.empty()) {
    answer.status = 301;
    answer.headers["location"] = redirect_to + path;
    content = "";
  } else if (forced != status.end()) {
    answer.status = forced->second;
  } else if (request.head && !head) {
    answer.status = 405;
  } else if (!content && listing && (path.empty() || path.ends_with('/'))) {
    content = "<a href=\"../\">../</a> <a href=\"1.root.json\">1.root.json</a>";
  } else if (!content) {
    answer.status = missing;
    content = "<html>not here</html>";
  }
  AddHeaders(path, answer);
  std::string_view bytes = content ? std::string_view(*content) : std::string_view();
  const std::size_t total = bytes.size();
  if (answer.status == 200 && request.range && ranges) {
    answer.status = 206;
    const std::uint64_t start = request.range->offset + (wrong_range ? 1 : 0);
    bytes = bytes.substr(static_cast<std::size_t>(std::min<std::uint64_t>(start, total)),
                         static_cast<std::size_t>(request.range->length));
    answer.headers["content-range"] =
        Format("bytes {}-{}/{}", start, start + request.range->length - 1, total);
  }
  if (always_gzip || (gzip && request.offer_compression)) {
    answer.headers["content-encoding"] = "gzip";
  } else if (length) {
    answer.headers["content-length"] = Format("{}", bytes.size());
  }
  Send(request, bytes, answer);
  return answer;
}

}  // namespace pawl::signer::testing
