// SPDX-License-Identifier: Apache-2.0
#include "delta/apply/block_index.h"

#include <algorithm>
#include <array>
#include <bit>
#include <string>

#include "base/hash.h"

namespace pawl::delta {
namespace {

constexpr std::array<std::uint8_t, 8> kIndexMagic = {'P', 'A', 'W', 'L', 'I', 'D', 'X', '\n'};
constexpr std::size_t kIndexHeaderBytes = 16;
constexpr std::size_t kDigestBytes = 8;
constexpr std::size_t kSumStep = 64;  // bytes of the bit map

std::uint64_t BlocksOf(std::uint64_t image_bytes) {
  return image_bytes / kIndexBlockBytes + (image_bytes % kIndexBlockBytes != 0 ? 1 : 0);
}

std::unexpected<Error> Malformed(const std::string& what) {
  return Fail(ErrorCode::kBlockIndexMalformed, "block index: " + what);
}

std::uint64_t ReadBigEndian(ByteView bytes) {
  std::uint64_t value = 0;
  for (const std::uint8_t byte : bytes.first(kDigestBytes)) value = value << 8 | byte;
  return value;
}

}  // namespace

std::uint64_t BlockDigest(ByteView block) { return ReadBigEndian(HashSha256(block).bytes); }

std::uint64_t BlockIndex::BlockCount() const { return BlocksOf(image_bytes_); }

//= docs/manifest-format.md#M-49
Result<BlockIndex> BlockIndex::Parse(ByteView bytes, std::uint64_t image_bytes) {
  const auto map_bytes = static_cast<std::size_t>((BlocksOf(image_bytes) + 7) / 8);
  if (bytes.size() < kIndexHeaderBytes + map_bytes ||
      !std::ranges::equal(bytes.first(kIndexMagic.size()), kIndexMagic)) {
    return Malformed("this is none, or it ends early");
  }
  ByteReader in(bytes.subspan(kIndexMagic.size()));
  PAWL_ASSIGN_OR_RETURN(const std::uint64_t stated, in.U64());
  if (stated != image_bytes) {
    return Malformed("expected one of " + std::to_string(image_bytes) + " bytes, found " +
                     std::to_string(stated));
  }
  BlockIndex index;
  index.image_bytes_ = image_bytes;
  const ByteView map = bytes.subspan(kIndexHeaderBytes, map_bytes);
  index.filled_.assign(map.begin(), map.end());
  std::uint32_t filled = 0;
  for (std::size_t i = 0; i < map.size(); ++i) {
    if (i % kSumStep == 0) index.sums_.push_back(filled);
    filled += static_cast<std::uint32_t>(std::popcount(map[i]));
  }
  const std::uint64_t spare = map_bytes * 8 - index.BlockCount();
  if (spare != 0 && map.back() >> (8 - spare) != 0) return Malformed("blocks behind the end");
  const ByteView digests = bytes.subspan(kIndexHeaderBytes + map_bytes);
  if (digests.size() != std::size_t{filled} * kDigestBytes) {
    return Malformed("expected " + std::to_string(filled) + " digests, found " +
                     std::to_string(digests.size()) + " bytes");
  }
  index.digests_.reserve(filled);
  for (std::size_t at = 0; at < digests.size(); at += kDigestBytes) {
    index.digests_.push_back(ReadBigEndian(digests.subspan(at)));
  }
  return index;
}

std::size_t BlockIndex::FilledBefore(std::uint64_t block) const {
  const auto byte = static_cast<std::size_t>(block / 8);
  if (sums_.empty()) return 0;
  const std::size_t step = std::min(byte / kSumStep, sums_.size() - 1);
  std::size_t sum = sums_[step];
  for (std::size_t i = step * kSumStep; i < byte; ++i) {
    sum += static_cast<std::size_t>(std::popcount(filled_[i]));
  }
  if (block % 8 == 0) return sum;
  return sum + static_cast<std::size_t>(std::popcount(
                   static_cast<std::uint8_t>(filled_[byte] & ((1U << (block % 8)) - 1))));
}

Result<Bytes> MakeBlockIndex(RandomReader& image) {
  const std::uint64_t size = image.SizeBytes();
  Bytes out;
  ByteWriter writer(out);
  writer.Append(kIndexMagic);
  writer.U64(size);
  const auto map_bytes = static_cast<std::size_t>((BlocksOf(size) + 7) / 8);
  out.resize(kIndexHeaderBytes + map_bytes);
  Bytes chunk;
  for (std::uint64_t offset = 0; offset < size; offset += kChunkBytes) {
    chunk.resize(static_cast<std::size_t>(std::min(kChunkBytes, size - offset)));
    PAWL_TRY(image.ReadAt(offset, chunk));
    for (std::size_t at = 0; at < chunk.size(); at += kIndexBlockBytes) {
      const ByteView block =
          ByteView(chunk).subspan(at, std::min<std::size_t>(kIndexBlockBytes, chunk.size() - at));
      if (IsAllZero(block)) continue;
      const std::uint64_t number = (offset + at) / kIndexBlockBytes;
      std::uint8_t& bits = out[kIndexHeaderBytes + static_cast<std::size_t>(number / 8)];
      bits = static_cast<std::uint8_t>(bits | 1U << (number % 8));
      const Sha256Digest digest = HashSha256(block);
      out.insert(out.end(), digest.bytes.begin(), digest.bytes.begin() + kDigestBytes);
    }
  }
  return out;
}

}  // namespace pawl::delta
