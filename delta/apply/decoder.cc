// SPDX-License-Identifier: Apache-2.0
#include "delta/apply/decoder.h"

#include <algorithm>
#include <array>
#include <string>
#include <thread>
#include <utility>

#include "delta/apply/block_assembler.h"
#include "delta/apply/chunk_buffer.h"
#include "delta/apply/control_reader.h"
#include "delta/apply/mixed_stream_reader.h"
#include "delta/apply/payload.h"
#include "delta/apply/plain_stream.h"
#include "delta/apply/recipe.h"
#include "delta/apply/source_blocks.h"
#include "delta/apply/worker_pool.h"

namespace pawl::delta {
namespace {

std::unexpected<Error> Malformed(const std::string& what) {
  return Fail(ErrorCode::kContainerMalformed, what);
}

// Reads the source through one small read-ahead buffer: many operations read a few bytes each,
// mostly forward, and a system call for each would dominate.
class SourceBuffer {
 public:
  SourceBuffer(RandomReader* source, std::uint64_t source_bytes)
      : source_(source), source_bytes_(source_bytes) {}

  std::uint64_t bytes() const { return source_bytes_; }
  // REQUIRES: the range lies inside the source.
  Status Read(std::uint64_t offset, ByteSpan out) {
    if (out.size() >= kDirectBytes) return source_->ReadAt(offset, out);
    if (offset < begin_ || offset + out.size() > begin_ + buffer_.size()) PAWL_TRY(Load(offset));
    const auto from = static_cast<std::size_t>(offset - begin_);
    std::copy_n(buffer_.begin() + static_cast<std::ptrdiff_t>(from), out.size(), out.begin());
    return {};
  }

 private:
  static constexpr std::size_t kDirectBytes = 16U << 10;
  static constexpr std::size_t kBufferBytes = 64U << 10;

  Status Load(std::uint64_t offset) {
    begin_ = offset;
    buffer_.resize(static_cast<std::size_t>(
        std::min<std::uint64_t>(kBufferBytes, source_bytes_ - offset)));
    Status status = source_->ReadAt(begin_, buffer_);
    if (!status.has_value()) buffer_.clear();
    return status;
  }

  RandomReader* source_;
  std::uint64_t source_bytes_;
  std::uint64_t begin_ = 0;
  Bytes buffer_;
};

// Adds bytes modulo 256. Written so that compilers vectorise it.
void AddBytes(ByteSpan to, const std::uint8_t* what) {
  for (std::size_t i = 0; i < to.size(); ++i) to[i] = static_cast<std::uint8_t>(to[i] + what[i]);
}

// The streams that operations take from.
struct DataStreams {
  PlainStream difference;
  std::optional<MixedStreamReader> mixed;  // none: empty
  PlainStream literal;

  static Result<DataStreams> Open(const PayloadStreams& streams) {
    PAWL_ASSIGN_OR_RETURN(PlainStream difference,
                          PlainStream::Open(StreamOf(streams, StreamKind::kDifference)));
    std::optional<MixedStreamReader> mixed;
    if (const CodedStream& coded = StreamOf(streams, StreamKind::kMixed); coded.plain_bytes != 0) {
      PAWL_ASSIGN_OR_RETURN(mixed, MixedStreamReader::Open(coded));
    }
    PAWL_ASSIGN_OR_RETURN(PlainStream literal,
                          PlainStream::Open(StreamOf(streams, StreamKind::kLiteral)));
    return DataStreams{std::move(difference), std::move(mixed), std::move(literal)};
  }
  std::uint64_t memory_bytes() const {
    return difference.memory_bytes() + (mixed ? MixedStreamReader::kMemoryBytes : 0) +
           literal.memory_bytes();
  }
  Status Finish() {
    PAWL_TRY(difference.Finish());
    if (mixed) PAWL_TRY(mixed->Finish());
    return literal.Finish();
  }
};

// The decoding of one frame.
class FrameDecoder {
 public:
  FrameDecoder(ControlReader control, DataStreams data, SourceCursor cursor, SourceBuffer& source,
               SourceBlocks& blocks, BlockAssembler& out, PositionCursor positions)
      : control_(std::move(control)),
        data_(std::move(data)),
        cursor_(cursor),
        source_(source),
        blocks_(blocks),
        out_(out),
        positions_(positions) {}

