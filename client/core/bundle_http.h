// SPDX-License-Identifier: Apache-2.0
#pragma once

// A bundle file in the place of a server: the whole way of an update stays the same, only the bytes
// come from a medium. Content is read by offset when it is asked for and never held.

#include <string_view>

#include "base/result.h"
#include "client/ports/http.h"
#include "manifest/bundle.h"

namespace pawl::client {

// The base URL under which the parts of the agent ask for what is in a bundle.
inline constexpr std::string_view kBundleUrl = "bundle:/";

class BundleHttp : public Http {
 public:
  // Borrows `bundle`.
  explicit BundleHttp(const manifest::Bundle& bundle) : bundle_(bundle) {}

  // ERRORS: kNotFound for a root that is not there; kBundleIncomplete for another file;
  // kTransferTooLarge; kPayloadLength for a range behind the end; kIo when the medium is gone; what
  // the sink returns.
  Status Get(const HttpRequest& request, ByteSink& sink) override;

 private:
  const manifest::Bundle& bundle_;
};

}  // namespace pawl::client
