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
constexpr std::size_t kSampleBytes = 1U << 19;

class MixedEncoder {
 public:
  MixedEncoder(const PlainStreams& streams, Machine machine) : streams_(streams), model_(machine) {
    result_.coded.push_back(static_cast<std::uint8_t>(machine));
  }

  MixedStream Encode(const std::vector<Addition>& additions) {
    BitEncoder encoder(result_.coded);
    PositionCursor positions(streams_.target, streams_.leaps);
    result_.costs.reserve(additions.size());
    for (const Addition& addition : additions) {
      const MixedCost before{encoder.coded_bits(), encoder.bits()};
      for (std::size_t done = 0; done < addition.length;) {
        const std::size_t count = std::min(DifferenceModel::kSegmentBytes, addition.length - done);
        fresh_.resize(count);
        const ByteView old = ByteView(streams_.old).subspan(addition.begin + done, count);
        for (std::size_t i = 0; i < count; ++i) {
          fresh_[i] = static_cast<std::uint8_t>(
              old[i] + streams_.difference[addition.begin + done + i]);
        }
        model_.Code(encoder, old, addition.source + done, positions.At(addition.target + done),
                    fresh_);
        done += count;
      }
      result_.costs.push_back(
          {encoder.coded_bits() - before.coded_bits, encoder.bits() - before.decoded_bits});
    }
    encoder.Finish();
    return std::move(result_);
  }

 private:
  const PlainStreams& streams_;
  DifferenceModel model_;
  MixedStream result_;
  Bytes fresh_;
};

}  // namespace

Result<std::vector<Addition>> AdditionsOf(const PlainStreams& streams) {
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
      additions.push_back({source, target, static_cast<std::size_t>(sum),
                           static_cast<std::size_t>(operation.length)});
      sum += operation.length;
    }
    target += operation.length;
  }
  if (sum != streams.difference.size() || sum != streams.old.size()) {
    return Fail(ErrorCode::kInternal, "operations do not fit the difference stream");
  }
  return additions;
}

MixedStream EncodeMixed(const PlainStreams& streams, const std::vector<Addition>& additions,
                        Machine machine) {
  return MixedEncoder(streams, machine).Encode(additions);
}

Machine ChooseMachine(const PlainStreams& streams, const std::vector<Addition>& additions) {
  std::vector<Addition> sample;
  std::size_t bytes = 0;
  for (Addition addition : additions) {
    addition.length = std::min(addition.length, kSampleBytes - bytes);
    if (addition.length == 0) break;
    bytes += addition.length;
    sample.push_back(addition);
  }
  Machine chosen = Machine::kNone;
  std::size_t least = std::numeric_limits<std::size_t>::max();
  for (std::uint8_t machine = 0; machine < kMachineCount; ++machine) {
    const MixedStream coded = EncodeMixed(streams, sample, static_cast<Machine>(machine));
    if (coded.coded.size() >= least) continue;
    least = coded.coded.size();
    chosen = static_cast<Machine>(machine);
  }
  return chosen;
}

}  // namespace pawl::delta