  Status Run() {
    //= docs/container-format.md#C-18
    while (!control_.done()) {
      PAWL_ASSIGN_OR_RETURN(const Operation operation, control_.Next());
      PAWL_TRY(Execute(operation));
    }
    if (out_.left() != 0) return Malformed("payload: the frame's target is not complete");
    PAWL_TRY(control_.Finish());
    PAWL_TRY(data_.Finish());
    return out_.Finish();
  }

 private:
  Status Execute(const Operation& operation) {
    //= docs/container-format.md#C-17
    if (operation.length > out_.left()) return Malformed("payload: more than the frame's target");
    std::uint64_t from = 0;
    if (ReadsSource(operation.kind)) {
      PAWL_ASSIGN_OR_RETURN(from, cursor_.Advance(operation));
    }
    if (operation.kind == OperationKind::kMix) {
      PAWL_TRY(ExecuteMix(operation.length, from));
    } else {
      PAWL_TRY(ExecutePlain(operation, from));
    }
    plain_ += operation.length;
    return {};
  }

  Status ExecutePlain(const Operation& operation, std::uint64_t from) {
    for (std::uint64_t done = 0; done < operation.length;) {
      const ByteSpan room = out_.Room(operation.length - done);
      PAWL_TRY(Make(operation.kind, from + done, room));
      done += room.size();
      PAWL_TRY(out_.Filled(room.size()));
    }
    return {};
  }

  Status ExecuteMix(std::uint64_t length, std::uint64_t from) {
    //= docs/container-format.md#C-17
    if (!data_.mixed) return Malformed("payload: the mixed stream is empty");
    old_.resize(DifferenceModel::kSegmentBytes);
    fresh_.resize(DifferenceModel::kSegmentBytes);
    for (std::uint64_t done = 0; done < length;) {
      const auto count = static_cast<std::size_t>(
          std::min<std::uint64_t>(DifferenceModel::kSegmentBytes, length - done));
      const ByteSpan old = ByteSpan(old_).first(count);
      const ByteSpan fresh = ByteSpan(fresh_).first(count);
      PAWL_TRY(ReadSource(from + done, old));
      PAWL_TRY(data_.mixed->Read(old, from + done, positions_.At(plain_ + done), fresh));
      PAWL_TRY(Append(fresh));
      done += count;
    }
    return {};
  }

  Status Append(ByteView bytes) {
    while (!bytes.empty()) {
      const ByteSpan room = out_.Room(bytes.size());
      std::ranges::copy(bytes.first(room.size()), room.begin());
      bytes = bytes.subspan(room.size());
      PAWL_TRY(out_.Filled(room.size()));
    }
    return {};
  }

  Status Make(OperationKind kind, std::uint64_t from, ByteSpan room) {
    switch (kind) {
      case OperationKind::kZero:
        std::ranges::fill(room, std::uint8_t{0});
        return {};
      case OperationKind::kLiteral:
        return data_.literal.Read(room);
      case OperationKind::kCopy:
        return ReadSource(from, room);
      case OperationKind::kAdd:
        PAWL_TRY(ReadSource(from, room));
        return Add(room);
      case OperationKind::kMix:
        break;
    }
    return Fail(ErrorCode::kInternal, "not an operation on plain streams");
  }

