// SPDX-License-Identifier: Apache-2.0
#include "delta/apply/local_blocks.h"

#include <algorithm>
#include <limits>
#include <numeric>

namespace pawl::delta {
namespace {

constexpr std::uint32_t kMissing = std::numeric_limits<std::uint32_t>::max();
constexpr std::uint32_t kInPlace = kMissing - 1;
constexpr std::uint64_t kMaxBlocks = kInPlace;  // 16 TiB

// On a cellular link a request costs about as much time as so many bytes.
constexpr std::uint64_t kRequestBytes = 1024;

// Calls visit(block number, bytes) for the blocks of the first `bytes` of a slot; parts that cannot be
// read are passed over.
template <class Visit>
void ForEachBlock(RandomReader& slot, std::uint64_t bytes, const ProgressFunction& progress,
                  Visit visit) {
  Bytes chunk;
  for (std::uint64_t offset = 0; offset < bytes; offset += kChunkBytes) {
    chunk.resize(static_cast<std::size_t>(std::min(kChunkBytes, bytes - offset)));
    if (slot.ReadAt(offset, chunk)) {
      for (std::size_t at = 0; at < chunk.size(); at += kIndexBlockBytes) {
        visit((offset + at) / kIndexBlockBytes,
              ByteView(chunk).subspan(at, std::min<std::size_t>(kIndexBlockBytes, chunk.size() - at)));
      }
    }
    if (progress) progress(offset + chunk.size(), bytes);
  }
}

}  // namespace

LocalBlocks::LocalBlocks(BlockIndex index)
    : index_(std::move(index)), where_(index_.digests().size(), kMissing) {}

LocalBlocks LocalBlocks::Find(BlockIndex index, RandomReader* in_place, RandomReader* elsewhere,
                              const ProgressFunction& progress) {
  LocalBlocks local(std::move(index));
  if (in_place != nullptr) local.FindInPlace(*in_place, progress);
  if (elsewhere != nullptr) local.FindElsewhere(*elsewhere, progress);
  return local;
}

void LocalBlocks::FindInPlace(RandomReader& slot, const ProgressFunction& progress) {
  ForEachBlock(slot, std::min(slot.SizeBytes(), index_.image_bytes()), progress,
               [&](std::uint64_t block, ByteView bytes) {
                 if (!index_.IsFilled(block)) return;
                 const std::size_t next = index_.FilledBefore(block);
                 if (BlockDigest(bytes) == index_.digests()[next]) where_[next] = kInPlace;
               });
}

void LocalBlocks::FindElsewhere(RandomReader& slot, const ProgressFunction& progress) {
  const std::vector<std::uint64_t>& digests = index_.digests();
  std::vector<std::uint32_t> order(digests.size());
  std::iota(order.begin(), order.end(), 0U);
  std::ranges::sort(order, {}, [&](std::uint32_t i) { return std::pair(digests[i], i); });
  std::vector<bool> seen(order.size());
  const std::uint64_t bytes = std::min(slot.SizeBytes(), kMaxBlocks * kIndexBlockBytes);
  ForEachBlock(slot, bytes, progress, [&](std::uint64_t block, ByteView content) {
    if (IsAllZero(content)) return;
    const std::uint64_t digest = BlockDigest(content);
    const auto first =
        std::ranges::lower_bound(order, digest, {}, [&](std::uint32_t i) { return digests[i]; });
    if (first == order.end() || digests[*first] != digest) return;
    // Once for each digest: content that both images repeat often must not cost its square.
    const auto place = static_cast<std::size_t>(first - order.begin());
    if (seen[place]) return;
    seen[place] = true;
    for (auto at = first; at != order.end() && digests[*at] == digest; ++at) {
      if (where_[*at] == kMissing) where_[*at] = static_cast<std::uint32_t>(block);
    }
  });
}

LocalBlocks::Found LocalBlocks::Where(std::uint64_t block) const {
  if (!index_.IsFilled(block)) return {Place::kZero, 0};
  const std::uint32_t where = where_[index_.FilledBefore(block)];
  if (where == kMissing) return {Place::kMissing, 0};
  if (where == kInPlace) return {Place::kInPlace, block};
  return {Place::kElsewhere, where};
}

bool LocalBlocks::Covers(std::uint64_t begin, std::uint64_t length) const {
  for (std::uint64_t block = begin / kIndexBlockBytes; block * kIndexBlockBytes < begin + length; ++block) {
    if (Where(block).place == Place::kMissing) return false;
  }
  return true;
}

LocalBlocks::Count LocalBlocks::CountBlocks() const {
  Count count;
  count.zero = index_.BlockCount() - where_.size();
  for (const std::uint32_t where : where_) {
    if (where == kMissing) {
      ++count.missing;
    } else if (where == kInPlace) {
      ++count.in_place;
    } else {
      ++count.elsewhere;
    }
  }
  return count;
}

std::vector<bool> FramesToFetch(const Head& full, const std::vector<bool>& wanted,
                                const LocalBlocks* local, const std::vector<bool>& distrusted) {
  std::vector<bool> frames(full.frames.size());
  for (std::size_t i = 0; i < frames.size(); ++i) {
    // A frame of a full container lies inside one chunk.
    const std::uint64_t begin = full.FrameBegin(i);
    const auto chunk = static_cast<std::size_t>(begin / kChunkBytes);
    if (!wanted[chunk]) continue;
    frames[i] = local == nullptr || distrusted[chunk] || !local->Covers(begin, full.FrameTargetBytes(i));
  }
  return frames;
}

std::vector<FrameRun> PlanRequests(const Head& full, const std::vector<bool>& frames) {
  std::vector<FrameRun> runs;
  for (std::size_t i = 0; i < frames.size(); ++i) {
    if (!frames[i]) continue;
    const Frame* last = runs.empty() ? nullptr : &full.frames[runs.back().end - 1];
    if (last != nullptr &&
        full.frames[i].payload_offset <= last->payload_offset + last->payload_bytes + kRequestBytes) {
      runs.back().end = i + 1;
    } else {
      runs.push_back({i, i + 1});
    }
  }
  return runs;
}

FetchPlan PlanFetch(const Head& full, const LocalBlocks& local) {
  const std::vector<bool> all(static_cast<std::size_t>(ChunkCount(full.target.bytes)), true);
  const std::vector<bool> none(all.size(), false);
  FetchPlan plan;
  plan.runs = PlanRequests(full, FramesToFetch(full, all, &local, none));
  for (const FrameRun& run : plan.runs) {
    for (std::size_t i = run.first; i < run.end; ++i) plan.payload_bytes += full.frames[i].payload_bytes;
  }
  return plan;
}

}  // namespace pawl::delta
