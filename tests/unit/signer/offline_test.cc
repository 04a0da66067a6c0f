// SPDX-License-Identifier: Apache-2.0
// Bundles and answers for devices without a network: what the signer writes, and what it refuses
// to.

#include <filesystem>

#include "base/block_io.h"
#include "base/format.h"
#include "delta/apply/chunks.h"
#include "signer/bundle_maker.h"
#include "signer/metadata_writer.h"
#include "signer/order_answer.h"
#include "signer/roles.h"
#include "signer/tree_check.h"
#include "tests/unit/signer/signer_test_util.h"

namespace pawl::signer::testing {
namespace {

using manifest::OrderAction;

class OfflineTest : public SignerTest {
 protected:
  OfflineTest() {
    StartRepository();
    BuildAndList("1.0", 1, 1);
    BuildAndList("1.1", 2, 1);
    SignBy({"dora", "emil"});
    const auto published = PublishAll();
    EXPECT_TRUE(published) << published.error().Message();
  }
  std::string Out(const std::string& name = "out.pawlb") const { return directory_.Path(name); }

  Result<BundleReport> Make(const std::string& version, const std::string& out) {
    BundleRequest request;
    request.product = "gateway";
    request.release = BundleRelease{version, {}, true, true};
    request.out = out;
    request.now = now_;
    return MakeBundle(Open(), request);
  }

  // A device that runs 1.1 and has 1.0 in its other slot.
  manifest::Challenge Device() const {
    manifest::Challenge device;
    device.device_id = "gw-0001";
    device.nonce = std::string(64, 'e');
    device.product = "gateway";
    device.hardware = "gw3";
    device.time = now_;
    device.agent_protocol = 1;
    device.running_build = 2;
    device.running_version = "1.1";
    device.floor = 1;
    device.booted = "b";
    return device;
  }
  AnswerRequest Request(const manifest::Challenge& device, OrderAction action,
                        const std::optional<std::string>& version = {}) {
    AnswerRequest request;
    request.challenge = device;
    request.action = action;
    request.version = version;
    request.reason = "modem resets";
    request.out = Out();
    request.now = now_;
    return request;
  }
  Result<OrderAnswer> Answer(AnswerRequest request, const std::string& signer = "olga") {
    const std::vector<SigningKey> keys = KeysOf({signer});
    request.keys = &keys;
    return AnswerChallenge(Open(), request);
  }

