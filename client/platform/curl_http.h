// SPDX-License-Identifier: Apache-2.0
#pragma once

// Http by libcurl. One handle is reused, so requests to one server share a connection. Only http
// and https; no redirects (a repository is one place; a redirect is an answer like 404); no
// cookies, no credentials, no proxy from the environment, no content-encoding.
//
// Certificates are verified against the system's authorities at a time the caller chooses: a device
// without a clock knows a lower bound of the time from signed metadata (design: trust, "Time").

#include <cstdint>
#include <memory>
#include <string>

#include "base/result.h"
#include "base/time.h"
#include "client/ports/http.h"

namespace pawl::client {

// Patience in one place. Every request ends: it is given up when it stalls, and at a deadline that
// grows with the bytes it may bring.
struct HttpPatience {
  std::uint64_t connect_ms = 30'000;  // name, TCP and TLS together
  std::uint64_t stall_s = 60;         // below stall_bytes_per_s for that long
  std::uint64_t stall_bytes_per_s = 16;
  std::uint64_t base_ms = 120'000;           // deadline = base_ms + max_bytes / slowest_bytes_per_s
  std::uint64_t slowest_bytes_per_s = 1024;  // GPRS in poor conditions
};

struct CurlHttpOptions {
  UtcTime verify_at;             // effective time, for the validity of certificates
  std::string authorities_file;  // PEM; empty: the system's
  HttpPatience patience;
};

class CurlHttp : public Http {
 public:
  // ERRORS: kInternal when libcurl cannot start or is not built on OpenSSL.
  static Result<std::unique_ptr<CurlHttp>> Create(CurlHttpOptions options);
  ~CurlHttp() override;

  // See the port. kHttpStatus for every other status, redirects included.
  Status Get(const HttpRequest& request, ByteSink& sink) override;

 private:
  struct Impl;
  explicit CurlHttp(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace pawl::client
