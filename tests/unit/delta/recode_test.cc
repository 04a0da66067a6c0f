// SPDX-License-Identifier: Apache-2.0 Layer 4 on file systems as their own tools make them: deltas
// look into compressed blocks, stay exact, and take damaged file systems for plain bytes.

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/wait.h>

#include <array>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "base/file.h"
#include "delta/apply/apply_container.h"
#include "delta/generate/encodable_share.h"
#include "delta/generate/found_blocks.h"
#include "tests/unit/delta/delta_test_util.h"

namespace pawl::delta {
namespace {

// Words in an order that no compressor guesses: about a third of its length when compressed.
Bytes Prose(std::size_t size, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<std::string> words;
  for (int i = 0; i < 500; ++i) {
    std::string word;
    for (std::uint64_t n = random() % 8 + 2; n != 0; --n)
      word += static_cast<char>('a' + random() % 26);
    words.push_back(word + ' ');
  }
  Bytes text;
  while (text.size() < size) {
    const std::string& word = words[random() % words.size()];
    text.insert(text.end(), word.begin(), word.end());
  }
  text.resize(size);
  return text;
}

void Write(const std::string& path, const Bytes& bytes) {
  ASSERT_TRUE(AtomicWriteFile(path, bytes).has_value());
}

Bytes Read(const std::string& path) { return ReadFile(path, 1ULL << 30).value_or(Bytes()); }

// Two trees that differ in a few bytes of a few files, and images of them.
class RecodeTest : public ::testing::Test {
 protected:
  RecodeTest() {
    folder_ = (std::filesystem::temp_directory_path() / "pawl-recode-XXXXXX").string();
    EXPECT_NE(mkdtemp(folder_.data()), nullptr);
    for (const char* tree : {"/a", "/b"}) {
      std::filesystem::create_directories(folder_ + tree + "/sub");
      const bool changed = tree[1] == 'b';
      for (std::uint64_t i = 0; i < 12; ++i) {
        Bytes content = Prose(20'000 + i * 9'000, i);
        if (changed && i % 2 == 0) {
          content[content.size() / 3] = '#';
          content.insert(content.begin() + 5000, 7, '!');
        }
        Write(folder_ + tree + (i % 3 == 0 ? "/sub/f" : "/f") + std::to_string(i), content);
      }
    }
  }
  ~RecodeTest() override { std::filesystem::remove_all(folder_); }

  // False when the tool fails; tools/setup has installed it.
  bool MakeImages(const std::string& before, const std::string& behind) {
    for (const char* tree : {"a", "b"}) {
      const std::string path = folder_ + "/" + tree;
      const std::string command = before.starts_with("mkfs")
                                      ? before + " " + path + ".img " + path + " " + behind
                                      : before + " " + path + " " + path + ".img " + behind;
      if (std::system((command + " >/dev/null 2>&1").c_str()) != 0) return false;
    }
    old_ = Read(folder_ + "/a.img");
    new_ = Read(folder_ + "/b.img");
    return true;
  }

  struct Made {
    Bytes container;
    ContainerInfo info;
  };
  Made Make(const Bytes& old_image, const Bytes& new_image, unsigned threads = 2) {
    MemoryReader before(old_image);
    MemoryReader after(new_image);
    testing::MemorySink sink;
    GenerateOptions options;
    options.threads = threads;
    options.scratch_directory = folder_;
    auto info = Generate(&before, after, sink, options);
    EXPECT_TRUE(info.has_value()) << info.error().Message();
    return {sink.Container(), *info};
  }

  // The delta of the two images: exact, the same for every number of threads, and small.
  void CheckPair(std::uint64_t most_bytes) {
    const Made made = Make(old_, new_);
    const GenerateStatistics& counted = made.info.statistics;
    EXPECT_GT(counted.blocks_encoded, 0U);
    EXPECT_EQ(counted.blocks_not_reproducible, 0U);
    EXPECT_EQ(counted.blocks_found, counted.blocks_kept + counted.blocks_encoded);
    EXPECT_LT(made.container.size(), most_bytes);
    EXPECT_LE(made.info.head.memory_bytes, 32U << 20);
    const auto applied = testing::Apply(made.container, &old_, 32U << 20);
    ASSERT_TRUE(applied.has_value()) << applied.error().Message();
    EXPECT_TRUE(*applied == new_);
    EXPECT_TRUE(Make(old_, new_, 1).container == made.container);
  }

