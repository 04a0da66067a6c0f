// SPDX-License-Identifier: Apache-2.0
#pragma once

// The block index of an image: a short digest of each of its 4 KiB blocks, so that a device can find
// what it has of a new image whatever it runs. The digests are hints and never proof: what is made with
// their help counts only when its chunks equal the signed digests.
// Source: docs/manifest-format.md, "Block index".

#include <cstdint>
#include <vector>

#include "base/block_io.h"
#include "base/bytes.h"
#include "base/result.h"

namespace pawl::delta {

inline constexpr std::uint64_t kIndexBlockBytes = 4096;
// An index that a device is willing to hold: about 2 GiB of content that is not zero. Images above it
// are fetched in full where no delta fits.
inline constexpr std::uint64_t kMaxBlockIndexBytes = 4ULL << 20;

// The first eight bytes of the block's SHA-256, big-endian. The last block of an image may be shorter.
std::uint64_t BlockDigest(ByteView block);

class BlockIndex {
 public:
  // ERRORS: kBlockIndexMalformed unless `bytes` is an index of an image of `image_bytes`.
  static Result<BlockIndex> Parse(ByteView bytes, std::uint64_t image_bytes);

  std::uint64_t image_bytes() const { return image_bytes_; }
  std::uint64_t BlockCount() const;
  // Is the block anything but zeros?
  bool IsFilled(std::uint64_t block) const { return (unsigned{filled_[block / 8]} >> (block % 8) & 1U) != 0; }
  // The digests of the filled blocks, in order.
  const std::vector<std::uint64_t>& digests() const { return digests_; }
  // How many filled blocks lie before `block`: its place in digests() when it is filled.
  std::size_t FilledBefore(std::uint64_t block) const;

 private:
  std::uint64_t image_bytes_ = 0;
  Bytes filled_;                    // a bit for each block
  std::vector<std::uint32_t> sums_;  // filled blocks before each 64 bytes of filled_
  std::vector<std::uint64_t> digests_;
};

// The one encoding. ERRORS: kIo from the reader.
Result<Bytes> MakeBlockIndex(RandomReader& image);

}  // namespace pawl::delta
