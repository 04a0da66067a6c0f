// SPDX-License-Identifier: Apache-2.0
#pragma once

// The seam to the fetcher process: HTTP and TLS live behind it, nothing is parsed there.

#include <cstdint>
#include <optional>
#include <string>

#include "base/bytes.h"
#include "base/result.h"

namespace pawl::client {

struct ByteRange {
  std::uint64_t offset = 0;
  std::uint64_t length = 0;  // > 0
};

struct HttpRequest {
  std::string url;                 // complete; sent as it is, never normalised
  std::optional<ByteRange> range;  // the answer must then be exactly these bytes (206), else kRangeUnsupported
  std::uint64_t max_bytes = 0;     // enforced while receiving, whatever the server announces
};

// Takes received bytes in order. A failed Status ends the transfer and is what Get returns.
class ByteSink {
 public:
  virtual ~ByteSink() = default;
  virtual Status Write(ByteView bytes) = 0;
};

class Http {
 public:
  virtual ~Http() = default;
  // ERRORS: kNotFound (404, 403 and 410), kHttpStatus, kNetworkUnreachable, kTransferTooSlow, kTransferTruncated, kTransferTooLarge,
  // kRangeUnsupported, kTlsFailed, kContentEncoding, and what the sink returns. Bytes given to the sink before an error stay given.
  virtual Status Get(const HttpRequest& request, ByteSink& sink) = 0;
};

}  // namespace pawl::client
