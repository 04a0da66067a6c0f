// SPDX-License-Identifier: Apache-2.0
#pragma once

// The repository behind a base URL as the trust code sees it: a name goes in, at most so many bytes
// come out.

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "client/ports/http.h"
#include "manifest/refresh.h"

namespace pawl::client {

class HttpFetcher : public manifest::Fetcher {
 public:
  // `base_url` ends the server's part; "/" is added when it is missing. `http` is borrowed.
  HttpFetcher(Http& http, std::string base_url);

  // The URL is base + name, byte for byte. ERRORS: those of Http::Get; kPathUnsafe for a name that
  // is empty, absolute, or has an empty, "." or ".." segment or a character outside printable
  // ASCII, '?' and '#'.
  Result<Bytes> Fetch(std::string_view name, std::uint64_t max_bytes) override;

  // base + name, checked as above.
  Result<std::string> Url(std::string_view name) const;

 private:
  Http& http_;
  std::string base_url_;
};

}  // namespace pawl::client
