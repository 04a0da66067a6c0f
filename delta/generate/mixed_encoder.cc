// SPDX-License-Identifier: Apache-2.0
#include "delta/generate/mixed_encoder.h"

#include <algorithm>
#include <limits>

#include "delta/apply/difference_model.h"
#include "delta/apply/payload.h"
#include "delta/apply/recipe.h"
#include "delta/generate/bit_encoder.h"

namespace pawl::delta {
namespace {

// Of the difference, to choose the machine by.
constexpr std::uint64_t kSampleBytes = 1ULL << 19;

// One add operation as a decoder meets it.
struct Addition {
  std::uint64_t source = 0;
  std::uint64_t target = 0;  // in the plain bytes of the frame
  std::uint64_t length = 0;
};

Result<std::vector<Addition>> Additions(const PlainStreams& streams) {
  std::vector<Addition> additions;
  ByteReader in(streams.control);
  SourceCursor cursor(std::numeric_limits<std::uint64_t>::max());
  std::uint64_t target = 0;  // plain bytes of the frame
  std::uint64_t sum = 0;
  while (!in.done()) {
    PAWL_ASSIGN_OR_RETURN(const Operation operation, ReadOperation(in));
    std::uint64_t source = 0;
    if (ReadsSource(operation.kind)) {
      PAWL_ASSIGN_OR_RETURN(source, cursor.Advance(operation));
    }
    if (operation.kind == OperationKind::kAdd) {
      additions.push_back({source, target, operation.length});
      sum += operation.length;
    }
    target += operation.length;
  }
  if (sum != streams.difference.size() || sum != streams.old.size()) {
    return Fail(ErrorCode::kInternal, "operations do not fit the difference stream");
  }
  return additions;
}

class MixedEncoder {
 public:
  MixedEncoder(const PlainStreams& streams, Machine machine) : streams_(streams), model_(machine) {
    result_.coded.push_back(static_cast<std::uint8_t>(machine));
  }

  MixedStream Encode(const std::vector<Addition>& additions, std::uint64_t limit) {
    BitEncoder encoder(result_.coded);
    PositionCursor positions(streams_.target, streams_.leaps);
    for (const Addition& addition : additions) {
      if (at_ >= limit) break;
      for (std::uint64_t done = 0; done < addition.length && at_ < limit;) {
        const auto count = static_cast<std::size_t>(
            std::min<std::uint64_t>(DifferenceModel::kSegmentBytes, addition.length - done));
        EncodeSegment(encoder, addition.source + done, positions.At(addition.target + done), count);
        done += count;
      }
    }
    encoder.Finish();
    result_.bits = encoder.bits();
    return std::move(result_);
  }

 private:
  void EncodeSegment(BitEncoder& encoder, std::uint64_t source, std::uint64_t target,
                     std::size_t count) {
    const ByteView old = ByteView(streams_.old).subspan(at_, count);
    fresh_.assign(old.begin(), old.end());
    for (std::size_t i = 0; i < count; ++i) {
      fresh_[i] = static_cast<std::uint8_t>(fresh_[i] + streams_.difference[at_ + i]);
    }
    model_.Code(encoder, old, source, target, fresh_);
    at_ += count;
  }

  const PlainStreams& streams_;
  DifferenceModel model_;
  MixedStream result_;
  Bytes fresh_;
  std::size_t at_ = 0;
};

}  // namespace

Result<MixedStream> EncodeMixed(const PlainStreams& streams) {
  PAWL_ASSIGN_OR_RETURN(const std::vector<Addition> additions, Additions(streams));
  const bool all = streams.difference.size() <= kSampleBytes;
  MixedStream best;
  Machine chosen = Machine::kNone;
  for (std::uint8_t machine = 0; machine < kMachineCount; ++machine) {
    MixedStream sample = MixedEncoder(streams, static_cast<Machine>(machine))
                             .Encode(additions, all ? streams.difference.size() : kSampleBytes);
    if (machine != 0 && sample.coded.size() >= best.coded.size()) continue;
    best = std::move(sample);
    chosen = static_cast<Machine>(machine);
  }
  if (all) return best;
  return MixedEncoder(streams, chosen).Encode(additions, streams.difference.size());
}

}  // namespace pawl::delta
