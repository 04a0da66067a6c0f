// SPDX-License-Identifier: Apache-2.0 Recipes and blocks, honest and hostile. A recipe is authentic
// here; the source never is.

#include "delta/apply/recipe.h"

#include <gtest/gtest.h>

#include <functional>
#include <random>

#include "delta/apply/source_blocks.h"
#include "tests/unit/delta/delta_test_util.h"

namespace pawl::delta {
namespace {

using testing::CollectingSink;
using testing::Control;
using testing::EncodeWith;
using testing::FromText;
using testing::StoredPayload;

Bytes Text(std::size_t size, unsigned seed) {
  Bytes text;
  for (std::size_t i = 0; i < size; ++i) {
    text.push_back(static_cast<std::uint8_t>('a' + (i * i / 7 + i / 50 * seed) % 23));
  }
  return text;
}

// A source with one block at 100, and a target that holds the block with other content at 10.
struct Example {
  Transform transform;
  Bytes old_plain = Text(5000, 1);
  Bytes new_plain;
  Bytes source;
  Bytes target;
  Recipe recipe;
  std::vector<Operation> operations;
  std::uint64_t plain_bytes = 0;
  Bytes literal;
  TransformEntry entry;

  explicit Example(const Transform& with = Lz4Transform(0, 0)) : transform(with) {
    new_plain = old_plain;
    for (std::size_t i = 0; i < 8; ++i) new_plain[1000 + i] = static_cast<std::uint8_t>('0' + i);
    const Bytes old_coded = EncodeWith(transform, old_plain);
    const Bytes new_coded = EncodeWith(transform, new_plain);
    source = Bytes(100, 's');
    source.insert(source.end(), old_coded.begin(), old_coded.end());
    source.insert(source.end(), 50, 'e');
    target = Bytes(10, 'x');
    target.insert(target.end(), new_coded.begin(), new_coded.end());
    target.insert(target.end(), 20, 0);

    const auto old_bytes = static_cast<std::uint32_t>(old_coded.size());
    const auto new_bytes = static_cast<std::uint32_t>(new_coded.size());
    recipe.extents = {{100, old_bytes, HashSha256(old_coded)}};
    recipe.blocks = {{100, old_bytes, 5000, 0, 0, 0, CodingOf(transform)}};
    recipe.segments = {{SegmentKind::kRaw, 0, 10, 0, 0, 0, 0, 0},
                       {SegmentKind::kBlock, 0, 5000, 0, 0, new_bytes, 0, new_bytes},
                       {SegmentKind::kRaw, 0, 20, 0, 0, 0, 0, 0}};
    operations = {{OperationKind::kLiteral, 10},
                  {OperationKind::kCopy, 1000, source.size()},
                  {OperationKind::kLiteral, 8},
                  {OperationKind::kCopy, 3992, 8},
                  {OperationKind::kZero, 20}};
    literal = FromText("xxxxxxxxxx01234567");
    const auto described = DescribeTransform(transform, 8192);
    EXPECT_TRUE(described.has_value());
    entry = *described;
  }

  static BlockCoding CodingOf(const Transform& transform) {
    switch (transform.id) {
      case TransformId::kZstd:
        return BlockCoding::kZstd;
      case TransformId::kXz:
        return BlockCoding::kXz;
      case TransformId::kDeflate:
        return BlockCoding::kZlib;
      case TransformId::kLz4:
        return BlockCoding::kLz4;
    }
    return BlockCoding::kZstd;
  }

