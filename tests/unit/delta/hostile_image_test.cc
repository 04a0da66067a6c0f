// SPDX-License-Identifier: Apache-2.0
// Images that are made to cost a generator time and memory: whatever they claim, finders read a few
// times the image, keep no more than it can hold, and still find what is honest.

#include <gtest/gtest.h>

#include <algorithm>

#include "delta/generate/found_blocks.h"
#include "tests/unit/delta/delta_test_util.h"

namespace pawl::delta {
namespace {

constexpr std::uint64_t kBlock = 4096;

void Put(Bytes& image, std::size_t at, std::uint64_t value, std::size_t width) {
  for (std::size_t i = 0; i < width; ++i) {
    image.at(at + i) = static_cast<std::uint8_t>(value >> (8 * i));
  }
}

// Counts what is read.
class CountingReader : public RandomReader {
 public:
  explicit CountingReader(const Bytes& image) : image_(image) {}
  std::uint64_t SizeBytes() const override { return image_.size(); }
  Status ReadAt(std::uint64_t offset, ByteSpan out) override {
    ++reads;
    bytes += out.size();
    return MemoryReader(image_).ReadAt(offset, out);
  }
  std::uint64_t reads = 0;
  std::uint64_t bytes = 0;

 private:
  const Bytes& image_;
};

// erofs with one directory, the root at node 128 (offset 4096), that lists `inodes` nodes of 64
// bytes behind it; InodeAt says where each lies.
class ErofsImage {
 public:
  static constexpr std::size_t kPerBlock = 340;  // entries

  ErofsImage(std::size_t bytes, std::size_t inodes)
      : image(bytes), directory_bytes((inodes + kPerBlock - 1) / kPerBlock * kBlock) {
    Put(image, 1024, 0xE0F5E1E2, 4);
    Put(image, 1024 + 12, 12, 1);
    Put(image, 1024 + 14, 128, 2);
    Put(image, 1024 + 80, 1, 4);
    Directory(kBlock);
    for (std::size_t i = 0; i < inodes; ++i) {
      const std::size_t block = 2 * kBlock + i / kPerBlock * kBlock;
      Put(image, block + 8, 12 * kPerBlock, 2);
      Put(image, block + 12 * (i % kPerBlock), InodeAt(i) / 32, 8);
    }
  }

  std::size_t InodeAt(std::size_t i) const { return 2 * kBlock + directory_bytes + 64 * i; }

  // A directory whose content is the only list there is.
  void Directory(std::size_t at) {
    Put(image, at + 4, 040755, 2);
    Put(image, at + 8, directory_bytes, 4);
    Put(image, at + 16, 2, 4);
  }
  // A file whose index goes on behind it; `layout`: 1 full, 3 compact.
  void File(std::size_t at, unsigned layout, std::uint64_t size) {
    Put(image, at, layout << 1, 2);
    Put(image, at + 4, 0100644, 2);
    Put(image, at + 8, size, 4);
  }

