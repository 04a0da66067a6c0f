// SPDX-License-Identifier: Apache-2.0
// Streams in LZMA2 and by context mixing.
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <cstring>

#include "delta/apply/context_mixing.h"
#include "delta/apply/difference_model.h"
#include "delta/apply/mixed_stream_reader.h"
#include "delta/apply/plain_stream.h"
#include "delta/generate/bit_encoder.h"
#include "delta/generate/mixed_encoder.h"
#include "delta/generate/mixed_split.h"
#include "tests/unit/delta/delta_test_util.h"

namespace pawl::delta {
namespace {

using testing::CollectingSink;
using testing::Control;
using testing::FromText;
using testing::LzmaStream;
using testing::MakeMovedCode;
using testing::MovedCode;
using testing::SetWord;
using enum OperationKind;

constexpr std::uint64_t kMemory = 64ULL << 20;

// Reads a whole stream; what went wrong, if anything.
std::optional<ErrorCode> ReadStream(CodecId codec, const Bytes& coded, std::uint64_t plain_bytes,
                     Bytes* out = nullptr) {
  auto stream = PlainStream::Open({codec, plain_bytes, coded});
  if (!stream.has_value()) return stream.error().code();
  Bytes plain(static_cast<std::size_t>(plain_bytes));
  for (std::size_t at = 0; at < plain.size(); at += 1000) {
    const std::size_t count = std::min<std::size_t>(1000, plain.size() - at);
    if (auto status = stream->Read(ByteSpan(plain).subspan(at, count)); !status.has_value()) {
      return status.error().code();
    }
  }
  if (auto status = stream->Finish(); !status.has_value()) return status.error().code();
  if (out != nullptr) *out = plain;
  return std::nullopt;
}

TEST(LzmaStreamTest, GivesThePlainBytes) {
  std::mt19937_64 random(3);
  const Bytes plain = testing::RandomContent(random, 300000);
  Bytes out;
  EXPECT_EQ(ReadStream(CodecId::kLzma, LzmaStream(plain, 16), plain.size(), &out), std::nullopt);
  EXPECT_TRUE(out == plain);
}

TEST(LzmaStreamTest, DictionaryOverTheLimitIsRefused) {  // C-50
  const Bytes plain = FromText("plain plain plain plain");
  Bytes coded = LzmaStream(plain, 20);
  EXPECT_EQ(ReadStream(CodecId::kLzma, coded, plain.size()), std::nullopt);
  for (const int log : {0, 11, 21, 31, 32, 40, 255}) {
    coded[0] = static_cast<std::uint8_t>(log);
    EXPECT_EQ(ReadStream(CodecId::kLzma, coded, plain.size()), ErrorCode::kDecodeFailed) << log;
  }
  EXPECT_EQ(ReadStream(CodecId::kLzma, {}, plain.size()), ErrorCode::kDecodeFailed);
}

TEST(LzmaStreamTest, EndsExactlyWithThePlainLength) {  // C-51
  const Bytes plain = FromText("plain plain plain plain");
  const Bytes good = LzmaStream(plain, 20);
  EXPECT_EQ(ReadStream(CodecId::kLzma, good, plain.size() - 1), ErrorCode::kDecodeFailed);
  EXPECT_EQ(ReadStream(CodecId::kLzma, good, plain.size() + 1), ErrorCode::kDecodeFailed);
  Bytes behind = good;
  behind.push_back(0);
  EXPECT_EQ(ReadStream(CodecId::kLzma, behind, plain.size()), ErrorCode::kDecodeFailed);
  for (std::size_t length = 0; length < good.size(); ++length) {
    const Bytes cut(good.begin(), good.begin() + static_cast<std::ptrdiff_t>(length));
    EXPECT_EQ(ReadStream(CodecId::kLzma, cut, plain.size()), ErrorCode::kDecodeFailed) << length;
  }
}

TEST(ContextMixingTest, SquashFollowsTheLogisticFunction) {
  for (int logit = -2047; logit <= 2047; ++logit) {
    const double exact = 65536 / (1 + std::exp(-logit / 256.0));
    EXPECT_NEAR(Logistic::Squash(logit), exact, 400) << logit;
  }
  EXPECT_EQ(Logistic::Squash(0), 32768U);
  EXPECT_EQ(Logistic::Squash(-100000), 32U);
  EXPECT_EQ(Logistic::Squash(100000), 65504U);
}

TEST(ContextMixingTest, StretchIsTheInverseOfSquash) {
  for (std::uint32_t coarse = 8; coarse < 4088; ++coarse) {
    const std::uint32_t back = Logistic::Squash(Logistic::Stretch(coarse));
    EXPECT_GE(back, coarse * 16 + 8);
    EXPECT_LE(back, coarse * 16 + 8 + 70) << coarse;
  }
}

// All of a new image laid on the old one at the same place.
PlainStreams Overlay(const Bytes& old_image, const Bytes& new_image, std::uint64_t source) {
  PlainStreams streams;
  streams.control = Control({{kAdd, new_image.size(), source, false}});
  streams.old = old_image;
  for (std::size_t i = 0; i < new_image.size(); ++i) {
    streams.difference.push_back(static_cast<std::uint8_t>(new_image[i] - old_image[i]));
  }
  return streams;
}

// All of it, mixed for the machine that suits it.
Bytes Mix(const PlainStreams& streams) {
  const auto additions = AdditionsOf(streams);
  if (!additions.has_value()) return {};
  return EncodeMixed(streams, *additions, ChooseMachine(streams, *additions)).coded;
}

// Decodes what Mix made. Empty when that fails.
Bytes Decode(const Bytes& coded, const Bytes& old_image, std::uint64_t source) {
  auto mixed = MixedStreamReader::Open({CodecId::kContextMixing, old_image.size(), coded});
  if (!mixed.has_value()) return {};
  Bytes out(old_image.size());
  for (std::size_t at = 0; at < out.size(); at += DifferenceModel::kSegmentBytes) {
    const std::size_t count = std::min(DifferenceModel::kSegmentBytes, out.size() - at);
    const auto status = mixed->Read(ByteView(old_image).subspan(at, count), source + at, at,
                                    ByteSpan(out).subspan(at, count));
    if (!status.has_value()) return {};
  }
  return mixed->Finish().has_value() ? out : Bytes();
}

TEST(DifferenceModelTest, DecodesWhatItEncoded) {
  std::mt19937_64 random(7);
  for (const std::size_t size : {1U, 3U, 4U, 5U, 4096U, 65536U, 65537U}) {
    const Bytes old_image = testing::RandomContent(random, size);
    for (const unsigned percent : {1U, 60U}) {
      Bytes new_image = old_image;
      for (auto& byte : new_image) {
        if (random() % 100 < percent) byte = static_cast<std::uint8_t>(random());
      }
      const Bytes coded = Mix(Overlay(old_image, new_image, 0));
      EXPECT_TRUE(Decode(coded, old_image, 0) == new_image) << size << " " << percent;
    }
  }
}

TEST(DifferenceModelTest, CallsToMovedCodeCostAlmostNothing) {
  std::mt19937_64 random(8);
  const MovedCode code = MakeMovedCode(random, 60000);
  const Bytes coded = Mix(Overlay(code.old_image, code.new_image, 0));
  ASSERT_FALSE(coded.empty());
  EXPECT_EQ(coded.front(), static_cast<std::uint8_t>(Machine::kX86));
  EXPECT_LT(coded.size(), code.calls / 8) << code.calls << " calls";
  EXPECT_TRUE(Decode(coded, code.old_image, 0) == code.new_image);
}

TEST(DifferenceModelTest, BranchesOfArm64AreFollowed) {
  std::mt19937_64 random(9);
  Bytes old_image(40000);
  for (std::size_t at = 0; at < old_image.size(); at += 4) {
    SetWord(old_image, at, static_cast<std::uint32_t>(random()) & 0x03FFFFFFU);
  }
  Bytes new_image = old_image;
  std::size_t branches = 0;
  for (std::size_t at = 0; at < old_image.size(); at += 12) {
    const auto function = static_cast<std::uint32_t>(random() % 10);
    const std::uint32_t way = (200000U + 4000U * function - static_cast<std::uint32_t>(at)) / 4;
    SetWord(old_image, at, 0x94000000U | way);
    SetWord(new_image, at, 0x94000000U | (way + 10U + function));
    ++branches;
  }
  const Bytes coded = Mix(Overlay(old_image, new_image, 0));
  ASSERT_FALSE(coded.empty());
  EXPECT_EQ(coded.front(), static_cast<std::uint8_t>(Machine::kArm64));
  EXPECT_LT(coded.size(), branches / 8);
  EXPECT_TRUE(Decode(coded, old_image, 0) == new_image);
}

class MixedStreamTest : public ::testing::Test {
 protected:
  MixedStreamTest() {
    std::mt19937_64 random(10);
    old_image_ = testing::RandomContent(random, 3000);
    new_image_ = old_image_;
    for (std::size_t i = 0; i < new_image_.size(); i += 50) new_image_[i] ^= 0x11;
    coded_ = Mix(Overlay(old_image_, new_image_, 0));
  }
  // The outcome of a frame whose mixed stream is `coded`.
  std::optional<ErrorCode> Outcome(const Bytes& coded, CollectingSink& sink) const {
    return Outcome({{kMix, old_image_.size(), 0, false}}, {},
                   {CodecId::kContextMixing, old_image_.size(), coded}, sink);
  }
  std::optional<ErrorCode> Outcome(const std::vector<Operation>& operations,
                                   const CodedStream& difference, const CodedStream& mixed,
                                   CollectingSink& sink) const {
    const Bytes control = Control(operations);
    auto forged = testing::Forge(
        testing::JoinStreams({CodecId::kStored, control.size(), control}, difference, {}, mixed),
        old_image_.size(), old_image_.size());
    forged.head.memory_bytes = kMemory;
    forged.head.codecs = {{CodecId::kContextMixing, 1, 0}};
    const Status status = testing::DecodeForged(forged, &old_image_, sink, kMemory);
    return status.has_value() ? std::nullopt : std::optional(status.error().code());
  }
  Bytes old_image_;
  Bytes new_image_;
  Bytes coded_;
};

TEST_F(MixedStreamTest, IsDecodedInAFrame) {
  CollectingSink sink;
  EXPECT_EQ(Outcome(coded_, sink), std::nullopt);
  EXPECT_TRUE(sink.bytes() == new_image_);
}

TEST_F(MixedStreamTest, UnknownMachineIsRefused) {  // C-53
  Bytes coded = coded_;
  for (const int machine : {3, 4, 255}) {
    coded[0] = static_cast<std::uint8_t>(machine);
    CollectingSink sink;
    EXPECT_EQ(Outcome(coded, sink), ErrorCode::kDecodeFailed);
  }
}

TEST_F(MixedStreamTest, TruncationsAreRefused) {  // C-54
  for (std::size_t length = 0; length < coded_.size(); length += 1 + length / 8) {
    const Bytes cut(coded_.begin(), coded_.begin() + static_cast<std::ptrdiff_t>(length));
    CollectingSink sink;
    EXPECT_EQ(Outcome(cut, sink), ErrorCode::kDecodeFailed) << length;
  }
}

TEST_F(MixedStreamTest, BytesBehindTheEndAreRefused) {  // C-54
  Bytes behind = coded_;
  behind.push_back(0);
  CollectingSink sink;
  EXPECT_EQ(Outcome(behind, sink), ErrorCode::kDecodeFailed);
}

TEST_F(MixedStreamTest, FlippedBytesGiveOtherBytesOrAnError) {
  for (std::size_t at = 0; at < coded_.size(); at += 1 + at / 8) {
    Bytes flipped = coded_;
    flipped[at] ^= 0x40;
    CollectingSink sink;
    const std::optional<ErrorCode> code = Outcome(flipped, sink);
    EXPECT_TRUE(!code || code == ErrorCode::kDecodeFailed) << at;
  }
}

TEST_F(MixedStreamTest, MixedAndAddedBytesFollowEachOther) {
  const std::size_t half = old_image_.size() / 2;
  PlainStreams streams = Overlay(old_image_, new_image_, 0);
  const Bytes rest(streams.difference.begin() + static_cast<std::ptrdiff_t>(half),
                   streams.difference.end());
  const Bytes coded = EncodeMixed(streams, {{0, 0, 0, half}}, Machine::kNone).coded;
  CollectingSink sink;
  EXPECT_EQ(Outcome({{kMix, half, 0, false}, {kAdd, rest.size(), 0, false}},
                    {CodecId::kStored, rest.size(), rest},
                    {CodecId::kContextMixing, half, coded}, sink),
            std::nullopt);
  EXPECT_TRUE(sink.bytes() == new_image_);
}

TEST_F(MixedStreamTest, NoOtherStreamMayBeContextCoded) {  // C-52
  const CodedStream coded{CodecId::kContextMixing, old_image_.size(), coded_};
  CollectingSink sink;
  EXPECT_EQ(Outcome({{kAdd, old_image_.size(), 0, false}}, coded, {}, sink),
            ErrorCode::kContainerMalformed);
  auto forged = testing::Forge(testing::JoinStreams(coded, {}, {}), old_image_.size(), 10);
  forged.head.codecs = {{CodecId::kContextMixing, 1, 0}};
  EXPECT_EQ(testing::DecodeForged(forged, &old_image_, sink).error().code(),
            ErrorCode::kContainerMalformed);
}

TEST_F(MixedStreamTest, MayNotBeInAnotherCodec) {  // C-52
  CollectingSink sink;
  EXPECT_EQ(Outcome({{kMix, new_image_.size(), 0, false}}, {},
                    {CodecId::kStored, new_image_.size(), new_image_}, sink),
            ErrorCode::kContainerMalformed);
}

TEST_F(MixedStreamTest, MoreOrLessThanItHoldsIsRefused) {  // C-17, C-18
  const std::uint64_t size = old_image_.size();
  const auto refused = [&](const std::vector<Operation>& operations, const CodedStream& difference,
                           std::uint64_t mixed_bytes) {
    CollectingSink sink;
    const CodedStream mixed{CodecId::kContextMixing, mixed_bytes, coded_};
    return Outcome(operations, difference, mixed_bytes != 0 ? mixed : CodedStream{}, sink) ==
           ErrorCode::kContainerMalformed;
  };
  EXPECT_TRUE(refused({{kMix, size, 0, false}}, {}, 0));
  EXPECT_TRUE(refused({{kMix, size, 0, false}}, {}, size - 1));
  EXPECT_TRUE(refused({{kMix, size - 1, 0, false}, {kZero, 1}}, {}, size));
  EXPECT_TRUE(refused({{kCopy, size, 0, false}}, {}, size));
  const Bytes one(1);
  EXPECT_TRUE(refused({{kMix, size, 0, false}}, {CodecId::kStored, 1, one}, size));  // C-14
}

TEST_F(MixedStreamTest, ReadsInsideTheSourceOnly) {  // C-16
  const CodedStream coded{CodecId::kContextMixing, old_image_.size(), coded_};
  CollectingSink sink;
  EXPECT_EQ(Outcome({{kMix, old_image_.size(), 1, false}}, {}, coded, sink),
            ErrorCode::kContainerMalformed);
}

TEST_F(MixedStreamTest, MemoryIsReckonedBeforeDecoding) {  // C-24
  const Bytes control = Control({{kMix, old_image_.size(), 0, false}});
  auto forged = testing::Forge(
      testing::JoinStreams({CodecId::kStored, control.size(), control}, {}, {},
                           {CodecId::kContextMixing, old_image_.size(), coded_}),
      old_image_.size(), old_image_.size());
  forged.head.codecs = {{CodecId::kContextMixing, 1, 0}};
  forged.head.memory_bytes = kDecoderBaseBytes + MixedStreamReader::kMemoryBytes - 1;
  CollectingSink sink;
  const Status status = testing::DecodeForged(forged, &old_image_, sink, kMemory);
  ASSERT_FALSE(status.has_value());
  EXPECT_EQ(status.error().code(), ErrorCode::kMemoryLimit);
}

// Code that moved, and behind it bytes of which nearly all have changed.
class MixedSplitTest : public ::testing::Test {
 protected:
  MixedSplitTest() {
    MovedCode code = MakeMovedCode(random_, kPart);
    calls_ = code.calls;
    old_image_ = std::move(code.old_image);
    new_image_ = std::move(code.new_image);
    for (Bytes* image : {&old_image_, &new_image_}) {
      const Bytes noise = testing::RandomContent(random_, kPart);
      image->insert(image->end(), noise.begin(), noise.end());
    }
  }
  static std::vector<Operation> Operations(const Bytes& control) {
    std::vector<Operation> operations;
    ByteReader in(control);
    while (!in.done()) operations.push_back(ReadOperation(in).value());
    return operations;
  }