  testing::Forged Forged() const { return ForgedWith(EncodeRecipe(recipe)); }
  testing::Forged ForgedWith(const Bytes& encoded) const {
    testing::Forged forged = testing::Forge(
        StoredPayload(Control(operations), {}, literal, encoded), source.size(), target.size());
    forged.head.transforms = {entry};
    forged.head.memory_bytes = 32U << 20;
    PlaceFrames(forged.head);
    return forged;
  }
  Result<Bytes> Decode(std::uint64_t memory = 32U << 20, unsigned threads = 1) const {
    return DecodeForged(Forged(), memory, threads);
  }
  Result<Bytes> DecodeForged(const testing::Forged& forged, std::uint64_t memory = 32U << 20,
                             unsigned threads = 1) const {
    MemoryReader reader(source);
    PAWL_ASSIGN_OR_RETURN(Decoder decoder, Decoder::Create(forged.head, &reader, memory, threads));
    CollectingSink sink;
    PAWL_TRY(decoder.DecodeFrame(0, forged.payload, sink));
    return sink.bytes();
  }
};

ErrorCode CodeOf(const Result<Bytes>& result) {
  EXPECT_FALSE(result.has_value()) << "hostile recipe was accepted";
  return result.has_value() ? ErrorCode::kInternal : result.error().code();
}

TEST(RecipeTest, BlocksOfEveryCodecAreMadeFromChangedContent) {
  for (const Transform& transform :
       {ZstdTransform(3, false, true), ZstdTransform(5, true, false), XzTransform(1, 8192, 1, true),
        XzTransform(0, 4096, 4, false), DeflateTransform(6, 15, 8, true), Lz4Transform(0, 0),
        Lz4Transform(9, 0)}) {
    const Example example(transform);
    for (const unsigned threads : {1U, 3U}) {
      const auto made = example.Decode(32U << 20, threads);
      ASSERT_TRUE(made.has_value()) << made.error().Message();
      EXPECT_EQ(*made, example.target);
    }
  }
}

TEST(RecipeTest, ReadAsWritten) {  // C-29
  const Example example;
  const Bytes encoded = EncodeRecipe(example.recipe);
  const auto read = ParseRecipe(example.Forged().head, 0, encoded);
  ASSERT_TRUE(read.has_value()) << read.error().Message();
  EXPECT_EQ(EncodeRecipe(*read), encoded);
  EXPECT_EQ(read->PlainBytes(), 5030U);
}

TEST(RecipeTest, EveryTruncationAndEveryByteTooManyIsRefused) {  // C-29
  const Example example;
  Bytes encoded = EncodeRecipe(example.recipe);
  for (std::size_t size = 1; size < encoded.size(); ++size) {
    const auto read = ParseRecipe(example.Forged().head, 0, ByteView(encoded).first(size));
    ASSERT_FALSE(read.has_value()) << size;
    EXPECT_EQ(read.error().code(), ErrorCode::kContainerMalformed);
  }
  encoded.push_back(0);
  EXPECT_FALSE(ParseRecipe(example.Forged().head, 0, encoded).has_value());
}

TEST(RecipeTest, EveryFlippedBitFailsCleanlyOrMakesTheTarget) {  // C-29 … C-33
  const Example example;
  const Bytes encoded = EncodeRecipe(example.recipe);
  testing::Forged forged = example.Forged();
  MemoryReader reader(example.source);
  auto decoder = Decoder::Create(forged.head, &reader, 32U << 20, 1);
  ASSERT_TRUE(decoder.has_value());
  for (std::size_t bit = 0; bit < encoded.size() * 8; ++bit) {
    Bytes flipped = encoded;
    flipped[bit / 8] ^= static_cast<std::uint8_t>(1U << (bit % 8));
    const Bytes payload = StoredPayload(Control(example.operations), {}, example.literal, flipped);
    forged.head.frames[0].payload_bytes = static_cast<std::uint32_t>(payload.size());
    forged.head.frames[0].payload_sha256 = HashSha256(payload);
    CollectingSink sink;
    const Status status = decoder->DecodeFrame(0, payload, sink);
    EXPECT_LE(sink.bytes().size(), example.target.size());
    if (status.has_value()) {
      EXPECT_EQ(sink.bytes().size(), example.target.size());
    }
  }
}

using Change = std::function<void(Recipe&)>;

TEST(RecipeTest, HostileExtentsAreRefused) {  // C-30
  const std::uint32_t huge = ~std::uint32_t{0};
  const std::vector<Change> changes = {
      [](Recipe& r) { r.extents[0].offset = 200'000; },
      [](Recipe& r) { r.extents[0].offset = ~std::uint64_t{0} - 10; },
      [](Recipe& r) { r.extents[0].bytes = 0; },
      [&](Recipe& r) { r.extents[0].bytes = huge; },
      [](Recipe& r) { r.extents[0].bytes = 1U << 31; },
      [](Recipe& r) { r.blocks[0].coded = 0; },
      [](Recipe& r) { r.blocks[0].coded += 1; },
      [&](Recipe& r) { r.blocks[0].coded = huge; },
      [](Recipe& r) { r.blocks[0].offset += 1; },
      [](Recipe& r) { r.blocks[0].plain = 0; },
      [](Recipe& r) { r.blocks[0].plain = (4U << 20) + 1; },
      [](Recipe& r) { r.blocks[0].coding = static_cast<BlockCoding>(0); },
      [](Recipe& r) { r.blocks[0].coding = static_cast<BlockCoding>(6); },
      [](Recipe& r) { r.blocks.clear(); },
      [](Recipe& r) {  // an overlapping one: the gap becomes a number of nearly 2^64
        r.extents.push_back(r.extents[0]);
        r.blocks.push_back(r.blocks[0]);
        r.blocks.back().extent = 1;
      },
  };
  for (std::size_t i = 0; i < changes.size(); ++i) {
    Example example;
    changes[i](example.recipe);
    EXPECT_EQ(CodeOf(example.Decode()), ErrorCode::kContainerMalformed) << i;
  }
}

TEST(RecipeTest, HostileSegmentsAreRefused) {  // C-32
  const std::uint32_t huge = ~std::uint32_t{0};
  const std::vector<Change> changes = {
      [](Recipe& r) { r.segments.clear(); },
      [](Recipe& r) { r.segments[0].plain = 0; },
      [](Recipe& r) { r.segments[0].plain = (128ULL << 20) + 1; },
      [](Recipe& r) { r.segments[0].plain = 1ULL << 61; },
      [](Recipe& r) { r.segments[0].plain += 1; },
      [](Recipe& r) { r.segments[1].plain = 0; },
      [](Recipe& r) { r.segments[1].plain = (4ULL << 20) + 1; },
      [](Recipe& r) { r.segments[1].transform = 1; },
      [](Recipe& r) { r.segments[1].ahead = 21; },
      [&](Recipe& r) { r.segments[1].ahead = huge; },
      [&](Recipe& r) { r.segments[1].coded = huge; },
      [](Recipe& r) { r.segments[1].zeros = (64U << 10) + 1; },
      [](Recipe& r) { r.segments[1].skip = r.segments[1].coded; },
      [](Recipe& r) { r.segments[1].skip = 1; },
      [](Recipe& r) { r.segments[1].take = 0; },
      [](Recipe& r) { r.segments[1].take -= 1; },
      [](Recipe& r) { r.segments[2].kind = SegmentKind::kDrop; },
      [](Recipe& r) {
        for (int i = 0; i < 100; ++i) r.segments.push_back(r.segments[0]);
      },
  };
  for (std::size_t i = 0; i < changes.size(); ++i) {
    Example example;
    changes[i](example.recipe);
    EXPECT_EQ(CodeOf(example.Decode()), ErrorCode::kContainerMalformed) << i;
  }
}

TEST(RecipeTest, BlockOfAnotherLengthIsRefused) {  // C-33
  Example longer;
  longer.recipe.segments[1].coded += 1;
  longer.recipe.segments[1].skip = 1;
  EXPECT_EQ(CodeOf(longer.Decode()), ErrorCode::kEncoderDiffers);
  for (const unsigned threads : {1U, 3U}) {
    EXPECT_EQ(CodeOf(longer.Decode(32U << 20, threads)), ErrorCode::kEncoderDiffers);
  }
}

TEST(RecipeTest, SourceBlockOfAnotherLengthIsRefused) {  // C-30
  Example example;
  example.recipe.blocks[0].plain = 5001;
  EXPECT_EQ(CodeOf(example.Decode()), ErrorCode::kDecodeFailed);
  example.recipe.blocks[0].plain = 4999;
  EXPECT_FALSE(example.Decode().has_value());
}

TEST(RecipeTest, UnusedAddressesShiftBlocksAndCannotBeRead) {  // C-34
  Example example;
  example.recipe.blocks[0].unused = 96;
  EXPECT_EQ(CodeOf(example.Decode()), ErrorCode::kContainerMalformed);
  example.operations[1].distance += 96;
  const auto made = example.Decode();
  ASSERT_TRUE(made.has_value()) << made.error().Message();
  EXPECT_EQ(*made, example.target);
  example.recipe.blocks[0].unused = 1ULL << 40;
  EXPECT_EQ(CodeOf(example.Decode()), ErrorCode::kContainerMalformed);
}

TEST(RecipeTest, PositionsLeapBeforeBlocks) {  // C-32
  Example example;
  example.recipe.segments[1].advance = 2000;
  const std::vector<Leap> leaps = example.recipe.Leaps();
  PositionCursor positions(1000, leaps);
  EXPECT_EQ(positions.At(9), 1009U);
  EXPECT_EQ(positions.At(10), 3010U);
  EXPECT_EQ(positions.At(5015), 8015U);
  EXPECT_TRUE(example.Decode().has_value());
  example.recipe.segments[1].advance = (1U << 20) + 1;
  EXPECT_EQ(CodeOf(example.Decode()), ErrorCode::kContainerMalformed);
}

TEST(RecipeTest, OperationsStayInsideTheSourceBlocks) {  // C-34
  Example example;
  example.operations[1].distance += 5000;
  EXPECT_EQ(CodeOf(example.Decode()), ErrorCode::kContainerMalformed);
}

// Every byte of the source, changed by an attacker, and a reader that shows other bytes later.
class TrickyReader : public RandomReader {
 public:
  explicit TrickyReader(const Bytes& first) : first_(first) {}
  Status ReadAt(std::uint64_t offset, ByteSpan out) override {
    ++reads;
    if (fail) return Fail(ErrorCode::kIo, "bad block");
    std::ranges::copy(ByteView(first_).subspan(offset, out.size()), out.begin());
    for (std::uint8_t& byte : out) byte ^= reads > good_reads ? 1 : 0;
    return {};
  }
  std::uint64_t SizeBytes() const override { return first_.size(); }
  int reads = 0;
  int good_reads = 1;
  bool fail = false;

 private:
  const Bytes& first_;
};

TEST(SourceBlocksTest, ChangedSourceNeverReachesTheDecompressor) {  // C-31
  Example example;
  int decoded = 0;
  const auto count = [&decoded](BlockCoding coding, ByteView coded, ByteSpan plain) {
    ++decoded;
    return DecodeBlock(coding, coded, plain);
  };
  const std::size_t end = 100 + example.recipe.extents[0].bytes;
  for (std::size_t at = 100; at < end; ++at) {
    Bytes changed = example.source;
    changed[at] ^= 0x40;
    MemoryReader reader(changed);
    SourceBlocks blocks(&reader, example.recipe, count);
    Bytes out(5000);
    const Status status = blocks.Read(0, out);
    ASSERT_FALSE(status.has_value());
    EXPECT_EQ(status.error().code(), ErrorCode::kSourceBlockMismatch);
  }
  EXPECT_EQ(decoded, 0);
  MemoryReader reader(example.source);
  SourceBlocks blocks(&reader, example.recipe, count);
  Bytes out(5000);
  ASSERT_TRUE(blocks.Read(0, out).has_value());
  EXPECT_EQ(out, example.old_plain);
  EXPECT_EQ(decoded, 1);
}

TEST(SourceBlocksTest, DecodesTheVeryBytesThatWereCompared) {  // C-31
  const Example example;
  TrickyReader reader(example.source);  // honest once, hostile from the second read on
  SourceBlocks blocks(&reader, example.recipe);
  Bytes out(5000);
  ASSERT_TRUE(blocks.Read(0, out).has_value());
  EXPECT_EQ(out, example.old_plain);
  EXPECT_EQ(reader.reads, 1);
}

TEST(SourceBlocksTest, UnreadableSourceIsAMismatch) {  // C-31
  const Example example;
  TrickyReader reader(example.source);
  reader.fail = true;
  SourceBlocks blocks(&reader, example.recipe);
  Bytes out(1);
  const Status status = blocks.Read(0, out);
  ASSERT_FALSE(status.has_value());
  EXPECT_EQ(status.error().code(), ErrorCode::kSourceBlockMismatch);
}

TEST(SourceBlocksTest, WorkOfAFrameIsBounded) {  // C-35
  // Two blocks of 4 MiB that cannot be held together, read in turns.
  const Bytes coded = EncodeWith(ZstdTransform(1, false, true), Bytes(4U << 20));
  Bytes source = coded;
  source.insert(source.end(), coded.begin(), coded.end());
  const auto length = static_cast<std::uint32_t>(coded.size());
  Recipe recipe;
  recipe.extents = {{0, 2 * length, HashSha256(source)}};
  recipe.blocks = {{0, length, 4U << 20, 0, 0, 0, BlockCoding::kZstd},
                   {length, length, 4U << 20, 0, 4U << 20, 0, BlockCoding::kZstd}};
  MemoryReader reader(source);
  int decoded = 0;
  SourceBlocks blocks(&reader, recipe, [&decoded](BlockCoding, ByteView, ByteSpan) -> Status {
    ++decoded;
    return {};
  });
  Status status;
  std::uint8_t byte = 0;
  for (int i = 0; i < 1000 && status.has_value(); ++i) {
    status = blocks.Read((i % 2 == 0) ? 0 : 4U << 20, ByteSpan(&byte, 1));
  }
  ASSERT_FALSE(status.has_value());
  EXPECT_EQ(status.error().code(), ErrorCode::kContainerMalformed);
  EXPECT_LE(decoded, 256);
}

TEST(SourceBlocksTest, WorkCountsCodedBytesToo) {  // C-35
  // As above, with blocks whose coded bytes cost as much as what they make.
  constexpr std::uint32_t kCoded = 2U << 20;
  constexpr std::uint32_t kPlain = (2U << 20) + 1;
  const Bytes source(2 * kCoded, 's');
  Recipe recipe;
  recipe.extents = {{0, 2 * kCoded, HashSha256(source)}};
  recipe.blocks = {{0, kCoded, kPlain, 0, 0, 0, BlockCoding::kRawDeflate},
                   {kCoded, kCoded, kPlain, 0, kPlain, 0, BlockCoding::kRawDeflate}};
  MemoryReader reader(source);
  std::uint64_t work = 0;
  SourceBlocks blocks(&reader, recipe, [&work](BlockCoding, ByteView coded, ByteSpan plain) {
    work += coded.size() + plain.size();
    return Status();
  });
  Status status;
  std::uint8_t byte = 0;
  for (int i = 0; i < 1000 && status.has_value(); ++i) {
    status = blocks.Read((i % 2 == 0) ? 0 : kPlain, ByteSpan(&byte, 1));
  }
  ASSERT_FALSE(status.has_value());
  EXPECT_EQ(status.error().code(), ErrorCode::kContainerMalformed);
  EXPECT_LE(work, kMaxFrameSourceWork);
}

TEST(RecipeTest, MemoryOfTheRecipeIsHeldAgainstTheHead) {  // C-24
  const Example example;
  testing::Forged forged = example.Forged();
  const std::uint64_t needed =
      kDecoderBaseBytes + MemoryOf(example.recipe, forged.head.transforms).total();
  forged.head.memory_bytes = needed;
  EXPECT_TRUE(example.DecodeForged(forged).has_value());
  forged.head.memory_bytes = needed - 1;
  EXPECT_EQ(CodeOf(example.DecodeForged(forged)), ErrorCode::kMemoryLimit);
}

TEST(RecipeTest, BlockInTwoFramesIsMadeInBoth) {  // C-32
  // The same block, cut at every place: head and tail together are the block.
  const Example whole;
  const std::uint32_t coded = whole.recipe.segments[1].coded;
  for (std::uint32_t cut = 1; cut < coded; cut += 97) {
    Bytes joined;
    for (const bool tail : {false, true}) {
      Example part;
      Segment& segment = part.recipe.segments[1];
      segment.skip = tail ? cut : 0;
      segment.take = tail ? coded - cut : cut;
      part.target.resize(30 + segment.take);
      const auto made = part.Decode();
      ASSERT_TRUE(made.has_value()) << made.error().Message();
      joined.insert(joined.end(), made->begin() + 10, made->end() - 20);
    }
    EXPECT_TRUE(std::ranges::equal(joined, ByteView(whole.target).subspan(10, coded)));
  }
}

// Blocks that are filled up to a room, as in erofs: each sees what comes behind it.
TEST(RecipeTest, EncodersSeeWhatLiesAhead) {  // C-32
  const Transform transform = Lz4Transform(9, 4096);
  std::mt19937_64 random(3);
  Bytes plain = testing::RandomContent(random, 60'000);
  for (std::uint8_t& byte : plain) byte &= 7;  // with matches, but not many
  Example example(transform);
  example.recipe = {};
  example.target.clear();
  for (std::size_t at = 0; at < plain.size();) {
    Bytes coded(4096);
    const auto made = EncodeBlock(transform, ByteView(plain).subspan(at), coded);
    ASSERT_TRUE(made.has_value());
    const auto zeros = static_cast<std::uint32_t>(4096 - made->coded);
    example.target.insert(example.target.end(), zeros, 0);
    example.target.insert(example.target.end(), coded.begin(),
                          coded.begin() + static_cast<std::ptrdiff_t>(made->coded));
    const std::size_t behind = plain.size() - at - made->plain;
    example.recipe.segments.push_back({SegmentKind::kBlock, 0, made->plain,
                                       static_cast<std::uint32_t>(behind), zeros,
                                       static_cast<std::uint32_t>(made->coded), 0, 4096});
    at += made->plain;
  }
  ASSERT_GT(example.recipe.segments.size(), 3U);
  example.operations = {{OperationKind::kLiteral, plain.size()}};
  example.literal = plain;
  for (const unsigned threads : {1U, 4U}) {
    const auto made = example.Decode(32U << 20, threads);
    ASSERT_TRUE(made.has_value()) << made.error().Message();
    EXPECT_EQ(*made, example.target);
  }
}

TEST(TransformTest, EncoderThatDiffersIsRefusedBeforeAnythingIsMade) {  // C-26
  Example example;
  example.entry.self_test.bytes[31] ^= 1;
  EXPECT_EQ(CodeOf(example.Decode()), ErrorCode::kEncoderDiffers);
}

TEST(BlockCodecTest, DecodersStayInsideTheirRoom) {
  const Bytes plain = Text(3000, 2);
  for (const Transform& transform : {ZstdTransform(3, false, true), XzTransform(0, 4096, 1, true),
                                     DeflateTransform(9, 15, 8, true), Lz4Transform(12, 0)}) {
    const Bytes coded = EncodeWith(transform, plain);
    const BlockCoding coding = Example::CodingOf(transform);
    for (const std::size_t room : {0U, 1U, 2999U, 3001U}) {
      Bytes out(room);
      EXPECT_FALSE(DecodeBlock(coding, coded, out).has_value()) << room;
    }
    Bytes out(3000);
    ASSERT_TRUE(DecodeBlock(coding, coded, out).has_value());
    EXPECT_EQ(out, plain);
    Bytes longer = coded;
    longer.push_back(0);
    EXPECT_FALSE(DecodeBlock(coding, longer, out).has_value());
    EXPECT_FALSE(DecodeBlock(coding, ByteView(coded).first(coded.size() - 1), out).has_value());
  }
}

}  // namespace
}  // namespace pawl::delta