  std::string folder_;
  Bytes old_;
  Bytes new_;
};

constexpr const char* kSquashfs = "mksquashfs";
std::string SquashfsOptions(const std::string& compressor) {
  return "-noappend -all-root -mkfs-time 0 -all-time 0 -no-xattrs -comp " + compressor;
}

TEST_F(RecodeTest, SquashfsZstd) {
  ASSERT_TRUE(MakeImages(kSquashfs, SquashfsOptions("zstd")));
  CheckPair(12'000);
}
TEST_F(RecodeTest, SquashfsXz) {
  ASSERT_TRUE(MakeImages(kSquashfs, SquashfsOptions("xz")));
  CheckPair(12'000);
}
TEST_F(RecodeTest, SquashfsGzipWithOptions) {
  ASSERT_TRUE(MakeImages(kSquashfs, SquashfsOptions("gzip -Xcompression-level 5 -b 16384")));
  CheckPair(12'000);
}
TEST_F(RecodeTest, SquashfsLz4) {
  ASSERT_TRUE(MakeImages(kSquashfs, SquashfsOptions("lz4 -Xhc")));
  CheckPair(12'000);
}
TEST_F(RecodeTest, ErofsLz4hc) {
  ASSERT_TRUE(MakeImages("mkfs.erofs -zlz4hc -T0 -U00000000-0000-0000-0000-000000000000", ""));
  CheckPair(20'000);
}
TEST_F(RecodeTest, ErofsLz4FullIndexes) {
  ASSERT_TRUE(MakeImages("mkfs.erofs -zlz4 -Elegacy-compress -T0 "
                         "-U00000000-0000-0000-0000-000000000000",
                         ""));
  // That layout has no alignment to the right, and is left alone.
  const Made made = Make(old_, new_);
  EXPECT_EQ(made.info.statistics.blocks_found, 0U);
  EXPECT_TRUE(testing::Apply(made.container, &old_, 32U << 20).value_or(Bytes()) == new_);
}

TEST_F(RecodeTest, ReferenceReaderAgrees) {
  ASSERT_TRUE(MakeImages(kSquashfs, SquashfsOptions("gzip")));
  Write(folder_ + "/container", Make(old_, new_).container);
  const std::string command = std::string("python3 -B ") + PAWL_SOURCE_DIR +
                              "/tests/reference/container_reader.py --source " + folder_ +
                              "/a.img " + folder_ + "/container " + folder_ + "/out";
  const int status = std::system(command.c_str());
  ASSERT_EQ(status, 0);
  EXPECT_TRUE(Read(folder_ + "/out") == new_);
}

TEST_F(RecodeTest, ChangedSourceIsRefusedAndNeverWrong) {  // C-31
  ASSERT_TRUE(MakeImages(kSquashfs, SquashfsOptions("lz4 -Xhc")));
  const Made made = Make(old_, new_);
  const Head& head = made.info.head;
  const Frame& frame = head.frames[0];
  const auto payload = ByteView(made.container).subspan(frame.payload_offset, frame.payload_bytes);
  Bytes changed = old_;
  MemoryReader reader(changed);
  auto decoder = Decoder::Create(head, &reader, 32U << 20, 1);
  ASSERT_TRUE(decoder.has_value());
  int refused = 0;
  for (std::size_t at = 50; at < old_.size(); at += old_.size() / 60) {
    changed[at] ^= 1;
    testing::CollectingSink sink;
    const Status status = decoder->DecodeFrame(0, payload, sink);
    changed[at] ^= 1;
    if (status.has_value()) continue;
    // Source bytes outside of blocks lead context mixing astray, which may show at its end.
    const ErrorCode code = status.error().code();
    EXPECT_TRUE(code == ErrorCode::kSourceBlockMismatch || code == ErrorCode::kDecodeFailed);
    refused += code == ErrorCode::kSourceBlockMismatch ? 1 : 0;
  }
  EXPECT_GT(refused, 0);
}

TEST_F(RecodeTest, OtherEncoderIsRefusedBeforeTheTargetExists) {  // C-26
  ASSERT_TRUE(MakeImages(kSquashfs, SquashfsOptions("lz4 -Xhc")));
  Made made = Make(old_, new_);
  Head head = made.info.head;
  ASSERT_FALSE(head.transforms.empty());
  head.transforms[0].self_test.bytes[0] ^= 1;
  const Bytes bytes = EncodeHead(head);
  std::ranges::copy(bytes, made.container.begin());
  Write(folder_ + "/container", made.container);
  const Status status =
      ApplyContainer(folder_ + "/a.img", folder_ + "/container", folder_ + "/out");
  ASSERT_FALSE(status.has_value());
  EXPECT_EQ(status.error().code(), ErrorCode::kEncoderDiffers);
  EXPECT_FALSE(std::filesystem::exists(folder_ + "/out"));
}

TEST_F(RecodeTest, DamagedFileSystemsArePlainBytes) {
  for (const bool erofs : {false, true}) {
    const bool there = erofs ? MakeImages("mkfs.erofs -zlz4hc -T0", "")
                             : MakeImages(kSquashfs, SquashfsOptions("lz4 -Xhc"));
    ASSERT_TRUE(there);
    // The structures that finders read lie at both ends; every damage must end in blocks that lie
    // in the image and apart from each other, or in none.
    std::mt19937_64 random(7);
    for (int round = 0; round < 400; ++round) {
      Bytes damaged = new_;
      for (int i = 0; i < 3; ++i) {
        const std::size_t near = random() % 3000;
        const std::size_t at = random() % 2 == 0 ? near : damaged.size() - 1 - near;
        damaged[at] = random() % 3 == 0 ? 0xFF : static_cast<std::uint8_t>(random());
      }
      if (random() % 4 == 0) damaged.resize(random() % damaged.size());
      MemoryReader reader(damaged);
      const auto found = FindBlocks(reader);
      ASSERT_TRUE(found.has_value()) << found.error().Message();
      std::uint64_t end = 0;
      for (const FoundBlock& block : found->blocks) {
        ASSERT_GE(block.offset, end);
        end = block.offset + block.coded;
        ASSERT_LE(end, damaged.size());
      }
    }
    Bytes damaged = new_;
    for (std::size_t i = 0; i < damaged.size(); i += 301) damaged[i] ^= 0x10;
    const Made made = Make(old_, damaged);
    EXPECT_TRUE(testing::Apply(made.container, &old_, 32U << 20).value_or(Bytes()) == damaged);
  }
}

// An image of other bytes with an .xz stream, a zstd frame and a gzip member at odd places.
Bytes ImageOfMembers(bool changed) {
  std::mt19937_64 random(3);
  Bytes image = testing::RandomContent(random, 7'001);
  const std::array members = {XzTransform(6, 1U << 16, 4, false), ZstdTransform(19, true, true),
                              DeflateTransform(9, 15, 8, false)};
  for (std::size_t i = 0; i < members.size(); ++i) {
    Bytes plain = Prose(60'000, 40 + i);
    if (changed) plain.insert(plain.begin() + 20'000, 3, '!');
    if (members[i].id == TransformId::kDeflate) {
      const Bytes header = {0x1F, 0x8B, 8, 8, 0, 0, 0, 0, 2, 3, 'n', 'a', 'm', 'e', 0};
      image.insert(image.end(), header.begin(), header.end());
    }
    Bytes coded(static_cast<std::size_t>(MaxCodedBytes(members[i], plain.size())));
    const auto made = EncodeBlock(members[i], plain, coded);
    EXPECT_TRUE(made.has_value());
    image.insert(image.end(), coded.begin(),
                 coded.begin() + static_cast<std::ptrdiff_t>(made->coded));
    const Bytes between = testing::RandomContent(random, 1'237);
    image.insert(image.end(), between.begin(), between.end());
  }
  return image;
}

TEST_F(RecodeTest, MembersOfAnyPlace) {
  old_ = ImageOfMembers(false);
  new_ = ImageOfMembers(true);
  CheckPair(4'000);
  EXPECT_EQ(Make(old_, new_).info.statistics.blocks_encoded, 3U);
}

TEST_F(RecodeTest, DamagedMembersArePlainBytes) {
  const Bytes good = ImageOfMembers(true);
  for (std::size_t at = 7'001; at < good.size(); at += 997) {
    Bytes damaged = good;
    damaged[at] ^= 0x11;
    MemoryReader reader(damaged);
    const auto found = FindBlocks(reader);
    ASSERT_TRUE(found.has_value()) << found.error().Message();
    EXPECT_LE(found->blocks.size(), 3U);
  }
}

TEST_F(RecodeTest, LayerCanBeLeftOut) {
  old_ = ImageOfMembers(false);
  new_ = ImageOfMembers(true);
  MemoryReader before(old_);
  MemoryReader after(new_);
  testing::MemorySink sink;
  GenerateOptions options;
  options.without = {Layer::kRecode};
  const auto info = Generate(&before, after, sink, options);
  ASSERT_TRUE(info.has_value());
  EXPECT_TRUE(info->head.transforms.empty());
  EXPECT_GT(sink.Container().size(), 40'000U);
}

// M-56. One compressor in three is shut out: its block stays as it is, and the delta stays exact.
TEST_F(RecodeTest, EncodersThatTheAgentLacksAreNotUsed) {
  old_ = ImageOfMembers(false);
  new_ = ImageOfMembers(true);
  MemoryReader before(old_);
  MemoryReader after(new_);
  GenerateOptions options;
  options.encoders = EncoderFamilies{{TransformId::kZstd, 1}, {TransformId::kDeflate, 1}};
  testing::MemorySink sink;
  const auto info = Generate(&before, after, sink, options);
  ASSERT_TRUE(info.has_value());
  EXPECT_EQ(info->head.transforms.size(), 2U);
  EXPECT_EQ(info->statistics.blocks_encoded, 2U);
  EXPECT_EQ(info->statistics.blocks_not_reproducible, 0U);
  const std::map<TransformId, std::uint64_t> left_out = {{TransformId::kXz, 1}};
  EXPECT_EQ(info->statistics.blocks_left_out, left_out);
  EXPECT_TRUE(testing::Apply(sink.Container(), &old_, 32U << 20).value_or(Bytes()) == new_);

  options.encoders = EncoderFamilies();
  testing::MemorySink plain;
  const auto without = Generate(&before, after, plain, options);
  ASSERT_TRUE(without.has_value());
  EXPECT_TRUE(without->head.transforms.empty());
  EXPECT_EQ(without->statistics.blocks_left_out.size(), 3U);
  EXPECT_TRUE(testing::Apply(plain.Container(), &old_, 32U << 20).value_or(Bytes()) == new_);
}

TEST_F(RecodeTest, ShareOfEncodableBlocksIsMeasured) {
  ASSERT_TRUE(MakeImages(kSquashfs, SquashfsOptions("zstd -Xcompression-level 3 -b 16384")));
  MemoryReader reader(new_);
  const auto good = MeasureEncodable(reader, 1);
  ASSERT_TRUE(good.has_value());
  EXPECT_EQ(good->holder, BlockHolder::kSquashfs);
  EXPECT_GT(good->blocks, 50U);
  EXPECT_EQ(good->Total().tried, good->blocks);
  EXPECT_EQ(good->Percent(), 100U);
  // The image says that its blocks were made by another level: as those of another library.
  Bytes other = new_;
  ASSERT_EQ(other[98], 3);
  other[98] = 15;
  MemoryReader other_reader(other);
  const auto bad = MeasureEncodable(other_reader, 2);
  ASSERT_TRUE(bad.has_value());
  EXPECT_LT(bad->Percent(), 95U);
  EXPECT_EQ(bad->sample.begin()->first, TransformId::kZstd);
}

// More blocks than a sample has: it is bounded, spread, and the same for every number of threads.
TEST_F(RecodeTest, ShareIsMeasuredOnABoundedSample) {
  std::filesystem::remove_all(folder_ + "/b");
  std::filesystem::create_directories(folder_ + "/b");
  Write(folder_ + "/b/large", Prose(6U << 20, 77));
  ASSERT_TRUE(MakeImages(kSquashfs, SquashfsOptions("lz4 -b 4096")));
  MemoryReader reader(new_);
  const auto one = MeasureEncodable(reader, 1);
  const auto four = MeasureEncodable(reader, 4);
  ASSERT_TRUE(one.has_value() && four.has_value());
  EXPECT_GT(one->blocks, 1500U);
  EXPECT_LE(one->Total().tried, kMaxSampleBlocks);
  EXPECT_GT(one->Total().tried, kMaxSampleBlocks / 2);
  EXPECT_EQ(one->Percent(), 100U);
  EXPECT_EQ(four->Total().tried, one->Total().tried);
}

TEST_F(RecodeTest, AnImageWithoutBlocksHasNoShare) {
  const Bytes image = Prose(100'000, 1);
  MemoryReader reader(image);
  const auto share = MeasureEncodable(reader, 1);
  ASSERT_TRUE(share.has_value());
  EXPECT_EQ(share->blocks, 0U);
  EXPECT_EQ(share->Percent(), 100U);
}

TEST_F(RecodeTest, BestEffortMakesTheSameTarget) {
  ASSERT_TRUE(MakeImages(kSquashfs, SquashfsOptions("lz4 -Xhc")));
  MemoryReader before(old_);
  MemoryReader after(new_);
  testing::MemorySink sink;
  GenerateOptions options;
  options.effort = Effort::kBest;
  const auto info = Generate(&before, after, sink, options);
  ASSERT_TRUE(info.has_value());
  EXPECT_TRUE(testing::Apply(sink.Container(), &old_, 40U << 20).value_or(Bytes()) == new_);
}

TEST_F(RecodeTest, ImagesWithoutBlocksAreAsEver) {
  const Bytes before = Prose(3'000'000, 1);
  Bytes after = before;
  after.insert(after.begin() + 1'000'000, 99, 'q');
  const Made made = Make(before, after);
  EXPECT_TRUE(made.info.head.transforms.empty());
  EXPECT_EQ(made.info.statistics.blocks_found, 0U);
  EXPECT_LT(made.info.head.memory_bytes, 6U << 20);
}

}  // namespace
}  // namespace pawl::delta
