// SPDX-License-Identifier: Apache-2.0
// Blocks and transforms as libraries would take them and the format does not: what a library can do
// besides must not decide what an image is.

#include "delta/apply/block_codec.h"

#include <gtest/gtest.h>

#include "delta/apply/recipe.h"
#include "tests/unit/delta/delta_test_util.h"

namespace pawl::delta {
namespace {

// A frame as zstd 0.7 made it: one raw block and an end mark, in 3-byte big-endian headers.
Bytes LegacyFrame(const Bytes& plain) {
  const auto length = static_cast<std::uint8_t>(plain.size());
  Bytes frame = {0x27, 0xB5, 0x2F, 0xFD, 0x20, length, 0x40, 0, length};
  frame.insert(frame.end(), plain.begin(), plain.end());
  frame.insert(frame.end(), {0xC0, 0, 0});
  return frame;
}

TEST(BlockCodecTest, LegacyZstdFramesAreRefused) {  // C-30
  const Bytes plain = testing::FromText("made by zstd 0.7 long ago");
  const Bytes legacy = LegacyFrame(plain);
  Bytes out(plain.size());
  EXPECT_FALSE(DecodeBlock(BlockCoding::kZstd, legacy, out).has_value());
  std::uint64_t work = 0;
  EXPECT_FALSE(MeasureBlock(BlockCoding::kZstd, legacy, out, work).has_value());
  EXPECT_EQ(work, 0U);
  ASSERT_TRUE(DecodeBlock(BlockCoding::kZstd, testing::ZstdFrame(plain), out).has_value());
  EXPECT_EQ(out, plain);
}

TEST(BlockCodecTest, SkippableZstdFramesAreRefused) {  // C-30
  const Bytes skippable = {0x50, 0x2A, 0x4D, 0x18, 4, 0, 0, 0, 1, 2, 3, 4};
  Bytes out(100);
  EXPECT_FALSE(DecodeBlockUpTo(BlockCoding::kZstd, skippable, out).has_value());
  std::uint64_t work = 0;
  EXPECT_FALSE(MeasureBlock(BlockCoding::kZstd, skippable, out, work).has_value());
}

TEST(TransformTest, SelfTestTextIsThatOfTheFormat) {  // C-27
  // By the independent reader, which was written from the page.
  EXPECT_EQ(HashSha256(SelfTestText()).Hex(),
            "3713c51c8f520627101072165e989c939636625d61457dc0f097ecc04756b7e3");
}

TEST(TransformTest, SelfTestsTellParametersApart) {  // C-27
  const auto available = AvailableTransforms();
  ASSERT_TRUE(available.has_value()) << available.error().Message();
  for (const TransformEntry& entry : *available) {
    EXPECT_TRUE(CheckEncoder(entry).has_value());
    EXPECT_GT(entry.encoder, 0U);
    for (const TransformEntry& other : *available) {
      if (other.transform != entry.transform) {
        EXPECT_NE(other.self_test, entry.self_test);
      }
    }
  }
}

TEST(TransformTest, TinyLz4RoomsAreRefused) {  // C-26
  for (const unsigned level : {0U, 12U}) {
    for (const std::uint32_t room : {1U, 2U, 13U, 512U, 4095U, (1U << 20) + 1}) {
      EXPECT_FALSE(Supports(Lz4Transform(level, room))) << room;
    }
    for (const std::uint32_t room : {0U, 4096U, 1U << 20}) {
      EXPECT_TRUE(Supports(Lz4Transform(level, room))) << room;
    }
  }
}

TEST(TransformTest, EntriesThatUnderstateTheirMemoryAreRefused) {  // C-24
  for (const Transform& transform : {ZstdTransform(22, false, true), Lz4Transform(12, 0),
                                     XzTransform(9, 4U << 20, 1, false),
                                     DeflateTransform(9, 15, 9, true)}) {
    TransformEntry entry;
    entry.transform = transform;
    // The self-test is wrong too: what is refused first shows that nothing was encoded for it.
    for (const std::uint64_t bytes : {std::uint64_t{0}, EncoderBytes(transform, 128U << 10) - 1}) {
      entry.memory_bytes = static_cast<std::uint32_t>(bytes);
      EXPECT_EQ(CheckEncoder(entry).error().code(), ErrorCode::kMemoryLimit);
    }
    entry.memory_bytes += 1;
    EXPECT_EQ(CheckEncoder(entry).error().code(), ErrorCode::kEncoderDiffers);
  }
}

TEST(TransformTest, SelfTestStaysInsideTheMemoryOfTheHead) {  // C-24
  testing::Forged forged = testing::Forge({}, std::nullopt, 0);
  forged.head.frames.clear();
  const auto entry = DescribeTransform(Lz4Transform(12, 0), 8192);
  ASSERT_TRUE(entry.has_value());
  forged.head.transforms = {*entry};
  forged.head.memory_bytes = kDecoderBaseBytes + entry->memory_bytes;
  EXPECT_TRUE(Decoder::Create(forged.head, nullptr, 16U << 20).has_value());
  forged.head.memory_bytes -= 1;
  EXPECT_EQ(Decoder::Create(forged.head, nullptr, 16U << 20).error().code(),
            ErrorCode::kMemoryLimit);
}

TEST(TransformTest, BlocksThatNeedMoreThanTheirEntryAreRefused) {  // C-24
  testing::Forged forged = testing::Forge({}, std::nullopt, 4096);
  const Transform transform = ZstdTransform(19, false, true);
  ASSERT_GT(EncoderBytes(transform, 1U << 20), EncoderBytes(transform, 128U << 10));
  forged.head.transforms.emplace_back();
  forged.head.transforms[0].transform = transform;
  forged.head.transforms[0].memory_bytes =
      static_cast<std::uint32_t>(EncoderBytes(transform, 1U << 20));
  Recipe recipe;
  recipe.segments = {{SegmentKind::kBlock, 0, 1U << 20, 0, 0, 4096, 0, 4096}};
  EXPECT_TRUE(ParseRecipe(forged.head, 0, EncodeRecipe(recipe)).has_value());
  forged.head.transforms[0].memory_bytes -= 1;
  EXPECT_EQ(ParseRecipe(forged.head, 0, EncodeRecipe(recipe)).error().code(),
            ErrorCode::kMemoryLimit);
}

}  // namespace
}  // namespace pawl::delta
