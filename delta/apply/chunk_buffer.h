// SPDX-License-Identifier: Apache-2.0
#pragma once

// Collects target bytes into chunks. Internal to delta/.

#include <algorithm>
#include <cstdint>

#include "base/block_io.h"
#include "base/bytes.h"
#include "base/result.h"
#include "delta/apply/decoder.h"

namespace pawl::delta {

class ChunkBuffer {
 public:
  ChunkBuffer(Bytes& buffer, std::uint64_t begin, std::uint64_t target_bytes, ChunkSink& sink)
      : buffer_(buffer), begin_(begin), left_(target_bytes), sink_(sink) {}

  // Bytes of the frame that are still to be made.
  std::uint64_t left() const { return left_; }

  // The next at most `want` bytes, inside one chunk, to be filled by the caller.
  // REQUIRES: want ≤ left().
  ByteSpan Room(std::uint64_t want) {
    const std::uint64_t room = std::min<std::uint64_t>(buffer_.size() - filled_, want);
    return ByteSpan(buffer_).subspan(filled_, static_cast<std::size_t>(room));
  }
  // Says that `count` bytes of Room are filled; hands out the chunk when that completes it.
  Status Filled(std::size_t count) {
    filled_ += count;
    left_ -= count;
    if (filled_ != buffer_.size() && left_ != 0) return {};
    PAWL_TRY(sink_.Take(begin_, ByteView(buffer_).first(filled_)));
    begin_ += filled_;
    filled_ = 0;
    return {};
  }
  // Copies bytes. REQUIRES: bytes.size() ≤ left().
  Status Append(ByteView bytes) {
    while (!bytes.empty()) {
      const ByteSpan room = Room(bytes.size());
      std::copy_n(bytes.begin(), room.size(), room.begin());
      bytes = bytes.subspan(room.size());
      PAWL_TRY(Filled(room.size()));
    }
    return {};
  }

 private:
  Bytes& buffer_;  // of one chunk
  std::uint64_t begin_;
  std::uint64_t left_;
  std::size_t filled_ = 0;
  ChunkSink& sink_;
};

}  // namespace pawl::delta
