// SPDX-License-Identifier: Apache-2.0
// Images and blocks that are made to cost: time, memory, or the use of decoders that nobody looks after.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <string_view>

#include "delta/apply/block_codec.h"
#include "delta/apply/transform.h"
#include "delta/generate/found_blocks.h"

namespace pawl::delta {
namespace {

class MemoryReader : public RandomReader {
 public:
  explicit MemoryReader(const Bytes& bytes) : bytes_(bytes) {}
  Status ReadAt(std::uint64_t offset, ByteSpan out) override {
    if (!Contains(bytes_.size(), offset, out.size())) return Fail(ErrorCode::kIo, "past the end");
    std::copy_n(bytes_.begin() + static_cast<std::ptrdiff_t>(offset), out.size(), out.begin());
    return {};
  }
  std::uint64_t SizeBytes() const override { return bytes_.size(); }

 private:
  const Bytes& bytes_;
};

void Put(Bytes& image, std::size_t at, std::uint64_t value, std::size_t bytes) {
  for (std::size_t i = 0; i < bytes; ++i) {
    image.at(at + i) = static_cast<std::uint8_t>(value >> (8 * i));
  }
}

void PutText(Bytes& image, std::size_t at, std::string_view text) {
  for (const char c : text) image.at(at++) = static_cast<std::uint8_t>(c);
}

// erofs with `inodes` files, each of which claims all of the image as its index.
Bytes ErofsOfGreedyInodes(std::size_t inodes) {
  constexpr std::size_t kSize = 1 << 20;
  constexpr std::size_t kBlock = 4096;
  constexpr std::size_t kPerBlock = 340;
  Bytes image(kSize);
  Put(image, 1024, 0xE0F5E1E2, 4);
  image.at(1024 + 12) = 12;
  Put(image, 1024 + 14, 128, 2);  // the root's number: byte 4096
  Put(image, 1024 + 80, 1, 4);
  const std::size_t blocks = (inodes + kPerBlock - 1) / kPerBlock;
  const std::size_t first = 2 + blocks;  // block of the first inode
  Put(image, kBlock + 4, 0040755, 2);
  Put(image, kBlock + 8, blocks * kBlock, 4);
  Put(image, kBlock + 16, 2, 4);
  for (std::size_t i = 0; i < inodes; ++i) {
    const std::size_t block = 2 + i / kPerBlock;
    const std::size_t here = std::min(kPerBlock, inodes - i / kPerBlock * kPerBlock);
    const std::size_t entry = block * kBlock + i % kPerBlock * 12;
    Put(image, entry, first * 128 + i * 2, 8);
    Put(image, entry + 8, 12 * here, 2);
    const std::size_t inode = first * kBlock + i * 64;
    Put(image, inode, 3 << 1, 2);  // compact indexes
    Put(image, inode + 4, 0100644, 2);
    Put(image, inode + 8, ((kSize - inode - 64) / 4 - 64) * kBlock, 4);
  }
  return image;
}

TEST(HostileBlocksTest, InodesThatShareOneIndexDoNotMultiply) {
  Bytes bytes = ErofsOfGreedyInodes(1000);
  MemoryReader image(bytes);
  const auto found = FindErofsBlocks(image);
  ASSERT_TRUE(found.has_value());
  EXPECT_LE(found->blocks.size(), bytes.size() / 4096 * 2);
}

// A list of 1-byte blocks, four bytes for each, in metadata that is stored as it is.
Bytes SquashfsOfTinyBlocks(std::size_t metadata_blocks) {
  Bytes table(metadata_blocks * 8192, 0);
  Put(table, 0, 2, 2);  // a plain file
  Put(table, 12, 1, 4);
  Put(table, 20, 0xFFFFFFFF, 4);  // no fragment
  const std::size_t count = (table.size() - 32) / 4;
  Put(table, 28, count * 4096, 4);
  for (std::size_t i = 0; i < count; ++i) Put(table, 32 + 4 * i, 1, 4);
  Bytes image(96);
  for (std::size_t i = 0; i < metadata_blocks; ++i) {
    image.push_back(0x00);
    image.push_back(0xA0);  // 8192 bytes, stored
    const auto begin = table.begin() + static_cast<std::ptrdiff_t>(i * 8192);
    image.insert(image.end(), begin, begin + 8192);
  }
  PutText(image, 0, "hsqs");
  Put(image, 4, 1, 4);
  Put(image, 12, 4096, 4);
  Put(image, 20, 1, 2);
  Put(image, 22, 12, 2);
  Put(image, 26, 1, 2);
  Put(image, 28, 4, 2);
  Put(image, 40, image.size(), 8);
  for (const std::size_t none : {48U, 56U, 80U, 88U}) Put(image, none, ~std::uint64_t{0}, 8);
  Put(image, 64, 96, 8);
  Put(image, 72, image.size(), 8);
  image.resize(image.size() + 4096);
  return image;
}

TEST(HostileBlocksTest, TablesThatNameBlocksWithoutEndAreCutOff) {
  Bytes bytes = SquashfsOfTinyBlocks(32);
  MemoryReader image(bytes);
  const auto found = FindSquashfsBlocks(image);
  ASSERT_TRUE(found.has_value());
  EXPECT_LE(found->blocks.size(), bytes.size() / 16 + 1);
}

TEST(HostileBlocksTest, FramesOfOldZstdFormatsAreNotDecoded) {
  const Bytes plain(600, 'p');
  Bytes old = {0x27, 0xB5, 0x2F, 0xFD, 0x60, (600 - 256) & 255, (600 - 256) >> 8};  // v0.7
  for (const int byte : {0x40, 600 >> 8, 600 & 255}) old.push_back(static_cast<std::uint8_t>(byte));
  old.insert(old.end(), plain.begin(), plain.end());
  for (const int byte : {0xC0, 0, 0}) old.push_back(static_cast<std::uint8_t>(byte));
  const Bytes skippable = {0x50, 0x2A, 0x4D, 0x18, 1, 0, 0, 0, 0};
  Bytes room(4096);
  for (const Bytes& hostile : {old, skippable}) {
    EXPECT_FALSE(MeasureBlock(BlockCoding::kZstd, hostile, room).has_value());
    EXPECT_FALSE(DecodeBlockUpTo(BlockCoding::kZstd, hostile, room).has_value());
  }
}

// Level 12 takes two minutes for the self-test of a room of two bytes.
TEST(HostileBlocksTest, RoomsThatNoFileSystemHasAreRefused) {
  EXPECT_FALSE(Supports(Lz4Transform(12, 2)));
  EXPECT_FALSE(Supports(Lz4Transform(12, 4095)));
  EXPECT_TRUE(Supports(Lz4Transform(12, 4096)));
  EXPECT_TRUE(Supports(Lz4Transform(12, 0)));
}

}  // namespace
}  // namespace pawl::delta
