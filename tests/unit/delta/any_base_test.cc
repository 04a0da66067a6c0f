// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "delta/apply/block_index.h"
#include "delta/apply/local_blocks.h"
#include "tests/unit/delta/delta_test_util.h"

namespace pawl::delta {
namespace {

using testing::RandomContent;
using Place = LocalBlocks::Place;

Bytes IndexOf(const Bytes& image) {
  MemoryReader reader(image);
  return *MakeBlockIndex(reader);
}

BlockIndex Parsed(const Bytes& image) { return *BlockIndex::Parse(IndexOf(image), image.size()); }

LocalBlocks Find(const Bytes& image, const Bytes* in_place, const Bytes* elsewhere) {
  MemoryReader target(in_place != nullptr ? ByteView(*in_place) : ByteView());
  MemoryReader booted(elsewhere != nullptr ? ByteView(*elsewhere) : ByteView());
  return LocalBlocks::Find(Parsed(image), in_place != nullptr ? &target : nullptr,
                           elsewhere != nullptr ? &booted : nullptr);
}

Head FullHead(const Bytes& image) {
  const auto container = testing::MakeFull(image);
  const auto length = PeekHeadBytes(ByteView(*container).first(kHeadPrefixBytes), {});
  return *ParseHead(ByteView(*container).first(static_cast<std::size_t>(*length)), {});
}

// Written by hand from the page: 16 bytes of header, a bit for each block, digests of those that are not zero.
TEST(BlockIndexTest, IsWhatThePageSays) {  // M-49
  Bytes image(3 * 4096 + 1);
  image[4096] = 1;
  image.back() = 9;
  const Bytes index = IndexOf(image);
  ASSERT_EQ(index.size(), 16U + 1 + 2 * 8);
  EXPECT_EQ(AsText(ByteView(index).first(8)), "PAWLIDX\n");
  EXPECT_EQ(index[8] + 256U * index[9], image.size());
  EXPECT_EQ(index[16], 0b1010U);
  const Sha256Digest second = HashSha256(ByteView(image).subspan(4096, 4096));
  const Sha256Digest last = HashSha256(ByteView(image).subspan(3 * 4096));
  EXPECT_TRUE(std::equal(second.bytes.begin(), second.bytes.begin() + 8, index.begin() + 17));
  EXPECT_TRUE(std::equal(last.bytes.begin(), last.bytes.begin() + 8, index.begin() + 25));
}

TEST(BlockIndexTest, EveryTruncationAndEveryOtherLengthIsRefused) {  // M-49
  std::mt19937_64 random(1);
  Bytes image = RandomContent(random, 20 * 4096 + 17);
  std::fill_n(image.begin() + 5 * 4096, 3 * 4096, std::uint8_t{0});
  Bytes index = IndexOf(image);
  ASSERT_TRUE(BlockIndex::Parse(index, image.size()).has_value());
  for (std::size_t size = 0; size < index.size(); ++size) {
    EXPECT_EQ(BlockIndex::Parse(ByteView(index).first(size), image.size()).error().code(),
              ErrorCode::kBlockIndexMalformed);
  }
  for (const std::uint64_t bytes : {std::uint64_t{0}, image.size() - 1, image.size() + 1, std::uint64_t{1} << 40}) {
    EXPECT_FALSE(BlockIndex::Parse(index, bytes).has_value()) << bytes;
  }
  index.push_back(0);
  EXPECT_FALSE(BlockIndex::Parse(index, image.size()).has_value());
  index.pop_back();
  for (std::size_t bit = 0; bit < 8 * 19; ++bit) {  // header and map: each bit changes what must follow
    index[bit / 8] ^= static_cast<std::uint8_t>(1U << (bit % 8));
    EXPECT_FALSE(BlockIndex::Parse(index, image.size()).has_value()) << bit;
    index[bit / 8] ^= static_cast<std::uint8_t>(1U << (bit % 8));
  }
}

TEST(BlockIndexTest, CountsFilledBlocksBeforeEveryBlock) {
  std::mt19937_64 random(2);
  Bytes image(3000 * 4096 + 5);
  for (std::size_t block = 0; block <= 3000; ++block) {
    if (random() % 3 == 0) image[block * 4096] = 1;
  }
  const BlockIndex index = Parsed(image);
  std::size_t filled = 0;
  for (std::uint64_t block = 0; block < index.BlockCount(); ++block) {
    ASSERT_EQ(index.FilledBefore(block), filled) << block;
    filled += index.IsFilled(block) ? 1U : 0U;
  }
  EXPECT_EQ(filled, index.digests().size());
}

TEST(BlockIndexTest, ZerosCostABitForEachBlock) {
  EXPECT_EQ(IndexOf(Bytes(64 * kChunkBytes)).size(), 16U + 64 * 256 / 8);
  EXPECT_EQ(IndexOf({}).size(), 16U);
  EXPECT_TRUE(BlockIndex::Parse(IndexOf({}), 0).has_value());
}

TEST(LocalBlocksTest, TheSlotBeingWrittenCountsOnlyAtTheBlocksOwnPlace) {
  std::mt19937_64 random(3);
  const Bytes image = RandomContent(random, 4 * 4096 + 100);
  Bytes slot(image.size() + 8192);
  std::copy_n(image.begin(), 4096, slot.begin());                    // in place
  std::copy_n(image.begin() + 4096, 4096, slot.begin() + 2 * 4096);  // elsewhere in that slot
  std::copy_n(image.begin() + 4 * 4096, 100, slot.begin() + 4 * 4096);
  Bytes booted(7 * 4096, 0x55);
  std::copy_n(image.begin() + 3 * 4096, 4096, booted.begin() + 5 * 4096);
  const LocalBlocks local = Find(image, &slot, &booted);
  EXPECT_EQ(local.Where(0).place, Place::kInPlace);
  EXPECT_EQ(local.Where(1).place, Place::kMissing);
  EXPECT_EQ(local.Where(2).place, Place::kMissing);
  EXPECT_EQ(local.Where(3).place, Place::kElsewhere);
  EXPECT_EQ(local.Where(3).block, 5U);
  EXPECT_EQ(local.Where(4).place, Place::kInPlace);
  EXPECT_FALSE(local.Covers(0, 4097));
  EXPECT_TRUE(local.Covers(3 * 4096, 4196));
}

TEST(LocalBlocksTest, RepeatedBlocksAreAllFoundByOneCopy) {
  std::mt19937_64 random(4);
  const Bytes block = RandomContent(random, 4096);
  Bytes image;
  for (int i = 0; i < 50; ++i) image.insert(image.end(), block.begin(), block.end());
  EXPECT_EQ(Find(image, nullptr, &block).CountBlocks().elsewhere, 50U);
  // One that lies in place already hides none of the others.
  const Bytes slot(image.begin(), image.begin() + 4096);
  const LocalBlocks::Count both = Find(image, &slot, &block).CountBlocks();
  EXPECT_EQ(both.in_place, 1U);
  EXPECT_EQ(both.elsewhere, 49U);
}

class RottenReader : public RandomReader {
 public:
  Status ReadAt(std::uint64_t, ByteSpan) override { return Fail(ErrorCode::kIo, "bad sector"); }
  std::uint64_t SizeBytes() const override { return 3 * kChunkBytes; }
};

TEST(LocalBlocksTest, WhatCannotBeReadIsNotThere) {
  std::mt19937_64 random(5);
  const Bytes image = RandomContent(random, 10 * 4096);
  RottenReader rotten;
  const LocalBlocks local = LocalBlocks::Find(Parsed(image), &rotten, &rotten);
  EXPECT_EQ(local.CountBlocks().missing, 10U);
}

TEST(FetchPlanTest, FetchesTheFramesOfMissingBlocksAndJoinsNearOnes) {
  std::mt19937_64 random(6);
  const Bytes image = RandomContent(random, 2 * kChunkBytes);
  const Head head = FullHead(image);
  Bytes old = image;
  for (const std::size_t block : {3U, 200U, 201U, 300U}) old[block * 4096] ^= 1U;
  const LocalBlocks local = Find(image, nullptr, &old);
  EXPECT_EQ(local.CountBlocks().missing, 4U);
  const FetchPlan plan = PlanFetch(head, local);
  EXPECT_EQ(plan.runs.size(), 3U);
  std::uint64_t raw = 0;
  for (const FrameRun& run : plan.runs) {
    for (std::size_t i = run.first; i < run.end; ++i) raw += head.FrameTargetBytes(i);
  }
  EXPECT_GE(raw, 4U * 4096);
  EXPECT_LE(raw, 4U * (128U << 10));
  // All of it in one request when nothing is there, and nothing when all is.
  const FetchPlan everything = PlanFetch(head, Find(image, nullptr, nullptr));
  EXPECT_EQ(everything.runs, (std::vector<FrameRun>{{0, head.frames.size()}}));
  EXPECT_EQ(everything.payload_bytes, head.ContainerBytes() - head.HeadBytes());
  EXPECT_TRUE(PlanFetch(head, Find(image, &image, nullptr)).runs.empty());
}

TEST(FetchPlanTest, DistrustedChunksAreFetchedWholeAndUnwantedOnesNotAtAll) {
  std::mt19937_64 random(7);
  const Bytes image = RandomContent(random, 3 * kChunkBytes);
  const Head head = FullHead(image);
  const LocalBlocks local = Find(image, &image, nullptr);
  const auto frames = FramesToFetch(head, {true, true, false}, &local, {false, true, true});
  for (std::size_t i = 0; i < frames.size(); ++i) {
    EXPECT_EQ(frames[i], head.FrameBegin(i) / kChunkBytes == 1) << i;
  }
}

TEST(FullFramesTest, AreCutWhereFilesEndAndStaySmall) {
  std::mt19937_64 random(8);
  Bytes image;
  std::vector<std::uint64_t> ends;
  for (int file = 0; file < 20; ++file) {  // as files in an image: padded to whole blocks
    const Bytes content = RandomContent(random, 20000 + 4096 * static_cast<std::size_t>(file) - 17);
    image.insert(image.end(), content.begin(), content.end());
    image.resize((image.size() + 20 + 4095) / 4096 * 4096);
    ends.push_back(image.size());
  }
  const Head head = FullHead(image);
  std::vector<std::uint64_t> cuts;
  for (std::size_t i = 0; i < head.frames.size(); ++i) {
    cuts.push_back(head.FrameBegin(i) + head.FrameTargetBytes(i));
    EXPECT_LE(head.FrameTargetBytes(i), 136U << 10);
  }
  for (const std::uint64_t end : ends) EXPECT_TRUE(std::ranges::binary_search(cuts, end)) << end;
}

}  // namespace
}  // namespace pawl::delta
