// SPDX-License-Identifier: Apache-2.0
// Heads: the worked example of the format document, and heads that lie.

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>
#include <string>

#include "tests/unit/delta/delta_test_util.h"

namespace pawl::delta {
namespace {

using testing::Apply;
using testing::FromText;

Head SmallHead() {
  Head head;
  head.source = ImageIdentity{5000, HashSha256(FromText("old"))};
  head.target = {3 * kChunkBytes + 7, HashSha256(FromText("new"))};
  head.memory_bytes = 4U << 20;
  head.codecs = {{CodecId::kZstd, 1, 10504}};
  head.frames.resize(2);
  for (Frame& frame : head.frames) {
    frame.unit_count = 2;
    frame.payload_bytes = 100;
    frame.payload_sha256 = HashSha256(FromText("payload"));
  }
  PlaceFrames(head);
  return head;
}

ErrorCode CodeOf(const Bytes& bytes, const HeadLimits& limits = {}) {
  const auto head = ParseHead(bytes, limits);
  EXPECT_FALSE(head.has_value()) << "hostile head was accepted";
  return head.has_value() ? ErrorCode::kInternal : head.error().code();
}

void Put(Bytes& bytes, std::size_t offset, std::uint64_t value, std::size_t width) {
  for (std::size_t i = 0; i < width; ++i) {
    bytes[offset + i] = static_cast<std::uint8_t>(value >> (8 * i));
  }
}

// The hexadecimal lines of the worked example, without their comments.
Bytes WorkedExample() {
  std::ifstream file(std::string(PAWL_SOURCE_DIR) + "/docs/container-format.md");
  std::stringstream text;
  text << file.rdbuf();
  const std::string all = text.str();
  std::istringstream lines(all.substr(all.find("## Worked example")));
  Bytes bytes;
  for (std::string line; std::getline(lines, line) && line.rfind("The test", 0) != 0;) {
    if (line.rfind("    ", 0) != 0) continue;
    if (line.find("00 × 40") != std::string::npos) {
      bytes.insert(bytes.end(), 40, 0);
      continue;
    }
    std::istringstream words(line);
    for (std::string word; words >> word && word.size() == 2;) {
      const auto byte = HexDecode(word);
      if (!byte.has_value()) break;
      bytes.push_back(byte->front());
    }
  }
  return bytes;
}

TEST(ContainerFormatTest, WorkedExampleIsExact) {
  const Bytes container = WorkedExample();
  ASSERT_EQ(container.size(), 199U);
  const auto target = Apply(container, nullptr);
  ASSERT_TRUE(target.has_value()) << target.error().Message();
  EXPECT_EQ(*target, FromText("pawl\n"));
}

TEST(HeadTest, EncodingIsReadBack) {
  const Head head = SmallHead();
  const Bytes bytes = EncodeHead(head);
  EXPECT_EQ(bytes.size(), head.HeadBytes());
  const auto read = ParseHead(bytes, {});
  ASSERT_TRUE(read.has_value()) << read.error().Message();
  EXPECT_EQ(*read, head);
  EXPECT_EQ(read->frames[1].first_unit, 2U);
  EXPECT_EQ(read->frames[1].payload_offset, head.HeadBytes() + 100);
  EXPECT_EQ(read->FrameTargetBytes(1), kChunkBytes + 7);
  EXPECT_EQ(read->ContainerBytes(), head.HeadBytes() + 200);
}

TEST(HeadTest, EveryTruncationIsRefused) {  // C-06
  const Bytes bytes = EncodeHead(SmallHead());
  for (std::size_t length = 0; length < bytes.size(); ++length) {
    EXPECT_EQ(CodeOf(Bytes(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(length))),
              ErrorCode::kContainerMalformed);
  }
}

TEST(HeadTest, TrailingBytesAreRefused) {  // C-06
  Bytes bytes = EncodeHead(SmallHead());
  bytes.push_back(0);
  EXPECT_EQ(CodeOf(bytes), ErrorCode::kContainerMalformed);
  Put(bytes, 12, bytes.size(), 4);  // and the length field agreeing does not help
  EXPECT_EQ(CodeOf(bytes), ErrorCode::kContainerMalformed);
}

TEST(HeadTest, ForeignMagicVersionAndFlagsAreRefused) {  // C-05
  const Bytes good = EncodeHead(SmallHead());
  for (std::size_t i = 0; i < kMagic.size(); ++i) {
    Bytes bytes = good;
    bytes[i] ^= 0x20;
    EXPECT_EQ(CodeOf(bytes), ErrorCode::kContainerMalformed);
  }
  Bytes version = good;
  Put(version, 8, kFormatVersion + 1U, 2);
  EXPECT_EQ(CodeOf(version), ErrorCode::kCodecUnsupported);
  for (unsigned bit = 1; bit < 16; ++bit) {
    Bytes flags = good;
    Put(flags, 10, 1U | 1U << bit, 2);
    EXPECT_EQ(CodeOf(flags), ErrorCode::kContainerMalformed);
  }
}

TEST(HeadTest, SourceWithoutItsFlagIsRefused) {  // C-08
  Bytes bytes = EncodeHead(SmallHead());
  Put(bytes, 10, 0, 2);
  EXPECT_EQ(CodeOf(bytes), ErrorCode::kContainerMalformed);
}

TEST(HeadTest, SizesNearTheEdgesOfIntegersAreRefused) {  // C-02, C-07, C-10
  for (const unsigned shift : {31U, 32U, 40U, 62U, 63U}) {
    for (const std::uint64_t offset : {16U, 56U}) {
      for (const std::int64_t step : {-1, 0, 1}) {
        Bytes bytes = EncodeHead(SmallHead());
        const std::uint64_t value =
            (std::uint64_t{1} << shift) + static_cast<std::uint64_t>(step);
        if (offset == 56 && value <= kMaxImageBytes) continue;  // a large source is no lie yet
        Put(bytes, offset, value, 8);
        EXPECT_EQ(CodeOf(bytes), ErrorCode::kContainerMalformed) << shift << " " << step;
      }
    }
  }
  Bytes bytes = EncodeHead(SmallHead());
  Put(bytes, 16, ~std::uint64_t{0}, 8);
  EXPECT_EQ(CodeOf(bytes), ErrorCode::kContainerMalformed);
}

TEST(HeadTest, CallersLimitsAreKept) {  // C-07
  const Bytes bytes = EncodeHead(SmallHead());
  EXPECT_EQ(CodeOf(bytes, {.target_bytes = 3 * kChunkBytes}), ErrorCode::kContainerMalformed);
  EXPECT_EQ(CodeOf(bytes, {.source_bytes = 4999}), ErrorCode::kContainerMalformed);
  EXPECT_EQ(CodeOf(bytes, {.head_bytes = bytes.size() - 1}), ErrorCode::kContainerMalformed);
  EXPECT_TRUE(ParseHead(bytes, {.head_bytes = bytes.size()}).has_value());
}

TEST(HeadTest, HugeCountsAreRefusedWithoutAllocatingForThem) {  // C-06
  for (const std::uint64_t count :
       {std::uint64_t{3}, std::uint64_t{1} << 31, (std::uint64_t{1} << 32) - 1}) {
    Bytes bytes = EncodeHead(SmallHead());
    Put(bytes, 104, count, 4);
    EXPECT_EQ(CodeOf(bytes), ErrorCode::kContainerMalformed);
  }
  Bytes codecs = EncodeHead(SmallHead());
  Put(codecs, 100, 0xFFFF, 2);
  EXPECT_EQ(CodeOf(codecs), ErrorCode::kContainerMalformed);
}

Head HeadWithTransforms() {
  Head head = SmallHead();
  for (const unsigned level : {3U, 9U}) {
    TransformEntry entry;
    entry.transform = ZstdTransform(static_cast<int>(level), false, true);
    entry.memory_bytes = 1U << 20;
    entry.self_test.bytes[0] = 7;
    head.transforms.push_back(entry);
  }
  PlaceFrames(head);
  return head;
}

TEST(HeadTest, TransformsAreReadAsWritten) {  // C-28
  const Head head = HeadWithTransforms();
  const auto read = ParseHead(EncodeHead(head), {});
  ASSERT_TRUE(read.has_value()) << read.error().Message();
  EXPECT_EQ(*read, head);
}

TEST(HeadTest, UnknownTransformsAreRefused) {  // C-26
  const std::size_t table = kHeadFixedBytes + HeadWithTransforms().codecs.size() * kCodecEntryBytes;
  for (const std::uint64_t id : {0U, 5U, 0xFFFFU}) {
    Bytes bytes = EncodeHead(HeadWithTransforms());
    Put(bytes, table, id, 2);
    EXPECT_EQ(CodeOf(bytes), ErrorCode::kTransformUnsupported);
  }
  Bytes version = EncodeHead(HeadWithTransforms());
  Put(version, table + 2, 2, 2);
  EXPECT_EQ(CodeOf(version), ErrorCode::kTransformUnsupported);
  Bytes level = EncodeHead(HeadWithTransforms());
  Put(level, table + 8, 0, 8);
  EXPECT_EQ(CodeOf(level), ErrorCode::kTransformUnsupported);
}

TEST(HeadTest, TransformsOutOfOrderOrTooManyAreRefused) {  // C-28
  Head twice = HeadWithTransforms();
  twice.transforms[1] = twice.transforms[0];
  EXPECT_EQ(CodeOf(EncodeHead(twice)), ErrorCode::kContainerMalformed);
  Bytes many = EncodeHead(HeadWithTransforms());
  Put(many, 102, kMaxTransforms + 1, 2);
  EXPECT_EQ(CodeOf(many), ErrorCode::kContainerMalformed);
  Bytes one_more = EncodeHead(HeadWithTransforms());
  Put(one_more, 102, 3, 2);
  EXPECT_EQ(CodeOf(one_more), ErrorCode::kContainerMalformed);
}

TEST(HeadTest, UnknownCodecsAreRefused) {  // C-09
  Bytes codec = EncodeHead(SmallHead());
  Put(codec, 108, 4, 2);
  EXPECT_EQ(CodeOf(codec), ErrorCode::kCodecUnsupported);
  Bytes version = EncodeHead(SmallHead());
  Put(version, 110, 2, 2);
  EXPECT_EQ(CodeOf(version), ErrorCode::kCodecUnsupported);
  Bytes stored = EncodeHead(SmallHead());
  Put(stored, 108, 0, 2);
  EXPECT_EQ(CodeOf(stored), ErrorCode::kContainerMalformed);
  Head twice = SmallHead();
  twice.codecs.push_back(twice.codecs.front());
  EXPECT_EQ(CodeOf(EncodeHead(twice)), ErrorCode::kContainerMalformed);
}

TEST(HeadTest, FramesThatDoNotCoverTheTargetAreRefused) {  // C-10
  for (const std::uint32_t count : {0U, 1U, 3U, 65U, 0x80000000U, 0xFFFFFFFFU}) {
    Head head = SmallHead();
    head.frames[1].unit_count = count;
    EXPECT_EQ(CodeOf(EncodeHead(head)), ErrorCode::kContainerMalformed) << count;
  }
  Head none = SmallHead();
  none.frames.clear();
  EXPECT_EQ(CodeOf(EncodeHead(none)), ErrorCode::kContainerMalformed);
  Head empty = SmallHead();
  empty.target.bytes = 0;
  EXPECT_EQ(CodeOf(EncodeHead(empty)), ErrorCode::kContainerMalformed);
}

TEST(HeadTest, PayloadLengthsOutsideTheLimitsAreRefused) {  // C-07
  for (const std::uint64_t bytes : {std::uint64_t{0}, std::uint64_t{26}, kMaxPayloadBytes + 1,
                                    std::uint64_t{0x7FFFFFFF}, std::uint64_t{0xFFFFFFFF}}) {
    Head head = SmallHead();
    head.frames[0].payload_bytes = static_cast<std::uint32_t>(bytes);
    EXPECT_EQ(CodeOf(EncodeHead(head)), ErrorCode::kContainerMalformed) << bytes;
  }
}

TEST(HeadTest, FramesOfAFullContainerStayInsideTheirChunk) {  // C-10, C-11
  Head head = SmallHead();
  head.source.reset();
  head.target.bytes = kChunkBytes + 100;
  head.frames[0].unit_count = 256;
  head.frames[1].unit_count = 1;
  EXPECT_TRUE(ParseHead(EncodeHead(head), {}).has_value());
  head.frames[0].unit_count = 255;
  head.frames[1].unit_count = 2;
  EXPECT_EQ(CodeOf(EncodeHead(head)), ErrorCode::kContainerMalformed);
  head.frames[0].unit_count = 257;
  head.frames.pop_back();
  EXPECT_EQ(CodeOf(EncodeHead(head)), ErrorCode::kContainerMalformed);
}

TEST(HeadTest, MemoryOverTheFormatsLimitIsRefused) {  // C-07
  Head head = SmallHead();
  head.memory_bytes = kMaxMemoryBytes + 1;
  EXPECT_EQ(CodeOf(EncodeHead(head)), ErrorCode::kContainerMalformed);
}

TEST(HeadTest, PeekAgreesWithParse) {
  const Bytes bytes = EncodeHead(SmallHead());
  const auto length = PeekHeadBytes(ByteView(bytes).first(kHeadPrefixBytes), {});
  ASSERT_TRUE(length.has_value());
  EXPECT_EQ(*length, bytes.size());
  EXPECT_EQ(PeekHeadBytes(ByteView(bytes).first(15), {}).error().code(),
            ErrorCode::kContainerMalformed);
}

}  // namespace
}  // namespace pawl::delta