  static constexpr std::uint32_t kPart = 120000;
  std::mt19937_64 random_{13};
  Bytes old_image_;
  Bytes new_image_;
  std::size_t calls_ = 0;
};

TEST_F(MixedSplitTest, MixesMovedCodeAndAddsWhatNoModelExpects) {
  const PlainStreams streams = Overlay(old_image_, new_image_, 0);
  const auto split = SplitDifference(streams, 24);
  ASSERT_TRUE(split.has_value() && split->has_value());
  EXPECT_NEAR(static_cast<double>((*split)->mixed_plain_bytes), kPart, 8192.0);
  EXPECT_EQ((*split)->mixed_plain_bytes + (*split)->difference.size(), old_image_.size());
  EXPECT_LT((*split)->mixed.size(), calls_ / 4);
  const std::vector<Operation> operations = Operations((*split)->control);
  ASSERT_EQ(operations.size(), 2U);
  EXPECT_EQ(operations[0].kind, kMix);
  EXPECT_EQ(operations[1].kind, kAdd);
}

// One operation becomes two; those around it, and where they read, stay as they were.
TEST_F(MixedSplitTest, OperationsAroundASplitKeepTheirPlaces) {
  PlainStreams streams = Overlay(old_image_, new_image_, 0);
  const std::uint64_t size = old_image_.size();
  streams.control = Control({{kCopy, 10, 7}, {kAdd, size, 17, true}, {kLiteral, 5},
                             {kCopy, 9, size - 3, true}, {kZero, 4}});
  streams.literal = FromText("lorem");
  const auto split = SplitDifference(streams, 24);
  ASSERT_TRUE(split.has_value() && split->has_value());
  const std::vector<Operation> operations = Operations((*split)->control);
  ASSERT_EQ(operations.size(), 6U);
  EXPECT_EQ(operations[1].kind, kMix);
  EXPECT_TRUE(operations[1].backward);
  EXPECT_EQ(operations[1].distance, 17U);
  EXPECT_EQ(operations[2].kind, kAdd);
  EXPECT_FALSE(operations[2].backward);
  EXPECT_EQ(operations[2].distance, 0U);
  EXPECT_EQ(operations[1].length + operations[2].length, size);
  SourceCursor cursor(size);
  ASSERT_TRUE(cursor.Advance(operations[0]).has_value());
  EXPECT_EQ(cursor.Advance(operations[1]).value(), 0U);
  EXPECT_EQ(cursor.Advance(operations[2]).value(), operations[1].length);
  EXPECT_EQ(operations[3].kind, kLiteral);
  EXPECT_EQ(cursor.Advance(operations[4]).value(), 3U);
  EXPECT_EQ(operations[5].kind, kZero);
}

TEST_F(MixedSplitTest, WhatDecodingMayCostDecides) {
  // Changes at every tenth byte: the model gains by them, at some bits for each byte saved.
  Bytes new_image = old_image_;
  for (std::size_t i = 0; i < new_image.size(); i += 10) {
    new_image[i] = static_cast<std::uint8_t>(new_image[i] + random_() % 3);
  }
  const PlainStreams streams = Overlay(old_image_, new_image, 0);
  const auto mixed_bytes = [&](std::uint64_t bits_per_saved_byte) {
    const auto split = SplitDifference(streams, bits_per_saved_byte);
    EXPECT_TRUE(split.has_value());
    return split.has_value() && split->has_value() ? (*split)->mixed_plain_bytes : 0;
  };
  EXPECT_EQ(mixed_bytes(1), 0U);
  EXPECT_EQ(mixed_bytes(1'000'000), old_image_.size());
}

TEST_F(MixedSplitTest, ControlStreamsStayWithinTheLimitOfTheFormat) {  // C-14
  PlainStreams streams = Overlay(old_image_, new_image_, 0);
  const Bytes byte = Control({{kZero, 1}});
  ASSERT_EQ(byte.size(), 1U);
  for (const bool fits : {true, false}) {
    Bytes control = Control({{kAdd, old_image_.size(), 0, false}});
    control.resize(static_cast<std::size_t>(kMaxControlBytes) - (fits ? 100 : 1), byte[0]);
    streams.control = control;
    const auto split = SplitDifference(streams, 24);
    ASSERT_TRUE(split.has_value());
    EXPECT_EQ(split->has_value(), fits);
  }
}

TEST(MixedEncoderTest, BestEffortMakesContainersThatTheDecoderTakes) {
  std::mt19937_64 random(12);
  const testing::Code code = testing::MakeCode(random, kChunkBytes + 5000);
  Bytes new_image = code.bytes;
  for (const std::size_t call : code.calls) {
    for (std::size_t i = 0; i < 2; ++i) new_image[call + i] ^= static_cast<std::uint8_t>(i + 1);
  }
  GenerateOptions options;
  options.effort = Effort::kBest;
  options.threads = 1;
  const auto one = testing::MakeDelta(code.bytes, new_image, options);
  ASSERT_TRUE(one.has_value());
  options.threads = 3;
  EXPECT_TRUE(testing::MakeDelta(code.bytes, new_image, options).value_or(Bytes()) == *one);
  EXPECT_TRUE(testing::Apply(*one, &code.bytes, kMemory).value_or(Bytes()) == new_image);
}

}  // namespace
}  // namespace pawl::delta
