// SPDX-License-Identifier: Apache-2.0
#pragma once

// Compressed blocks of the source as plain bytes. Internal to delta/.
//
// Nobody has authenticated the source: an attacker may have written it. An extent is read into
// memory as a whole, hashed and compared with the (authenticated) recipe, and blocks are decoded
// from those very bytes; what does not fit never reaches a decompressor.

#include <cstdint>
#include <functional>
#include <list>
#include <optional>
#include <unordered_map>

#include "base/block_io.h"
#include "base/bytes.h"
#include "base/result.h"
#include "delta/apply/recipe.h"

namespace pawl::delta {

// Which blocks are held decoded: the least recently used go first. The format bounds the work of a
// frame by this rule, so that the generator reckons with it too.
class DecodedBlocks {
 public:
  // True when `block` is held; it is then the most recently used.
  bool Touch(std::size_t block);
  // Makes room for `bytes` and notes that `block` is held; `drop` is called for each that goes.
  void Insert(std::size_t block, std::uint64_t bytes, const std::function<void(std::size_t)>& drop);

 private:
  struct Held {
    std::size_t block;
    std::uint64_t bytes;
  };
  std::list<Held> held_;  // most recently used first
  std::unordered_map<std::size_t, std::list<Held>::iterator> places_;
  std::uint64_t bytes_ = 0;
};

class SourceBlocks {
 public:
  using DecodeFunction = std::function<Status(BlockCoding, ByteView coded, ByteSpan plain)>;

  // Both borrowed. `source` may be null when the recipe has no extents. `decode`: tests count what
  // gets there.
  SourceBlocks(RandomReader* source, const Recipe& recipe, DecodeFunction decode = DecodeBlock)
      : source_(source), recipe_(recipe), decode_(std::move(decode)) {}

  // Reads plain bytes of the recipe's blocks, laid end to end. REQUIRES: the range lies inside.
  // ERRORS: kSourceBlockMismatch (also when the source cannot be read); kDecodeFailed;
  // kContainerMalformed when the frame asks for more work than the format admits.
  Status Read(std::uint64_t at, ByteSpan out);

 private:
  Result<const Bytes*> Decoded(std::size_t block);
  Status LoadExtent(std::uint32_t extent);
  Status Spend(std::uint64_t bytes);

  RandomReader* source_;
  const Recipe& recipe_;
  DecodeFunction decode_;
  std::optional<std::uint32_t> loaded_;  // the extent in coded_
  Bytes coded_;
  DecodedBlocks held_;
  std::unordered_map<std::size_t, Bytes> decoded_;
  std::size_t last_ = 0;     // block that was read last: reads go mostly forward
  std::uint64_t spent_ = 0;  // bytes read, decoded and made so far
};

}  // namespace pawl::delta