  // What a device makes of a file, from the first root on.
  Result<manifest::Order> Obey(const std::string& path, const manifest::Challenge& device) {
    PAWL_ASSIGN_OR_RETURN(delta::FileReader reader, delta::FileReader::Open(path));
    PAWL_ASSIGN_OR_RETURN(const manifest::Bundle bundle, manifest::Bundle::Open(reader));
    manifest::BundleFetcher fetcher(bundle);
    MemoryMetadataStore store;
    const std::string root = ReadText(repo_ + "/public/metadata/1.root.json");
    PAWL_ASSIGN_OR_RETURN(
        manifest::TufClient tuf,
        manifest::TufClient::Open(store, AsBytes(root), now_, {}, manifest::ExpiryRule::kOffline));
    PAWL_TRY(tuf.Refresh(fetcher));
    PAWL_ASSIGN_OR_RETURN(const Bytes role, fetcher.Fetch(manifest::kOfflineOrdersRole, 100'000));
    PAWL_ASSIGN_OR_RETURN(const Bytes bytes, fetcher.Fetch(manifest::kOfflineOrder, 100'000));
    const std::string order_path = manifest::DeviceOrderPath(device.device_id);
    PAWL_ASSIGN_OR_RETURN(const auto target, tuf.FindUnpinned("orders", order_path, role));
    PAWL_TRY(manifest::TufClient::CheckTarget(target, bytes));
    PAWL_ASSIGN_OR_RETURN(manifest::Order order, manifest::ParseOrder(bytes));
    PAWL_TRY(manifest::JudgeOfflineOrder(order, order_path,
                                         {device.device_id, device.nonce, device.time}));
    return order;
  }
  std::vector<std::string> NamesIn(const std::string& path) {
    auto reader = delta::FileReader::Open(path);
    const auto bundle = manifest::Bundle::Open(*reader);
    std::vector<std::string> names;
    for (const auto& entry : bundle->entries()) names.push_back(entry.name);
    return names;
  }
  static bool HasPayloads(const std::vector<std::string>& names) {
    return std::ranges::any_of(names,
                               [](const auto& name) { return name.starts_with("payloads/"); });
  }
};

TEST_F(OfflineTest, ABundleHoldsTheChainAndOneRelease) {
  const auto report = Make("1.1", Out());
  ASSERT_TRUE(report) << report.error().Message();
  const std::vector<std::string> names = NamesIn(Out());
  ASSERT_GE(names.size(), 8U);
  EXPECT_EQ(names.size(), report->entries);
  EXPECT_EQ(names[0], "metadata/1.root.json");
  EXPECT_EQ(names[1], "metadata/timestamp.json");
  for (const std::string& name : names) {
    EXPECT_EQ(ReadText(repo_ + "/public/" + name).empty(), false) << name;
  }
  EXPECT_EQ(report->bytes, std::filesystem::file_size(Out()));
  EXPECT_EQ(report->images, std::vector<std::string>{"rootfs: full image"});
}

TEST_F(OfflineTest, TheSameRepositoryGivesTheSameBytes) {
  ASSERT_TRUE(Make("1.1", Out("a")));
  ASSERT_TRUE(Make("1.1", Out("b")));
  EXPECT_EQ(ReadText(Out("a")), ReadText(Out("b")));
}

TEST_F(OfflineTest, NeverOverwritesAndLeavesNothingHalfWritten) {
  WriteText(Out(), "mine");
  EXPECT_EQ(CodeOf(Make("1.1", Out())), ErrorCode::kOutputExists);
  EXPECT_EQ(ReadText(Out()), "mine");
  EXPECT_EQ(CodeOf(Make("9.9", Out("other"))), ErrorCode::kUnknownName);
  EXPECT_FALSE(std::filesystem::exists(Out("other")));
  WriteText(Out("new.part"), "mine too");
  const auto made = Make("1.1", Out("new"));
  EXPECT_TRUE(made) << made.error().Message();
  EXPECT_EQ(ReadText(Out("new.part")), "mine too");
}

TEST_F(OfflineTest, APayloadThatWasChangedInThePublishedTreeIsRefused) {
  for (const auto& entry :
       std::filesystem::recursive_directory_iterator(repo_ + "/public/payloads")) {
    if (entry.path().extension() != ".pawl") continue;
    std::string text = ReadText(entry.path().string());
    text[text.size() / 2] = static_cast<char>(text[text.size() / 2] ^ 1);
    WriteText(entry.path().string(), text);
  }
  EXPECT_EQ(CodeOf(Make("1.1", Out())), ErrorCode::kReleaseFileMismatch);
  EXPECT_FALSE(std::filesystem::exists(Out()));
  for (const auto& [name, bytes] : ReadTree(std::filesystem::path(Out()).parent_path())) {
    EXPECT_FALSE(name.ends_with(".tmp")) << name;
  }
}

TEST_F(OfflineTest, MetadataThatADeviceWouldRefuseIsNotPutIntoABundle) {
  const Workspace workspace = Open();
  const std::string path = repo_ + "/public/metadata/timestamp.json";
  std::string text = ReadText(path);
  text.replace(text.find("\"sig\": \"") + 8, 4, "0000");
  WriteText(path, text);
  EXPECT_EQ(CodeOf(Make("1.1", Out())), ErrorCode::kSignatureThreshold);
  EXPECT_FALSE(std::filesystem::exists(Out()));
}

// M-74
TEST_F(OfflineTest, AnExpiredTimestampIsSaidAndAnExpiredReleasesRoleIsRefused) {
  now_ = now_.PlusSeconds(20 * kSecondsPerDay);
  const auto report = Make("1.1", Out());
  ASSERT_TRUE(report) << report.error().Message();
  EXPECT_FALSE(report->notes.empty());
  now_ = now_.PlusSeconds(400 * kSecondsPerDay);
  EXPECT_EQ(CodeOf(Make("1.1", Out("late"))), ErrorCode::kMetadataExpired);
}

TEST_F(OfflineTest, AnUnknownDeltaIsNamed) {
  BundleRequest request;
  request.product = "gateway";
  request.release = BundleRelease{"1.1", {"1.0"}, false, true};
  request.out = Out();
  request.now = now_;
  const auto made = MakeBundle(Open(), request);
  ASSERT_EQ(CodeOf(made), ErrorCode::kUnknownName);
  EXPECT_NE(made.error().Message().find("no delta from 1.0"), std::string::npos);
}

// M-76, M-77
TEST_F(OfflineTest, AnAnswerIsObeyedByTheDeviceThatAskedAndByNoOther) {
  const manifest::Challenge device = Device();
  const auto answer = Answer(Request(device, OrderAction::kRollback, "1.0"));
  ASSERT_TRUE(answer) << answer.error().Message();
  const auto order = Obey(Out(), device);
  ASSERT_TRUE(order) << order.error().Message();
  EXPECT_EQ(order->release_path, "releases/gateway/1.0/manifest.json");
  manifest::Challenge other = device;
  other.device_id = "gw-0002";
  EXPECT_EQ(CodeOf(Obey(Out(), other)), ErrorCode::kTargetMissing);
  manifest::Challenge later = device;
  later.nonce = std::string(64, 'f');
  EXPECT_EQ(CodeOf(Obey(Out(), later)), ErrorCode::kOrderNonce);
}

// Nothing of an answer gets near what is served.
TEST_F(OfflineTest, AnAnswerChangesNothingThatIsPublished) {
  const auto before = ReadTree(repo_);
  ASSERT_TRUE(Answer(Request(Device(), OrderAction::kHold)));
  EXPECT_EQ(ReadTree(repo_), before);
}

// M-79
TEST_F(OfflineTest, RefusesWhatTheDeviceWouldRefuseAndSaysWhy) {
  const auto refusal = [&](const manifest::Challenge& device, OrderAction action,
                           const std::string& version) {
    return CodeOf(Answer(Request(device, action, version)));
  };
  manifest::Challenge device = Device();
  EXPECT_EQ(refusal(device, OrderAction::kRollback, "1.1"), ErrorCode::kAlreadyDone);
  EXPECT_EQ(refusal(device, OrderAction::kInstall, "1.0"), ErrorCode::kBuildNotNewer);
  EXPECT_EQ(refusal(device, OrderAction::kRollback, "0.1"), ErrorCode::kOrderReleaseUnknown);
  device.floor = 2;
  EXPECT_EQ(refusal(device, OrderAction::kRollback, "1.0"), ErrorCode::kEpochBelowFloor);
  device = Device();
  device.hardware = "gw9";
  EXPECT_EQ(refusal(device, OrderAction::kRollback, "1.0"), ErrorCode::kHardwareIncompatible);
  device = Device();
  device.agent_protocol = 0;
  EXPECT_EQ(refusal(device, OrderAction::kRollback, "1.0"), ErrorCode::kAgentTooOld);
  device = Device();
  device.product = "toaster";
  EXPECT_EQ(refusal(device, OrderAction::kRollback, "1.0"), ErrorCode::kUnknownName);
  device = Device();
  device.timestamp = 1000;
  EXPECT_EQ(refusal(device, OrderAction::kRollback, "1.0"), ErrorCode::kVersionRollback);
  device = Device();
  device.time = now_.PlusSeconds(800 * kSecondsPerDay);
  EXPECT_EQ(refusal(device, OrderAction::kRollback, "1.0"), ErrorCode::kMetadataExpired);
  EXPECT_FALSE(std::filesystem::exists(Out()));
}

TEST_F(OfflineTest, OnlyTheSupportDeskAnswers) {
  for (const char* signer : {"anna", "dora", "rolf", "snap", "time", "mallory"}) {
    EXPECT_EQ(CodeOf(Answer(Request(Device(), OrderAction::kHold), signer)),
              ErrorCode::kKeyNotEntitled)
        << signer;
  }
  EXPECT_FALSE(std::filesystem::exists(Out()));
}

TEST_F(OfflineTest, PayloadsStayAtHomeWhenTheDeviceHasTheReleaseInItsOtherSlot) {
  manifest::Challenge device = Device();
  ASSERT_TRUE(Answer(Request(device, OrderAction::kRollback, "1.0")));
  EXPECT_TRUE(HasPayloads(NamesIn(Out())));
  const auto release = ReadPublishedRelease(Open(), "gateway", "1.0");
  device.slots["a"] = {"1.0", 1, release->sha256, true};
  AnswerRequest request = Request(device, OrderAction::kRollback, "1.0");
  request.out = Out("small");
  ASSERT_TRUE(Answer(request));
  EXPECT_FALSE(HasPayloads(NamesIn(Out("small"))));
  request.out = Out("full");
  request.full = true;
  ASSERT_TRUE(Answer(request));
  EXPECT_TRUE(HasPayloads(NamesIn(Out("full"))));
}

// A device without a clock is helped by its own time, and one that is right is not left open.
TEST_F(OfflineTest, TheWindowIsOneThatTheDeviceCanBeIn) {
  for (const std::int64_t days : {0, -1, 1, -5, 5, -400}) {
    manifest::Challenge device = Device();
    device.time = now_.PlusSeconds(days * kSecondsPerDay);
    AnswerRequest request = Request(device, OrderAction::kHold);
    request.out = Out(Format("{}", days));
    const auto answer = Answer(request);
    ASSERT_TRUE(answer) << days << answer.error().Message();
    EXPECT_LE(answer->order.not_before, device.time) << days;
    EXPECT_GT(answer->order.not_after, device.time) << days;
    EXPECT_LE(answer->order.not_after.seconds - answer->order.not_before.seconds,
              7 * kSecondsPerDay);
    EXPECT_EQ(answer->bundle.notes.empty(), days >= -5) << days;
  }
}

}  // namespace
}  // namespace pawl::signer::testing
