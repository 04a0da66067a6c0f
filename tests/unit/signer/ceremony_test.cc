// SPDX-License-Identifier: Apache-2.0
// The ceremony and the signing of drafts.

#include "signer/ceremony.h"

#include <filesystem>

#include "manifest/refresh.h"
#include "signer/policy.h"
#include "signer/roles.h"
#include "signer/signing.h"
#include "signer/status.h"
#include "signer/tree_check.h"
#include "tests/unit/signer/signer_test_util.h"

namespace pawl::signer::testing {
namespace {

class CeremonyTest : public SignerTest {
 protected:
  Result<SignPlan> Plan(const std::string& name, const std::vector<std::string>& roles = {}) {
    const Workspace workspace = Open();
    return PlanSigning(workspace, *Roles::Load(workspace), keys_.at(name).named, roles, now_);
  }
};

TEST_F(CeremonyTest, SignedByThresholdAndPublishedADeviceAcceptsIt) {
  StartRepository();
  TreeFetcher tree(repo_ + "/public");
  MemoryMetadataStore store;
  const std::string root = ReadText(repo_ + "/public/metadata/1.root.json");
  auto device = manifest::TufClient::Open(store, AsBytes(root), now_);
  ASSERT_TRUE(device) << device.error().Message();
  const auto refreshed = device->Refresh(tree);
  ASSERT_TRUE(refreshed) << refreshed.error().Message();
  EXPECT_EQ(refreshed->root_version, 1U);
  EXPECT_EQ(refreshed->issued, now_);
  EXPECT_TRUE(ReadTree(repo_ + "/draft").empty());
}

TEST_F(CeremonyTest, TranscriptNamesEveryKeyAndWhatEachPersonRuns) {
  const auto ceremony = HoldCeremony(Request());
  ASSERT_TRUE(ceremony);
  for (const char* name :
       {"anna", "ben", "chloe", "dora", "emil", "rolf", "olga", "snap", "time"}) {
    EXPECT_NE(ceremony->transcript.find(keys_.at(name).named.keyid), std::string::npos) << name;
  }
  EXPECT_NE(ceremony->transcript.find("pawl-signer sign --key dora.key"), std::string::npos);
  EXPECT_EQ(ReadText(ceremony->transcript_path), ceremony->transcript);
}

TEST_F(CeremonyTest, ASecondCeremonyInTheSameFolderIsRefused) {
  HoldUsualCeremony();
  EXPECT_EQ(CodeOf(HoldCeremony(Request())), ErrorCode::kOutputExists);
}

TEST_F(CeremonyTest, ThresholdsThatCannotBeMetAreRefused) {
  for (const std::uint64_t threshold : {0U, 4U}) {
    CeremonyRequest request = Request();
    request.root.threshold = threshold;
    EXPECT_EQ(CodeOf(HoldCeremony(request)), ErrorCode::kInputInvalid);
  }
  CeremonyRequest twice = Request();
  twice.releases = Keys({"dora", "dora"}, 2);
  EXPECT_EQ(CodeOf(HoldCeremony(twice)), ErrorCode::kInputInvalid);
}

TEST_F(CeremonyTest, RolesThatWatchEachOtherMustNotShareKeys) {
  CeremonyRequest desk = Request();
  desk.orders = Keys({"dora"}, 1);
  EXPECT_EQ(CodeOf(HoldCeremony(desk)), ErrorCode::kInputInvalid);
  CeremonyRequest online = Request();
  online.timestamp = Keys({"anna"}, 1);
  EXPECT_EQ(CodeOf(HoldCeremony(online)), ErrorCode::kInputInvalid);
}

TEST_F(CeremonyTest, ForeignKeyIsNotEntitledAndIsToldWhoIs) {
  HoldUsualCeremony();
  const auto plan = Plan("mallory");
  ASSERT_EQ(CodeOf(plan), ErrorCode::kKeyNotEntitled);
  EXPECT_NE(plan.error().Message().find("dora or emil"), std::string::npos)
      << plan.error().Message();
}

TEST_F(CeremonyTest, EachKeySignsJustTheDraftsItIsEntitledFor) {
  HoldUsualCeremony();
  const auto anna = Plan("anna");
  ASSERT_TRUE(anna);
  ASSERT_EQ(anna->items.size(), 2U);
  EXPECT_EQ(anna->items[0].role, "root");
  EXPECT_EQ(anna->items[1].role, "targets");
  const auto only = Plan("anna", {"targets"});
  ASSERT_TRUE(only);
  EXPECT_EQ(only->items.size(), 1U);
  EXPECT_EQ(CodeOf(Plan("anna", {"orders"})), ErrorCode::kKeyNotEntitled);
  EXPECT_EQ(CodeOf(Plan("anna", {"nobody"})), ErrorCode::kUnknownName);
}

TEST_F(CeremonyTest, SigningTwiceIsAlreadyDoneAndAddsNothing) {
  HoldUsualCeremony();
  SignBy({"anna"});
  const auto before = ReadTree(repo_ + "/draft");
  EXPECT_EQ(CodeOf(Plan("anna")), ErrorCode::kAlreadyDone);
  EXPECT_EQ(ReadTree(repo_ + "/draft"), before);
}

TEST_F(CeremonyTest, ASignatureOnAnotherTextDoesNotCount) {
  HoldUsualCeremony();
  SignBy({"anna", "ben"});
  std::string draft = ReadText(repo_ + "/draft/root.json");
  const std::size_t threshold = draft.find("\"threshold\": 2");
  ASSERT_NE(threshold, std::string::npos);
  draft.replace(threshold, 14, "\"threshold\": 1");
  WriteText(repo_ + "/draft/root.json", draft);
  const Workspace workspace = Open();
  const auto roles = Roles::Load(workspace);
  ASSERT_TRUE(roles) << roles.error().Message();
  const auto states = roles->StateOf("root", *roles->Draft("root"), workspace.keys());
  ASSERT_TRUE(states);
  EXPECT_TRUE(states->front().signed_by.empty());
}

TEST_F(CeremonyTest, PlanSaysInWordsWhatIsSigned) {
  StartRepository();
  BuildAndList("1.0", 1, 1);
  const auto plan = Plan("dora");
  ASSERT_TRUE(plan) << plan.error().Message();
  const std::string text = DescribePlan(*plan);
  EXPECT_NE(text.find("version 2 (now published: 1)"), std::string::npos) << text;
  EXPECT_NE(text.find("+ release gateway 1.0: build 1, epoch 1"), std::string::npos) << text;
  EXPECT_NE(text.find("security epoch 0 → 1"), std::string::npos) << text;
}

TEST_F(CeremonyTest, SigningAReleaseWhoseManifestWasChangedIsRefused) {
  StartRepository();
  BuildAndList("1.0", 1, 1);
  const std::string path = repo_ + "/releases/gateway/1.0/manifest.json";
  WriteText(path, ReadText(path) + " ");
  EXPECT_EQ(CodeOf(Plan("dora")), ErrorCode::kReleaseFileMismatch);
}

TEST_F(CeremonyTest, ADraftThatChangesVoidsItsSignaturesAndSaysSo) {
  StartRepository();
  BuildAndList("1.0", 1, 1);
  SignBy({"dora"});
  const Workspace workspace = Open();
  ASSERT_TRUE(BuildRelease(workspace, ImageOf("1.1", 2, 1)));
  const auto change = AddRelease(workspace, "gateway", "1.1", now_);
  ASSERT_TRUE(change);
  EXPECT_EQ(change->voided, std::vector<std::string>{"dora"});
  EXPECT_EQ(CodeOf(PublishAll()), ErrorCode::kSignatureThreshold);
}

TEST(PolicyTest, RoundTrip) {
  Policy policy;
  policy.products["gateway"] = {{"gw3", "gw4"}, {"stable", "beta"}};
  policy.expiry.timestamp = 36 * 3600;
  const auto read = ParsePolicy(EncodePolicy(policy), "pawl-repo.toml");
  ASSERT_TRUE(read) << read.error().Message();
  EXPECT_EQ(read->products.at("gateway").channels.front(), "stable");
  EXPECT_EQ(read->expiry.timestamp, 36 * 3600);
  EXPECT_EQ(read->expiry.Of("releases-gateway"), 365 * kSecondsPerDay);
}

TEST(PolicyTest, MisspelledMembersAndBadValuesAreRefused) {
  const std::string good = EncodePolicy({{{"gateway", {{"gw3"}, {"stable"}}}}, {}});
  for (const auto& [from, to] : std::vector<std::pair<std::string, std::string>>{
           {"hardware", "hardwear"},
           {"timestamp = \"2d\"", "timestamp = \"31d\""},
           {"timestamp = \"2d\"", "timestamp = 2"},
           {"timestamp = \"2d\"", "timestmap = \"2d\""},
           {"[\"gw3\"]", "[]"},
           {"[\"gw3\"]", "[3]"},
           {"[\"gw3\"]", "[\"../gw3\"]"},
           {"pawl.repo/1", "pawl.repo/2"},
           {"[expiry]", "[expiry"}}) {
    std::string bad = good;
    ASSERT_NE(bad.find(from), std::string::npos) << from;
    bad.replace(bad.find(from), from.size(), to);
    EXPECT_EQ(CodeOf(ParsePolicy(bad, "pawl-repo.toml")), ErrorCode::kConfigInvalid) << to;
  }
}

TEST(AlarmTest, LongLivedMetadataWarnsBy60And30And7Days) {
  const std::int64_t year = 365 * kSecondsPerDay;
  const auto at = [&](std::int64_t days) { return AlarmOf({days * kSecondsPerDay}, {0}, year); };
  EXPECT_EQ(at(61), Alarm::kNone);
  EXPECT_EQ(at(60), Alarm::kNotice);
  EXPECT_EQ(at(30), Alarm::kWarning);
  EXPECT_EQ(at(7), Alarm::kUrgent);
  EXPECT_EQ(at(0), Alarm::kExpired);
}

TEST(AlarmTest, ShortLivedMetadataWarnsInProportion) {
  const std::int64_t two_days = 2 * kSecondsPerDay;
  EXPECT_EQ(AlarmOf({17 * 3600}, {0}, two_days), Alarm::kNone);
  EXPECT_EQ(AlarmOf({16 * 3600}, {0}, two_days), Alarm::kNotice);
  EXPECT_EQ(AlarmOf({8 * 3600}, {0}, two_days), Alarm::kWarning);
  EXPECT_EQ(AlarmOf({4 * 3600}, {0}, two_days), Alarm::kUrgent);
}

}  // namespace
}  // namespace pawl::signer::testing
