// SPDX-License-Identifier: Apache-2.0
#include "delta/generate/frame_encoder.h"

#include <algorithm>

#include "delta/apply/payload.h"
#include "delta/generate/fast_hash.h"
#include "delta/generate/recode_frame.h"

namespace pawl::delta {
namespace {

// Inside similar pieces, equal runs of this length become copies of their own: shorter ones are
// cheaper as zeros in the difference stream than as two more operations.
constexpr std::size_t kMinCopyRun = 2048;
constexpr std::uint64_t kReadStep = 64ULL << 10;

// Writes the operations of one frame; neighbours of one kind that continue each other become one.
class OperationWriter {
 public:
  explicit OperationWriter(Bytes& control) : out_(control) {}

  void Add(OperationKind kind, std::uint64_t length, std::uint64_t source) {
    if (length == 0) return;
    if (pending_length_ != 0 && kind == pending_kind_ &&
        (!ReadsSource(kind) || source == pending_source_ + pending_length_)) {
      pending_length_ += length;
      return;
    }
    Flush();
    pending_kind_ = kind;
    pending_length_ = length;
    pending_source_ = source;
  }
  void Flush() {
    if (pending_length_ == 0) return;
    Operation operation;
    operation.kind = pending_kind_;
    operation.length = pending_length_;
    if (ReadsSource(pending_kind_)) {
      operation.backward = pending_source_ < position_;
      operation.distance = operation.backward ? position_ - pending_source_
                                              : pending_source_ - position_;
      position_ = pending_source_ + pending_length_;
    }
    WriteOperation(out_, operation);
    pending_length_ = 0;
  }

 private:
  ByteWriter out_;
  OperationKind pending_kind_ = OperationKind::kZero;
  std::uint64_t pending_length_ = 0;
  std::uint64_t pending_source_ = 0;
  std::uint64_t position_ = 0;
};

// Calls visit(offset, length) for steps of a range.
template <class Visit>
Status InSteps(std::uint64_t length, Visit visit) {
  for (std::uint64_t at = 0; at < length; at += kReadStep) {
    PAWL_TRY(visit(at, static_cast<std::size_t>(std::min(kReadStep, length - at))));
  }
  return {};
}

class RangeBuilder {
 public:
  RangeBuilder(RandomReader* old_image, RandomReader& new_image, PlainStreams& out)
      : old_(old_image), new_(new_image), out_(out), operations_(out.control) {}

  Status Literal(const Range& target) {
    operations_.Add(OperationKind::kLiteral, target.length, 0);
    const std::size_t begin = out_.literal.size();
    out_.literal.resize(begin + static_cast<std::size_t>(target.length));
    return new_.ReadAt(target.begin, ByteSpan(out_.literal).subspan(begin));
  }

  // `address`: what operations call the piece's source.
  Status Place(const Piece& piece, std::uint64_t address) {
    switch (piece.kind) {
      case PieceKind::kZero:
        operations_.Add(OperationKind::kZero, piece.length, 0);
        return {};
      case PieceKind::kBlock:
      case PieceKind::kShifted:
        operations_.Add(OperationKind::kCopy, piece.length, address);
        return {};
      case PieceKind::kSimilar:
        return Similar(piece, address);
    }
    return {};
  }
  void Finish() { operations_.Flush(); }

 private:
  Status Similar(const Piece& piece, std::uint64_t address) {
    return InSteps(piece.length, [&](std::uint64_t at, std::size_t length) -> Status {
      Bytes difference(length);
      Bytes old(length);
      PAWL_TRY(new_.ReadAt(piece.target + at, difference));
      PAWL_TRY(old_->ReadAt(piece.source + at, old));
      for (std::size_t i = 0; i < length; ++i) {
        difference[i] = static_cast<std::uint8_t>(difference[i] - old[i]);
      }
      Split(difference, old, address + at);
      return {};
    });
  }

