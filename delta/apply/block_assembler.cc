// SPDX-License-Identifier: Apache-2.0
#include "delta/apply/block_assembler.h"

#include <algorithm>
#include <chrono>
#include <string>
#include <utility>

namespace pawl::delta {
namespace {

constexpr std::size_t kPassingBytes = 16U << 10;

// Zeros and block of a segment from its input, which ends with what the encoder sees ahead.
Result<Bytes> Encode(const Transform& transform, const Segment& segment, ByteView input) {
  const auto room = static_cast<std::size_t>(MaxCodedBytes(transform, input.size()));
  Bytes result(segment.zeros + room);
  PAWL_ASSIGN_OR_RETURN(const BlockLengths made,
                        EncodeBlock(transform, input, ByteSpan(result).subspan(segment.zeros)));
  //= docs/container-format.md#C-33
  if (made.plain != segment.plain || made.coded != segment.coded) {
    return Fail(ErrorCode::kEncoderDiffers,
                "a block of " + std::to_string(segment.plain) + " bytes: expected " +
                    std::to_string(segment.coded) + " coded bytes, found " +
                    std::to_string(made.coded) + " of " + std::to_string(made.plain));
  }
  result.resize(segment.zeros + made.coded);
  return result;
}

ByteView Taken(const Segment& segment, const Bytes& result) {
  return ByteView(result).subspan(segment.skip, segment.take);
}

}  // namespace

BlockAssembler::BlockAssembler(const Head& head, const Recipe& recipe, ChunkBuffer& out,
                               WorkerPool* pool)
    : head_(head),
      out_(out),
      pool_(pool),
      segment_(recipe.segments.begin()),
      end_(recipe.segments.end()),
      left_(recipe.PlainBytes()) {
  Begin();
}

BlockAssembler::~BlockAssembler() {
  for (Waiting& waiting : waiting_) {
    if (waiting.segment != nullptr) waiting.coded.wait();
  }
}

void BlockAssembler::Begin() { segment_left_ = segment_ != end_ ? segment_->plain : 0; }

std::size_t BlockAssembler::InputBytes() const {
  return static_cast<std::size_t>(segment_->plain) + segment_->ahead;
}

ByteSpan BlockAssembler::Room(std::uint64_t want) {
  if (segment_->kind == SegmentKind::kBlock) {
    if (window_.size() < InputBytes()) window_.resize(InputBytes());
    const std::size_t room = InputBytes() - filled_;
    return ByteSpan(window_).subspan(filled_,
                                     static_cast<std::size_t>(std::min<std::uint64_t>(room, want)));
  }
  const std::uint64_t room = std::min(segment_left_, want);
  if (segment_->kind == SegmentKind::kRaw && waiting_.empty()) return out_.Room(room);
  passing_.resize(kPassingBytes);
  return ByteSpan(passing_).first(
      static_cast<std::size_t>(std::min<std::uint64_t>(room, kPassingBytes)));
}

Status BlockAssembler::Filled(std::size_t count) {
  left_ -= count;
  if (segment_->kind == SegmentKind::kBlock) {
    filled_ += count;
    return filled_ < InputBytes() ? Status() : Advance();
  }
  segment_left_ -= count;
  if (segment_->kind == SegmentKind::kRaw) {
    PAWL_TRY(waiting_.empty() ? out_.Filled(count) : PassRaw(ByteView(passing_).first(count)));
  }
  return segment_left_ != 0 ? Status() : Advance();
}

// Goes on to the segment that needs bytes from outside.
Status BlockAssembler::Advance() {
  while (segment_ != end_) {
    if (segment_->kind == SegmentKind::kBlock) {
      if (filled_ < InputBytes()) return {};
      PAWL_TRY(CompleteBlock());
    } else {
      PAWL_TRY(TakeCarried());
      if (segment_left_ != 0) return {};
    }
    ++segment_;
    Begin();
  }
  return {};
}

// Gives a raw or dropped segment what the block before has only looked at.
Status BlockAssembler::TakeCarried() {
  const auto count = static_cast<std::size_t>(std::min<std::uint64_t>(filled_, segment_left_));
  if (count == 0) return {};
  if (segment_->kind == SegmentKind::kRaw) PAWL_TRY(PassRaw(ByteView(window_).first(count)));
  std::copy(window_.begin() + static_cast<std::ptrdiff_t>(count),
            window_.begin() + static_cast<std::ptrdiff_t>(filled_), window_.begin());
  filled_ -= count;
  segment_left_ -= count;
  return {};
}

Status BlockAssembler::PassRaw(ByteView bytes) {
  if (waiting_.empty()) return out_.Append(bytes);
  if (waiting_.back().segment != nullptr) waiting_.emplace_back();
  Bytes& raw = waiting_.back().raw;
  raw.insert(raw.end(), bytes.begin(), bytes.end());
  waiting_raw_ += bytes.size();
  return EmitDown(waiting_blocks_, kMaxWaitingRaw);
}

Status BlockAssembler::CompleteBlock() {
  const Segment& segment = *segment_;
  const Transform& transform = head_.transforms[segment.transform].transform;
  const std::size_t input = InputBytes();
  const auto plain = static_cast<std::size_t>(segment.plain);
  if (pool_ == nullptr) {
    PAWL_ASSIGN_OR_RETURN(const Bytes coded,
                          Encode(transform, segment, ByteView(window_).first(input)));
    PAWL_TRY(out_.Append(Taken(segment, coded)));
  } else {
    // Room first: no more blocks than the memory was reckoned for.
    PAWL_TRY(EmitDown(pool_->threads(), kMaxWaitingRaw));
    auto bytes = std::make_shared<Bytes>(window_.begin(),
                                         window_.begin() + static_cast<std::ptrdiff_t>(input));
    auto task = std::make_shared<std::packaged_task<Result<Bytes>()>>(
        [&transform, &segment, bytes = std::move(bytes)] {
          return Encode(transform, segment, *bytes);
        });
    waiting_.push_back({&segment, {}, task->get_future()});
    ++waiting_blocks_;
    pool_->Submit([task = std::move(task)] { (*task)(); });
  }
  std::copy(window_.begin() + static_cast<std::ptrdiff_t>(plain),
            window_.begin() + static_cast<std::ptrdiff_t>(filled_), window_.begin());
  filled_ -= plain;
  return {};
}

Status BlockAssembler::EmitFront() {
  Waiting front = std::move(waiting_.front());
  waiting_.pop_front();
  if (front.segment == nullptr) {
    waiting_raw_ -= front.raw.size();
    return out_.Append(front.raw);
  }
  --waiting_blocks_;
  PAWL_ASSIGN_OR_RETURN(const Bytes coded, front.coded.get());
  return out_.Append(Taken(*front.segment, coded));
}

// Passes on until at most so much is waiting, and what needs no wait.
Status BlockAssembler::EmitDown(std::size_t blocks, std::size_t raw_bytes) {
  while (!waiting_.empty()) {
    const Waiting& front = waiting_.front();
    const bool ready = front.segment == nullptr ||
                       front.coded.wait_for(std::chrono::seconds(0)) == std::future_status::ready;
    if (!ready && waiting_blocks_ <= blocks && waiting_raw_ <= raw_bytes) return {};
    PAWL_TRY(EmitFront());
  }
  return {};
}

Status BlockAssembler::Finish() { return EmitDown(0, 0); }

}  // namespace pawl::delta
