// SPDX-License-Identifier: Apache-2.0
// Containers as files: what appears on disk, and what does not.

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>

#include "base/file.h"
#include "delta/apply/apply_container.h"
#include "tests/unit/delta/delta_test_util.h"

namespace pawl::delta {
namespace {

using testing::RandomContent;

class ContainerFileTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = (std::filesystem::temp_directory_path() / "pawl-delta-XXXXXX").string();
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    directory_ = name;
    std::mt19937_64 random(31);
    old_image_ = RandomContent(random, 2 * kChunkBytes + 17);
    new_image_ = old_image_;
    new_image_.insert(new_image_.begin() + 70000, 5000, 'n');
    for (std::size_t i = 1500000; i < 1600000; i += 64) new_image_[i] ^= 9;
    Write("old", old_image_);
    Write("new", new_image_);
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  std::string Path(const std::string& name) const { return directory_ + "/" + name; }
  void Write(const std::string& name, const Bytes& bytes) const {
    ASSERT_TRUE(AtomicWriteFile(Path(name), bytes).has_value());
  }
  Bytes Read(const std::string& name) const {
    return ReadFile(Path(name), 1ULL << 30).value_or(Bytes());
  }
  std::size_t FileCount() const {
    const auto begin = std::filesystem::directory_iterator(directory_);
    return static_cast<std::size_t>(std::distance(begin, std::filesystem::directory_iterator()));
  }

