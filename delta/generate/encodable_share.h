// SPDX-License-Identifier: Apache-2.0
#pragma once

// How many of an image's compressed blocks the encoders of this build make again exactly: what
// deltas of that image can look into. A sample, of bounded memory and time.

#include <cstdint>
#include <map>

#include "base/block_io.h"
#include "base/result.h"
#include "delta/apply/transform.h"
#include "delta/generate/found_blocks.h"

namespace pawl::delta {

// A sample has at most so many blocks, of so many plain bytes together, spread over the image.
inline constexpr std::size_t kMaxSampleBlocks = 512;
inline constexpr std::uint64_t kMaxSampleBytes = 64ULL << 20;
// When so many plain bytes have been through encoders, the sample ends: blocks that nothing makes
// are tried with everything.
inline constexpr std::uint64_t kMaxSampleWork = 256ULL << 20;

struct EncodableShare {
  struct Count {
    std::uint64_t tried = 0;
    std::uint64_t encodable = 0;
  };
  BlockHolder holder = BlockHolder::kNone;
  std::uint64_t image_bytes = 0;
  std::uint64_t blocks = 0;       // in the image; those that are stored as they are do not count
  std::uint64_t coded_bytes = 0;  // of these blocks
  std::map<TransformId, Count> sample;

  Count Total() const;
  // 0 … 100, rounded down; 100 when nothing was tried.
  std::uint64_t Percent() const;
};

// `threads` 0: one for each core; the result does not depend on it. ERRORS: those of the image.
Result<EncodableShare> MeasureEncodable(RandomReader& image, unsigned threads = 0);

}  // namespace pawl::delta
