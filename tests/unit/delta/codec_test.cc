// SPDX-License-Identifier: Apache-2.0
// Streams in LZMA2 and by context mixing.
#include <gtest/gtest.h>
#include <lzma.h>

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
using enum OperationKind;

constexpr std::uint64_t kMemory = 64ULL << 20;

Bytes LzmaStream(ByteView plain, unsigned log) {
  lzma_options_lzma options = {};
  lzma_lzma_preset(&options, 6);
  options.dict_size = 1U << log;
  const std::array<lzma_filter, 2> filters = {
      {{LZMA_FILTER_LZMA2, &options}, {LZMA_VLI_UNKNOWN, nullptr}}};
  Bytes coded(plain.size() + 4096);
  coded[0] = static_cast<std::uint8_t>(log);
  std::size_t size = 1;
  EXPECT_EQ(lzma_raw_buffer_encode(filters.data(), nullptr, plain.data(), plain.size(),
                                   coded.data(), &size, coded.size()),
            LZMA_OK);
  coded.resize(size);
  return coded;
}

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

// Machine code as x86-64 has it: calls among other instructions.
struct Code {
  Bytes bytes;
  std::vector<std::size_t> calls;  // where their operands lie
};
Code MakeCode(std::mt19937_64& random, std::size_t size) {
  Code code;
  code.bytes = testing::RandomContent(random, size);
  for (auto& byte : code.bytes) byte &= 0x7F;  // none looks like a call
  for (std::size_t at = 20; at + 20 < size; at += 9 + random() % 20) {
    code.bytes[at] = 0xE8;
    code.calls.push_back(at + 1);
  }
  return code;
}
void SetWord(Bytes& bytes, std::size_t at, std::uint32_t word) {
  for (std::size_t i = 0; i < 4; ++i) bytes[at + i] = static_cast<std::uint8_t>(word >> 8 * i);
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
  const Code code = MakeCode(random, 60000);
  Bytes old_image = code.bytes;
  Bytes new_image = code.bytes;
  // Ten functions outside, each moved by its own distance.
  for (const std::size_t call : code.calls) {
    const auto function = static_cast<std::uint32_t>(random() % 10);
    const auto to = 100000U + 5000U * function - static_cast<std::uint32_t>(call);
    SetWord(old_image, call, to);
    SetWord(new_image, call, to + 1000U + 77U * function);
  }
  const Bytes coded = Mix(Overlay(old_image, new_image, 0));
  ASSERT_FALSE(coded.empty());
  EXPECT_EQ(coded.front(), static_cast<std::uint8_t>(Machine::kX86));
  EXPECT_LT(coded.size(), code.calls.size() / 8) << code.calls.size() << " calls";
  EXPECT_TRUE(Decode(coded, old_image, 0) == new_image);
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

// Calls to a few functions that moved, and behind them a table of which every byte changed.
TEST(MixedSplitTest, MixesMovedCodeAndAddsWhatNoModelExpects) {
  std::mt19937_64 random(13);
  const Code code = MakeCode(random, 120000);
  Bytes old_image = code.bytes;
  Bytes new_image = code.bytes;
  for (const std::size_t call : code.calls) {
    const auto function = static_cast<std::uint32_t>(random() % 10);
    const auto to = 200000U + 5000U * function - static_cast<std::uint32_t>(call);
    SetWord(old_image, call, to);
    SetWord(new_image, call, to + 1000U + 77U * function);
  }
  for (int i = 0; i < 120000; ++i) {
    old_image.push_back(static_cast<std::uint8_t>(random()));
    new_image.push_back(static_cast<std::uint8_t>(random()));
  }
  const PlainStreams streams = Overlay(old_image, new_image, 0);
  const auto split = SplitDifference(streams, 24);
  ASSERT_TRUE(split.has_value() && split->has_value());
  EXPECT_NEAR(static_cast<double>((*split)->mixed_plain_bytes), 120000.0, 8192.0);
  EXPECT_EQ((*split)->mixed_plain_bytes + (*split)->difference.size(), old_image.size());
  EXPECT_LT((*split)->mixed.size(), code.calls.size() / 4);
  ByteReader in((*split)->control);
  const auto first = ReadOperation(in);
  const auto second = ReadOperation(in);
  ASSERT_TRUE(first.has_value() && second.has_value() && in.done());
  EXPECT_EQ(first->kind, kMix);
  EXPECT_EQ(second->kind, kAdd);
}

TEST(MixedSplitTest, WhatDecodesInNoTimeIsNotMixed) {
  std::mt19937_64 random(14);
  const Bytes old_image = testing::RandomContent(random, 50000);
  const Bytes new_image = testing::RandomContent(random, 50000);
  const auto split = SplitDifference(Overlay(old_image, new_image, 0), 24);
  ASSERT_TRUE(split.has_value());
  EXPECT_FALSE(split->has_value());
}

TEST(MixedEncoderTest, BestEffortMakesContainersThatTheDecoderTakes) {
  std::mt19937_64 random(12);
  const Code code = MakeCode(random, kChunkBytes + 5000);
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
