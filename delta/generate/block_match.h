// SPDX-License-Identifier: Apache-2.0
#pragma once

// Layer 1: equal aligned blocks and zero blocks. Takes most of an image out of what is sorted
// later. Internal to delta/generate.

#include <vector>

#include "base/block_io.h"
#include "base/result.h"
#include "delta/apply/chunks.h"
#include "delta/generate/parallel.h"
#include "delta/generate/piece.h"

namespace pawl::delta {

inline constexpr std::uint64_t kMatchBlockBytes = 4096;  // file systems allocate in these

struct BlockMatches {
  ImageIdentity source;  // zero-sized without a source
  ImageDigests target;
  Pieces pieces;                   // kZero and kBlock
  std::vector<Range> old_unmatched;  // what no block match uses, without zero blocks; in order
};

// Reads each image once. `old_image` may be null. ERRORS: kIo.
Result<BlockMatches> MatchBlocks(RandomReader* old_image, RandomReader& new_image,
                                 ProgressCounter& progress);

// Appends `piece`, joined with the last one where it continues that.
void AppendPiece(Pieces& pieces, const Piece& piece);

}  // namespace pawl::delta
