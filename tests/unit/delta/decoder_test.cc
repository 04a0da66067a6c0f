// SPDX-License-Identifier: Apache-2.0 Payloads that are authentic by their hash and hostile by
// their content: the case of a stolen key or a broken signer. The decoder stays inside source,
// target and memory whatever they say.

#include <gtest/gtest.h>

#include "tests/unit/delta/delta_test_util.h"

namespace pawl::delta {
namespace {

using testing::CollectingSink;
using testing::Control;
using testing::DecodeForged;
using testing::Forge;
using testing::JoinStreams;
using testing::FromText;
using testing::StoredPayload;
using testing::ZstdFrame;

constexpr auto kZero = OperationKind::kZero;
constexpr auto kLiteral = OperationKind::kLiteral;
constexpr auto kCopy = OperationKind::kCopy;
constexpr auto kAdd = OperationKind::kAdd;

// The outcome of decoding a payload over the source "abcdefghij" into `target_bytes`.
ErrorCode Outcome(const Bytes& payload, std::uint64_t target_bytes) {
  const Bytes source = FromText("abcdefghij");
  CollectingSink sink;
  const Status status = DecodeForged(Forge(payload, 10, target_bytes), &source, sink);
  EXPECT_FALSE(status.has_value()) << "hostile payload was accepted";
  return status.has_value() ? ErrorCode::kInternal : status.error().code();
}

ErrorCode OutcomeOf(const std::vector<Operation>& operations, std::uint64_t target_bytes) {
  return Outcome(StoredPayload(Control(operations), {}, {}), target_bytes);
}

TEST(DecoderTest, OperationsMakeWhatTheFormatSays) {
  const Bytes source = FromText("abcdefghij");
  const Bytes control = Control({{kLiteral, 2}, {kCopy, 3, 4}, {kZero, 2}, {kAdd, 2, 6, true}});
  const Bytes payload = StoredPayload(control, Bytes{1, 255}, FromText("XY"));
  CollectingSink sink;
  const Status status = DecodeForged(Forge(payload, 10, 9), &source, sink);
  ASSERT_TRUE(status.has_value()) << status.error().Message();
  // Behind the copy the source position is 7; six back is 1.
  EXPECT_EQ(sink.bytes(), (Bytes{'X', 'Y', 'e', 'f', 'g', 0, 0, 'c', 'b'}));
}

TEST(DecoderTest, HashIsCheckedBeforeAnythingIsDecoded) {  // C-04
  auto forged = Forge(StoredPayload(Control({{kZero, 9}}), {}, {}), 10, 9);
  forged.payload[0] = 99;  // an unknown codec: reported only by who looks inside
  const Bytes source = FromText("abcdefghij");
  CollectingSink sink;
  const Status status = DecodeForged(forged, &source, sink);
  ASSERT_FALSE(status.has_value());
  EXPECT_EQ(status.error().code(), ErrorCode::kFrameHashMismatch);
  EXPECT_TRUE(sink.bytes().empty());
}

TEST(DecoderTest, WrongLengthIsRefusedBeforeHashing) {  // C-04
  auto forged = Forge(StoredPayload(Control({{kZero, 9}}), {}, {}), 10, 9);
  const Bytes source = FromText("abcdefghij");
  for (const bool longer : {true, false}) {
    auto other = forged;
    longer ? other.payload.push_back(0) : other.payload.pop_back();
    CollectingSink sink;
    EXPECT_EQ(DecodeForged(other, &source, sink).error().code(), ErrorCode::kPayloadLength);
  }
}

TEST(DecoderTest, UnknownFrameIsRefused) {
  const auto forged = Forge(StoredPayload(Control({{kZero, 9}}), {}, {}), std::nullopt, 9);
  auto decoder = Decoder::Create(forged.head, nullptr, 8U << 20);
  ASSERT_TRUE(decoder.has_value());
  CollectingSink sink;
  EXPECT_EQ(decoder->DecodeFrame(1, forged.payload, sink).error().code(), ErrorCode::kUnknownName);
}

TEST(DecoderTest, CopiesOutsideTheSourceAreRefused) {  // C-16
  EXPECT_EQ(OutcomeOf({{kCopy, 11}}, 11), ErrorCode::kContainerMalformed);
  EXPECT_EQ(OutcomeOf({{kCopy, 1, 10}}, 1), ErrorCode::kContainerMalformed);
  EXPECT_EQ(OutcomeOf({{kCopy, 2, 9}}, 2), ErrorCode::kContainerMalformed);
  EXPECT_EQ(OutcomeOf({{kCopy, 4}, {kCopy, 4, 5, true}}, 8), ErrorCode::kContainerMalformed);
  EXPECT_EQ(OutcomeOf({{kCopy, 1, 1, true}}, 1), ErrorCode::kContainerMalformed);
}

// The CVE-2014-9862 family: lengths and moves that are negative or wrap when read as signed or
// added without care.
TEST(DecoderTest, HugeAndWrappingControlValuesAreRefused) {  // C-02, C-16, C-17
  const std::uint64_t edges[] = {0x7FFFFFFF,         0x80000000,         0xFFFFFFFF,
                                 0x100000000,        0x3FFFFFFFFFFFFFFF, 0x3FFFFFFFFFFFFFF0,
                                 0x2000000000000000, 0x1FFFFFFFFFFFFFFF};
  for (const std::uint64_t edge : edges) {
    for (const OperationKind kind : {kZero, kLiteral, kCopy, kAdd}) {
      EXPECT_EQ(OutcomeOf({{kZero, 1}, {kind, edge}}, 9), ErrorCode::kContainerMalformed) << edge;
    }
    for (const OperationKind kind : {kCopy, kAdd}) {
      for (const std::uint64_t distance : {edge, edge * 2, ~std::uint64_t{0} >> 1}) {
        for (const bool backward : {false, true}) {
          EXPECT_EQ(OutcomeOf({{kCopy, 5}, {kind, 4, distance, backward}}, 9),
                    ErrorCode::kContainerMalformed)
              << edge;
        }
      }
    }
  }
}

TEST(DecoderTest, MoreThanTheTargetIsRefused) {  // C-17
  EXPECT_EQ(OutcomeOf({{kZero, 10}}, 9), ErrorCode::kContainerMalformed);
  EXPECT_EQ(OutcomeOf({{kZero, 9}, {kZero, 1}}, 9), ErrorCode::kContainerMalformed);
}

TEST(DecoderTest, LessThanTheTargetIsRefused) {  // C-18
  EXPECT_EQ(OutcomeOf({{kZero, 8}}, 9), ErrorCode::kContainerMalformed);
  EXPECT_EQ(OutcomeOf({}, 9), ErrorCode::kContainerMalformed);
}

TEST(DecoderTest, LeftOverStreamBytesAreRefused) {  // C-18
  const Bytes three(3);
  EXPECT_EQ(Outcome(StoredPayload(Control({{kZero, 9}}), three, {}), 9),
            ErrorCode::kContainerMalformed);
  EXPECT_EQ(Outcome(StoredPayload(Control({{kZero, 9}}), {}, three), 9),
            ErrorCode::kContainerMalformed);
  const Bytes coded = ZstdFrame(three);
  const Bytes control = Control({{kZero, 9}});
  EXPECT_EQ(
      Outcome(JoinStreams({CodecId::kStored, control.size(), control}, {},
                          {CodecId::kZstd, 3, coded}),
              9),
      ErrorCode::kContainerMalformed);
}

TEST(DecoderTest, StreamsThatRunOutAreRefused) {  // C-17
  EXPECT_EQ(Outcome(StoredPayload(Control({{kLiteral, 9}}), {}, Bytes(8)), 9),
            ErrorCode::kContainerMalformed);
  EXPECT_EQ(Outcome(StoredPayload(Control({{kAdd, 9}}), Bytes(8), {}), 9),
            ErrorCode::kContainerMalformed);
}

TEST(DecoderTest, UnknownOperationsAreRefused) {  // C-15
  for (const int kind : {5, 6, 7}) {
    const Bytes control = {static_cast<std::uint8_t>(9 << 3 | kind), 0};
    EXPECT_EQ(Outcome(StoredPayload(control, {}, {}), 9), ErrorCode::kContainerMalformed);
  }
}

TEST(DecoderTest, OperationsThatMakeNothingAreRefused) {  // C-15
  EXPECT_EQ(OutcomeOf({{kZero, 0}, {kZero, 9}}, 9), ErrorCode::kContainerMalformed);
  EXPECT_EQ(OutcomeOf({{kCopy, 9, 0, true}}, 9), ErrorCode::kContainerMalformed);
}

TEST(DecoderTest, OverlongAndBrokenVarintsAreRefused) {  // C-01
  const Bytes long_form = {0xA4, 0x00};                  // 9 × 4 + 0 with a superfluous byte
  EXPECT_EQ(Outcome(StoredPayload(long_form, {}, {}), 9), ErrorCode::kContainerMalformed);
  const Bytes endless(11, 0xFF);
  EXPECT_EQ(Outcome(StoredPayload(endless, {}, {}), 9), ErrorCode::kContainerMalformed);
  const Bytes cut = {0xA4};
  EXPECT_EQ(Outcome(StoredPayload(cut, {}, {}), 9), ErrorCode::kContainerMalformed);
}

TEST(DecoderTest, CopyWithoutASourceIsRefused) {  // C-16
  const auto forged = Forge(StoredPayload(Control({{kCopy, 9}}), {}, {}), std::nullopt, 9);
  CollectingSink sink;
  EXPECT_EQ(DecodeForged(forged, nullptr, sink).error().code(), ErrorCode::kContainerMalformed);
}

TEST(DecoderTest, StreamHeadersThatDoNotAddUpAreRefused) {  // C-12, C-13, C-14
  const Bytes good = StoredPayload(Control({{kLiteral, 9}}), {}, Bytes(9));
  for (const std::size_t field : {1U, 5U, 10U, 14U, 19U, 23U}) {
    for (const unsigned value : {1U, 2U, 8U, 10U, 255U}) {
      for (const std::size_t byte : {0U, 3U}) {
        Bytes bad = good;
        if (bad[field + byte] == value) continue;
        bad[field + byte] = static_cast<std::uint8_t>(value);
        EXPECT_EQ(Outcome(bad, 9), ErrorCode::kContainerMalformed);
      }
    }
  }
  Bytes trailing = good;
  trailing.push_back(0);
  EXPECT_EQ(Outcome(trailing, 9), ErrorCode::kContainerMalformed);
  Bytes codec = good;
  codec[18] = 7;
  EXPECT_EQ(Outcome(codec, 9), ErrorCode::kContainerMalformed);
  EXPECT_EQ(Outcome(Bytes(26), 9), ErrorCode::kContainerMalformed);
}

TEST(DecoderTest, CodecThatTheHeadDoesNotListIsRefused) {  // C-13
  const Bytes plain(9);
  const Bytes coded = ZstdFrame(plain);
  const Bytes control = Control({{kLiteral, 9}});
  auto forged =
      Forge(JoinStreams({CodecId::kStored, control.size(), control}, {},
                        {CodecId::kZstd, 9, coded}),
            std::nullopt, 9);
  CollectingSink sink;
  EXPECT_TRUE(DecodeForged(forged, nullptr, sink).has_value());
  forged.head.codecs.clear();
  EXPECT_EQ(DecodeForged(forged, nullptr, sink).error().code(), ErrorCode::kContainerMalformed);
}

// A payload whose literal stream is `coded`, said to have `plain_bytes`, for a target of
// `target_bytes`.
ErrorCode ZstdOutcome(const Bytes& coded, std::uint64_t plain_bytes, std::uint64_t target_bytes) {
  const Bytes control = Control({{kLiteral, target_bytes}});
  return Outcome(JoinStreams({CodecId::kStored, control.size(), control}, {},
                             {CodecId::kZstd, plain_bytes, coded}),
                 target_bytes);
}

TEST(DecoderTest, ZstdBombIsRefusedByItsStatedLength) {  // C-14, C-21
  const Bytes bomb = ZstdFrame(Bytes(16U << 20));
  EXPECT_LT(bomb.size(), 4096U);
  EXPECT_EQ(ZstdOutcome(bomb, 9, 9), ErrorCode::kDecodeFailed);
  EXPECT_EQ(ZstdOutcome(bomb, 16U << 20, 9), ErrorCode::kContainerMalformed);
}

TEST(DecoderTest, ZstdBombThatLiesStopsAtItsBound) {  // C-23
  // One-byte content size field, single segment: says 9 bytes, then goes on with a run of 128 KiB.
  Bytes bomb = {0x28, 0xB5, 0x2F, 0xFD, 0x20, 9};
  const std::uint32_t run_block = 1U | 1U << 1 | (128U << 10) << 3;
  for (unsigned i = 0; i < 3; ++i) bomb.push_back(static_cast<std::uint8_t>(run_block >> (8 * i)));
  bomb.push_back('x');
  EXPECT_EQ(ZstdOutcome(bomb, 9, 9), ErrorCode::kDecodeFailed);
  // The same with raw blocks of nine bytes, more of them than stated.
  Bytes more = {0x28, 0xB5, 0x2F, 0xFD, 0x20, 9};
  for (const unsigned last : {0U, 1U}) {
    more.insert(more.end(), {static_cast<std::uint8_t>(last | 9U << 3), 0, 0});
    more.insert(more.end(), 9, 'x');
  }
  EXPECT_EQ(ZstdOutcome(more, 9, 9), ErrorCode::kDecodeFailed);
}

TEST(DecoderTest, ZstdWindowOverTheLimitIsRefused) {  // C-22
  std::mt19937_64 random(1);
  const Bytes plain = testing::RandomContent(random, (1U << 20) + 100000);
  EXPECT_EQ(ZstdOutcome(ZstdFrame(plain, 21), plain.size(), plain.size()),
            ErrorCode::kDecodeFailed);
  // A frame that says a window of 2^31 in its descriptor.
  Bytes wide = ZstdFrame(Bytes(2U << 20), 20);
  ASSERT_EQ(wide[4] & 0x20, 0);
  wide[5] = 21 << 3;
  EXPECT_EQ(ZstdOutcome(wide, 2U << 20, 2U << 20), ErrorCode::kDecodeFailed);
}

TEST(DecoderTest, OnlyOneCompleteZstdFrameIsTaken) {  // C-20, C-21
  const Bytes plain = FromText("aaaaaaaaa");
  const Bytes good = ZstdFrame(plain);
  Bytes behind = good;
  behind.push_back(0);
  EXPECT_EQ(ZstdOutcome(behind, 9, 9), ErrorCode::kDecodeFailed);
  Bytes twice = good;
  twice.insert(twice.end(), good.begin(), good.end());
  EXPECT_EQ(ZstdOutcome(twice, 9, 9), ErrorCode::kDecodeFailed);
  const Bytes legacy = {0x27, 0xB5, 0x2F, 0xFD, 0x20, 9,   0x40, 0,   9,    'z', 's', 't',
                        'd',  ' ',  '0',  '.',  '7',  '!', 0xC0, 0x00, 0x00};
  EXPECT_EQ(ZstdOutcome(legacy, 9, 9), ErrorCode::kDecodeFailed);
  Bytes skippable = {0x50, 0x2A, 0x4D, 0x18, 4, 0, 0, 0, 1, 2, 3, 4};
  EXPECT_EQ(ZstdOutcome(skippable, 9, 9), ErrorCode::kDecodeFailed);
  skippable.insert(skippable.end(), good.begin(), good.end());
  EXPECT_EQ(ZstdOutcome(skippable, 9, 9), ErrorCode::kDecodeFailed);
  EXPECT_EQ(ZstdOutcome(ZstdFrame(plain, 20, false), 9, 9), ErrorCode::kDecodeFailed);
  for (std::size_t length = 0; length < good.size(); ++length) {
    const Bytes cut(good.begin(), good.begin() + static_cast<std::ptrdiff_t>(length));
    EXPECT_EQ(ZstdOutcome(cut, 9, 9), ErrorCode::kDecodeFailed) << length;
  }
}

TEST(DecoderTest, MemoryLieIsRefusedBeforeDecoding) {  // C-24
  const Bytes plain(1U << 20);
  const Bytes coded = ZstdFrame(plain);
  const Bytes control = Control({{kLiteral, plain.size()}});
  const CodedStream literal{CodecId::kZstd, plain.size(), coded};
  auto forged =
      Forge(JoinStreams({CodecId::kStored, control.size(), control}, {}, literal),
            std::nullopt, plain.size());
  const std::uint64_t needed = kDecoderBaseBytes + plain.size() + kZstdOverheadBytes;
  forged.head.memory_bytes = needed;
  CollectingSink enough;
  EXPECT_TRUE(DecodeForged(forged, nullptr, enough).has_value());
  forged.head.memory_bytes = needed - 1;
  CollectingSink sink;
  EXPECT_EQ(DecodeForged(forged, nullptr, sink).error().code(), ErrorCode::kMemoryLimit);
  EXPECT_TRUE(sink.bytes().empty());
}

TEST(DecoderTest, HeadThatAsksForTooMuchMemoryIsRefused) {  // C-24
  auto forged = Forge(StoredPayload(Control({{kZero, 9}}), {}, {}), std::nullopt, 9);
  EXPECT_EQ(Decoder::Create(forged.head, nullptr, forged.head.memory_bytes - 1).error().code(),
            ErrorCode::kMemoryLimit);
}

TEST(DecoderTest, SourceThatIsShorterThanTheHeadSaysIsRefused) {  // C-16
  const auto forged = Forge(StoredPayload(Control({{kCopy, 9}}), {}, {}), 10, 9);
  const Bytes nine(9);
  CollectingSink sink;
  EXPECT_EQ(DecodeForged(forged, &nine, sink).error().code(), ErrorCode::kSourceMismatch);
  EXPECT_EQ(DecodeForged(forged, nullptr, sink).error().code(), ErrorCode::kSourceMismatch);
  const Bytes longer(11);
  EXPECT_TRUE(DecodeForged(forged, &longer, sink).has_value());
}

TEST(DecoderTest, TargetIsWrittenForwardInWholeChunks) {  // C-19
  const Bytes source = FromText("abcdefghij");
  const std::uint64_t target_bytes = 3 * kChunkBytes + 5;
  const auto forged = Forge(
      StoredPayload(Control({{kCopy, 10}, {kZero, target_bytes - 10}}), {}, {}), 10, target_bytes);
  CollectingSink sink;  // checks order and length of what it gets
  ASSERT_TRUE(DecodeForged(forged, &source, sink).has_value());
  EXPECT_EQ(sink.begins(),
            (std::vector<std::uint64_t>{0, kChunkBytes, 2 * kChunkBytes, 3 * kChunkBytes}));
  EXPECT_EQ(sink.bytes().size(), target_bytes);
}

TEST(DecoderTest, BytesBehindTheSourceAreNeverCopied) {  // C-16
  const Bytes longer = FromText("abcdefghijSECRET");
  CollectingSink sink;
  const auto forged = Forge(StoredPayload(Control({{kCopy, 11}}), {}, {}), 10, 11);
  EXPECT_EQ(DecodeForged(forged, &longer, sink).error().code(), ErrorCode::kContainerMalformed);
}

class BrokenReader : public RandomReader {
 public:
  Status ReadAt(std::uint64_t, ByteSpan) override { return Fail(ErrorCode::kIo, "bad sector"); }
  std::uint64_t SizeBytes() const override { return 10; }
};

class FullSink : public ChunkSink {
 public:
  Status Take(std::uint64_t, ByteView) override { return Fail(ErrorCode::kNoSpace, "full"); }
};

TEST(DecoderTest, ErrorsOfSourceAndSinkArePassedOn) {
  const auto copy = Forge(StoredPayload(Control({{kCopy, 9}}), {}, {}), 10, 9);
  BrokenReader broken;
  auto decoder = Decoder::Create(copy.head, &broken, 8U << 20);
  ASSERT_TRUE(decoder.has_value());
  CollectingSink sink;
  EXPECT_EQ(decoder->DecodeFrame(0, copy.payload, sink).error().code(), ErrorCode::kIo);
  const auto zero = Forge(StoredPayload(Control({{kZero, 9}}), {}, {}), std::nullopt, 9);
  auto other = Decoder::Create(zero.head, nullptr, 8U << 20);
  ASSERT_TRUE(other.has_value());
  FullSink full;
  EXPECT_EQ(other->DecodeFrame(0, zero.payload, full).error().code(), ErrorCode::kNoSpace);
}

// No state carries over but the target before a frame, which the caller gives.
TEST(DecoderTest, FramesDecodeInAnyOrderAndAgain) {  // C-41
  std::mt19937_64 random(7);
  Bytes image = testing::RandomContent(random, 300000);
  const Bytes again = image;
  image.insert(image.end(), again.begin(), again.end());
  const auto container = testing::MakeFull(image);
  ASSERT_TRUE(container.has_value());
  const auto length = PeekHeadBytes(ByteView(*container).first(kHeadPrefixBytes), {});
  const auto head = ParseHead(ByteView(*container).first(*length), {});
  ASSERT_TRUE(head.has_value());
  ASSERT_GT(head->frames.size(), 3U);
  auto decoder = Decoder::Create(*head, nullptr, 8U << 20);
  ASSERT_TRUE(decoder.has_value());
  for (const std::size_t index : {3U, 1U, 1U, 0U, 2U}) {
    const Frame& frame = head->frames[index];
    const auto begin = static_cast<std::size_t>(head->FrameBegin(index));
    CollectingSink sink;
    ASSERT_TRUE(decoder
                    ->DecodeFrame(index,
                                  ByteView(*container).subspan(frame.payload_offset,
                                                               frame.payload_bytes),
                                  sink, ByteView(image).first(begin))
                    .has_value());
    EXPECT_EQ(sink.begins(), std::vector<std::uint64_t>{begin});
    EXPECT_EQ(sink.bytes().size(), head->FrameTargetBytes(index));
    EXPECT_TRUE(std::equal(sink.bytes().begin(), sink.bytes().end(),
                           image.begin() + static_cast<std::ptrdiff_t>(begin)));
  }
}

// What lies in the slot may be anything: it is copied from, never interpreted.
TEST(DecoderTest, WrongTargetBeforeAFrameGivesWrongBytesAndNothingWorse) {  // C-41
  std::mt19937_64 random(8);
  const Bytes part = testing::RandomContent(random, 30000);
  Bytes image;
  for (int i = 0; i < 10; ++i) image.insert(image.end(), part.begin(), part.end());
  const auto container = testing::MakeFull(image);
  ASSERT_TRUE(container.has_value());
  const auto length = PeekHeadBytes(ByteView(*container).first(kHeadPrefixBytes), {});
  const auto head = ParseHead(ByteView(*container).first(*length), {});
  auto decoder = Decoder::Create(*head, nullptr, 8U << 20);
  bool differed = false;
  for (std::size_t i = 1; i < head->frames.size(); ++i) {
    const Frame& frame = head->frames[i];
    const Bytes hostile(static_cast<std::size_t>(head->FrameBegin(i)), 0x37);
    const ByteView payload =
        ByteView(*container).subspan(frame.payload_offset, frame.payload_bytes);
    CollectingSink sink;
    const Status decoded = decoder->DecodeFrame(i, payload, sink, hostile);
    if (!decoded) {
      EXPECT_EQ(decoded.error().code(), ErrorCode::kDecodeFailed);
    }
    const auto begin = image.begin() + static_cast<std::ptrdiff_t>(head->FrameBegin(i));
    differed |= !std::equal(sink.bytes().begin(), sink.bytes().end(), begin);
    CollectingSink none;
    EXPECT_EQ(decoder->DecodeFrame(i, payload, none).error().code(), ErrorCode::kInternal);
  }
  EXPECT_TRUE(differed);
}

}  // namespace
}  // namespace pawl::delta
