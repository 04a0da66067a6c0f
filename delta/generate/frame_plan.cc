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
// Recipes of one frame; the format admits twice as much.
constexpr std::uint64_t kRecipeGoal = 256ULL << 10;

std::vector<Range> ChunkRanges(std::uint64_t target_bytes) {
  std::vector<Range> chunks;
  for (std::uint64_t at = 0; at < target_bytes; at += kChunkBytes) {
    chunks.push_back({at, std::min(kChunkBytes, target_bytes - at)});
  }
  return chunks;
}

// In blocks. Smaller frames fetch less where little changes and cost 40 bytes of head each; larger ones
// compress better. Measured in docs/adr/0016-any-base-updates.md.
constexpr std::size_t kSmallestFrame = 1;
constexpr std::size_t kLargestPerSmallest = 32;
constexpr std::size_t kMaxFullFrames = 49152;  // a head of 2 MB, half of what the format admits

// So many zeros at the end of a block are taken for the rest of the last block of a file.
constexpr std::size_t kFillBytes = 8;

enum class BlockKind : std::uint8_t { kPlain, kEndsInZeros, kZero };

void AppendKinds(ByteView chunk, std::vector<BlockKind>& kinds) {
  for (std::size_t at = 0; at < chunk.size(); at += kFullUnitBytes) {
    const ByteView block =
        chunk.subspan(at, std::min<std::size_t>(kFullUnitBytes, chunk.size() - at));
    const ByteView end = block.last(std::min(kFillBytes, block.size()));
    const bool filled_up = IsAllZero(end);
    kinds.push_back(!filled_up            ? BlockKind::kPlain
                    : IsAllZero(block) ? BlockKind::kZero
                                       : BlockKind::kEndsInZeros);
  }
}

// The end of the frame that begins at block `begin`.
std::size_t FrameEnd(const std::vector<BlockKind>& kinds, std::size_t begin, std::size_t smallest) {
  const std::size_t chunk_end =
      std::min<std::size_t>((begin / kMaxFullFrameUnits + 1) * kMaxFullFrameUnits, kinds.size());
  std::size_t at = begin;
  while (at < chunk_end && kinds[at] == BlockKind::kZero) ++at;  // zeros cost nothing
  if (at == chunk_end) return at;
  const std::size_t limit = std::min(chunk_end, at + smallest * kLargestPerSmallest);
  for (std::size_t end = std::max(at + 1, begin + smallest); end < limit; ++end) {
    if (kinds[end - 1] != BlockKind::kPlain) return end;
  }
  return limit;
}

// The ends of all frames.
std::vector<std::size_t> CutFrames(const std::vector<BlockKind>& kinds, std::size_t smallest) {
  std::vector<std::size_t> cuts;
  for (std::size_t at = 0; at < kinds.size(); at = cuts.back()) {
    cuts.push_back(FrameEnd(kinds, at, smallest));
  }
  return cuts;
}

struct Cost {
  std::uint64_t payload_bytes = 0;
  std::uint64_t plain_bytes = 0;
  std::uint64_t recipe_bytes = 0;
};

Result<Cost> Estimate(const StreamBuilder& builder, const Range& chunk) {
  PAWL_ASSIGN_OR_RETURN(const PlainStreams streams, builder.Build(chunk));
  Cost cost;
  cost.plain_bytes = streams.control.size() + streams.difference.size() + streams.literal.size();
  cost.recipe_bytes = streams.recipe.size();
  if (cost.plain_bytes == streams.control.size() && streams.recipe.empty()) {
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
                      sum.plain_bytes + costs[i].plain_bytes <= kPlainGoal &&
                      sum.recipe_bytes + costs[i].recipe_bytes <= kRecipeGoal;
    if (!fits) {
      frames.push_back({chunks[i].begin, 0});
      sum = {};
      count = 0;
    }
    frames.back().length += chunks[i].length;
    sum.payload_bytes += costs[i].payload_bytes;
    sum.plain_bytes += costs[i].plain_bytes;
    sum.recipe_bytes += costs[i].recipe_bytes;
    ++count;
  }
  return frames;
}

}  // namespace

Result<std::vector<Range>> PlanFullFrames(const StreamBuilder& builder, std::uint64_t target_bytes,
                                          ProgressCounter& progress) {
  std::vector<BlockKind> kinds;
  for (const Range& chunk : ChunkRanges(target_bytes)) {
    PAWL_ASSIGN_OR_RETURN(const Bytes bytes, builder.Target(chunk));
    AppendKinds(bytes, kinds);
    progress.Add(chunk.length);
  }
  // Until the head is small enough; the last step gives one frame for each chunk.
  std::size_t smallest = kSmallestFrame;
  std::vector<std::size_t> cuts = CutFrames(kinds, smallest);
  while (cuts.size() > kMaxFullFrames && smallest < kMaxFullFrameUnits) {
    smallest *= 2;
    cuts = CutFrames(kinds, smallest);
  }
  std::vector<Range> frames;
  std::uint64_t begin = 0;
  for (const std::size_t cut : cuts) {
    const std::uint64_t end = std::min<std::uint64_t>(cut * kFullUnitBytes, target_bytes);
    frames.push_back({begin, end - begin});
    begin = end;
  }
  return frames;
}

Result<std::vector<Range>> PlanFrames(const StreamBuilder& builder, std::uint64_t target_bytes,
                                      unsigned threads, ProgressCounter& progress) {
  const std::vector<Range> chunks = ChunkRanges(target_bytes);
  std::vector<Cost> costs(chunks.size());
  PAWL_TRY(ParallelFor(threads, chunks.size(), [&](std::size_t i) -> Status {
    PAWL_ASSIGN_OR_RETURN(costs[i], Estimate(builder, chunks[i]));
    progress.Add(chunks[i].length);
    return {};
  }));
  return Group(chunks, costs);
}

}  // namespace pawl::delta
