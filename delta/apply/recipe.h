// SPDX-License-Identifier: Apache-2.0
#pragma once

// The recipe of a frame: which blocks of the source it decompresses, and how its plain bytes become
// bytes of the target. Internal to delta/. Source: docs/container-format.md, "Recipe".

#include <cstdint>
#include <vector>

#include "base/bytes.h"
#include "base/hash.h"
#include "base/result.h"
#include "delta/apply/block_codec.h"
#include "delta/apply/head.h"
#include "delta/apply/payload.h"

namespace pawl::delta {

// A compressed block of the source. Offsets and lengths in bytes.
struct SourceBlock {
  std::uint64_t offset = 0;  // in the source
  std::uint32_t coded = 0;
  std::uint32_t plain = 0;
  std::uint64_t unused = 0;       // addresses in front of its own that belong to nobody
  std::uint64_t plain_begin = 0;  // where its addresses begin, from the end of the source on
  std::uint32_t extent = 0;       // index
  BlockCoding coding = BlockCoding::kZstd;
};

// A run of the source that is authenticated as a whole before any block in it is decoded.
struct SourceExtent {
  std::uint64_t offset = 0;
  std::uint32_t bytes = 0;
  Sha256Digest sha256;
};

enum class SegmentKind : std::uint8_t {
  kRaw = 0,    // plain bytes are bytes of the target
  kDrop = 1,   // plain bytes that only the encoder of the segment before looks at
  kBlock = 2,  // plain bytes are encoded
};

struct Segment {
  SegmentKind kind = SegmentKind::kRaw;
  std::uint16_t transform = 0;  // index in the head's table
  std::uint64_t plain = 0;
  // For kBlock:
  std::uint32_t ahead = 0;  // plain bytes behind the block that its encoder sees too
  std::uint32_t zeros = 0;  // zero bytes in front of the encoded block (erofs aligns to the right)
  std::uint32_t coded = 0;  // length of the encoded block
  std::uint32_t skip = 0;   // of zeros and block, [skip, skip + take) go to the target
  std::uint32_t take = 0;
  std::uint32_t advance = 0;  // of the position of plain bytes, in front of the block's
};

// A place in the plain bytes of a frame where their position in the target leaps forward.
struct Leap {
  std::uint64_t at = 0;  // plain bytes before it
  std::uint64_t advance = 0;
};

// Positions of plain bytes, asked for in ascending order.
class PositionCursor {
 public:
  // `begin`: of the first one.
  PositionCursor(std::uint64_t begin, const std::vector<Leap>& leaps)
      : begin_(begin), leaps_(leaps) {}
  std::uint64_t At(std::uint64_t plain) {
    for (; next_ < leaps_.size() && leaps_[next_].at <= plain; ++next_) {
      begin_ += leaps_[next_].advance;
    }
    return begin_ + plain;
  }

 private:
  std::uint64_t begin_;
  const std::vector<Leap>& leaps_;
  std::size_t next_ = 0;
};

struct Recipe {
  std::vector<SourceExtent> extents;
  std::vector<SourceBlock> blocks;         // in order of offset
  std::vector<Segment> segments;           // in order of the frame's plain bytes
  std::uint64_t PlainBytes() const;        // of the frame
  std::uint64_t SourcePlainBytes() const;  // of all source blocks
  // Behind the last address of a source block.
  std::uint64_t SourcePlainEnd() const {
    return blocks.empty() ? 0 : blocks.back().plain_begin + blocks.back().plain;
  }
  std::vector<Leap> Leaps() const;
  // True when the frame transforms nothing: its recipe is then an empty stream.
  bool empty() const {
    return extents.empty() && segments.size() == 1 && segments[0].kind == SegmentKind::kRaw;
  }
};

// The recipe of frame `index` of `head`. Empty bytes: one raw segment. ERRORS: kContainerMalformed.
Result<Recipe> ParseRecipe(const Head& head, std::size_t index, ByteView bytes);
// The same from a payload's streams. ERRORS: kContainerMalformed, kDecodeFailed, kMemoryLimit.
Result<Recipe> ReadRecipe(const Head& head, std::size_t index, const PayloadStreams& streams);
// REQUIRES: within the limits of the format. `plain_begin` and `extent` of blocks are not written.
Bytes EncodeRecipe(const Recipe& recipe);

// What a decoder needs for a recipe, by the formula of the format (C-24). Bytes.
struct RecipeMemory {
  std::uint64_t fixed = 0;      // tables, an extent, decoded blocks, a decompressor
  std::uint64_t per_block = 0;  // for each block that is encoded at a time
  std::uint64_t total() const { return fixed + per_block; }
};
RecipeMemory MemoryOf(const Recipe& recipe, const std::vector<TransformEntry>& transforms);

}  // namespace pawl::delta
