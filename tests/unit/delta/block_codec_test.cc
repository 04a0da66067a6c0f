// SPDX-License-Identifier: Apache-2.0
// Blocks and transforms as libraries would take them and the format does not: what a library can do
// besides must not decide what an image is.

#include "delta/apply/block_codec.h"

#include <gtest/gtest.h>

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

}  // namespace
}  // namespace pawl::delta
