// SPDX-License-Identifier: Apache-2.0
#pragma once

// Turns the plain bytes of a frame into bytes of the target: raw segments pass, blocks are encoded,
// on worker threads where there are any. The result does not depend on their number.
// Internal to delta/.

#include <cstdint>
#include <deque>
#include <future>
#include <memory>

#include "base/bytes.h"
#include "base/result.h"
#include "delta/apply/chunk_buffer.h"
#include "delta/apply/recipe.h"
#include "delta/apply/worker_pool.h"

namespace pawl::delta {

class BlockAssembler {
 public:
  // All borrowed. `pool` null: blocks are encoded where they are completed.
  BlockAssembler(const Head& head, const Recipe& recipe, ChunkBuffer& out, WorkerPool* pool);
  // Waits for workers: they hold nothing of a frame that is gone.
  ~BlockAssembler();
  BlockAssembler(const BlockAssembler&) = delete;
  BlockAssembler& operator=(const BlockAssembler&) = delete;

  // Plain bytes of the frame that are still to come.
  std::uint64_t left() const { return left_; }
  // The next at most `want` plain bytes, to be filled by the caller. REQUIRES: 0 < want ≤ left().
  ByteSpan Room(std::uint64_t want);
  // Says that `count` bytes of Room are filled. ERRORS: kEncoderDiffers; what the sink returns.
  Status Filled(std::size_t count);
  // REQUIRES: left() is 0. ERRORS: as Filled.
  Status Finish();

  // How much raw data may wait behind blocks that are being encoded.
  static constexpr std::size_t kMaxWaitingRaw = 64U << 10;

 private:
  // Target bytes that cannot go out before those in front of them.
  struct Waiting {
    const Segment* segment = nullptr;  // null: raw
    Bytes raw;
    std::future<Result<Bytes>> coded;
  };

  void Begin();
  Status Advance();
  std::size_t InputBytes() const;
  Status TakeCarried();
  Status PassRaw(ByteView bytes);
  Status CompleteBlock();
  Status EmitFront();
  Status EmitDown(std::size_t blocks, std::size_t raw_bytes);

  const Head& head_;
  ChunkBuffer& out_;
  WorkerPool* pool_;
  std::vector<Segment>::const_iterator segment_;
  std::vector<Segment>::const_iterator end_;
  std::uint64_t left_;
  std::uint64_t segment_left_ = 0;  // of a raw or dropped segment
  Bytes window_;                    // plain bytes of the present block and behind
  std::size_t filled_ = 0;          // of window_; what a block only looked at stays for the next
  Bytes passing_;                   // raw or dropped bytes that cannot go straight to the target
  std::deque<Waiting> waiting_;
  std::size_t waiting_blocks_ = 0;
  std::size_t waiting_raw_ = 0;
};

}  // namespace pawl::delta
