// SPDX-License-Identifier: Apache-2.0
#include "client/core/full_writer.h"

#include <algorithm>

#include "base/format.h"

namespace pawl::client {
namespace {

using delta::kIndexBlockBytes;
using delta::kLookBackBytes;
using delta::LocalBlocks;

// The end of the run of blocks from `block` on that come from one place, one behind the other.
std::uint64_t RunEnd(const LocalBlocks& local, std::uint64_t block, std::uint64_t end) {
  const LocalBlocks::Found first = local.Where(block);
  std::uint64_t at = block + 1;
  for (; at < end; ++at) {
    const LocalBlocks::Found next = local.Where(at);
    const bool follows = next.place == first.place &&
                         (next.place != LocalBlocks::Place::kElsewhere || next.block == first.block + (at - block));
    if (!follows) break;
  }
  return at;
}

}  // namespace

std::uint64_t FullWriter::ChunkEnd() const { return std::min((chunk_ + 1) * kChunkBytes, job_.head.target.bytes); }

// The part of the buffer for these bytes of the chunk.
ByteSpan FullWriter::Room(std::uint64_t begin, std::uint64_t length) {
  return ByteSpan(buffer_).subspan(static_cast<std::size_t>(kLookBackBytes + begin - chunk_ * kChunkBytes), static_cast<std::size_t>(length));
}

Status FullWriter::Run(std::vector<bool>& wanted) {
  PAWL_ASSIGN_OR_RETURN(decoder_, delta::Decoder::Create(job_.head, nullptr, job_.decoder_memory));
  buffer_.resize(static_cast<std::size_t>(kLookBackBytes + kChunkBytes));
  distrusted_.assign(wanted.size(), false);
  for (;;) {
    wrong_.reset();
    auto passed = Pass(wanted);
    if (passed || !wrong_ || distrusted_[static_cast<std::size_t>(*wrong_)]) return passed;
    // Each chunk comes here once at most: the next time it is fetched whole.
    distrusted_[static_cast<std::size_t>(*wrong_)] = true;
    ++again_;
  }
}

Status FullWriter::Pass(std::vector<bool>& wanted) {
  begun_ = false;
  const auto first = std::ranges::find(wanted, true);
  if (first == wanted.end()) return {};
  position_ = static_cast<std::uint64_t>(std::distance(wanted.begin(), first)) * kChunkBytes;
  const auto frames = delta::FramesToFetch(job_.head, wanted, job_.local, distrusted_);
  for (const delta::FrameRun& run : delta::PlanRequests(job_.head, frames)) PAWL_TRY(FetchRun(run, wanted));
  return FillTo(job_.head.target.bytes, wanted);
}

Status FullWriter::FetchRun(const delta::FrameRun& run, std::vector<bool>& wanted) {
  FrameStream stream(job_.head, run.first, run.end,
                     [&](std::size_t index, ByteView payload) { return TakeFrame(index, payload, wanted); });
  const ByteRange range = FrameRange(job_.head, run.first, run.end);
  PAWL_TRY(http_.Get({job_.url, range, range.length}, stream));
  if (stream.complete()) return {};
  return Fail(ErrorCode::kTransferTruncated, Format("{}: ended at frame {} of {}", job_.url, stream.next_frame(), run.end));
}

Status FullWriter::TakeFrame(std::size_t index, ByteView payload, std::vector<bool>& wanted) {
  bytes_fetched_ += payload.size();
  const std::uint64_t begin = job_.head.FrameBegin(index);
  if (!wanted[static_cast<std::size_t>(begin / kChunkBytes)]) return {};  // came along between two that are needed
  PAWL_TRY(FillTo(begin, wanted));
  if (!begun_) PAWL_TRY(Begin(begin / kChunkBytes, wanted));
  const ByteView before = ByteView(buffer_).first(static_cast<std::size_t>(kLookBackBytes + begin - chunk_ * kChunkBytes));
  auto decoded = decoder_->DecodeFrame(index, payload, *this, before);
  if (!decoded) {
    // Authentic bytes that do not decode behind blocks which only hints vouch for: the blocks are wrong, not the container.
    const ErrorCode code = decoded.error().code();
    const bool authentic = code != ErrorCode::kFrameHashMismatch && code != ErrorCode::kPayloadLength;
    if (authentic && used_local_) return Distrust(std::move(decoded).error());
    return decoded;
  }
  position_ = begin + job_.head.FrameTargetBytes(index);
  changed_ = true;
  return position_ == ChunkEnd() ? FinishChunk(wanted) : Status();
}

Status FullWriter::Take(std::uint64_t begin, ByteView data) {
  std::ranges::copy(data, Room(begin, data.size()).begin());
  return {};
}

// Makes everything up to `end` out of what the device has, and passes over what is not wanted.
Status FullWriter::FillTo(std::uint64_t end, std::vector<bool>& wanted) {
  while (position_ < end) {
    const std::uint64_t chunk = position_ / kChunkBytes;
    if (!wanted[static_cast<std::size_t>(chunk)]) {
      position_ = std::min((chunk + 1) * kChunkBytes, job_.head.target.bytes);
      begun_ = false;
      continue;
    }
    if (!begun_) PAWL_TRY(Begin(chunk, wanted));
    PAWL_TRY(FillLocally(std::min(end, ChunkEnd())));
    if (position_ == ChunkEnd()) PAWL_TRY(FinishChunk(wanted));
  }
  return {};
}

Status FullWriter::FillLocally(std::uint64_t end) {
  if (job_.local == nullptr) return Fail(ErrorCode::kInternal, Format("nothing was fetched for byte {} of the image", position_));
  while (position_ < end) {
    const std::uint64_t block = position_ / kIndexBlockBytes;
    const std::uint64_t last = RunEnd(*job_.local, block, (end + kIndexBlockBytes - 1) / kIndexBlockBytes);
    const std::uint64_t length = std::min(last * kIndexBlockBytes, end) - position_;
    const ByteSpan room = Room(position_, length);
    const LocalBlocks::Found found = job_.local->Where(block);
    Status read;
    switch (found.place) {
      case LocalBlocks::Place::kZero: std::ranges::fill(room, std::uint8_t{0}); changed_ = true; break;
      case LocalBlocks::Place::kInPlace: read = job_.target.ReadAt(position_, room); break;
      case LocalBlocks::Place::kElsewhere:
        changed_ = true;
        read = job_.source == nullptr ? Status(Fail(ErrorCode::kInternal, "blocks of a slot that is not open"))
                                      : job_.source->ReadAt(found.block * kIndexBlockBytes, room);
        break;
      case LocalBlocks::Place::kMissing: return Fail(ErrorCode::kInternal, Format("block {} was neither found nor fetched", block));
    }
    used_local_ = true;  // zeros too are what the index says
    if (!read) return read.error().code() == ErrorCode::kIo ? Status(Distrust(std::move(read).error())) : read;
    position_ += length;
  }
  return {};
}

// Puts what the chunk's first frames look back at in front of it: the end of the chunk before, which was in the slot as signed
// when it was written. Should it be no longer (a sector that changed since, in another run), it is made anew first: else this
// chunk could never come out right, however often it is fetched.
Status FullWriter::Begin(std::uint64_t chunk, std::vector<bool>& wanted) {
  chunk_ = chunk;
  position_ = chunk * kChunkBytes;
  used_local_ = false;
  changed_ = false;
  begun_ = true;
  if (chunk == 0) return {};
  const ByteSpan before = ByteSpan(buffer_).last(static_cast<std::size_t>(kChunkBytes));
  const Status read = job_.target.ReadAt(position_ - kChunkBytes, before);
  if (!read && read.error().code() != ErrorCode::kIo) return read;
  if (!read || HashSha256(before) != job_.chunks[static_cast<std::size_t>(chunk - 1)]) {
    wanted[static_cast<std::size_t>(chunk - 1)] = true;
    chunk_ = chunk - 1;
    return Distrust(Error(ErrorCode::kChunkDigestMismatch, Format("chunk {} of the image changed after it was written", chunk - 1)));
  }
  KeepEnd();
  return {};
}

// The end of a chunk is what the next one looks back at.
void FullWriter::KeepEnd() {
  std::copy_n(buffer_.end() - static_cast<std::ptrdiff_t>(kLookBackBytes), kLookBackBytes, buffer_.begin());
}

Status FullWriter::FinishChunk(std::vector<bool>& wanted) {
  const std::uint64_t begin = chunk_ * kChunkBytes;
  const ByteView made = Room(begin, ChunkEnd() - begin);
  //= docs/container-format.md#C-25
  //= docs/manifest-format.md#M-54
  if (HashSha256(made) != job_.chunks[static_cast<std::size_t>(chunk_)]) {
    Error why(ErrorCode::kChunkDigestMismatch, Format("chunk {} of the image is not as signed, even from the full image", chunk_));
    if (used_local_) return Distrust(std::move(why));
    return std::unexpected(std::move(why));
  }
  if (changed_) PAWL_TRY(job_.target.WriteAt(begin, made));
  wanted[static_cast<std::size_t>(chunk_)] = false;
  begun_ = false;
  PAWL_TRY(on_chunk_(chunk_));
  const std::uint64_t next = chunk_ + 1;
  if (next >= wanted.size() || !wanted[static_cast<std::size_t>(next)]) return {};
  KeepEnd();
  chunk_ = next;
  used_local_ = false;
  changed_ = false;
  begun_ = true;
  return {};
}

std::unexpected<Error> FullWriter::Distrust(Error why) {
  wrong_ = chunk_;
  return std::unexpected(std::move(why));
}

}  // namespace pawl::client
