// SPDX-License-Identifier: Apache-2.0
// Encoders that releases declare, deltas that keep to them, and what a build says about blocks.

#include <random>

#include "delta/apply/block_codec.h"
#include "signer/block_report.h"
#include "signer/delta_builder.h"
#include "signer/encoder_list.h"
#include "signer/release_builder.h"
#include "tests/unit/signer/signer_test_util.h"

namespace pawl::signer::testing {
namespace {

class EncodersTest : public SignerTest {
 protected:
  void SetUp() override { HoldUsualCeremony(); }

  // Text in zstd frames of 32 KiB; `build` changes a few bytes of each.
  std::string FramesOf(std::uint64_t build) const {
    std::mt19937 random(5);
    std::string image;
    for (int frame = 0; frame < 8; ++frame) {
      std::string plain;
      while (plain.size() < 32'768) plain += std::to_string(random()) + " ";
      plain.replace(9000, 1, std::to_string(build));
      Bytes coded(64'000);
      const auto made = delta::EncodeBlock(delta::ZstdTransform(19, true, true), AsBytes(plain),
                                           coded);
      EXPECT_TRUE(made);
      coded.resize(made->coded);
      image += AsText(coded);
    }
    return image;
  }
  void Build(const std::string& version, std::uint64_t build, const std::string& encoders) {
    BuildRequest request = ImageOf(version, build, 1);
    WriteText(request.images[0].path, FramesOf(build));
    request.encoders = encoders;
    const auto built = BuildRelease(Open(), request);
    ASSERT_TRUE(built) << built.error().Message();
  }
  DeltaOutcome Delta(const std::string& from, const std::string& to) {
    DeltaRequest request;
    request.product = "gateway";
    request.from = from;
    request.to = to;
    request.generate.threads = 1;
    auto outcomes = AddDeltas(Open(), request);
    EXPECT_TRUE(outcomes) << outcomes.error().Message();
    return outcomes ? outcomes->front() : DeltaOutcome();
  }
  std::vector<std::string> Declared(const std::string& version) {
    return LoadBuiltRelease(Open(), "gateway", version)->manifest.encoders;
  }
  std::string OtherZstd() {
    const std::string path = directory_.Path("agent.encoders");
    WriteText(path, "zstd-1-20f-" + std::string(32, 'a') + "\n");
    return path;
  }
};

// M-55
TEST_F(EncodersTest, ABuildDeclaresItsOwnEncodersUnlessToldOtherwise) {
  EXPECT_EQ(BuildRequest().encoders, kOwnEncoders);
  Build("1.0", 1, "own");
  Build("1.1", 2, "none");
  Build("1.2", 3, OtherZstd());
  EXPECT_EQ(Declared("1.0"), *delta::OwnEncoderNames());
  EXPECT_TRUE(Declared("1.1").empty());
  EXPECT_EQ(Declared("1.2"), std::vector<std::string>({"zstd-1-20f-" + std::string(32, 'a')}));
}

TEST_F(EncodersTest, AFileOfSomethingElseIsRefused) {
  const std::string path = directory_.Path("list");
  EXPECT_EQ(CodeOf(ReadEncoders(path)), ErrorCode::kInputMissing);
  WriteText(path, "\n");  // what is left of a command that failed
  EXPECT_EQ(CodeOf(ReadEncoders(path)), ErrorCode::kInputInvalid);
  WriteText(path, "zstd 1.5.4\n");
  EXPECT_EQ(CodeOf(ReadEncoders(path)), ErrorCode::kInputInvalid);
  std::string many;
  for (int i = 1; i <= 65; ++i) {
    many += "zstd-1-" + std::to_string(i) + "-" + std::string(32, 'a') + "\n";
  }
  WriteText(path, many);
  EXPECT_EQ(CodeOf(ReadEncoders(path)), ErrorCode::kInputInvalid);
}

// M-56
TEST_F(EncodersTest, ADeltaUsesOnlyEncodersOfTheReleaseThatDevicesRun) {
  Build("1.0", 1, "own");
  Build("1.1", 2, "none");
  Build("1.2", 3, OtherZstd());
  Build("1.3", 4, "own");
  const DeltaOutcome own = Delta("1.0", "1.3");
  EXPECT_TRUE(own.left_out.empty());
  const DeltaOutcome none = Delta("1.1", "1.3");
  ASSERT_EQ(none.left_out.size(), 1U);
  EXPECT_EQ(none.left_out[0].encoder, "zstd");
  EXPECT_EQ(none.left_out[0].blocks, 8U);
  EXPECT_EQ(none.left_out[0].why, "1.1 declares no zstd encoder");
  const DeltaOutcome other = Delta("1.2", "1.3");
  ASSERT_EQ(other.left_out.size(), 1U);
  EXPECT_TRUE(other.left_out[0].why.starts_with("1.2 declares zstd-1-20f-aaaa"));
  EXPECT_LT(own.delta_bytes * 10, none.delta_bytes);
  EXPECT_EQ(LeftOutText(none.left_out),
            "  8 zstd blocks not looked into: 1.1 declares no zstd encoder\n");
}

delta::EncodableShare Share(std::uint64_t encodable, std::uint64_t coded_bytes) {
  delta::EncodableShare share;
  share.holder = delta::BlockHolder::kSquashfs;
  share.image_bytes = 1'000'000;
  share.blocks = 200;
  share.coded_bytes = coded_bytes;
  share.sample[delta::TransformId::kZstd] = {100, encodable};
  return share;
}

TEST_F(EncodersTest, AHintSaysHowToMakeTheImageWhenFewBlocksAreEncodable) {
  const BlockReport good = DescribeShare(Share(95, 900'000));
  EXPECT_EQ(good.text.find("warning"), std::string::npos);
  EXPECT_EQ(good.json["percent"], 95);
  EXPECT_TRUE(good.json["hints"].empty());
  const BlockReport bad = DescribeShare(Share(94, 900'000));
  EXPECT_NE(bad.text.find("warning"), std::string::npos);
  EXPECT_NE(bad.text.find(delta::LibraryName(delta::TransformId::kZstd)), std::string::npos);
  EXPECT_NE(bad.text.find("mksquashfs"), std::string::npos);
  EXPECT_EQ(bad.json["hints"][0]["encoder"], "zstd");
  EXPECT_EQ(DescribeShare(Share(0, 40'000)).text.find("warning"), std::string::npos);
  EXPECT_TRUE(DescribeShare(delta::EncodableShare()).text.empty());
}

TEST_F(EncodersTest, AnImageIsReportedByItsBlocks) {
  const std::string path = directory_.Path("image");
  WriteText(path, FramesOf(1));
  const auto report = ReportBlocks(path, 1);
  ASSERT_TRUE(report) << report.error().Message();
  EXPECT_EQ(report->json["found"], 8);
  EXPECT_EQ(report->json["percent"], 100);
  EXPECT_EQ(report->json["holder"], "single files");
}

}  // namespace
}  // namespace pawl::signer::testing
