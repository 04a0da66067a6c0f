// SPDX-License-Identifier: Apache-2.0
// Faults that other TUF clients had, each as a test with its name. Three patterns recur: counting
// signatures, a check that delegated roles skip, and a refused file that stays.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "manifest/verify_role.h"
#include "tests/unit/manifest/tuf_test_util.h"

namespace pawl::manifest {
namespace {

using fakes::SimTufRepository;
using testing::ElementsAre;

// A repository with one delegated role and a target in it.
SimTufRepository WithDelegation(std::size_t keys = 1, std::uint64_t threshold = 1) {
  SimTufRepository repository;
  repository.Delegate("targets", "a", {{"paths", {"a/*"}}}, keys, threshold);
  repository.AddTarget("a", "a/x", "content");
  repository.Publish({"targets", "a"});
  return repository;
}

// Publishes the role anew; `change` sees its envelope after signing.
void PublishChanged(SimTufRepository& repository, const std::string& role,
                    const std::function<void(Json&)>& change) {
  repository.tamper = [&](const std::string& name, Json& envelope) {
    if (name == role) change(envelope);
  };
  if (role == "root") {
    repository.PublishRoot();
  } else if (role == "timestamp" || role == "snapshot") {
    repository.Publish({});
  } else {
    repository.Publish({role});
  }
  repository.tamper = nullptr;
}

const char* const kEveryRole[] = {"root", "timestamp", "snapshot", "targets", "a"};

class EveryRoleTest : public testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(Roles, EveryRoleTest, testing::ValuesIn(kEveryRole));

// Root cannot go back: it is asked for by its next version.
class BelowRootTest : public testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(Roles, BelowRootTest,
                         testing::Values("timestamp", "snapshot", "targets", "a"));

TEST(PastFaultsTest, CVE_2015_9258_AlgorithmComesFromTheKey) {
  SimTufRepository repository = WithDelegation();
  TufDevice device(repository);
  PublishChanged(repository, "targets", [](Json& envelope) {
    envelope["signatures"][0]["method"] = "none";
    envelope["signatures"][0]["scheme"] = "none";
    envelope["signatures"][0]["sig"] = "";
  });
  EXPECT_TRUE(FailsWith(device.Refresh(), ErrorCode::kSignatureThreshold));
}

//= docs/manifest-format.md#M-13
TEST(PastFaultsTest, CVE_2015_9259_ExpiredRootIsKeptAndEndsTheRun) {
  SimTufRepository repository;
  TufDevice device(repository);
  repository.Part("root")["expires"] = FormatUtcTime(repository.now);
  repository.PublishRoot();
  EXPECT_TRUE(FailsWith(device.Refresh(), ErrorCode::kMetadataExpired));
  EXPECT_EQ(device.Open()->root_version(), 2U);
  EXPECT_FALSE(device.store.files.contains("timestamp"));
}

//= docs/manifest-format.md#M-03
TEST_P(EveryRoleTest, CVE_2020_6173_TenThousandSignaturesAreRefusedUnlooked) {
  SimTufRepository repository = WithDelegation();
  TufDevice device(repository);
  device.limits.timestamp_bytes = device.limits.root_bytes = 4U << 20U;
  device.limits.snapshot_bytes = device.limits.targets_bytes = 4U << 20U;
  PublishChanged(repository, GetParam(), [](Json& envelope) {
    for (int i = 0; i < 10'000; ++i) {
      envelope["signatures"].push_back({{"keyid", Format("k{}", i)}, {"sig", "00"}});
    }
  });
  EXPECT_TRUE(FailsWith(device.Find("a/x"), ErrorCode::kTooManyItems));
}

TEST_P(EveryRoleTest, CVE_2020_6174_CVE_2020_15093_CVE_2026_6966_DuplicateSignatures) {
  SimTufRepository repository = WithDelegation(2, 2);
  for (const char* role : {"root", "timestamp", "snapshot", "targets"})
    repository.SetKeys(role, 2, 2);
  repository.PublishRoot();
  repository.Publish({"targets", "a"});
  TufDevice device(repository);
  ASSERT_TRUE(Succeeds(device.Find("a/x")));
  PublishChanged(repository, GetParam(),
                 [](Json& envelope) { envelope["signatures"][1] = envelope["signatures"][0]; });
  EXPECT_TRUE(FailsWith(device.Find("a/x"), ErrorCode::kDuplicateSignature));
}

//= docs/manifest-format.md#M-14
TEST(PastFaultsTest, CVE_2020_15163_BadRootIsNeverKeptAndNeedsBothThresholds) {
  for (const bool drop_old : {true, false}) {
    SimTufRepository repository;
    TufDevice device(repository);
    ASSERT_TRUE(Succeeds(device.Refresh()));
    const auto before = device.store.files;
    repository.SetKeys("root", 1, 1);
    PublishChanged(repository, "root",
                   [&](Json& envelope) { envelope["signatures"].erase(drop_old ? 0 : 1); });
    EXPECT_TRUE(FailsWith(device.Refresh(), ErrorCode::kSignatureThreshold));
    EXPECT_EQ(device.store.files, before);
  }
}

//= docs/manifest-format.md#M-12
TEST(PastFaultsTest, CVE_2021_41131_RoleNamesAreNoPaths) {
  const std::pair<std::string, std::string> names[] = {
      {"../../etc/passwd", "metadata/1...%2F..%2Fetc%2Fpasswd.json"},
      {"/abs", "metadata/1.%2Fabs.json"},
      {std::string("nul\0x", 5), "metadata/1.nul%00x.json"},
      {"a b?c#d%e\\f", "metadata/1.a%20b%3Fc%23d%25e%5Cf.json"},
      {"..", "metadata/1....json"},
      {"ö", "metadata/1.%C3%B6.json"}};
  for (const auto& [name, file] : names) {
    SimTufRepository repository;
    repository.Delegate("targets", name, {{"paths", {"*"}}});
    repository.Publish();
    TufDevice device(repository);
    EXPECT_TRUE(FailsWith(device.Find("x"), ErrorCode::kTargetMissing)) << file;
    EXPECT_EQ(device.fetcher.requests.back(), file);
  }
  SimTufRepository repository;
  repository.Delegate("targets", std::string(300, 'n'), {{"paths", {"*"}}});
  repository.Publish();
  TufDevice device(repository);
  EXPECT_TRUE(FailsWith(device.Refresh(), ErrorCode::kMetadataMalformed));
}

TEST(PastFaultsTest, CVE_2021_41149_TargetNamesAreNoPathsEither) {
  SimTufRepository repository;
  repository.AddTarget("targets", "../x", "content");
  repository.Publish();
  TufDevice device(repository);
  auto client = device.Open();
  ASSERT_TRUE(Succeeds(client->Refresh(device.fetcher)));
  const auto target = client->FindTarget("../x", nullptr);
  ASSERT_TRUE(Succeeds(target));
  EXPECT_TRUE(FailsWith(client->FetchTarget(*target, device.fetcher, 100), ErrorCode::kPathUnsafe));
}

// Compared with what was stored, not with nothing; and compared before it is kept.
//= docs/manifest-format.md#M-17
TEST_P(BelowRootTest, CVE_2022_29173_CVE_2025_2887_RollbackAfterRestart) {
  const std::string role = GetParam();
  SimTufRepository repository = WithDelegation();
  TufDevice device(repository);
  repository.Publish({"targets", "a"});
  ASSERT_TRUE(Succeeds(device.Find("a/x")));
  const auto before = device.store.files;
  repository.Part(role)["version"] = 1;
  if (role == "targets" || role == "a") {
    repository.WriteTargets(role);
    repository.Publish({});
  } else if (role == "snapshot") {
    repository.WriteSnapshot();
    repository.RaiseVersion("timestamp");
  }
  repository.WriteTimestamp();
  EXPECT_TRUE(FailsWith(device.Find("a/x"), ErrorCode::kVersionRollback));
  EXPECT_EQ(device.store.files.at("snapshot"), before.at("snapshot"));
  EXPECT_EQ(device.store.files.at("targets"), before.at("targets"));
  EXPECT_EQ(device.store.files.at("a"), before.at("a"));
}

//= docs/manifest-format.md#M-09
TEST_P(EveryRoleTest, GHSA_3633_5h82_39pq_OneKeyUnderTwoIds) {
  const std::string role = GetParam();
  SimTufRepository repository = WithDelegation();
  // The second id is of the same key with one more member: its own SHA-256, the same key material.
  Json& owner = role == "a" ? repository.Part("targets")["delegations"] : repository.Part("root");
  Json& entry = role == "a" ? owner["roles"][0] : owner["roles"][role];
  const std::string first = entry["keyids"][0];
  Json twin = owner["keys"][first];
  twin["x-owner"] = "me again";
  const std::string second = HashSha256(AsBytes(CanonicalJson(twin))).Hex();
  owner["keys"][second] = twin;
  entry["keyids"].push_back(second);
  entry["threshold"] = 2;
  TufDevice device(repository);
  repository.tamper = [&](const std::string& name, Json& envelope) {
    if (name != role) return;
    Json copy = envelope["signatures"][0];
    copy["keyid"] = second;
    envelope["signatures"].push_back(copy);
  };
  repository.PublishRoot();
  repository.Publish({"targets", "a"});
  EXPECT_TRUE(FailsWith(device.Find("a/x"), ErrorCode::kSignatureThreshold));
}

TEST(PastFaultsTest, GHSA_77hh_43cm_v8j6_TopLevelNamesAreNoDelegatedRoles) {
  for (const char* name : {"root", "timestamp", "snapshot", "targets"}) {
    SimTufRepository repository;
    repository.Delegate("targets", "a", {{"paths", {"*"}}});
    repository.Part("targets")["delegations"]["roles"][0]["name"] = name;
    repository.Publish();
    TufDevice device(repository);
    EXPECT_TRUE(FailsWith(device.Refresh(), ErrorCode::kMetadataMalformed)) << name;
  }
}

//= docs/manifest-format.md#M-21
TEST(PastFaultsTest, CVE_2024_47534_OrderOfDelegationsDecides) {
  SimTufRepository repository;
  repository.Delegate("targets", "zz", {{"paths", {"a/*"}}});
  repository.Delegate("targets", "aa", {{"paths", {"a/*"}}});
  repository.AddTarget("zz", "a/x", "first");
  repository.AddTarget("aa", "a/x", "second");
  repository.Publish({"targets", "zz", "aa"});
  TufDevice device(repository);
  const auto target = device.Find("a/x");
  ASSERT_TRUE(Succeeds(target));
  EXPECT_THAT(target->roles, ElementsAre("targets", "zz"));
}

//= docs/manifest-format.md#M-18
TEST(PastFaultsTest, GoTuf652_DelegatedRoleMissingInSnapshot) {
  SimTufRepository repository = WithDelegation();
  repository.tamper = [](const std::string& role, Json& envelope) {
    if (role != "snapshot") return;
    envelope["signed"]["meta"].erase("a.json");
  };
  TufDevice device(repository);
  repository.Publish();
  repository.tamper = nullptr;
  Json& part = repository.Part("snapshot");
  part["meta"].erase("a.json");
  const Bytes bytes = SimTufRepository::Sign(part, repository.SigningKeys("snapshot"));
  repository.files[Format("metadata/{}.snapshot.json", repository.Version("snapshot"))] = bytes;
  repository.Part("timestamp")["meta"]["snapshot.json"] = {
      {"version", repository.Version("snapshot")}};
  repository.files["metadata/timestamp.json"] =
      SimTufRepository::Sign(repository.Part("timestamp"), repository.SigningKeys("timestamp"));
  EXPECT_TRUE(FailsWith(device.Find("a/x"), ErrorCode::kDelegationMissing));
  for (const std::string& name : device.fetcher.requests)
    EXPECT_EQ(name.find(".a.json"), name.npos);
}

TEST(PastFaultsTest, CVE_2025_2885_RootIsExactlyTheNextVersion) {
  SimTufRepository repository;
  TufDevice device(repository);
  repository.PublishRoot();
  repository.PublishRoot();
  repository.files["metadata/2.root.json"] = repository.files["metadata/3.root.json"];
  EXPECT_TRUE(FailsWith(device.Refresh(), ErrorCode::kRootChain));
  EXPECT_EQ(device.Open()->root_version(), 1U);
}

TEST(PastFaultsTest, CVE_2025_2886_TerminatingEndsTheSearch) {
  SimTufRepository repository;
  repository.Delegate("targets", "one", {{"paths", {"a/*"}}, {"terminating", true}});
  repository.Delegate("targets", "two", {{"paths", {"a/*"}}});
  repository.AddTarget("two", "a/x", "content");
  repository.Publish({"targets", "one", "two"});
  TufDevice device(repository);
  EXPECT_TRUE(FailsWith(device.Find("a/x"), ErrorCode::kTargetMissing));
}

// What was refused is gone; the next good file is taken.
//= docs/manifest-format.md#M-10
TEST_P(EveryRoleTest, CVE_2025_2888_RefusedFileDoesNotBlockTheNext) {
  SimTufRepository repository = WithDelegation();
  TufDevice device(repository);
  ASSERT_TRUE(Succeeds(device.Find("a/x")));
  const auto before = device.store.files;
  const std::string role = GetParam();
  PublishChanged(repository, role, [](Json& envelope) { envelope["signed"]["version"] = 1'000; });
  EXPECT_FALSE(device.Find("a/x"));
  EXPECT_EQ(device.store.files.at(role), before.at(role));
  if (role == "root") {
    repository.Part("root")["version"] = 1;
    repository.PublishRoot();
  } else {
    repository.Publish({"targets", "a"});
  }
  EXPECT_TRUE(Succeeds(device.Find("a/x")));
}

// T-BOUNDARY-2
TEST_P(EveryRoleTest, CVE_2026_23992_ThresholdBelowOne) {
  const std::string role = GetParam();
  for (const Json& threshold : {Json(0), Json(-1), Json("1"), Json(nullptr)}) {
    SimTufRepository repository = WithDelegation();
    TufDevice device(repository);
    Json& owner = role == "a" ? repository.Part("targets")["delegations"]["roles"][0]
                              : repository.Part("root")["roles"][role];
    owner["threshold"] = threshold;
    repository.PublishRoot();
    repository.Publish({"targets", "a"});
    EXPECT_TRUE(FailsWith(device.Find("a/x"), ErrorCode::kMetadataMalformed)) << threshold;
  }
}

// Above the number of keys: can never be met, and is found out before a signature is looked at.
//= docs/manifest-format.md#M-07
TEST_P(EveryRoleTest, ThresholdAboveTheNumberOfKeys) {
  const std::string role = GetParam();
  SimTufRepository repository = WithDelegation();
  TufDevice device(repository);
  Json& owner = role == "a" ? repository.Part("targets")["delegations"]["roles"][0]
                            : repository.Part("root")["roles"][role];
  owner["threshold"] = INT64_MAX;
  repository.PublishRoot();
  repository.Publish({"targets", "a"});
  EXPECT_TRUE(FailsWith(device.Find("a/x"), ErrorCode::kSignatureThreshold));
}

//= docs/manifest-format.md#M-11
// T-BOUNDARY-7
TEST(PastFaultsTest, GoTuf721_EmptyHashesAreRefused) {
  SimTufRepository repository;
  repository.AddTarget("targets", "x", "content");
  repository.Part("targets")["targets"]["x"]["hashes"] = Json::object();
  repository.Publish();
  TufDevice device(repository);
  EXPECT_TRUE(FailsWith(device.Refresh(), ErrorCode::kMetadataMalformed));
}

TEST(PastFaultsTest, GoTuf739_ShortEd25519KeyDoesNotCount) {
  SimTufRepository repository;
  Json& root = repository.Part("root");
  const std::string keyid = root["roles"]["targets"]["keyids"][0];
  root["keys"][keyid]["keyval"]["public"] = "00ff";
  TufDevice device(repository);
  repository.PublishRoot();
  EXPECT_TRUE(FailsWith(device.Refresh(), ErrorCode::kSignatureThreshold));
}

TEST(PastFaultsTest, GoTuf749_NullIsNoMetadata) {
  SimTufRepository repository;
  TufDevice device(repository);
  for (const std::string text :
       {"null", "{}", "[]", "0", "\"\"", "{\"signed\":null,\"signatures\":null}"}) {
    repository.files["metadata/timestamp.json"] = Bytes(text.begin(), text.end());
    EXPECT_TRUE(FailsWith(device.Refresh(), ErrorCode::kMetadataMalformed)) << text;
  }
}

// Expiry, hash, length and version of a delegated role.
TEST(PastFaultsTest, CVE_2026_6967_DelegatedRolesGetEveryCheck) {
  SimTufRepository repository = WithDelegation();
  const auto honest = repository.files;
  const std::string file = "metadata/2.a.json";
  const auto outcome = [&](ErrorCode code) {
    TufDevice device(repository);
    const auto result = FailsWith(device.Find("a/x"), code);
    EXPECT_FALSE(device.store.files.contains("a"));
    return result;
  };
  repository.files[file].back() = ' ';
  EXPECT_TRUE(outcome(ErrorCode::kMetadataHashMismatch));
  repository.files[file].pop_back();
  EXPECT_TRUE(outcome(ErrorCode::kMetadataHashMismatch));
  repository.files = honest;
  repository.Part("a")["expires"] = FormatUtcTime(repository.now);
  repository.Publish({"a"});
  EXPECT_TRUE(outcome(ErrorCode::kMetadataExpired));
  repository.Part("a")["expires"] = FormatUtcTime(repository.now.PlusSeconds(60));
  repository.hashes_in_meta = false;
  PublishChanged(repository, "a", [&](Json& envelope) {
    envelope["signed"]["version"] = 99;
    envelope = *ParseJson(SimTufRepository::Sign(envelope["signed"], repository.SigningKeys("a")));
  });
  EXPECT_TRUE(outcome(ErrorCode::kVersionMismatch));
  PublishChanged(repository, "a", [&](Json& envelope) {
    envelope = *ParseJson(repository.files["metadata/timestamp.json"]);
    envelope = *ParseJson(SimTufRepository::Sign(envelope["signed"], repository.SigningKeys("a")));
  });
  EXPECT_TRUE(outcome(ErrorCode::kRoleTypeMismatch));
}

//= docs/manifest-format.md#M-19
TEST(PastFaultsTest, PythonTuf2977_GoTuf759_CachedRoleIsVerifiedForItsDelegator) {
  SimTufRepository repository;
  repository.Delegate("targets", "team-a", {{"paths", {"a/*"}}});
  repository.Delegate("targets", "team-b", {{"paths", {"b/*"}}});
  repository.Delegate("team-a", "release", {{"paths", {"*/*"}}});
  // The other team delegates to the same name, to a key of its own.
  Json delegations = repository.Part("team-a")["delegations"];
  const auto& own = repository.NewKey();
  delegations["keys"] = {{own.keyid, own.object}};
  delegations["roles"][0]["keyids"] = {own.keyid};
  repository.Part("team-b")["delegations"] = delegations;
  repository.AddTarget("release", "a/x", "a");
  repository.AddTarget("release", "b/x", "planted by team a");
  repository.Publish({"targets", "team-a", "team-b", "release"});
  TufDevice device(repository);
  auto client = device.Open();
  ASSERT_TRUE(Succeeds(client->Refresh(device.fetcher)));
  EXPECT_TRUE(Succeeds(client->FindTarget("a/x", &device.fetcher)));
  EXPECT_TRUE(
      FailsWith(client->FindTarget("b/x", &device.fetcher), ErrorCode::kSignatureThreshold));
  EXPECT_TRUE(FailsWith(device.Find("b/x"), ErrorCode::kSignatureThreshold));
}

TEST(PastFaultsTest, Aktualizr1185_ExpiredStoredMetadataDoesNotBlock) {
  SimTufRepository repository;
  TufDevice device(repository);
  ASSERT_TRUE(Succeeds(device.Refresh()));
  repository.now = device.now = device.now.PlusSeconds(20 * kSecondsPerDay);
  for (const char* role : {"timestamp", "snapshot"}) {
    repository.Part(role)["expires"] = FormatUtcTime(repository.now.PlusSeconds(kSecondsPerDay));
  }
  repository.Part("timestamp")["x-issued"] = FormatUtcTime(repository.now);
  repository.Publish();
  EXPECT_TRUE(Succeeds(device.Refresh()));
}

//= docs/manifest-format.md#M-16
TEST(PastFaultsTest, Aktualizr1185_ExpiredStoredMetadataIsStillAFloor) {
  SimTufRepository repository;
  TufDevice device(repository);
  const auto old = repository.files;
  repository.Publish();
  ASSERT_TRUE(Succeeds(device.Refresh()));
  device.now = device.now.PlusSeconds(2 * kSecondsPerDay);
  repository.files = old;
  EXPECT_TRUE(FailsWith(device.Refresh(), ErrorCode::kVersionRollback));
}

//= docs/manifest-format.md#M-15
TEST(PastFaultsTest, AktualizrLite157_Uptane268_EqualVersionKeepsTheOldBytes) {
  SimTufRepository repository;
  TufDevice device(repository);
  ASSERT_TRUE(Succeeds(device.Refresh()));
  const auto before = device.store.files;
  repository.Part("timestamp")["x-issued"] = FormatUtcTime(repository.now.PlusSeconds(-60));
  repository.WriteTimestamp();
  const auto again = device.Refresh();
  ASSERT_TRUE(Succeeds(again));
  EXPECT_FALSE(again->changed);
  EXPECT_EQ(again->issued, repository.now);
  EXPECT_EQ(device.store.files, before);
}

// The whole of it in one place: order of the checks of one file.
TEST(VerifyRoleTest, HashesComeBeforeFormAndFormBeforeSignatures) {
  SimTufRepository repository;
  const auto root = VerifyEmbeddedRoot(repository.embedded_root);
  ASSERT_TRUE(Succeeds(root));
  const Signers& signers = root->root()->targets;
  const Bytes garbage{'{'};
  ExpectedFile expected = ExpectVersion(RoleType::kTargets, 7);
  expected.length = 2;
  EXPECT_TRUE(FailsWith(VerifyRole(signers, "targets", garbage, expected, repository.now),
                        ErrorCode::kMetadataHashMismatch));
  expected.length.reset();
  EXPECT_TRUE(FailsWith(VerifyRole(signers, "targets", garbage, expected, repository.now),
                        ErrorCode::kMetadataMalformed));
  const Bytes& timestamp = repository.files["metadata/timestamp.json"];
  EXPECT_TRUE(FailsWith(VerifyRole(signers, "targets", timestamp, expected, repository.now),
                        ErrorCode::kSignatureThreshold));
  EXPECT_TRUE(
      FailsWith(VerifyRole(root->root()->timestamp, "targets", timestamp, expected, repository.now),
                ErrorCode::kRoleTypeMismatch));
  const Bytes& targets = repository.files["metadata/1.targets.json"];
  const UtcTime later = repository.now.PlusSeconds(400 * kSecondsPerDay);
  EXPECT_TRUE(FailsWith(VerifyRole(signers, "targets", targets, expected, later),
                        ErrorCode::kVersionMismatch));
  expected.version = 1;
  EXPECT_TRUE(FailsWith(VerifyRole(signers, "targets", targets, expected, later),
                        ErrorCode::kMetadataExpired));
  EXPECT_TRUE(Succeeds(VerifyRole(signers, "targets", targets, expected, repository.now)));
}

}  // namespace
}  // namespace pawl::manifest