  Bytes image;
  std::size_t directory_bytes;
};

TEST(HostileErofsTest, InodesThatShareOneIndexCostNoMoreThanTheImage) {
  constexpr std::size_t kInodes = 1000;
  for (const unsigned layout : {1U, 3U}) {
    ErofsImage erofs(1U << 20, kInodes);
    for (std::size_t i = 0; i < kInodes; ++i) {
      const std::size_t at = erofs.InodeAt(i);
      const std::size_t per_cluster = layout == 1 ? 8 : 4;
      erofs.File(at, layout, (erofs.image.size() - at - 128) / per_cluster * kBlock);
    }
    CountingReader reader(erofs.image);
    ASSERT_TRUE(FindErofsBlocks(reader).has_value());
    EXPECT_LE(reader.bytes, 4 * erofs.image.size()) << layout;
    EXPECT_LE(reader.reads, 20'000U) << layout;
  }
}

TEST(HostileErofsTest, IndexesThatLeaveTheImageAreNotRead) {
  ErofsImage erofs(1U << 20, 100);
  for (std::size_t i = 0; i < 100; ++i) {
    const std::size_t at = erofs.InodeAt(i);
    erofs.File(at, 3, (erofs.image.size() - at) / 4 * kBlock);
  }
  CountingReader reader(erofs.image);
  ASSERT_TRUE(FindErofsBlocks(reader).has_value());
  EXPECT_LE(reader.reads, 1'000U);
}

TEST(HostileErofsTest, ClustersThatOverlapAreNotReadWhole) {
  // One file: each second cluster is a head, and the entry behind it says 256 blocks.
  ErofsImage erofs(2U << 20, 1);
  constexpr std::size_t kClusters = 2'000;
  erofs.File(erofs.InodeAt(0), 1, kClusters * kBlock);
  const std::size_t header = erofs.InodeAt(0) + 32;
  Put(erofs.image, header + 4, 2, 2);
  for (std::size_t i = 0; i < kClusters; ++i) {
    const std::size_t entry = header + 16 + 8 * i;
    Put(erofs.image, entry, i % 2 == 0 ? 1 : 2, 2);
    Put(erofs.image, entry + 4, i % 2 == 0 ? 100 + i % 100 : 1U << 11 | 256, 4);
  }
  CountingReader reader(erofs.image);
  ASSERT_TRUE(FindErofsBlocks(reader).has_value());
  EXPECT_LE(reader.bytes, 4 * erofs.image.size());
}

TEST(HostileErofsTest, DirectoriesThatShareTheirBlocksAreReadOnce) {
  constexpr std::size_t kInodes = 1000;
  ErofsImage erofs(256U << 10, kInodes);
  for (std::size_t i = 0; i < kInodes; ++i) erofs.Directory(erofs.InodeAt(i));
  CountingReader reader(erofs.image);
  const auto found = FindErofsBlocks(reader);
  ASSERT_TRUE(found.has_value());
  EXPECT_TRUE(found->blocks.empty());
  EXPECT_LE(reader.bytes, 2 * erofs.image.size());
}

constexpr std::uint64_t kHonestBlock = 50'000;

// squashfs with zlib whose inode table is one file with `listed` data blocks of one byte each: a
// metadata block of some 30 bytes lists 2048 of them.
Bytes SquashfsOfTinyBlocks(std::uint64_t listed, std::uint64_t start, bool honest_block) {
  const auto zlib = DeflateTransform(9, 15, 8, true);
  Bytes image(96);
  const auto append_metadata = [&](const Bytes& plain) {
    Bytes coded(static_cast<std::size_t>(MaxCodedBytes(zlib, plain.size())));
    const auto made = EncodeBlock(zlib, plain, coded);
    ASSERT_TRUE(made.has_value());
    image.resize(image.size() + 2);
    Put(image, image.size() - 2, made->coded, 2);
    image.insert(image.end(), coded.begin(),
                 coded.begin() + static_cast<std::ptrdiff_t>(made->coded));
  };
  Bytes inodes(56);
  Put(inodes, 0, 9, 2);
  Put(inodes, 16, start, 8);
  Put(inodes, 24, listed * kBlock, 8);
  Put(inodes, 44, 0xFFFFFFFF, 4);
  inodes.resize(inodes.size() + 4 * listed);
  for (std::size_t at = 56; at < inodes.size(); at += 4) inodes[at] = 1;
  if (honest_block) {  // a file of one block of 100 bytes behind all tables
    const std::size_t at = inodes.size();
    inodes.resize(at + 36);
    Put(inodes, at, 2, 2);
    Put(inodes, at + 16, kHonestBlock, 4);
    Put(inodes, at + 20, 0xFFFFFFFF, 4);
    Put(inodes, at + 28, kBlock, 4);
    Put(inodes, at + 32, 100, 4);
  }
  for (std::size_t at = 0; at < inodes.size(); at += 8192) {
    const std::size_t end = std::min<std::size_t>(at + 8192, inodes.size());
    append_metadata(Bytes(inodes.begin() + static_cast<std::ptrdiff_t>(at),
                          inodes.begin() + static_cast<std::ptrdiff_t>(end)));
  }
  Put(image, 0, 0x73717368, 4);
  Put(image, 12, kBlock, 4);
  Put(image, 20, 1, 2);
  Put(image, 28, 4, 2);
  Put(image, 64, 96, 8);
  Put(image, 72, image.size(), 8);
  for (const std::size_t none : {48U, 80U, 88U}) Put(image, none, ~std::uint64_t{0}, 8);
  image.resize(64U << 10);
  return image;
}

TEST(HostileSquashfsTest, NoMoreBlocksAreKeptThanTheImageCanHold) {
  const Bytes image = SquashfsOfTinyBlocks(200'000, 0, false);
  MemoryReader reader(image);
  const auto found = FindSquashfsBlocks(reader);
  ASSERT_TRUE(found.has_value());
  EXPECT_LE(found->blocks.size(), image.size() / 16);
}

TEST(HostileSquashfsTest, BlocksBehindTheImageDoNotCrowdOutOthers) {
  const Bytes image = SquashfsOfTinyBlocks(200'000, 1ULL << 40, true);
  MemoryReader reader(image);
  const auto found = FindSquashfsBlocks(reader);
  ASSERT_TRUE(found.has_value());
  const auto honest = [](const FoundBlock& block) {
    return block.offset == kHonestBlock && block.coded == 100;
  };
  EXPECT_TRUE(std::ranges::any_of(found->blocks, honest));
}

// Whether a gzip member is found behind 1200 times `decoy`.
bool FindsGzipBehind(const Bytes& decoy) {
  std::mt19937_64 random(5);
  Bytes image;
  for (int i = 0; i < 1200; ++i) image.insert(image.end(), decoy.begin(), decoy.end());
  const Bytes header = {0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 2, 3};
  image.insert(image.end(), header.begin(), header.end());
  const std::size_t at = image.size();
  const Bytes coded =
      testing::EncodeWith(DeflateTransform(9, 15, 8, false), testing::RandomContent(random, 9'000));
  image.insert(image.end(), coded.begin(), coded.end());
  image.resize(image.size() + 1'000);
  MemoryReader reader(image);
  const auto found = FindMemberBlocks(reader);
  return found.has_value() &&
         std::ranges::any_of(found->blocks, [&](const FoundBlock& b) { return b.offset == at; });
}

TEST(HostileMembersTest, XzDictionariesThatNoDecoderTakesDoNotUseUpTheWork) {
  std::mt19937_64 random(4);
  const Bytes plain = testing::RandomContent(random, 2'000);
  EXPECT_TRUE(FindsGzipBehind(testing::EncodeWith(XzTransform(6, 2U << 20, 1, false), plain)));
}

TEST(HostileMembersTest, FailuresCostWhatTheyConsumed) {
  const Bytes tail(600, 0xFF);  // no block of deflate, of zstd or of LZMA2 begins so
  for (const Bytes& magic : {Bytes{0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 2, 3},
                             Bytes{0xFD, '7', 'z', 'X', 'Z', 0, 0, 1, 0x69, 0x22, 0xDE, 0x36, 2, 0,
                                   0x21, 1, 8}}) {
    Bytes decoy = magic;
    decoy.insert(decoy.end(), tail.begin(), tail.end());
    EXPECT_TRUE(FindsGzipBehind(decoy)) << unsigned{magic[0]};
  }
}

}  // namespace
}  // namespace pawl::delta
