// SPDX-License-Identifier: Apache-2.0
#pragma once

// What a web server answers, with everything that matters to devices and caches: the seam between
// the checks of `repo doctor` and the network.

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"
#include "base/time.h"
#include "manifest/refresh.h"

namespace pawl::signer {

struct WebRange {
  std::uint64_t offset = 0;
  std::uint64_t length = 0;  // bytes, > 0
};

struct WebRequest {
  std::string url;
  bool head = false;  // headers only
  std::optional<WebRange> range;
  bool offer_compression = false;                // else "identity", as the agent asks
  std::uint64_t max_bytes = 0;                   // of the body; the transfer ends there
  std::function<void(ByteView)> sink = nullptr;  // takes the body instead of WebAnswer::body
};

struct WebAnswer {
  long status = 0;
  std::map<std::string, std::string, std::less<>> headers;  // names in lower case
  Bytes body;
  std::uint64_t body_bytes = 0;
  bool cut = false;                          // the body was longer than max_bytes
  std::optional<UtcTime> certificate_until;  // of the server; https only

  // Empty when there is none.
  std::string_view Header(std::string_view name) const;
};

class Web {
 public:
  virtual ~Web() = default;
  // Any status is an answer; redirects are not followed. ERRORS: kNetworkUnreachable,
  // kTransferTooSlow, kTransferTruncated, kTlsFailed, kInputInvalid (no http or https URL).
  virtual Result<WebAnswer> Ask(const WebRequest& request) = 0;
};

// "Wed, 25 Nov 2026 07:05:28 GMT". Empty for anything else.
std::optional<UtcTime> ParseHttpDate(std::string_view text);

// The missing-file answers that end a device's walk through the roots: 404, 410, 403.
constexpr bool IsNotThere(long status) { return status == 404 || status == 410 || status == 403; }

// The repository behind a base URL as the agent's fetcher sees it: the same refusals.
class WebFetcher : public manifest::Fetcher {
 public:
  // `web` is borrowed; `base_url` ends in '/'.
  WebFetcher(Web& web, std::string base_url) : web_(web), base_url_(std::move(base_url)) {}
  Result<Bytes> Fetch(std::string_view name, std::uint64_t max_bytes) override;

 private:
  Web& web_;
  std::string base_url_;
};

// How long caches on the way may keep an answer (RFC 9111).
struct CacheLife {
  bool said = false;         // the answer says something about it
  std::int64_t seconds = 0;  // may be given out unasked for so long; 0: never
};
CacheLife CacheLifeOf(const WebAnswer& answer);

}  // namespace pawl::signer
