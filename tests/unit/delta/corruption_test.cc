// SPDX-License-Identifier: Apache-2.0
// Whatever happens to a container on its way, the outcome is a clean refusal or the exact target.

#include <gtest/gtest.h>

#include "delta/apply/apply_container.h"
#include "tests/unit/delta/delta_test_util.h"

namespace pawl::delta {
namespace {

using testing::Apply;
using testing::RandomContent;

struct Pair {
  Bytes old_image;
  Bytes new_image;
  Bytes container;
};

// Every kind of operation and stream, in a few hundred bytes.
Pair SmallPair() {
  std::mt19937_64 random(21);
  Pair pair;
  pair.old_image = RandomContent(random, 12000);
  pair.new_image = pair.old_image;
  for (std::size_t i = 5000; i < 7000; i += 90) pair.new_image[i] ^= 3;
  pair.new_image.insert(pair.new_image.begin() + 900, 100, 'x');
  pair.new_image.insert(pair.new_image.begin() + 8192, 8192, 0);
  auto container = testing::MakeDelta(pair.old_image, pair.new_image, {.threads = 1});
  EXPECT_TRUE(container.has_value());
  if (container.has_value()) pair.container = *std::move(container);
  return pair;
}

// The same with a mixed stream, and streams in LZMA2: code whose calls have moved.
Pair MixedPair() {
  std::mt19937_64 random(22);
  testing::MovedCode code = testing::MakeMovedCode(random, 20000);
  Pair pair{std::move(code.old_image), std::move(code.new_image), {}};
  for (int i = 0; i < 300; ++i) {
    const std::string line = std::to_string(i * i) + " is the square of " + std::to_string(i);
    pair.new_image.insert(pair.new_image.end(), line.begin(), line.end());
  }
  GenerateOptions options;
  options.effort = Effort::kBest;
  options.threads = 1;
  auto container = testing::MakeDelta(pair.old_image, pair.new_image, options);
  EXPECT_TRUE(container.has_value());
  if (container.has_value()) pair.container = *std::move(container);
  return pair;
}

void ExpectRefusedOrExact(const Bytes& container, const Pair& pair) {
  const auto made = Apply(container, &pair.old_image);
  if (made.has_value()) {
    EXPECT_EQ(*made, pair.new_image);
  } else {
    const ErrorClass error_class = ClassOf(made.error().code());
    EXPECT_EQ(error_class, ErrorClass::kIntegrity) << made.error().Message();
  }
}

class CorruptionTest : public ::testing::TestWithParam<bool> {
 protected:
  const Pair pair_ = GetParam() ? MixedPair() : SmallPair();
};

TEST_P(CorruptionTest, UntouchedContainerIsApplied) {
  const Pair& pair = pair_;
  const auto made = Apply(pair.container, &pair.old_image);
  ASSERT_TRUE(made.has_value()) << made.error().Message();
  EXPECT_EQ(*made, pair.new_image);
  MemoryReader container(pair.container);
  const auto report = Inspect(container);
  ASSERT_TRUE(report.has_value());
  EXPECT_EQ(report->operations.mix_bytes != 0, GetParam());
}

TEST_P(CorruptionTest, EveryTruncationIsRefused) {  // C-03, C-06
  const Pair& pair = pair_;
  for (std::size_t length = 0; length < pair.container.size(); ++length) {
    const Bytes cut(pair.container.begin(),
                    pair.container.begin() + static_cast<std::ptrdiff_t>(length));
    EXPECT_FALSE(Apply(cut, &pair.old_image).has_value()) << length;
  }
}

TEST_P(CorruptionTest, EveryChangedByteIsRefusedOrHarmless) {
  const Pair& pair = pair_;
  for (std::size_t i = 0; i < pair.container.size(); ++i) {
    for (const int change : {0x01, 0x80, 0xFF}) {
      Bytes changed = pair.container;
      changed[i] ^= static_cast<std::uint8_t>(change);
      ExpectRefusedOrExact(changed, pair);
    }
  }
}

// An attacker who can also write the hash: the payload is authentic, and every byte of it hostile.
TEST_P(CorruptionTest, EveryChangedPayloadByteWithARightHashIsRefusedOrHarmless) {
  const Pair& pair = pair_;
  const auto length = PeekHeadBytes(ByteView(pair.container).first(kHeadPrefixBytes), {});
  ASSERT_TRUE(length.has_value());
  auto head = ParseHead(ByteView(pair.container).first(*length), {});
  ASSERT_TRUE(head.has_value());
  ASSERT_EQ(head->frames.size(), 1U);
  const Bytes payload(pair.container.begin() + static_cast<std::ptrdiff_t>(*length),
                      pair.container.end());
  for (std::size_t i = 0; i < payload.size(); ++i) {
    for (const int change : {0x01, 0x04, 0x80, 0xFF}) {
      Bytes changed = payload;
      changed[i] ^= static_cast<std::uint8_t>(change);
      head->frames[0].payload_sha256 = HashSha256(changed);
      Bytes container = EncodeHead(*head);
      container.insert(container.end(), changed.begin(), changed.end());
      ExpectRefusedOrExact(container, pair);
    }
  }
}

TEST_P(CorruptionTest, WrongSourceNeverGivesAnotherTarget) {  // C-25
  const Pair& pair = pair_;
  Bytes other = pair.old_image;
  other[3] ^= 1;
  const auto made = Apply(pair.container, &other);
  ASSERT_FALSE(made.has_value());
  // A mixed stream says nothing any more once its old bytes are others.
  EXPECT_EQ(made.error().code(),
            GetParam() ? ErrorCode::kDecodeFailed : ErrorCode::kImageDigestMismatch);
}

INSTANTIATE_TEST_SUITE_P(Streams, CorruptionTest, ::testing::Bool(),
                         [](const auto& mixed) { return mixed.param ? "Mixed" : "Plain"; });

}  // namespace
}  // namespace pawl::delta
