// SPDX-License-Identifier: Apache-2.0
// Building releases, adding deltas, and the drafts of releases, rollouts and orders.

#include <filesystem>

#include "manifest/order.h"
#include "manifest/rollout.h"
#include "signer/delta_builder.h"
#include "signer/image_identity.h"
#include "signer/release_builder.h"
#include "signer/release_files.h"
#include "tests/unit/signer/signer_test_util.h"

namespace pawl::signer::testing {
namespace {

class ReleaseTest : public SignerTest {
 protected:
  void SetUp() override { HoldUsualCeremony(); }
  Result<BuiltRelease> Build(const std::string& version, std::uint64_t build, std::uint64_t epoch,
                             const std::string& confirm = "") {
    BuildRequest request = ImageOf(version, build, epoch);
    request.confirm = confirm;
    return BuildRelease(Open(), request);
  }
  Result<std::vector<DeltaOutcome>> Delta(const std::string& from, const std::string& to) {
    DeltaRequest request;
    request.product = "gateway";
    request.from = from;
    request.to = to;
    request.generate.threads = 1;
    return AddDeltas(Open(), request);
  }
  std::string Release(const std::string& path) const { return repo_ + "/releases/gateway/" + path; }
  Result<RolloutChange> Roll(const std::optional<std::string>& version,
                             std::optional<std::uint64_t> percent,
                             std::optional<bool> paused = std::nullopt) {
    RolloutRequest request;
    request.product = "gateway";
    request.channel = "stable";
    request.version = version;
    request.percent = percent;
    request.paused = paused;
    return SetRollout(Open(), request, now_);
  }
  OrderRequest Order(const std::string& device) const {
    OrderRequest request;
    request.product = "gateway";
    request.device = device;
    request.action = manifest::OrderAction::kHold;
    request.reason = "modem resets";
    request.not_before = now_;
    request.not_after = now_.PlusSeconds(3600);
    return request;
  }
};

TEST_F(ReleaseTest, TheSameImageGivesTheSameBytesTwice) {
  ASSERT_TRUE(Build("1.0", 1, 1));
  const auto first = ReadTree(repo_ + "/releases");
  std::filesystem::remove_all(repo_ + "/releases/gateway");
  ASSERT_TRUE(Build("1.0", 1, 1));
  EXPECT_EQ(ReadTree(repo_ + "/releases"), first);
  EXPECT_EQ(first.size(), 4U);  // manifest, chunk list, full container, block index
}

// M-47
TEST_F(ReleaseTest, FactsComeFromTheImageAndFlagsAreOnlyCompared) {
  const auto built = Build("1.0", 7, 1);
  ASSERT_TRUE(built) << built.error().Message();
  EXPECT_EQ(built->manifest.build, 7U);
  EXPECT_EQ(built->manifest.hardware, (std::vector<std::string>{"gw3", "gw4"}));
  BuildRequest request = ImageOf("1.1", 8, 1);
  request.version = "1.2";
  EXPECT_EQ(CodeOf(BuildRelease(Open(), request)), ErrorCode::kManifestMismatch);
  request.version = "1.1";
  request.build = 9;
  EXPECT_EQ(CodeOf(BuildRelease(Open(), request)), ErrorCode::kManifestMismatch);
  request.build = 8;
  request.epoch = 2;
  EXPECT_EQ(CodeOf(BuildRelease(Open(), request)), ErrorCode::kManifestMismatch);
  request.epoch = 1;
  EXPECT_TRUE(BuildRelease(Open(), request));
}

TEST_F(ReleaseTest, AnImageOfAnotherProductIsRefused) {
  BuildRequest request = ImageOf("1.0", 1, 1);
  WriteText(*request.identity_path,
            manifest::EncodeImageIdentity({"doorbell", "1.0", 1, 1, {1'790'000'000}}));
  EXPECT_EQ(CodeOf(BuildRelease(Open(), request)), ErrorCode::kProductMismatch);
}

TEST_F(ReleaseTest, AnImageThatCannotSayWhatItIsIsRefused) {
  BuildRequest request = ImageOf("1.0", 1, 1);
  request.identity_path.reset();
  EXPECT_EQ(CodeOf(BuildRelease(Open(), request)), ErrorCode::kInputInvalid);
}

TEST_F(ReleaseTest, AnExt4ImageSaysItselfWhatItIs) {
  ASSERT_TRUE(std::filesystem::exists("/usr/sbin/mkfs.ext4")) << "tools/setup installs it";
  const std::string tree = directory_.Path("tree");
  const std::string image = directory_.Path("root.ext4");
  WriteText(tree + "/usr/lib/pawl/release",
            manifest::EncodeImageIdentity({"gateway", "2.0", 5, 1, {1'790'000'000}}));
  const std::string command =
      "/usr/sbin/mkfs.ext4 -q -d " + tree + " " + image + " 4M >/dev/null 2>&1";
  ASSERT_EQ(std::system(command.c_str()), 0);
  BuildRequest request = ImageOf("2.0", 5, 1);
  request.images = {{"rootfs", image}};
  const auto agreeing = BuildRelease(Open(), request);
  ASSERT_TRUE(agreeing) << agreeing.error().Message();
  EXPECT_EQ(agreeing->manifest.version, "2.0");
  BuildRequest lying = ImageOf("2.1", 6, 1);
  lying.images = {{"rootfs", image}};
  EXPECT_EQ(CodeOf(BuildRelease(Open(), lying)), ErrorCode::kManifestMismatch);
}

// M-48
TEST_F(ReleaseTest, EpochJumpNeedsItsConfirmation) {
  ASSERT_TRUE(Build("1.0", 1, 1));
  ASSERT_TRUE(Build("1.1", 2, 2));
  const auto jump = Build("1.2", 3, 4);
  ASSERT_EQ(CodeOf(jump), ErrorCode::kEpochJump);
  EXPECT_NE(jump.error().Message().find("--confirm epoch-4"), std::string::npos);
  EXPECT_EQ(CodeOf(Build("1.2", 3, 4, "epoch-5")), ErrorCode::kEpochJump);
  EXPECT_TRUE(Build("1.2", 3, 4, "epoch-4"));
  EXPECT_TRUE(Build("1.0.1", 4, 1)) << "an older branch may be built at its own epoch";
}

TEST_F(ReleaseTest, EpochJumpIsCountedFromWhatIsListedToo) {
  ASSERT_TRUE(Build("1.0", 1, 2, "epoch-2"));
  ASSERT_TRUE(AddRelease(Open(), "gateway", "1.0", now_));
  std::filesystem::remove_all(repo_ + "/releases/gateway");
  EXPECT_TRUE(Build("1.1", 2, 3));
}

TEST_F(ReleaseTest, ABuildNumberIsGivenOnce) {
  ASSERT_TRUE(Build("1.0", 1, 1));
  EXPECT_EQ(CodeOf(Build("1.1", 1, 1)), ErrorCode::kInputInvalid);
  EXPECT_EQ(CodeOf(Build("1.0", 2, 1)), ErrorCode::kOutputExists);
}

TEST_F(ReleaseTest, UnknownHardwareAndChannelAreRefused) {
  BuildRequest request = ImageOf("1.0", 1, 1);
  request.hardware = {"gw9"};
  EXPECT_EQ(CodeOf(BuildRelease(Open(), request)), ErrorCode::kUnknownName);
  request.hardware = {};
  request.channel = "nightly";
  EXPECT_EQ(CodeOf(BuildRelease(Open(), request)), ErrorCode::kUnknownName);
}

TEST_F(ReleaseTest, AFailedBuildLeavesNothingBehind) {
  BuildRequest request = ImageOf("1.0", 1, 1);
  request.images.push_back({"boot", directory_.Path("absent.image")});
  EXPECT_FALSE(BuildRelease(Open(), request));
  EXPECT_TRUE(ReadTree(repo_ + "/releases").empty());
}

TEST_F(ReleaseTest, ADeltaIsAddedWithItsSource) {
  ASSERT_TRUE(Build("1.0", 1, 1));
  ASSERT_TRUE(Build("1.1", 2, 1));
  const auto outcomes = Delta("1.0", "1.1");
  ASSERT_TRUE(outcomes) << outcomes.error().Message();
  ASSERT_EQ(outcomes->size(), 1U);
  EXPECT_TRUE(outcomes->front().kept);
  EXPECT_LT(outcomes->front().delta_bytes, outcomes->front().full_bytes / 10);
  const auto from = LoadBuiltRelease(Open(), "gateway", "1.0");
  const auto to = LoadBuiltRelease(Open(), "gateway", "1.1");
  ASSERT_TRUE(to);
  ASSERT_EQ(to->manifest.components[0].deltas.size(), 1U);
  const manifest::Delta& delta = to->manifest.components[0].deltas[0];
  EXPECT_EQ(delta.source_sha256, from->manifest.components[0].sha256);
  EXPECT_EQ(delta.source_chunks.file.sha256, from->manifest.components[0].chunks.file.sha256);
  EXPECT_TRUE(CheckReleaseFiles(Below(to->directory), to->manifest, Depth::kHashes));
  ASSERT_TRUE(Delta("1.0", "1.1"));
  EXPECT_EQ(LoadBuiltRelease(Open(), "gateway", "1.1")->manifest_bytes, to->manifest_bytes);
}

TEST_F(ReleaseTest, ADeltaThatSavesLittleIsDropped) {
  ASSERT_TRUE(Build("1.0", 1, 1));
  BuildRequest other = ImageOf("1.1", 2, 1);
  std::string noise(300'000, '\0');
  std::uint32_t state = 99;
  for (char& c : noise) c = static_cast<char>((state = state * 1664525 + 1013904223) >> 24U);
  WriteText(other.images[0].path, noise);
  ASSERT_TRUE(BuildRelease(Open(), other));
  const auto outcomes = Delta("1.0", "1.1");
  ASSERT_TRUE(outcomes) << outcomes.error().Message();
  EXPECT_FALSE(outcomes->front().kept);
  EXPECT_TRUE(LoadBuiltRelease(Open(), "gateway", "1.1")->manifest.components[0].deltas.empty());
}

TEST_F(ReleaseTest, ADeltaFromATamperedReleaseIsRefused) {
  ASSERT_TRUE(Build("1.0", 1, 1));
  ASSERT_TRUE(Build("1.1", 2, 1));
  const std::string full =
      LoadBuiltRelease(Open(), "gateway", "1.0")->manifest.components[0].full.file.path;
  std::string bytes = ReadText(Release("1.0/" + full));
  bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 1);
  WriteText(Release("1.0/" + full), bytes);
  EXPECT_EQ(CodeOf(Delta("1.0", "1.1")), ErrorCode::kReleaseFileMismatch);
}

TEST_F(ReleaseTest, ADeltaThatGivesOtherBytesIsNotReproducible) {
  const BuildRequest a = ImageOf("1.0", 1, 1);
  const BuildRequest b = ImageOf("1.1", 2, 1);
  const BuildRequest c = ImageOf("1.2", 3, 1);
  const std::string container = directory_.Path("delta.pawl");
  ASSERT_TRUE(delta::GenerateDelta(a.images[0].path, b.images[0].path, container));
  EXPECT_TRUE(ProveDelta(a.images[0].path, container, b.images[0].path, directory_.Path("work"),
                         delta::kDefaultDecoderMemory));
  EXPECT_EQ(CodeOf(ProveDelta(a.images[0].path, container, c.images[0].path,
                              directory_.Path("work"), delta::kDefaultDecoderMemory)),
            ErrorCode::kDeltaNotReproducible);
  EXPECT_EQ(CodeOf(ProveDelta(a.images[0].path, container, b.images[0].path,
                              directory_.Path("work"), 1024)),
            ErrorCode::kMemoryLimit);
}

TEST_F(ReleaseTest, ListingATamperedReleaseIsRefusedForEveryFile) {
  ASSERT_TRUE(Build("1.0", 1, 1));
  for (const auto& [path, bytes] : ReadTree(Release("1.0"))) {
    if (path == "manifest.json") continue;
    std::string bad = bytes;
    bad.back() = static_cast<char>(bad.back() ^ 1);
    WriteText(Release("1.0/" + path), bad);
    EXPECT_EQ(CodeOf(AddRelease(Open(), "gateway", "1.0", now_)), ErrorCode::kReleaseFileMismatch)
        << path;
    WriteText(Release("1.0/" + path), bytes);
  }
  EXPECT_TRUE(AddRelease(Open(), "gateway", "1.0", now_));
}

TEST_F(ReleaseTest, ListingWhatIsNotBuiltNamesWhatIs) {
  ASSERT_TRUE(Build("1.0", 1, 1));
  const auto listed = AddRelease(Open(), "gateway", "1.1", now_);
  ASSERT_EQ(CodeOf(listed), ErrorCode::kUnknownName);
  EXPECT_NE(listed.error().Message().find("built are: 1.0"), std::string::npos);
}

TEST_F(ReleaseTest, ARolloutNamesTheExactManifest) {
  BuildAndList("1.0", 1, 1);
  const auto change = Roll("1.0", 10);
  ASSERT_TRUE(change) << change.error().Message();
  EXPECT_EQ(change->rollout.release_sha256,
            HashSha256(AsBytes(ReadText(Release("1.0/manifest.json")))));
  EXPECT_EQ(CodeOf(Roll("9.9", 10)), ErrorCode::kUnknownName);
  EXPECT_EQ(CodeOf(Roll("1.0", 101)), ErrorCode::kInputInvalid);
}

TEST_F(ReleaseTest, RaisingThePercentageKeepsTheSaltSoThatDevicesAreOnlyAdded) {
  BuildAndList("1.0", 1, 1);
  const auto first = Roll("1.0", 10);
  const auto second = Roll(std::nullopt, 50);
  ASSERT_TRUE(first && second);
  EXPECT_EQ(second->rollout.salt, first->rollout.salt);
  EXPECT_EQ(second->rollout.percent, 50U);
  ASSERT_TRUE(second->before);
  EXPECT_EQ(second->before->percent, 10U);
  const auto paused = Roll(std::nullopt, std::nullopt, true);
  ASSERT_TRUE(paused);
  EXPECT_TRUE(paused->rollout.paused);
  EXPECT_EQ(paused->rollout.percent, 50U);
}

TEST_F(ReleaseTest, AChannelWithoutARolloutNeedsARelease) {
  EXPECT_EQ(CodeOf(Roll(std::nullopt, 50)), ErrorCode::kUsage);
}

TEST_F(ReleaseTest, OrderCountersRiseForEachDeviceAloneAndAcrossPublications) {
  const auto counter = [&](const std::string& device) {
    const auto change = AddOrder(Open(), Order(device), now_);
    return change ? change->order.counter : 0;
  };
  EXPECT_EQ(counter("gw-1"), 1U);
  EXPECT_EQ(counter("gw-1"), 2U);
  EXPECT_EQ(counter("gw-2"), 1U);
  SignBy({"anna", "ben", "dora", "emil", "rolf", "olga"});
  const auto published = PublishAll();
  ASSERT_TRUE(published) << published.error().Message();
  EXPECT_EQ(counter("gw-1"), 3U);
  EXPECT_EQ(counter("gw-2"), 2U);
}

TEST_F(ReleaseTest, OrdersThatDevicesWouldRefuseAreNotDrafted) {
  OrderRequest both = Order("gw-1");
  both.group = "lab";
  EXPECT_EQ(CodeOf(AddOrder(Open(), both, now_)), ErrorCode::kUsage);
  OrderRequest named = Order("gw-1");
  named.version = "1.0";
  EXPECT_EQ(CodeOf(AddOrder(Open(), named, now_)), ErrorCode::kUsage);
  OrderRequest unnamed = Order("gw-1");
  unnamed.action = manifest::OrderAction::kRollback;
  EXPECT_EQ(CodeOf(AddOrder(Open(), unnamed, now_)), ErrorCode::kUsage);
  unnamed.version = "1.0";
  EXPECT_EQ(CodeOf(AddOrder(Open(), unnamed, now_)), ErrorCode::kUnknownName);
  OrderRequest week = Order("gw-1");
  week.not_after = now_.PlusSeconds(7 * kSecondsPerDay + 1);
  EXPECT_EQ(CodeOf(AddOrder(Open(), week, now_)), ErrorCode::kOrderMalformed);
  OrderRequest path = Order("gw-1");
  path.device.reset();
  path.group = "../lab";
  EXPECT_EQ(CodeOf(AddOrder(Open(), path, now_)), ErrorCode::kInputInvalid);
  EXPECT_EQ(ReadTree(repo_ + "/draft/targets").size(), 0U);
}

TEST_F(ReleaseTest, TheDeviceIdDoesNotStandInTheRepository) {
  ASSERT_TRUE(AddOrder(Open(), Order("serial-4711"), now_));
  for (const auto& [path, text] : ReadTree(repo_)) {
    EXPECT_EQ(path.find("serial-4711"), std::string::npos);
    EXPECT_EQ(text.find("serial-4711"), std::string::npos) << path;
  }
}

}  // namespace
}  // namespace pawl::signer::testing
