// SPDX-License-Identifier: Apache-2.0
#pragma once

// Cuts a byte stream from a server into the frames that a container's head announces. Holds one payload at a time.

#include <cstddef>
#include <functional>

#include "base/bytes.h"
#include "base/result.h"
#include "client/ports/http.h"
#include "delta/apply/head.h"

namespace pawl::client {

class FrameStream : public ByteSink {
 public:
  // Called with each whole payload, unauthenticated: the decoder checks its hash first.
  using OnFrame = std::function<Status(std::size_t index, ByteView payload)>;

  // Expects the payloads of frames [first, end). `head` is borrowed. REQUIRES: first <= end <= head.frames.size().
  FrameStream(const delta::Head& head, std::size_t first, std::size_t end, OnFrame on_frame)
      : head_(head), next_(first), end_(end), on_frame_(std::move(on_frame)) {}

  // ERRORS: kTransferTooLarge for bytes after the last frame; whatever the callback returns.
  Status Write(ByteView bytes) override;

  std::size_t next_frame() const { return next_; }
  bool complete() const { return next_ == end_; }

 private:
  Status FinishFrames();
  const delta::Head& head_;
  std::size_t next_;
  std::size_t end_;
  OnFrame on_frame_;
  Bytes payload_;
};

// The bytes of the container that hold frames [first, end). REQUIRES: first < end.
ByteRange FrameRange(const delta::Head& head, std::size_t first, std::size_t end);

}  // namespace pawl::client
