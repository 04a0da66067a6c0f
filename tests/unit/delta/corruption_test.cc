// SPDX-License-Identifier: Apache-2.0
// Whatever happens to a container on its way, the outcome is a clean refusal or the exact target.

#include <gtest/gtest.h>

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

void ExpectRefusedOrExact(const Bytes& container, const Pair& pair) {
  const auto made = Apply(container, &pair.old_image);
  if (made.has_value()) {
    EXPECT_EQ(*made, pair.new_image);
  } else {
    const ErrorClass error_class = ClassOf(made.error().code());
    EXPECT_EQ(error_class, ErrorClass::kIntegrity) << made.error().Message();
  }
}

TEST(CorruptionTest, UntouchedContainerIsApplied) {
  const Pair pair = SmallPair();
  const auto made = Apply(pair.container, &pair.old_image);
  ASSERT_TRUE(made.has_value()) << made.error().Message();
  EXPECT_EQ(*made, pair.new_image);
}

TEST(CorruptionTest, EveryTruncationIsRefused) {  // C-03, C-06
  const Pair pair = SmallPair();
  for (std::size_t length = 0; length < pair.container.size(); ++length) {
    const Bytes cut(pair.container.begin(),
                    pair.container.begin() + static_cast<std::ptrdiff_t>(length));
    EXPECT_FALSE(Apply(cut, &pair.old_image).has_value()) << length;
  }
}

TEST(CorruptionTest, EveryChangedByteIsRefusedOrHarmless) {
  const Pair pair = SmallPair();
  for (std::size_t i = 0; i < pair.container.size(); ++i) {
    for (const int change : {0x01, 0x80, 0xFF}) {
      Bytes changed = pair.container;
      changed[i] ^= static_cast<std::uint8_t>(change);
      ExpectRefusedOrExact(changed, pair);
    }
  }
}

// An attacker who can also write the hash: the payload is authentic, and every byte of it hostile.
TEST(CorruptionTest, EveryChangedPayloadByteWithARightHashIsRefusedOrHarmless) {
  const Pair pair = SmallPair();
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

TEST(CorruptionTest, WrongSourceNeverGivesAnotherTarget) {  // C-25
  const Pair pair = SmallPair();
  Bytes other = pair.old_image;
  other[3] ^= 1;
  const auto made = Apply(pair.container, &other);
  ASSERT_FALSE(made.has_value());
  EXPECT_EQ(made.error().code(), ErrorCode::kImageDigestMismatch);
}

}  // namespace
}  // namespace pawl::delta
