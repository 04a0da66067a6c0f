// SPDX-License-Identifier: Apache-2.0
#include "delta/apply/transform.h"

#include <algorithm>
#include <array>
#include <string>

#include "delta/apply/block_codec.h"

namespace pawl::delta {
namespace {

constexpr std::uint64_t kBit = 1;
constexpr std::size_t kTextBytes = 256U << 10;
// The text is encoded in these pieces: encoders choose tables by the length of their input.
constexpr std::array<std::size_t, 3> kTextPieces = {8U << 10, 120U << 10, 128U << 10};

// Marsaglia's xorshift64 ("Xorshift RNGs", 2003), shifts 13, 7, 17.
class XorShift {
 public:
  std::uint64_t Next() {
    state_ ^= state_ << 13;
    state_ ^= state_ >> 7;
    state_ ^= state_ << 17;
    return state_;
  }

 private:
  std::uint64_t state_ = 0x5041574C;
};

}  // namespace

std::uint32_t LibraryVersion(TransformId id) {
  switch (id) {
    case TransformId::kZstd:
      return zstd_blocks::LibraryVersion();
    case TransformId::kXz:
      return lzma_blocks::LibraryVersion();
    case TransformId::kDeflate:
      return zlib_blocks::LibraryVersion();
    case TransformId::kLz4:
      return lz4_blocks::LibraryVersion();
  }
  return 0;
}

Transform ZstdTransform(int level, bool checksum, bool known_size) {
  return {TransformId::kZstd, 1,
          static_cast<std::uint64_t>(level) | (checksum ? kBit << 8 : 0) |
              (known_size ? kBit << 9 : 0)};
}

Transform XzTransform(unsigned preset, std::uint32_t dictionary_bytes, unsigned check,
                      bool one_shot, unsigned bcj) {
  return {TransformId::kXz, 1,
          std::uint64_t{preset} | std::uint64_t{check} << 8 | std::uint64_t{bcj} << 16 |
              (one_shot ? kBit << 24 : 0) | std::uint64_t{dictionary_bytes} << 32};
}

Transform DeflateTransform(int level, unsigned window_log, unsigned memory_level,
                           bool zlib_header) {
  return {TransformId::kDeflate, 1,
          static_cast<std::uint64_t>(level) | std::uint64_t{window_log} << 8 |
              std::uint64_t{memory_level} << 16 | (zlib_header ? kBit << 24 : 0)};
}

Transform Lz4Transform(unsigned level, std::uint32_t room) {
  return {TransformId::kLz4, 1, std::uint64_t{level} | std::uint64_t{room} << 32};
}

Bytes SelfTestText() {
  //= docs/container-format.md#C-27
  Bytes text;
  text.reserve(kTextBytes + 512);
  XorShift random;
  while (text.size() < kTextBytes) {
    const std::uint64_t r = random.Next();
    if ((r & 3) == 0) {
      for (unsigned i = 0; i < 8; ++i) text.push_back(static_cast<std::uint8_t>(r >> (8 * i)));
    } else {
      const std::size_t length = 4 + (r >> 8 & 63);
      const std::size_t distance = 1 + (r >> 16) % (text.size() + 1);
      for (std::size_t i = 0; i < length; ++i) {
        text.push_back(text.size() < distance ? std::uint8_t{0x20} : text[text.size() - distance]);
      }
    }
  }
  text.resize(kTextBytes);
  return text;
}

Result<Sha256Digest> SelfTest(const Transform& transform) {
  //= docs/container-format.md#C-27
  const Bytes text = SelfTestText();
  Bytes coded(static_cast<std::size_t>(MaxCodedBytes(transform, kTextPieces.back())));
  Sha256 hash;
  std::size_t at = 0;
  for (const std::size_t piece : kTextPieces) {
    for (ByteView left = ByteView(text).subspan(at, piece); !left.empty();) {
      PAWL_ASSIGN_OR_RETURN(const BlockLengths made, EncodeBlock(transform, left, coded));
      if (made.plain == 0) return Fail(ErrorCode::kInternal, "an encoder makes no progress");
      hash.Update(ByteView(coded).first(made.coded));
      left = left.subspan(made.plain);
    }
    at += piece;
  }
  return hash.Finish();
}

Result<TransformEntry> DescribeTransform(const Transform& transform, std::uint64_t block_bytes) {
  TransformEntry entry;
  entry.transform = transform;
  PAWL_ASSIGN_OR_RETURN(entry.self_test, SelfTest(transform));
  entry.encoder = LibraryVersion(transform.id);
  entry.memory_bytes = static_cast<std::uint32_t>(
      std::max(EncoderBytes(transform, block_bytes), EncoderBytes(transform, kTextPieces.back())));
  return entry;
}

Result<std::vector<TransformEntry>> AvailableTransforms() {
  constexpr std::uint64_t kBlock = 128U << 10;  // mksquashfs makes these
  constexpr unsigned kCrc32 = 1;
  const std::array transforms = {
      ZstdTransform(15, false, true),
      XzTransform(6, kBlock, kCrc32, true),
      DeflateTransform(9, 15, 8, true),
      Lz4Transform(12, 0),
      Lz4Transform(0, 4096),
      Lz4Transform(9, 4096),
  };
  std::vector<TransformEntry> available;
  for (const Transform& transform : transforms) {
    PAWL_ASSIGN_OR_RETURN(const TransformEntry entry, DescribeTransform(transform, kBlock));
    available.push_back(entry);
  }
  return available;
}

Status CheckEncoder(const TransformEntry& entry) {
  const std::string name = "transform " +
                           std::to_string(static_cast<unsigned>(entry.transform.id)) +
                           " with parameters " + std::to_string(entry.transform.parameters);
  //= docs/container-format.md#C-24
  if (const std::uint64_t needed = EncoderBytes(entry.transform, kTextPieces.back());
      needed > entry.memory_bytes) {
    return Fail(ErrorCode::kMemoryLimit, name + " needs " + std::to_string(needed) +
                                             " bytes of memory, the head says " +
                                             std::to_string(entry.memory_bytes));
  }
  //= docs/container-format.md#C-26
  PAWL_ASSIGN_OR_RETURN(const Sha256Digest found, SelfTest(entry.transform));
  if (found != entry.self_test) {
    return Fail(ErrorCode::kEncoderDiffers,
                name + ": expected self-test " + entry.self_test.Hex() + ", found " + found.Hex());
  }
  return {};
}

}  // namespace pawl::delta
