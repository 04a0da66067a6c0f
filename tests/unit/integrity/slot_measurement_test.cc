// SPDX-License-Identifier: Apache-2.0
#include "client/integrity/slot_measurement.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace pawl::integrity {
namespace {

class MemoryReader : public RandomReader {
 public:
  explicit MemoryReader(Bytes bytes) : bytes_(std::move(bytes)) {}
  Status ReadAt(std::uint64_t offset, ByteSpan out) override {
    if (!Contains(bytes_.size(), offset, out.size())) return Fail(ErrorCode::kIo, "past the end");
    std::ranges::copy(ByteView(bytes_).subspan(offset, out.size()), out.begin());
    return {};
  }
  std::uint64_t SizeBytes() const override { return bytes_.size(); }
  Bytes& bytes() { return bytes_; }

 private:
  Bytes bytes_;
};

constexpr std::uint64_t kImageBytes = 2 * kChunkBytes + 12345;

class SlotMeasurementTest : public testing::Test {
 protected:
  SlotMeasurementTest() : slot_(Bytes(4 * kChunkBytes)) {
    for (std::size_t i = 0; i < slot_.bytes().size(); ++i)
      slot_.bytes()[i] = static_cast<std::uint8_t>(i * 7 + i / 4096);
    const ByteView image = ByteView(slot_.bytes()).first(kImageBytes);
    expected_.bytes = kImageBytes;
    expected_.image = HashSha256(image);
    for (std::uint64_t at = 0; at < kImageBytes; at += kChunkBytes) {
      expected_.chunks.push_back(
          HashSha256(image.subspan(at, std::min(kChunkBytes, kImageBytes - at))));
    }
  }
  MemoryReader slot_;
  ExpectedImage expected_;
};

TEST_F(SlotMeasurementTest, AnUntouchedSlotMatches) {
  std::vector<std::uint64_t> progress;
  const auto measured = MeasureSlot(slot_, expected_, [&](std::uint64_t done, std::uint64_t all) {
    progress.push_back(done);
    EXPECT_EQ(all, kImageBytes);
  });
  ASSERT_TRUE(measured) << measured.error().Message();
  EXPECT_TRUE(measured->matches);
  EXPECT_EQ(measured->chunks, expected_.chunks);
  EXPECT_EQ(progress, (std::vector<std::uint64_t>{kChunkBytes, 2 * kChunkBytes, kImageBytes}));
  EXPECT_EQ(ToEvidence(*measured, expected_, "a", "rootfs", "1.0", {5}).wrong_chunks, 0U);
}

TEST_F(SlotMeasurementTest, NamesTheChunkOfAFlippedByteAtEveryEdge) {
  for (const std::uint64_t at :
       {std::uint64_t{0}, kChunkBytes - 1, kChunkBytes, 2 * kChunkBytes, kImageBytes - 1}) {
    slot_.bytes()[at] ^= 1U;
    const auto measured = MeasureSlot(slot_, expected_);
    ASSERT_TRUE(measured);
    EXPECT_FALSE(measured->matches);
    EXPECT_EQ(measured->wrong_chunks, std::vector<std::uint64_t>{at / kChunkBytes});
    EXPECT_EQ(ToEvidence(*measured, expected_, "a", "rootfs", "1.0", {5}).wrong_chunks, 1U);
    slot_.bytes()[at] ^= 1U;
  }
}

TEST_F(SlotMeasurementTest, BytesBehindTheImageDoNotMatter) {
  slot_.bytes()[kImageBytes] ^= 1U;
  EXPECT_TRUE(MeasureSlot(slot_, expected_)->matches);
}

TEST_F(SlotMeasurementTest, AnImageDigestThatDoesNotFitItsChunksIsNeverClean) {
  expected_.image = HashSha256({});
  const auto measured = MeasureSlot(slot_, expected_);
  EXPECT_FALSE(measured->matches);
  EXPECT_EQ(ToEvidence(*measured, expected_, "a", "rootfs", "1.0", {5}).wrong_chunks, 1U);
}

TEST_F(SlotMeasurementTest, RefusesImpossibleExpectations) {
  ExpectedImage fewer = expected_;
  fewer.chunks.pop_back();
  EXPECT_EQ(MeasureSlot(slot_, fewer).error().code(), ErrorCode::kInputInvalid);
  slot_.bytes().resize(kImageBytes - 1);
  EXPECT_EQ(MeasureSlot(slot_, expected_).error().code(), ErrorCode::kSlotTooSmall);
}

}  // namespace
}  // namespace pawl::integrity
