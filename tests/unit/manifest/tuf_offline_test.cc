// SPDX-License-Identifier: Apache-2.0
// The expiry rule for what a person brings on a medium, and role files that no snapshot pins.

#include "tests/unit/manifest/tuf_test_util.h"

namespace pawl::manifest {
namespace {

constexpr std::string_view kPath = "orders/device/x.json";

class TufOfflineTest : public ::testing::Test {
 protected:
  TufOfflineTest() : device(repository) {
    repository.Delegate("targets", "releases", {{"paths", {"releases/*"}}, {"terminating", true}});
    repository.Delegate("targets", "orders",
                        {{"paths", {"orders/device/*"}}, {"terminating", true}});
    repository.AddTarget("releases", "releases/a", "content");
    repository.Publish({"targets", "releases", "orders"});
  }
  Result<TufClient> Open(ExpiryRule rule) {
    return TufClient::Open(device.store, device.embedded_root, device.now, device.limits, rule);
  }
  Result<RefreshResult> Refresh(ExpiryRule rule) {
    PAWL_ASSIGN_OR_RETURN(TufClient client, Open(rule));
    return client.Refresh(device.fetcher);
  }
  Result<TrustedTarget> FindRelease() {
    PAWL_ASSIGN_OR_RETURN(TufClient client, Open(ExpiryRule::kOffline));
    PAWL_TRY(client.Refresh(device.fetcher));
    return client.FindTarget("releases/a", &device.fetcher);
  }
  void Later(std::int64_t days) { device.now = device.now.PlusSeconds(days * kSecondsPerDay); }
  void Expire(std::string_view role) {
    repository.Part(role)["expires"] = FormatUtcTime(device.now);
  }

  // An answer of the support desk: its one target, its next version, its key.
  Json Answer() {
    Json part = repository.Part("orders");
    part["version"] = repository.Version("orders") + 1;
    part["targets"] = Json{
        {kPath, {{"length", 5}, {"hashes", {{"sha256", HashSha256(AsBytes("order")).Hex()}}}}}};
    return part;
  }
  Bytes Signed(const Json& part) {
    return fakes::SimTufRepository::Sign(part, repository.SigningKeys("orders"));
  }
  Result<TrustedTarget> Judge(const Bytes& file, ExpiryRule rule = ExpiryRule::kOffline) {
    PAWL_ASSIGN_OR_RETURN(TufClient client, Open(rule));
    PAWL_TRY(client.Refresh(device.fetcher));
    return client.FindUnpinned("orders", kPath, file);
  }

