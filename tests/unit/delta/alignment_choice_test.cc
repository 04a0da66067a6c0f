// SPDX-License-Identifier: Apache-2.0
#include "delta/generate/alignment_choice.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <random>

#include "delta/generate/coding_costs.h"
#include "tests/unit/delta/delta_test_util.h"

namespace pawl::delta {
namespace {

using testing::RandomContent;

ScanTask TaskOf(const Bytes& text) {
  ScanTask task;
  task.text = text;
  return task;
}

// What the scan and the choice make of new bytes.
class AlignmentChoiceTest : public ::testing::Test {
 protected:
  // All of the old image is one segment.
  Pieces Choose(const Bytes& old_image, const Bytes& text) {
    return Choose(old_image, {{0, old_image.size()}}, TaskOf(text));
  }
  Pieces Choose(const Bytes& old_image, const std::vector<Range>& segments, ScanTask task) {
    MemoryReader reader(old_image);
    auto old_text = OldText::Load(reader, segments);
    auto index = SuffixIndex::Build(old_text->bytes());
    task.remember = true;
    const Scan scan = ScanSimilar(*old_text, *index, task);
    CodingCosts costs;
    for (const Overlay& overlay : scan.laid) {
      costs.LearnDifference(old_text->bytes().subspan(overlay.old, overlay.length), overlay.old,
                            task.text.subspan(overlay.text, overlay.length), overlay.text);
    }
    costs.FinishLearning();
    return ChooseAlignments(*old_text, costs, task, scan);
  }
};

TEST_F(AlignmentChoiceTest, SparseEditsStayOnOneAlignment) {
  std::mt19937_64 random(21);
  const Bytes old_image = RandomContent(random, 100000);
  Bytes text = old_image;
  for (std::size_t i = 50; i < text.size(); i += 100) text[i] ^= 1;
  const Pieces pieces = Choose(old_image, text);
  ASSERT_EQ(pieces.size(), 1U);
  EXPECT_EQ(pieces[0].source, 0U);
  EXPECT_EQ(pieces[0].length, text.size());
}

TEST_F(AlignmentChoiceTest, WordsThatMoveByOneDistanceStayOnOneAlignment) {
  std::mt19937_64 random(22);
  const Bytes old_image = RandomContent(random, 100000);
  Bytes text = old_image;
  for (std::size_t i = 8; i + 4 <= text.size(); i += 12) {
    std::uint32_t word = 0;
    std::memcpy(&word, &text[i], sizeof(word));
    word += 0x01010101;
    std::memcpy(&text[i], &word, sizeof(word));
  }
  // Seed of the alignment: the first bytes are equal.
  std::copy_n(old_image.begin(), 64, text.begin());
  const Pieces pieces = Choose(old_image, text);
  ASSERT_EQ(pieces.size(), 1U);
  EXPECT_GE(pieces[0].length, text.size() - 16);
}

TEST_F(AlignmentChoiceTest, MovedPartsAreLaidWhereTheyCameFrom) {
  std::mt19937_64 random(23);
  const Bytes old_image = RandomContent(random, 60000);
  Bytes text(old_image.begin() + 40000, old_image.end());
  text.insert(text.end(), old_image.begin(), old_image.begin() + 40000);
  const Pieces pieces = Choose(old_image, text);
  ASSERT_EQ(pieces.size(), 2U);
  EXPECT_EQ(pieces[0].source, 40000U);
  EXPECT_EQ(pieces[1].source, 0U);
  EXPECT_EQ(pieces[1].target, 20000U);
}

TEST_F(AlignmentChoiceTest, BytesLikeNothingStayLiteral) {
  std::mt19937_64 random(24);
  const Bytes old_image = RandomContent(random, 20000);
  EXPECT_TRUE(Choose(old_image, RandomContent(random, 20000)).empty());
  EXPECT_TRUE(Choose({}, old_image).empty());
}

// Parts of the old image that follow each other in the sorted text do not in the image.
TEST_F(AlignmentChoiceTest, NoPieceGoesOverTheEndOfASegment) {
  std::mt19937_64 random(26);
  const Bytes old_image = RandomContent(random, 90000);
  const std::vector<Range> segments = {{0, 30000}, {60000, 30000}};
  Bytes text(old_image.begin() + 10000, old_image.begin() + 30000);
  text.insert(text.end(), old_image.begin() + 60000, old_image.begin() + 80000);
  const Pieces pieces = Choose(old_image, segments, TaskOf(text));
  ASSERT_EQ(pieces.size(), 2U);
  EXPECT_EQ(pieces[0].source, 10000U);
  EXPECT_EQ(pieces[0].length, 20000U);
  EXPECT_EQ(pieces[1].source, 60000U);
  EXPECT_EQ(pieces[1].length, 20000U);
}

// Between two matches the same alignment holds, though no search would find it: every eighth byte
// has changed.
TEST_F(AlignmentChoiceTest, AlignmentsOfTheNeighboursAreTriedWithoutAMatch) {
  std::mt19937_64 random(27);
  const Bytes old_image = RandomContent(random, 20000);
  Bytes text(old_image.begin() + 5000, old_image.begin() + 5400);
  for (std::size_t i = 0; i < text.size(); i += 8) text[i] ^= 0x55;
  const std::vector<Range> segments = {{0, old_image.size()}};
  EXPECT_TRUE(Choose(old_image, segments, TaskOf(text)).empty());
  for (const bool before : {true, false}) {
    ScanTask task = TaskOf(text);
    (before ? task.source_before : task.source_behind) = before ? 5000 : 5400;
    const Pieces pieces = Choose(old_image, segments, task);
    ASSERT_EQ(pieces.size(), 1U) << before;
    EXPECT_EQ(pieces[0].source - pieces[0].target, 5000U);
    EXPECT_GE(pieces[0].length, text.size() - 16);
  }
}

TEST_F(AlignmentChoiceTest, NeighboursAtTheEndsOfTheOldImageAreNoPlaces) {
  std::mt19937_64 random(28);
  const Bytes old_image = RandomContent(random, 2000);
  const Bytes text = RandomContent(random, 500);
  ScanTask task = TaskOf(text);
  task.source_before = old_image.size();
  task.source_behind = 0;
  EXPECT_TRUE(Choose(old_image, {{0, old_image.size()}}, task).empty());
}

// Words of a small dictionary in any order: nearly every byte begins another match.
TEST(ScanTest, RemembersOneMatchForSoManyBytes) {
  std::mt19937_64 random(29);
  const Bytes words = RandomContent(random, 64 * 16);
  const auto shuffled = [&] {
    Bytes text;
    for (int i = 0; i < 4000; ++i) {
      const auto word = words.begin() + static_cast<std::ptrdiff_t>(random() % 64 * 16);
      text.insert(text.end(), word, word + 13);
    }
    return text;
  };
  const Bytes old_image = shuffled();
  const Bytes text = shuffled();
  MemoryReader reader(old_image);
  auto old_text = OldText::Load(reader, {{0, old_image.size()}});
  auto index = SuffixIndex::Build(old_text->bytes());
  ScanTask task = TaskOf(text);
  EXPECT_TRUE(ScanSimilar(*old_text, *index, task).matches.empty());
  task.remember = true;
  const std::size_t remembered = ScanSimilar(*old_text, *index, task).matches.size();
  EXPECT_GT(remembered, 100U);
  EXPECT_LE(remembered, text.size() / kBytesPerMatch + 100);
}

TEST(CodingCostsTest, AWordThatChangesAsOthersDidIsCheap) {
  Bytes old_words;
  Bytes fresh_words;
  for (std::uint8_t i = 0; i < 10; ++i) {
    const Bytes old_word = {static_cast<std::uint8_t>(16 * i), 1, 2, 3};
    old_words.insert(old_words.end(), old_word.begin(), old_word.end());
    fresh_words.insert(fresh_words.end(), {static_cast<std::uint8_t>(16 * i + 5), 1, 2, 3});
  }
  CodingCosts costs;
  costs.LearnDifference(old_words, 0, fresh_words, 0);
  costs.FinishLearning();
  std::uint32_t trust = 0;
  const Cost known = costs.OfWord(0x03020108, 0, 0x0302010D, 0, trust);
  EXPECT_GT(trust, 0U);
  const Cost anew = costs.OfWord(0x03020108, 0, 0x0302014D, 0, trust);
  EXPECT_LT(known * 2, anew);
  EXPECT_EQ(trust, 0U);
}

TEST(CodingCostsTest, LiteralBytesCostWhatTheirContentAsks) {
  std::mt19937_64 random(25);
  CodingCosts noise;
  noise.LearnLiteral(RandomContent(random, 1U << 18));
  noise.FinishLearning();
  CodingCosts calm;
  calm.LearnLiteral(Bytes(1U << 18, 7));
  calm.FinishLearning();
  EXPECT_GT(noise.OfLiteralByte(), 5 * kBit);
  EXPECT_LT(calm.OfLiteralByte(), kBit);
}

}  // namespace
}  // namespace pawl::delta
