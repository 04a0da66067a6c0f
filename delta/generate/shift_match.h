// SPDX-License-Identifier: Apache-2.0
#pragma once

// Layer 1 continued: equal bytes at any distance. Blocks of the old image are indexed by a rolling
// hash which is then rolled over what is unmatched of the new image (rsync's method; HDiffPatch's
// match_block does the same before its suffix sort). Internal to delta/generate.

#include <vector>

#include "base/block_io.h"
#include "base/result.h"
#include "delta/generate/parallel.h"
#include "delta/generate/piece.h"

namespace pawl::delta {

class ShiftIndex {
 public:
  static constexpr std::size_t kBlockBytes = 1024;

  // Indexes the whole old image. ERRORS: kIo.
  static Result<ShiftIndex> Build(RandomReader& old_image);

  // Equal pieces for `text`, which lies at `target` of the new image. Every piece is compared with
  // the old image and extended in both directions inside `text`. ERRORS: kIo.
  Result<Pieces> Match(RandomReader& old_image, std::uint64_t target, ByteView text) const;

 private:
  struct Entry {
    std::uint64_t hash;
    std::uint64_t block;
  };
  const Entry* Find(std::uint64_t hash) const;

  std::vector<Entry> entries_;         // by hash, then by block
  std::vector<std::uint64_t> filter_;   // one bit per hash value that occurs
  unsigned filter_shift_ = 63;
};

}  // namespace pawl::delta
