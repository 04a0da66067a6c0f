// SPDX-License-Identifier: Apache-2.0 What the generator makes, the decoder turns into exactly the
// target: for every small case, and for edits of every kind. And it makes the same bytes every
// time.

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "tests/unit/delta/delta_test_util.h"

namespace pawl::delta {
namespace {

using testing::Apply;
using testing::MakeDelta;
using testing::MakeFull;
using testing::RandomContent;

const GenerateOptions kOneThread = {.threads = 1};

void ExpectRoundTrip(const Bytes& old_image, const Bytes& new_image,
                     const GenerateOptions& options = kOneThread) {
  const auto container = MakeDelta(old_image, new_image, options);
  ASSERT_TRUE(container.has_value()) << container.error().Message();
  const auto made = Apply(*container, &old_image);
  ASSERT_TRUE(made.has_value()) << made.error().Message();
  ASSERT_TRUE(*made == new_image) << "target differs";
}

std::size_t DeltaBytes(const Bytes& old_image, const Bytes& new_image) {
  const auto container = MakeDelta(old_image, new_image, kOneThread);
  EXPECT_TRUE(container.has_value());
  return container.has_value() ? container->size() : 0;
}

// All words of up to `longest` symbols, each symbol written as the given bytes.
std::vector<Bytes> AllWords(std::size_t longest, const Bytes& a, const Bytes& b) {
  std::vector<Bytes> words;
  for (std::size_t length = 0; length <= longest; ++length) {
    for (std::size_t bits = 0; bits < std::size_t{1} << length; ++bits) {
      Bytes word;
      for (std::size_t i = 0; i < length; ++i) {
        const Bytes& symbol = (bits >> i & 1) != 0 ? a : b;
        word.insert(word.end(), symbol.begin(), symbol.end());
      }
      words.push_back(std::move(word));
    }
  }
  return words;
}

void ExpectAllPairs(const std::vector<Bytes>& words) {
  for (const Bytes& old_image : words) {
    for (const Bytes& new_image : words) {
      ExpectRoundTrip(old_image, new_image);
      if (::testing::Test::HasFatalFailure()) return;
    }
  }
}

TEST(GeneratorExhaustiveTest, AllPairsOfUpToSixBytesOfATwoLetterAlphabet) {
  ExpectAllPairs(AllWords(6, {'a'}, {'b'}));
}

TEST(GeneratorExhaustiveTest, AllPairsOfUpToFiveWordsThatTheSuffixSortFinds) {
  std::mt19937_64 random(11);
  ExpectAllPairs(AllWords(5, RandomContent(random, 40), RandomContent(random, 41)));
}

TEST(GeneratorExhaustiveTest, AllPairsOfUpToThreeBlocksThatTheHashesFind) {
  std::mt19937_64 random(12);
  ExpectAllPairs(AllWords(3, RandomContent(random, 4096), RandomContent(random, 4096)));
  ExpectAllPairs(AllWords(3, RandomContent(random, 1500), Bytes(4096)));
}

TEST(GeneratorTest, EmptyOneByteAndZeroImages) {
  const std::vector<Bytes> images = {{},          {0},           {1},          Bytes(4096),
                                     Bytes(4097), Bytes(100000), Bytes(4096, 255)};
  ExpectAllPairs(images);
  for (const Bytes& image : images) {
    const auto container = MakeFull(image, kOneThread);
    ASSERT_TRUE(container.has_value());
    const auto made = Apply(*container, nullptr);
    ASSERT_TRUE(made.has_value()) << made.error().Message();
    EXPECT_EQ(*made, image);
  }
}

TEST(GeneratorTest, SizesAroundChunkBordersOfFullContainers) {
  std::mt19937_64 random(2);
  for (const std::int64_t step : {-4097, -4096, -1, 0, 1, 4096}) {
    for (const std::uint64_t chunks : {1U, 2U}) {
      const Bytes image = RandomContent(
          random, static_cast<std::size_t>(static_cast<std::int64_t>(chunks * kChunkBytes) + step));
      const auto container = MakeFull(image);
      ASSERT_TRUE(container.has_value());
      const auto made = Apply(*container, nullptr);
      ASSERT_TRUE(made.has_value()) << made.error().Message();
      EXPECT_TRUE(*made == image);
      const Bytes old_image(image.begin() + 777, image.end());
      ExpectRoundTrip(old_image, image);
    }
  }
}

TEST(GeneratorTest, ZeroChunksOfFullContainersAreOneFrameEach) {  // C-11
  const Bytes content(5 * kChunkBytes);
  MemoryReader reader(content);
  testing::MemorySink sink;
  const auto info = Generate(nullptr, reader, sink, {});
  ASSERT_TRUE(info.has_value());
  EXPECT_EQ(info->head.frames.size(), 5U);
  EXPECT_EQ(info->target_chunks.size(), 5U);
  EXPECT_LT(info->file_bytes, 1000U) << "zero chunks cost next to nothing";
}

TEST(GeneratorTest, IdenticalImagesCostNextToNothing) {
  std::mt19937_64 random(3);
  const Bytes image = RandomContent(random, 3 * kChunkBytes + 100);
  ExpectRoundTrip(image, image);
  EXPECT_LT(DeltaBytes(image, image), 400U);
}

TEST(GeneratorTest, UnrelatedImagesCostNoMoreThanTheTarget) {
  std::mt19937_64 random(4);
  const Bytes old_image = RandomContent(random, 2 * kChunkBytes);
  const Bytes new_image = RandomContent(random, 2 * kChunkBytes + 1);
  ExpectRoundTrip(old_image, new_image);
  EXPECT_LT(DeltaBytes(old_image, new_image), new_image.size() + 1000);
}

TEST(GeneratorTest, SwappedHalvesAreMoves) {
  std::mt19937_64 random(5);
  const Bytes first = RandomContent(random, kChunkBytes + 333);
  const Bytes second = RandomContent(random, kChunkBytes + 9);
  Bytes old_image = first;
  old_image.insert(old_image.end(), second.begin(), second.end());
  Bytes new_image = second;
  new_image.insert(new_image.end(), first.begin(), first.end());
  ExpectRoundTrip(old_image, new_image);
  EXPECT_LT(DeltaBytes(old_image, new_image), 3000U);
}

TEST(GeneratorTest, ScatteredChangedBytesAreCheap) {
  std::mt19937_64 random(6);
  const Bytes old_image = RandomContent(random, kChunkBytes);
  Bytes new_image = old_image;
  for (std::size_t i = 100; i < new_image.size(); i += 100) new_image[i] ^= 1;
  ExpectRoundTrip(old_image, new_image);
  EXPECT_LT(DeltaBytes(old_image, new_image), 30000U);
}

// One random edit: insert, delete, overwrite, copy within, zero, or change scattered bytes.
void Edit(std::mt19937_64& random, Bytes& image) {
  const std::size_t at = image.empty() ? 0 : random() % image.size();
  const auto place = [&] { return image.begin() + static_cast<std::ptrdiff_t>(at); };
  const std::size_t length =
      std::min<std::size_t>(image.size() - at, std::size_t{1} << (random() % 15));
  const auto end = place() + static_cast<std::ptrdiff_t>(length);
  switch (random() % 6) {
    case 0: {
      const Bytes fresh = RandomContent(random, length);
      image.insert(place(), fresh.begin(), fresh.end());
      return;
    }
    case 1:
      image.erase(place(), end);
      return;
    case 2:
      for (auto byte = place(); byte != end; ++byte) *byte = static_cast<std::uint8_t>(random());
      return;
    case 3: {
      const Bytes copy(place(), end);
      image.insert(image.begin() + static_cast<std::ptrdiff_t>(random() % (image.size() + 1)),
                   copy.begin(), copy.end());
      return;
    }
    case 4:
      std::fill(place(), end, std::uint8_t{0});
      return;
    default:
      for (std::size_t i = 0; i < length; i += 1 + random() % 50) {
        image[at + i] = static_cast<std::uint8_t>(image[at + i] + 4);
      }
  }
}

TEST(GeneratorTest, RandomEdits) {
  for (std::uint64_t seed = 0; seed < 60; ++seed) {
    std::mt19937_64 random(seed);
    Bytes image = RandomContent(random, 1000 + random() % 300000);
    if (seed % 3 == 0) {  // text-like: few letters, many repeats
      for (std::uint8_t& byte : image) byte = static_cast<std::uint8_t>('a' + byte % 3);
    }
    const Bytes old_image = image;
    for (std::uint64_t edits = random() % 30; edits > 0; --edits) Edit(random, image);
    const Effort effort = seed % 10 == 0 ? Effort::kBest : Effort::kFast;
    ExpectRoundTrip(old_image, image, {.effort = effort, .threads = 1});
    if (HasFatalFailure()) FAIL() << "seed " << seed;
  }
}

// An old image and a new one with changes all over; several frames.
std::pair<Bytes, Bytes> EditedImages(std::size_t megabytes) {
  std::mt19937_64 random(8);
  Bytes image = RandomContent(random, megabytes << 20);
  Bytes old_image = image;
  for (int edits = 0; edits < 400; ++edits) Edit(random, image);
  return {std::move(old_image), std::move(image)};
}

TEST(GeneratorTest, SameBytesForAnyNumberOfThreads) {
  const auto [old_image, new_image] = EditedImages(12);
  const auto one = MakeDelta(old_image, new_image, {.threads = 1});
  ASSERT_TRUE(one.has_value());
  for (const unsigned threads : {1U, 2U, 3U, 8U}) {
    const auto other = MakeDelta(old_image, new_image, {.threads = threads});
    ASSERT_TRUE(other.has_value());
    EXPECT_TRUE(*one == *other) << threads << " threads";
    const auto full = MakeFull(new_image, {.threads = threads});
    const auto full_one = MakeFull(new_image, {.threads = 1});
    ASSERT_TRUE(full.has_value() && full_one.has_value());
    EXPECT_TRUE(*full == *full_one) << threads << " threads";
  }
}

TEST(GeneratorTest, SmallMemoryCutsTheSortIntoWindowsAndStaysRight) {
  // 24 MiB of old bytes without an equal block: more than one window of 128 MiB * 3/4 / 6.
  std::mt19937_64 random(9);
  const Bytes old_image = RandomContent(random, 24U << 20);
  Bytes new_image(old_image.begin() + (12 << 20), old_image.end());
  new_image.insert(new_image.end(), old_image.begin(), old_image.begin() + (12 << 20));
  for (std::size_t i = 0; i < new_image.size(); i += 500) new_image[i] ^= 0x55;
  const GenerateOptions options = {.threads = 2, .memory_bytes = kMinGenerateMemory};
  const auto container = MakeDelta(old_image, new_image, options);
  ASSERT_TRUE(container.has_value());
  const auto made = Apply(*container, &old_image);
  ASSERT_TRUE(made.has_value()) << made.error().Message();
  EXPECT_TRUE(*made == new_image);
  EXPECT_LT(container->size(), new_image.size() / 20) << "moved halves were not found";
}

TEST(GeneratorTest, TooLittleMemoryIsRefused) {
  const Bytes image(10);
  const auto made = MakeDelta(image, image, {.memory_bytes = kMinGenerateMemory - 1});
  ASSERT_FALSE(made.has_value());
  EXPECT_EQ(made.error().code(), ErrorCode::kMemoryLimit);
}

TEST(GeneratorTest, HeadNamesTheMemoryThatDecodingNeeds) {  // C-24
  const auto [old_image, new_image] = EditedImages(3);
  const auto container = MakeDelta(old_image, new_image);
  ASSERT_TRUE(container.has_value());
  const auto length = PeekHeadBytes(ByteView(*container).first(kHeadPrefixBytes), {});
  const auto head = ParseHead(ByteView(*container).first(*length), {});
  ASSERT_TRUE(head.has_value());
  EXPECT_LE(head->memory_bytes, 8U << 20);
  EXPECT_TRUE(Apply(*container, &old_image, head->memory_bytes).has_value());
  EXPECT_EQ(Apply(*container, &old_image, head->memory_bytes - 1).error().code(),
            ErrorCode::kMemoryLimit);
}

TEST(GeneratorTest, ReadErrorsArePassedOn) {
  class FailingReader : public RandomReader {
   public:
    Status ReadAt(std::uint64_t offset, ByteSpan) override {
      if (offset >= 2 * kChunkBytes) return Fail(ErrorCode::kIo, "bad sector");
      return {};
    }
    std::uint64_t SizeBytes() const override { return 4 * kChunkBytes; }
  };
  FailingReader failing;
  const Bytes good(4 * kChunkBytes, 1);
  MemoryReader reader(good);
  testing::MemorySink sink;
  EXPECT_EQ(Generate(&failing, reader, sink, {}).error().code(), ErrorCode::kIo);
  EXPECT_EQ(Generate(&reader, failing, sink, {}).error().code(), ErrorCode::kIo);
}

TEST(GeneratorTest, ProgressNeverGoesBackAndEndsAtItsTotal) {
  const auto [old_image, new_image] = EditedImages(3);
  std::uint64_t last = 0;
  std::uint64_t total = 0;
  GenerateOptions options;
  options.progress = [&](std::uint64_t done, std::uint64_t all) {
    EXPECT_GE(done, last);
    last = done;
    total = all;
  };
  ASSERT_TRUE(MakeDelta(old_image, new_image, options).has_value());
  EXPECT_EQ(last, total);
}

}  // namespace
}  // namespace pawl::delta