  fakes::SimTufRepository repository;
  TufDevice device;
};

// M-74
TEST_F(TufOfflineTest, TakesAnExpiredTimestampAndSnapshotFromABundleAndNotFromTheNetwork) {
  Later(10);  // beyond both, within all others
  EXPECT_TRUE(FailsWith(Refresh(ExpiryRule::kAll), ErrorCode::kMetadataExpired));
  const auto offline = Refresh(ExpiryRule::kOffline);
  ASSERT_TRUE(Succeeds(offline));
  EXPECT_TRUE(offline->overdue);
  // What is stored now is no way around: neither from the store nor once more from the network.
  EXPECT_TRUE(FailsWith(Refresh(ExpiryRule::kAll), ErrorCode::kMetadataExpired));
  auto client = Open(ExpiryRule::kAll);
  ASSERT_TRUE(Succeeds(client));
  EXPECT_TRUE(FailsWith(client->LoadStored(), ErrorCode::kMetadataExpired));
  auto offline_client = Open(ExpiryRule::kOffline);
  ASSERT_TRUE(Succeeds(offline_client));
  EXPECT_TRUE(Succeeds(offline_client->LoadStored()));
}

TEST_F(TufOfflineTest, FreshMetadataIsNotCalledOverdue) {
  const auto result = Refresh(ExpiryRule::kOffline);
  ASSERT_TRUE(Succeeds(result));
  EXPECT_FALSE(result->overdue);
}

// M-74: these three, and nothing else, may not be expired.
TEST_F(TufOfflineTest, AnExpiredReleasesRoleIsRefusedOffline) {
  Expire("releases");
  repository.Publish({"releases"});
  EXPECT_TRUE(FailsWith(FindRelease(), ErrorCode::kMetadataExpired));
}

TEST_F(TufOfflineTest, AnExpiredTargetsRoleIsRefusedOffline) {
  Expire("targets");
  repository.Publish({"targets"});
  EXPECT_TRUE(FailsWith(Refresh(ExpiryRule::kOffline), ErrorCode::kMetadataExpired));
}

TEST_F(TufOfflineTest, AnExpiredRootIsRefusedOffline) {
  Expire("root");
  repository.PublishRoot();
  EXPECT_TRUE(FailsWith(Refresh(ExpiryRule::kOffline), ErrorCode::kMetadataExpired));
}

// M-75
TEST_F(TufOfflineTest, VersionsBelowTheStoredOnesAreRefusedOffline) {
  const auto old = repository.files;
  repository.Publish({"releases"});
  ASSERT_TRUE(Succeeds(Refresh(ExpiryRule::kAll)));
  repository.files = old;
  EXPECT_TRUE(FailsWith(Refresh(ExpiryRule::kOffline), ErrorCode::kVersionRollback));
}

// M-75: what a bundle showed is a floor for the network too.
TEST_F(TufOfflineTest, ABundleRaisesTheFloorsForTheNetwork) {
  const auto old = repository.files;
  repository.Publish({"releases"});
  ASSERT_TRUE(Succeeds(Refresh(ExpiryRule::kOffline)));
  repository.files = old;
  EXPECT_TRUE(FailsWith(Refresh(ExpiryRule::kAll), ErrorCode::kVersionRollback));
  repository.Publish({"releases"});
  repository.Publish({"releases"});
  EXPECT_TRUE(Succeeds(Refresh(ExpiryRule::kAll)));
}

// M-76
TEST_F(TufOfflineTest, AnAnswerIsBelievedByTheOrdersKeysWithoutAPin) {
  const auto target = Judge(Signed(Answer()));
  ASSERT_TRUE(Succeeds(target));
  EXPECT_EQ(target->sha256, HashSha256(AsBytes("order")));
  EXPECT_EQ(target->roles, (std::vector<std::string>{"targets", "orders"}));
  EXPECT_FALSE(device.store.files.contains("orders"));
}

// M-76
TEST_F(TufOfflineTest, AnAnswerIsNothingInAnOnlineRun) {
  EXPECT_TRUE(FailsWith(Judge(Signed(Answer()), ExpiryRule::kAll), ErrorCode::kInternal));
  // Nor when a server offers it in the place of the published file.
  repository.AddTarget("orders", std::string(kPath), "order");
  repository.Publish({"orders"});
  const std::string served = Format("metadata/{}.orders.json", repository.Version("orders"));
  Json answer = Answer();
  answer["version"] = repository.Version("orders");
  answer["expires"] = FormatUtcTime(device.now.PlusSeconds(kSecondsPerDay));
  repository.files[served] = Signed(answer);
  EXPECT_TRUE(FailsWith(device.Find(kPath), ErrorCode::kMetadataHashMismatch));
}

// M-76
TEST_F(TufOfflineTest, RefusesAnswersThatAreOldExpiredUnsignedOrOfOthers) {
  Json part = Answer();
  part["version"] = repository.Version("orders") - 1;
  EXPECT_TRUE(FailsWith(Judge(Signed(part)), ErrorCode::kVersionRollback));
  part = Answer();
  part["expires"] = FormatUtcTime(device.now);
  EXPECT_TRUE(FailsWith(Judge(Signed(part)), ErrorCode::kMetadataExpired));
  EXPECT_TRUE(FailsWith(Judge(fakes::SimTufRepository::Sign(Answer(), {})),
                        ErrorCode::kSignatureThreshold));
  EXPECT_TRUE(
      FailsWith(Judge(fakes::SimTufRepository::Sign(Answer(), repository.SigningKeys("releases"))),
                ErrorCode::kSignatureThreshold));
  part = Answer();
  part["_type"] = "snapshot";
  part["meta"] = Json::object();
  EXPECT_FALSE(Judge(Signed(part)).has_value());
}

// M-76
TEST_F(TufOfflineTest, AnAnswerListsItsOneOrderAndNothingElse) {
  Json part = Answer();
  part["targets"]["orders/device/y.json"] = part["targets"][kPath];
  EXPECT_TRUE(FailsWith(Judge(Signed(part)), ErrorCode::kTooManyItems));
  part["targets"].erase(kPath);
  EXPECT_TRUE(FailsWith(Judge(Signed(part)), ErrorCode::kTargetMissing));
}

// M-76: without an entry in the snapshot there is no orders role, and absence is a refusal.
TEST_F(TufOfflineTest, RefusesAnAnswerOfARoleThatTheSnapshotDoesNotKnow) {
  auto client = Open(ExpiryRule::kOffline);
  ASSERT_TRUE(Succeeds(client));
  ASSERT_TRUE(Succeeds(client->Refresh(device.fetcher)));
  EXPECT_TRUE(FailsWith(client->FindUnpinned("orders", "elsewhere/x.json", Signed(Answer())),
                        ErrorCode::kTargetNotDelegated));
  EXPECT_TRUE(FailsWith(client->FindUnpinned("releases", kPath, Signed(Answer())),
                        ErrorCode::kTargetNotDelegated));
  EXPECT_TRUE(FailsWith(Open(ExpiryRule::kOffline)->FindUnpinned("orders", kPath, Signed(Answer())),
                        ErrorCode::kMetadataMissing));
}

}  // namespace
}  // namespace pawl::manifest
