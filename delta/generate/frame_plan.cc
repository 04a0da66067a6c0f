// SPDX-License-Identifier: Apache-2.0
#include "delta/generate/frame_plan.h"

#include <algorithm>

#include "delta/generate/stream_encoder.h"

namespace pawl::delta {
namespace {

constexpr int kEstimateLevel = 1;
// By the estimate, which is a third above what the best codecs make of it.
constexpr std::uint64_t kPayloadGoal = 5ULL << 19;
// Plain streams of one frame: bounds what each thread holds while it encodes.
constexpr std::uint64_t kPlainGoal = 24ULL << 20;

struct Cost {
  std::uint64_t payload_bytes = 0;
  std::uint64_t plain_bytes = 0;
};

Result<Cost> Estimate(const StreamBuilder& builder, const Range& chunk) {
  PAWL_ASSIGN_OR_RETURN(const PlainStreams streams, builder.Build(chunk));
  Cost cost;
  cost.plain_bytes = streams.control.size() + streams.difference.size() + streams.literal.size();
  if (cost.plain_bytes == streams.control.size()) {
    cost.payload_bytes = cost.plain_bytes;
    return cost;
  }
  PAWL_ASSIGN_OR_RETURN(const EncodedFrame frame, StreamEncoder({.zstd_level = kEstimateLevel}).Encode(streams));
  cost.payload_bytes = frame.payload.size();
  return cost;
}

std::vector<Range> Group(const std::vector<Range>& chunks, const std::vector<Cost>& costs) {
  std::vector<Range> frames;
  Cost sum;
  std::uint32_t count = 0;
  for (std::size_t i = 0; i < chunks.size(); ++i) {
    const bool fits = count != 0 && count < kMaxFrameChunks &&
                      sum.payload_bytes + costs[i].payload_bytes <= kPayloadGoal &&
                      sum.plain_bytes + costs[i].plain_bytes <= kPlainGoal;
    if (!fits) {
      frames.push_back({chunks[i].begin, 0});
      sum = {};
      count = 0;
    }
    frames.back().length += chunks[i].length;
    sum.payload_bytes += costs[i].payload_bytes;
    sum.plain_bytes += costs[i].plain_bytes;
    ++count;
  }
  return frames;
}

}  // namespace

Result<std::vector<Range>> PlanFrames(const StreamBuilder& builder, std::uint64_t target_bytes,
                                      bool full, unsigned threads, ProgressCounter& progress) {
  std::vector<Range> chunks;
  for (std::uint64_t at = 0; at < target_bytes; at += kChunkBytes) {
    chunks.push_back({at, std::min(kChunkBytes, target_bytes - at)});
  }
  if (full) {
    progress.Add(target_bytes);
    return chunks;
  }
  std::vector<Cost> costs(chunks.size());
  PAWL_TRY(ParallelFor(threads, chunks.size(), [&](std::size_t i) -> Status {
    PAWL_ASSIGN_OR_RETURN(costs[i], Estimate(builder, chunks[i]));
    progress.Add(chunks[i].length);
    return {};
  }));
  return Group(chunks, costs);
}

}  // namespace pawl::delta
