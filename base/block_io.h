// SPDX-License-Identifier: Apache-2.0
#pragma once

// The two smallest views of storage that delta decoding and slot measurement share. Bytes from the start of the device or image.

#include <cstdint>

#include "base/bytes.h"
#include "base/result.h"

namespace pawl {

// Images are cut into chunks of this size; digests, frames and repairs are in whole chunks (the last one may be shorter).
inline constexpr std::uint64_t kChunkBytes = 1U << 20;

constexpr std::uint64_t ChunkCount(std::uint64_t image_bytes) {
  return image_bytes / kChunkBytes + (image_bytes % kChunkBytes != 0 ? 1 : 0);
}

class RandomReader {
 public:
  virtual ~RandomReader() = default;
  // Reads exactly out.size() bytes at `offset`. ERRORS: kIo (also past the end). On error `out` is unspecified.
  virtual Status ReadAt(std::uint64_t offset, ByteSpan out) = 0;
  virtual std::uint64_t SizeBytes() const = 0;
};

}  // namespace pawl
