// SPDX-License-Identifier: Apache-2.0
#pragma once

// What a device has of a new image, and which frames of its full container it must fetch: any-base
// updates. Blocks are found by the hints of a block index; the slot that is being written counts only
// with what lies at its own place already, since everything else in it will be written over.
//
// Memory: 16 bytes for each filled block of the image while searching, 12 afterwards, with the index.
// Source: docs/adr/0016-any-base-updates.md.

#include <cstdint>
#include <vector>

#include "base/block_io.h"
#include "base/result.h"
#include "delta/apply/block_index.h"
#include "delta/apply/chunks.h"
#include "delta/apply/head.h"

namespace pawl::delta {

class LocalBlocks {
 public:
  enum class Place : std::uint8_t { kZero, kInPlace, kElsewhere, kMissing };
  struct Found {
    Place place = Place::kMissing;
    std::uint64_t block = 0;  // kElsewhere: its number there
  };

  // Reads `in_place` (what is being written) and `elsewhere` (the booted slot) once each, as far as they
  // go; either may be null. What cannot be read is not there. Both are read only here.
  static LocalBlocks Find(BlockIndex index, RandomReader* in_place, RandomReader* elsewhere,
                          const ProgressFunction& progress = {});

  Found Where(std::uint64_t block) const;
  // All blocks that touch the range. Bytes of target.
  bool Covers(std::uint64_t begin, std::uint64_t length) const;

  struct Count {
    std::uint64_t zero = 0;
    std::uint64_t in_place = 0;
    std::uint64_t elsewhere = 0;
    std::uint64_t missing = 0;
  };
  Count CountBlocks() const;

 private:
  explicit LocalBlocks(BlockIndex index);
  void FindInPlace(RandomReader& slot, const ProgressFunction& progress);
  void FindElsewhere(RandomReader& slot, const ProgressFunction& progress);

  BlockIndex index_;
  std::vector<std::uint32_t> where_;  // by filled block: its number elsewhere, or a mark
};

// A run of frames [first, end) that one request fetches.
struct FrameRun {
  std::size_t first = 0;
  std::size_t end = 0;
  bool operator==(const FrameRun&) const = default;
};

// Which frames of a full container must be fetched to make the `wanted` chunks. `local` null: all of
// them. `distrusted` chunks are fetched whole. Both lists hold a flag for each chunk of the target.
std::vector<bool> FramesToFetch(const Head& full, const std::vector<bool>& wanted,
                                const LocalBlocks* local, const std::vector<bool>& distrusted);

// Puts them into requests. Gaps that cost less than a request of their own are fetched too.
std::vector<FrameRun> PlanRequests(const Head& full, const std::vector<bool>& frames);

// What a device that has these blocks fetches of the full container, beside its head.
struct FetchPlan {
  std::vector<FrameRun> runs;
  std::uint64_t payload_bytes = 0;
};
FetchPlan PlanFetch(const Head& full, const LocalBlocks& local);

}  // namespace pawl::delta
