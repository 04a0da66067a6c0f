// SPDX-License-Identifier: Apache-2.0
#pragma once

// Web by libcurl, with the agent's manners: http and https only, no redirects, no proxy from the
// environment, no decoding of content, certificates always verified.

#include <memory>
#include <string>

#include "signer/web.h"

namespace pawl::signer {

class CurlProbe : public Web {
 public:
  // `authorities_file`: PEM, for repositories behind a private authority; empty: the system's.
  // ERRORS: kInternal when libcurl cannot start.
  static Result<std::unique_ptr<CurlProbe>> Create(const std::string& authorities_file);
  ~CurlProbe() override;
  Result<WebAnswer> Ask(const WebRequest& request) override;

 private:
  struct Impl;
  explicit CurlProbe(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace pawl::signer
