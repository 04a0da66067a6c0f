// SPDX-License-Identifier: Apache-2.0
#pragma once

// The operations of a control stream, decoded as they are needed. Internal to delta/.

#include <array>

#include "base/result.h"
#include "delta/apply/payload.h"
#include "delta/apply/plain_stream.h"

namespace pawl::delta {

class ControlReader {
 public:
  explicit ControlReader(PlainStream stream) : stream_(std::move(stream)) {}

  // True when every operation has been read.
  bool done() const { return begin_ == end_ && stream_.remaining() == 0; }
  // ERRORS: kContainerMalformed (also when there is no further operation), kDecodeFailed.
  Result<Operation> Next();
  // REQUIRES: done(). ERRORS: kDecodeFailed, kContainerMalformed.
  Status Finish() { return stream_.Finish(); }

 private:
  Status Refill();
  PlainStream stream_;
  std::array<std::uint8_t, 4096> buffer_{};
  std::size_t begin_ = 0;  // unread bytes are [begin_, end_) of buffer_
  std::size_t end_ = 0;
};

}  // namespace pawl::delta