  // Behind the source's own bytes lie the plain bytes of the frame's source blocks.
  Status ReadSource(std::uint64_t from, ByteSpan room) {
    //= docs/container-format.md#C-34
    const std::uint64_t raw_bytes = source_.bytes();
    if (from < raw_bytes) {
      const ByteSpan raw = room.first(
          static_cast<std::size_t>(std::min<std::uint64_t>(room.size(), raw_bytes - from)));
      PAWL_TRY(source_.Read(from, raw));
      room = room.subspan(raw.size());
      from = raw_bytes;
    }
    return room.empty() ? Status() : blocks_.Read(from - raw_bytes, room);
  }

  Status Add(ByteSpan room) {
    while (!room.empty()) {
      const ByteSpan part = room.first(std::min(room.size(), addend_.size()));
      PAWL_TRY(data_.difference.Read(ByteSpan(addend_).first(part.size())));
      AddBytes(part, addend_.data());
      room = room.subspan(part.size());
    }
    return {};
  }

  ControlReader control_;
  DataStreams data_;
  SourceCursor cursor_;
  SourceBuffer& source_;
  SourceBlocks& blocks_;
  BlockAssembler& out_;
  PositionCursor positions_;
  std::uint64_t plain_ = 0;  // bytes that were made
  Bytes old_;    // one segment of a mix operation
  Bytes fresh_;  // the same
  std::array<std::uint8_t, 16U << 10> addend_{};
};

}  // namespace

class Decoder::Impl {
 public:
  Impl(const Head& head, RandomReader* source, std::uint64_t memory_limit, unsigned threads)
      : head_(head),
        reader_(source),
        source_bytes_(head.source ? std::optional(head.source->bytes) : std::nullopt),
        source_(source, source_bytes_.value_or(0)),
        memory_limit_(memory_limit),
        threads_(threads != 0 ? threads : std::max(1U, std::thread::hardware_concurrency())),
        chunk_(static_cast<std::size_t>(kChunkBytes)) {}

  Status DecodeFrame(std::size_t index, ByteView payload, ChunkSink& sink, ByteView before) {
    PAWL_TRY(CheckPayload(index, payload));
    const std::uint64_t look_back = head_.LookBack(index);
    if (before.size() < look_back) {
      return Fail(ErrorCode::kInternal, "the target before the frame is not given");
    }
    PAWL_ASSIGN_OR_RETURN(const PayloadStreams streams, SplitPayload(head_, index, payload));
    PAWL_ASSIGN_OR_RETURN(const Recipe recipe, ReadRecipe(head_, index, streams));
    PAWL_ASSIGN_OR_RETURN(PlainStream control,
                          PlainStream::Open(StreamOf(streams, StreamKind::kControl)));
    PAWL_ASSIGN_OR_RETURN(DataStreams data, DataStreams::Open(streams));
    data.literal.LookBack(before.last(static_cast<std::size_t>(look_back)));
    const std::uint64_t stream_bytes = control.memory_bytes() + data.memory_bytes();
    const RecipeMemory needed = MemoryOf(recipe, head_.transforms);
    PAWL_TRY(CheckMemory(kDecoderBaseBytes + stream_bytes + needed.total()));
    ChunkBuffer chunks(chunk_, head_.FrameBegin(index), head_.FrameTargetBytes(index), sink);
    SourceBlocks blocks(reader_, recipe);
    BlockAssembler out(head_, recipe, chunks,
                       Pool(kDecoderBaseBytes + stream_bytes + needed.fixed, needed.per_block));
    std::optional<std::uint64_t> addressable = source_bytes_;
    if (addressable) *addressable += recipe.SourcePlainEnd();
    const std::vector<Leap> leaps = recipe.Leaps();
    FrameDecoder frame(ControlReader(std::move(control)), std::move(data),
                       SourceCursor(addressable), source_, blocks, out,
                       PositionCursor(head_.FrameBegin(index), leaps));
    return frame.Run();
  }

 private:
  Status CheckMemory(std::uint64_t bytes) const {
    //= docs/container-format.md#C-24
    if (bytes <= std::min(memory_limit_, head_.memory_bytes)) return {};
    return Fail(ErrorCode::kMemoryLimit,
                "the frame needs " + std::to_string(bytes) + " bytes of memory, allowed are " +
                    std::to_string(std::min(memory_limit_, head_.memory_bytes)));
  }

