// SPDX-License-Identifier: Apache-2.0
#pragma once

// Compressed blocks that an image holds, by its own structures. Images are hostile input: what is
// damaged or strange is left out and stays plain bytes; it is never an error.
// Internal to delta/generate. Offsets and lengths in bytes.

#include <cstdint>
#include <vector>

#include "base/block_io.h"
#include "base/result.h"
#include "delta/apply/block_codec.h"
#include "delta/apply/format.h"
#include "delta/apply/transform.h"

namespace pawl::delta {

struct FoundBlock {
  std::uint64_t offset = 0;  // in the image
  std::uint32_t coded = 0;
  std::uint32_t zeros = 0;   // that belong to the block and lie in front of `offset`
  std::uint32_t plain = 0;   // as far as known: exact, or the most it can be
  bool exact = false;        // `plain` is exact
  bool stored = false;       // the coded bytes are the plain ones; only to be looked at from before
  bool continues = false;    // the next block's plain bytes follow this one's in the same file
  std::uint16_t choice = 0;  // index of what may have encoded it
  std::uint32_t phase = 0;   // where the plain bytes lie in their file, modulo 4 KiB
  BlockCoding coding = BlockCoding::kZstd;
};

// What holds the blocks.
enum class BlockHolder : std::uint8_t {
  kNone,
  kSquashfs,
  kErofs,
  kMembers,  // .gz, .xz and .zst at any place of any image
};

struct FoundBlocks {
  BlockHolder holder = BlockHolder::kNone;
  std::vector<FoundBlock> blocks;  // in order of offset, apart from each other
  std::vector<std::vector<Transform>> choices;
};

// Looks with all finders. ERRORS: kIo from the image.
Result<FoundBlocks> FindBlocks(RandomReader& image);

// The finders; each returns nothing for an image that is not its own. ERRORS: kIo.
Result<FoundBlocks> FindSquashfsBlocks(RandomReader& image);
Result<FoundBlocks> FindErofsBlocks(RandomReader& image);
Result<FoundBlocks> FindMemberBlocks(RandomReader& image);

// Puts blocks in order of offset and drops those that overlap an earlier one or leave the image.
void SortBlocks(std::uint64_t image_bytes, FoundBlocks& found);

// An image as a finder reads it: behind the end and on errors there is nothing, and the first error
// is kept for the end.
class FinderReader {
 public:
  explicit FinderReader(RandomReader& image) : image_(image) {}
  // False when the range does not lie in the image or cannot be read.
  bool Read(std::uint64_t offset, ByteSpan out);
  std::uint64_t size() const { return image_.SizeBytes(); }
  const Status& status() const { return status_; }

 private:
  RandomReader& image_;
  Status status_;
};

// Little-endian integers inside a buffer. REQUIRES: they lie inside.
std::uint16_t Le16(ByteView bytes, std::size_t at);
std::uint32_t Le32(ByteView bytes, std::size_t at);
std::uint64_t Le64(ByteView bytes, std::size_t at);

}  // namespace pawl::delta