  std::string directory_;
  Bytes old_image_;
  Bytes new_image_;
};

TEST_F(ContainerFileTest, DeltaIsMadeAndApplied) {
  const auto info = GenerateDelta(Path("old"), Path("new"), Path("delta"));
  ASSERT_TRUE(info.has_value()) << info.error().Message();
  const Bytes file = Read("delta");
  EXPECT_EQ(info->file_bytes, file.size());
  EXPECT_EQ(info->sha256, HashSha256(file));
  EXPECT_EQ(info->head_sha256, HashSha256(ByteView(file).first(info->head_bytes)));
  EXPECT_EQ(info->head.source->sha256, HashSha256(old_image_));
  EXPECT_EQ(info->target_chunks.size(), ChunkCount(new_image_.size()));
  const Status applied = ApplyContainer(Path("old"), Path("delta"), Path("out"));
  ASSERT_TRUE(applied.has_value()) << applied.error().Message();
  EXPECT_EQ(Read("out"), new_image_);
  EXPECT_EQ(FileCount(), 4U) << "temporary files are left";
}

TEST_F(ContainerFileTest, FullContainerIsMadeAndApplied) {
  ASSERT_TRUE(GenerateFull(Path("new"), Path("full")).has_value());
  ASSERT_TRUE(ApplyContainer(std::nullopt, Path("full"), Path("out")).has_value());
  EXPECT_EQ(Read("out"), new_image_);
  EXPECT_EQ(ApplyContainer(Path("old"), Path("full"), Path("out")).error().code(),
            ErrorCode::kSourceMismatch);
}

TEST_F(ContainerFileTest, WrongSourceLeavesTheOldTargetAlone) {
  ASSERT_TRUE(GenerateDelta(Path("old"), Path("new"), Path("delta")).has_value());
  Write("out", Bytes{1, 2, 3});
  for (const auto& source : {std::optional(Path("new")), std::optional<std::string>()}) {
    EXPECT_EQ(ApplyContainer(source, Path("delta"), Path("out")).error().code(),
              ErrorCode::kSourceMismatch);
  }
  EXPECT_EQ(Read("out"), (Bytes{1, 2, 3}));
  EXPECT_EQ(FileCount(), 4U);
}

// Zeros of the source are never read: what stands there instead cannot reach the target.
TEST_F(ContainerFileTest, ASourceThatDiffersWhereNothingIsTakenGivesTheRightImage) {
  Bytes source = old_image_;
  source.insert(source.end(), 4096, 0);
  Write("old", source);
  ASSERT_TRUE(GenerateDelta(Path("old"), Path("new"), Path("delta")).has_value());
  source.back() = 1;
  Write("old", source);
  const Status applied = ApplyContainer(Path("old"), Path("delta"), Path("out"));
  ASSERT_TRUE(applied.has_value()) << applied.error().Message();
  EXPECT_EQ(Read("out"), new_image_);
  source.push_back(0);
  Write("old", source);
  EXPECT_EQ(ApplyContainer(Path("old"), Path("delta"), Path("out")).error().code(),
            ErrorCode::kSourceMismatch);
}

TEST_F(ContainerFileTest, DamagedContainerLeavesNoTarget) {
  ASSERT_TRUE(GenerateDelta(Path("old"), Path("new"), Path("delta")).has_value());
  const Bytes good = Read("delta");
  Bytes bad = good;
  bad.back() ^= 1;
  Write("delta", bad);
  EXPECT_EQ(ApplyContainer(Path("old"), Path("delta"), Path("out")).error().code(),
            ErrorCode::kFrameHashMismatch);
  EXPECT_EQ(Inspect(Path("delta")).error().code(), ErrorCode::kFrameHashMismatch);
  bad = good;
  bad.push_back(0);
  Write("delta", bad);  // C-03
  EXPECT_EQ(ApplyContainer(Path("old"), Path("delta"), Path("out")).error().code(),
            ErrorCode::kContainerMalformed);
  EXPECT_FALSE(PathExists(Path("out")));
  EXPECT_EQ(FileCount(), 3U);
}

TEST_F(ContainerFileTest, MemoryLimitIsKept) {
  ASSERT_TRUE(GenerateDelta(Path("old"), Path("new"), Path("delta")).has_value());
  EXPECT_EQ(ApplyContainer(Path("old"), Path("delta"), Path("out"), {.memory_limit = 1U << 20})
                .error()
                .code(),
            ErrorCode::kMemoryLimit);
}

TEST_F(ContainerFileTest, InspectAddsUp) {
  const auto info = GenerateDelta(Path("old"), Path("new"), Path("delta"));
  ASSERT_TRUE(info.has_value());
  const auto report = Inspect(Path("delta"));
  ASSERT_TRUE(report.has_value()) << report.error().Message();
  EXPECT_EQ(report->head, info->head);
  EXPECT_EQ(report->head_sha256, info->head_sha256);
  const OperationReport& made = report->operations;
  EXPECT_EQ(made.zero_bytes + made.literal_bytes + made.copy_bytes + made.add_bytes,
            new_image_.size());
  std::uint64_t coded = report->head_bytes + report->frames.size() * kPayloadHeaderBytes;
  for (const StreamReport& stream : report->streams) coded += stream.coded_bytes;
  EXPECT_EQ(coded, report->file_bytes);
}

TEST_F(ContainerFileTest, MissingAndForeignFilesAreNamed) {
  const auto missing = GenerateDelta(Path("none"), Path("new"), Path("delta"));
  ASSERT_FALSE(missing.has_value());
  EXPECT_EQ(missing.error().code(), ErrorCode::kInputMissing);
  EXPECT_EQ(GenerateDelta(Path("old"), directory_, Path("delta")).error().code(),
            ErrorCode::kInputInvalid);
  EXPECT_EQ(Inspect(Path("old")).error().code(), ErrorCode::kContainerMalformed);
  EXPECT_FALSE(PathExists(Path("delta")));
}

TEST_F(ContainerFileTest, ImageThatChangesWhileItIsReadIsRefused) {
  GenerateOptions options;
  options.threads = 1;
  bool changed = false;
  options.progress = [&](std::uint64_t, std::uint64_t) {
    if (changed) return;
    changed = true;
    std::filesystem::resize_file(Path("new"), 1000);
  };
  const auto made = GenerateDelta(Path("old"), Path("new"), Path("delta"), options);
  ASSERT_FALSE(made.has_value());
  EXPECT_TRUE(made.error().code() == ErrorCode::kIo ||
              made.error().code() == ErrorCode::kInputInvalid);
  EXPECT_FALSE(PathExists(Path("delta")));
}

TEST_F(ContainerFileTest, ChunkDigestsAreThoseOfTheChunks) {
  MemoryReader reader(new_image_);
  const auto digests = ChunkDigests(reader);
  ASSERT_TRUE(digests.has_value());
  ASSERT_EQ(digests->size(), 3U);
  EXPECT_EQ(digests->front(), HashSha256(ByteView(new_image_).first(kChunkBytes)));
  EXPECT_EQ(digests->back(), HashSha256(ByteView(new_image_).subspan(2 * kChunkBytes)));
}

}  // namespace
}  // namespace pawl::delta
