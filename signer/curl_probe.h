// SPDX-License-Identifier: Apache-2.0
#pragma once

// Web by libcurl, with the agent's manners: http and https only, no redirects, no proxy from the
// environment, no decoding of content, certificates always verified.

#include <cstdint>
#include <memory>
#include <string>

#include "signer/web.h"

namespace pawl::signer {

// Every request ends: it is given up when it stalls, and at a deadline that grows with the bytes
// that it may bring.
struct ProbePatience {
  std::uint64_t base_ms = 60'000;  // deadline = base_ms + bytes / slowest_bytes_per_s
  std::uint64_t slowest_bytes_per_s = 16 * 1024;
};

class CurlProbe : public Web {
 public:
  // `authorities_file`: PEM, for repositories behind a private authority; empty: the system's.
  // ERRORS: kInternal when libcurl cannot start.
  static Result<std::unique_ptr<CurlProbe>> Create(const std::string& authorities_file,
                                                   ProbePatience patience = {});
  ~CurlProbe() override;
  Result<WebAnswer> Ask(const WebRequest& request) override;

 private:
  struct Impl;
  explicit CurlProbe(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace pawl::signer