  // Workers as far as the caller's memory goes: each thread has a block, and one more is collected
  // or waits. Null when there is room for one block at a time only.
  WorkerPool* Pool(std::uint64_t fixed, std::uint64_t per_block) {
    if (per_block == 0 || threads_ == 1) return nullptr;
    const std::uint64_t blocks = (memory_limit_ - fixed) / per_block;
    const auto fitting = static_cast<unsigned>(std::min<std::uint64_t>(threads_, blocks - 1));
    if (fitting == 0) return nullptr;
    if (pool_ == nullptr || pool_->threads() != fitting) {
      pool_ = std::make_unique<WorkerPool>(fitting);
    }
    return pool_.get();
  }

  // Nothing looks inside a payload before this.
  Status CheckPayload(std::size_t index, ByteView payload) const {
    if (index >= head_.frames.size()) {
      return Fail(ErrorCode::kUnknownName, "no frame " + std::to_string(index));
    }
    const Frame& frame = head_.frames[index];
    if (payload.size() != frame.payload_bytes) {
      return Fail(ErrorCode::kPayloadLength, "expected " + std::to_string(frame.payload_bytes) +
                                                 " bytes, found " + std::to_string(payload.size()));
    }
    //= docs/container-format.md#C-04
    if (const Sha256Digest found = HashSha256(payload); found != frame.payload_sha256) {
      return Fail(ErrorCode::kFrameHashMismatch,
                  "expected sha256 " + frame.payload_sha256.Hex() + ", found " + found.Hex());
    }
    return {};
  }

  const Head& head_;
  RandomReader* reader_;
  std::optional<std::uint64_t> source_bytes_;
  SourceBuffer source_;
  std::uint64_t memory_limit_;
  unsigned threads_;
  Bytes chunk_;
  std::unique_ptr<WorkerPool> pool_;
};

Decoder::Decoder(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Decoder::Decoder(Decoder&&) noexcept = default;
Decoder& Decoder::operator=(Decoder&&) noexcept = default;
Decoder::~Decoder() = default;

Result<Decoder> Decoder::Create(const Head& head, RandomReader* source,
                                std::uint64_t memory_limit, unsigned threads) {
  if (head.memory_bytes > memory_limit) {
    return Fail(ErrorCode::kMemoryLimit, "the container needs " +
                                             std::to_string(head.memory_bytes) +
                                             " bytes of memory, allowed are " +
                                             std::to_string(memory_limit));
  }
  if (head.source.has_value() != (source != nullptr)) {
    return Fail(ErrorCode::kSourceMismatch, head.source.has_value()
                                                ? "a delta needs its source"
                                                : "a full container has no source");
  }
  if (source != nullptr && source->SizeBytes() < head.source->bytes) {
    return Fail(ErrorCode::kSourceMismatch,
                "the source has " + std::to_string(source->SizeBytes()) + " bytes, the head says " +
                    std::to_string(head.source->bytes));
  }
  for (const TransformEntry& entry : head.transforms) {
    //= docs/container-format.md#C-24
    // The self-test is the first to take an encoder's memory.
    if (kDecoderBaseBytes + entry.memory_bytes > head.memory_bytes) {
      return Fail(ErrorCode::kMemoryLimit, "a transform needs more memory than the head says");
    }
    //= docs/container-format.md#C-26
    PAWL_TRY(CheckEncoder(entry));
  }
  return Decoder(std::make_unique<Impl>(head, source, memory_limit, threads));
}

Status Decoder::DecodeFrame(std::size_t index, ByteView payload, ChunkSink& sink,
                            ByteView before) {
  Status status = impl_->DecodeFrame(index, payload, sink, before);
  if (status.has_value()) return status;
  return FailIn("frame " + std::to_string(index), std::move(status).error());
}

}  // namespace pawl::delta
