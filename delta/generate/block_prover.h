// SPDX-License-Identifier: Apache-2.0
#pragma once

// Finds out which encoder made a block: by making it again, with the code that devices run.
// Internal to delta/generate.

#include <cstdint>
#include <optional>
#include <vector>

#include "base/block_io.h"
#include "base/result.h"
#include "delta/apply/encoder_names.h"
#include "delta/generate/found_blocks.h"

namespace pawl::delta {

// How many blocks are tried with everything that may have encoded them.
inline constexpr std::size_t kTrialBlocks = 64;

// The coded bytes of a block. ERRORS: those of the image.
Result<Bytes> ReadFound(RandomReader& image, const FoundBlock& block);
// Its plain bytes; empty when it does not decode to what was announced. ERRORS: those of the image.
Result<Bytes> DecodeFound(RandomReader& image, const FoundBlock& block, Bytes& coded);

// The compressor that makes blocks of this coding.
TransformId EncoderOf(BlockCoding coding);
// Takes out choices of other families; without a set all stay.
void KeepAllowed(const std::optional<EncoderFamilies>& families, FoundBlocks& found);

// How a block was proved to be encoded.
struct Proof {
  Transform transform;
  std::uint32_t ahead = 0;  // bytes behind the block that the encoder must see
};

// Which of the choices of an image work, so that few blocks are tried with all of them. Changes
// only between batches: what is tried depends on the image, not on threads.
class Ranking {
 public:
  explicit Ranking(const std::vector<std::vector<Transform>>& choices);
  std::vector<Transform> Order(std::size_t choice) const;
  void Count(std::size_t choice, const std::optional<Proof>& proof);
  void Settle();

 private:
  struct Entry {
    Transform transform;
    std::size_t hits;
  };
  std::vector<std::vector<Entry>> lists_;
  std::size_t tried_ = 0;
};

// Borrows all its arguments. Safe for use by several threads at once.
class BlockProver {
 public:
  struct Attempt {
    Bytes input;                    // the plain bytes of the block, and then those ahead
    std::uint32_t plain_bytes = 0;  // 0: not decodable
    std::optional<Proof> proof;     // none: nothing in the order makes it
    std::uint64_t encoded_bytes = 0;  // plain bytes that went through encoders
  };

  // `decoder_memory`: in bytes; encoders that need more of a device are not tried.
  BlockProver(RandomReader& image, const FoundBlocks& found, std::uint64_t decoder_memory);

  // Tries `order` on block `index`. ERRORS: those of the image.
  Result<Attempt> Try(std::size_t index, const std::vector<Transform>& order) const;

 private:
  Result<Bytes> Ahead(std::size_t index, std::size_t want) const;
  bool FitsMemory(const Transform& transform, std::uint64_t input) const;
  Result<bool> TryAhead(std::size_t index, const Transform& transform, ByteView coded,
                        Attempt& attempt) const;

  RandomReader& image_;
  const FoundBlocks& found_;
  std::uint64_t block_memory_;  // for one block that is encoded
};

// Calls work(first, count) for runs of `list` with a bounded sum of plain bytes, the first of at
// most `first_batch` blocks.
template <class Work>
Status InBatches(const std::vector<FoundBlock>& blocks, const std::vector<std::size_t>& list,
                 std::size_t first_batch, Work work) {
  // Plain bytes that are held at a time while blocks are decoded and proved.
  constexpr std::uint64_t kBatchBytes = 32ULL << 20;
  std::size_t limit = first_batch;
  for (std::size_t first = 0; first < list.size();) {
    std::uint64_t bytes = 0;
    std::size_t count = 0;
    while (first + count < list.size() && count < limit && bytes < kBatchBytes) {
      bytes += blocks[list[first + count++]].plain;
    }
    PAWL_TRY(work(first, count));
    first += count;
    limit = list.size();
  }
  return {};
}

}  // namespace pawl::delta