  // Cuts a difference into copies (long runs of zeros) and adds.
  void Split(ByteView difference, ByteView old, std::uint64_t source) {
    std::size_t added_to = 0;
    for (std::size_t i = 0; i < difference.size();) {
      if (difference[i] != 0) {
        ++i;
        continue;
      }
      std::size_t end = i + 1;
      while (end < difference.size() && difference[end] == 0) ++end;
      if (end - i >= kMinCopyRun) {
        AddDifference(difference.subspan(added_to, i - added_to), old.subspan(added_to),
                      source + added_to);
        operations_.Add(OperationKind::kCopy, end - i, source + i);
        added_to = end;
      }
      i = end;
    }
    AddDifference(difference.subspan(added_to), old.subspan(added_to), source + added_to);
  }
  // `old` may be longer than `part`.
  void AddDifference(ByteView part, ByteView old, std::uint64_t source) {
    operations_.Add(OperationKind::kAdd, part.size(), source);
    out_.difference.insert(out_.difference.end(), part.begin(), part.end());
    out_.old.insert(out_.old.end(), old.begin(), old.begin() + static_cast<std::ptrdiff_t>(part.size()));
  }

  RandomReader* old_;
  RandomReader& new_;
  PlainStreams& out_;
  OperationWriter operations_;
};

}  // namespace

Result<PlainStreams> StreamBuilder::Build(const Range& target) const {
  if (plan_ != nullptr) return BuildRecoded(target);
  PlainStreams streams;
  streams.target = target.begin;
  RangeBuilder builder(old_, new_, streams);
  std::uint64_t at = target.begin;
  auto piece = std::ranges::upper_bound(pieces_, at, {}, &Piece::target);
  if (piece != pieces_.begin()) --piece;
  for (; piece != pieces_.end() && piece->target < target.end(); ++piece) {
    const std::uint64_t piece_end = piece->target + piece->length;
    if (piece_end <= at) continue;
    if (piece->target > at) PAWL_TRY(builder.Literal({at, piece->target - at}));
    Piece part = *piece;
    part.target = std::max(at, piece->target);
    part.source += part.target - piece->target;
    part.length = std::min(piece_end, target.end()) - part.target;
    PAWL_TRY(builder.Place(part, part.source));
    at = part.target + part.length;
  }
  if (at < target.end()) PAWL_TRY(builder.Literal({at, target.end() - at}));
  builder.Finish();
  return streams;
}

Result<PlainStreams> StreamBuilder::BuildRecoded(const Range& target) const {
  PAWL_ASSIGN_OR_RETURN(const RecodedFrame frame, RecodeFrame(*plan_, pieces_, target));
  PlainStreams streams;
  streams.target = target.begin;
  streams.leaps = frame.recipe.Leaps();
  streams.within_limits = frame.within_limits;
  if (!frame.recipe.empty()) {
    streams.recipe = EncodeRecipe(frame.recipe);
    streams.recipe_memory_bytes = MemoryOf(frame.recipe, plan_->transforms()).total();
    streams.within_limits &= streams.recipe.size() <= kMaxRecipeBytes;
  }
  RangeBuilder builder(old_, new_, streams);
  for (const PlainRun& run : frame.runs) {
    std::uint64_t at = run.view.begin;
    for (const AddressedPiece& part : run.pieces) {
      if (part.piece.target > at) PAWL_TRY(builder.Literal({at, part.piece.target - at}));
      PAWL_TRY(builder.Place(part.piece, part.address));
      at = part.piece.target + part.piece.length;
    }
    if (at < run.view.end()) PAWL_TRY(builder.Literal({at, run.view.end() - at}));
  }
  builder.Finish();
  return streams;
}

Result<PlainStreams> StreamBuilder::BuildLiteral(const Range& target) const {
  PlainStreams streams;
  streams.target = target.begin;
  RangeBuilder builder(old_, plan_ != nullptr ? plan_->new_image() : new_, streams);
  PAWL_TRY(builder.Literal(target));
  builder.Finish();
  return streams;
}

Result<Bytes> StreamBuilder::Target(const Range& target) const {
  Bytes bytes(static_cast<std::size_t>(target.length));
  PAWL_TRY(new_.ReadAt(target.begin, bytes));
  return bytes;
}

}  // namespace pawl::delta
