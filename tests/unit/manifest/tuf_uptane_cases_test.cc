// SPDX-License-Identifier: Apache-2.0
// The case families of the public Uptane test vectors, in TUF 1.0 form and for every role that has
// the case. Families that other tests name already are not here: zero thresholds, doubled
// signatures, hash mismatch and expiry of delegations (tuf_past_faults_test.cc), hardware ids
// (planner_test.cc), addressees (order_test.cc).

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <utility>

#include "tests/unit/manifest/tuf_test_util.h"

namespace pawl::manifest {
namespace {

using fakes::SimTufRepository;
using testing::Each;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

class UptaneRoleTest : public testing::TestWithParam<const char*> {
 protected:
  UptaneRoleTest() {
    repository.Delegate("targets", "a", {{"paths", {"a/*"}}}, 2, 2);
    repository.AddTarget("a", "a/x", "content");
    for (const char* role : {"root", "timestamp", "snapshot", "targets"}) {
      repository.SetKeys(role, 2, 2);
    }
    repository.PublishRoot();
    repository.Publish({"targets", "a"});
  }

  // Publishes everything with what `change` makes of this test's role after signing, and expects
  // that the device refuses it and keeps what it had.
  void ExpectRefused(ErrorCode code, const std::function<void(Json&)>& change) {
    TufDevice device(repository);
    ASSERT_TRUE(Succeeds(device.Find("a/x")));
    const auto before = device.store.files;
    const std::uint64_t good_root = repository.Version("root");
    repository.tamper = [&](const std::string& role, Json& envelope) {
      if (role == GetParam()) change(envelope);
    };
    repository.PublishRoot();
    repository.Publish({"targets", "a"});
    repository.tamper = nullptr;
    EXPECT_TRUE(FailsWith(device.Find("a/x"), code));
    EXPECT_EQ(device.store.files.at(GetParam()), before.at(GetParam()));
    repository.Part("root")["version"] = good_root;
    repository.PublishRoot();
    repository.Publish({"targets", "a"});
    EXPECT_TRUE(Succeeds(device.Find("a/x"))) << "what was refused must not block";
  }

  SimTufRepository repository;
};
INSTANTIATE_TEST_SUITE_P(Roles, UptaneRoleTest,
                         testing::Values("root", "timestamp", "snapshot", "targets", "a"));

TEST_P(UptaneRoleTest, Unsigned) {
  ExpectRefused(ErrorCode::kSignatureThreshold,
                [](Json& envelope) { envelope["signatures"] = Json::array(); });
}

TEST_P(UptaneRoleTest, UnmetThreshold) {
  ExpectRefused(ErrorCode::kSignatureThreshold,
                [](Json& envelope) { envelope["signatures"].erase(1); });
}

// A good signature under the id of another key, and under one that nobody has.
TEST_P(UptaneRoleTest, BadKeyIds) {
  ExpectRefused(ErrorCode::kSignatureThreshold, [](Json& envelope) {
    std::swap(envelope["signatures"][0]["keyid"], envelope["signatures"][1]["keyid"]);
  });
  ExpectRefused(ErrorCode::kSignatureThreshold,
                [](Json& envelope) { envelope["signatures"][0]["keyid"] = std::string(64, '0'); });
}

TEST_P(UptaneRoleTest, ContentChangedAfterSigning) {
  ExpectRefused(ErrorCode::kSignatureThreshold,
                [](Json& envelope) { envelope["signed"]["x-added"] = 1; });
}

// Signed by the right keys, but a file of another role.
TEST_P(UptaneRoleTest, RoleTypeMismatch) {
  const std::string role = GetParam();
  ExpectRefused(ErrorCode::kRoleTypeMismatch, [&](Json& envelope) {
    Json other = repository.Part(role == "timestamp" ? "snapshot" : "timestamp");
    other["version"] = envelope["signed"]["version"];
    envelope = *ParseJson(SimTufRepository::Sign(other, repository.SigningKeys(role)));
  });
}

// An expired root is kept, since a later one may follow (CVE_2015_9259); the others are not.
class UptaneBelowRootTest : public UptaneRoleTest {};
INSTANTIATE_TEST_SUITE_P(Roles, UptaneBelowRootTest,
                         testing::Values("timestamp", "snapshot", "targets", "a"));

TEST_P(UptaneBelowRootTest, Expired) {
  const std::string role = GetParam();
  ExpectRefused(ErrorCode::kMetadataExpired, [&](Json& envelope) {
    Json part = envelope["signed"];
    part["expires"] = FormatUtcTime(repository.now);
    if (role == "timestamp") part["x-issued"] = part["expires"];
    envelope = *ParseJson(SimTufRepository::Sign(part, repository.SigningKeys(role)));
  });
}

TEST(UptaneRootRotationTest, VersionUnchanged) {
  SimTufRepository repository;
  TufDevice device(repository);
  repository.files["metadata/2.root.json"] = repository.embedded_root;
  EXPECT_TRUE(FailsWith(device.Refresh(), ErrorCode::kRootChain));
  EXPECT_EQ(device.Open()->root_version(), 1U);
}

TEST(UptaneRootRotationTest, MultipleStepsInOneRunEachSignedByTheLast) {
  SimTufRepository repository;
  for (int i = 0; i < 4; ++i) {
    repository.SetKeys("root", 3, 2);
    repository.PublishRoot();
  }
  TufDevice device(repository);
  EXPECT_EQ(device.Refresh()->root_version, 5U);
  // A step is missing: what follows it proves nothing.
  TufDevice other(repository);
  repository.files["metadata/3.root.json"] = repository.files["metadata/4.root.json"];
  EXPECT_TRUE(FailsWith(other.Refresh(), ErrorCode::kSignatureThreshold));
  EXPECT_EQ(other.Open()->root_version(), 2U);
}

TEST(UptaneDelegationTest, Redundant) {
  SimTufRepository repository;
  for (const char* role : {"one", "two"}) {
    repository.Delegate("targets", role, {{"paths", {"a/*"}}});
    repository.AddTarget(role, "a/x", "the same");
  }
  repository.Publish({"targets", "one", "two"});
  TufDevice device(repository);
  const auto found = device.Find("a/x");
  ASSERT_TRUE(Succeeds(found));
  EXPECT_THAT(found->roles, ElementsAre("targets", "one"));
  EXPECT_THAT(device.fetcher.requests, Each(Not(HasSubstr(".two."))));
}

TEST(UptaneDelegationTest, PathMismatch) {
  SimTufRepository repository;
  repository.Delegate("targets", "a", {{"paths", {"a/*"}}});
  repository.AddTarget("a", "b/x", "not its own");
  repository.Publish({"targets", "a"});
  TufDevice device(repository);
  EXPECT_TRUE(FailsWith(device.Find("b/x"), ErrorCode::kTargetMissing));
  EXPECT_THAT(device.fetcher.requests, Each(Not(HasSubstr(".a.json"))));
}

TEST(UptaneDelegationTest, KeyMissing) {
  SimTufRepository repository;
  repository.Delegate("targets", "a", {{"paths", {"a/*"}}});
  repository.AddTarget("a", "a/x", "content");
  repository.Part("targets")["delegations"]["keys"] = Json::object();
  repository.Publish({"targets", "a"});
  TufDevice device(repository);
  EXPECT_TRUE(FailsWith(device.Find("a/x"), ErrorCode::kSignatureThreshold));
}

// Delegated and listed in snapshot, but the file is not there.
TEST(UptaneDelegationTest, Missing) {
  SimTufRepository repository;
  repository.Delegate("targets", "a", {{"paths", {"a/*"}}});
  repository.Publish({"targets", "a"});
  repository.files.erase("metadata/2.a.json");
  TufDevice device(repository);
  EXPECT_TRUE(FailsWith(device.Find("a/x"), ErrorCode::kNotFound));
}

TEST(UptaneDelegationTest, Empty) {
  SimTufRepository repository;
  repository.Delegate("targets", "a", {{"paths", Json::array()}});
  repository.AddTarget("a", "a/x", "content");
  repository.Delegate("targets", "b", {{"path_hash_prefixes", Json::array()}});
  repository.AddTarget("b", "a/x", "content");
  repository.Publish({"targets", "a", "b"});
  TufDevice device(repository);
  EXPECT_TRUE(FailsWith(device.Find("a/x"), ErrorCode::kTargetMissing));
}

TEST(UptaneDelegationTest, SnapshotVersionMismatch) {
  SimTufRepository repository;
  repository.hashes_in_meta = false;
  repository.Delegate("targets", "a", {{"paths", {"a/*"}}});
  repository.AddTarget("a", "a/x", "content");
  repository.Publish({"targets", "a"});
  repository.Publish({"a"});
  repository.files["metadata/3.a.json"] = repository.files["metadata/2.a.json"];
  TufDevice device(repository);
  EXPECT_TRUE(FailsWith(device.Find("a/x"), ErrorCode::kVersionMismatch));
}

TEST(UptaneDelegationTest, TwoSignaturesWhereOneIsEnough) {
  SimTufRepository repository;
  repository.Delegate("targets", "a", {{"paths", {"a/*"}}}, 2, 1);
  repository.AddTarget("a", "a/x", "content");
  repository.tamper = [](const std::string& role, Json& envelope) {
    if (role == "a") envelope["signatures"][0]["sig"] = std::string(128, '0');
  };
  repository.Publish({"targets", "a"});
  TufDevice device(repository);
  EXPECT_TRUE(Succeeds(device.Find("a/x")));
}

TEST(UptaneTargetTest, OversizedAndChangedTargetsAreRefused) {
  SimTufRepository repository;
  repository.AddTarget("targets", "x", "content");
  repository.Publish();
  TufDevice device(repository);
  auto client = device.Open();
  ASSERT_TRUE(Succeeds(client->Refresh(device.fetcher)));
  const auto target = client->FindTarget("x", &device.fetcher);
  ASSERT_TRUE(Succeeds(target));
  const std::string name = "targets/" + target->sha256->Hex() + ".x";
  repository.files[name].push_back('!');
  EXPECT_TRUE(
      FailsWith(client->FetchTarget(*target, device.fetcher, 100), ErrorCode::kTransferTooLarge));
  repository.files[name].pop_back();
  repository.files[name][0] = 'C';
  EXPECT_TRUE(FailsWith(client->FetchTarget(*target, device.fetcher, 100),
                        ErrorCode::kMetadataHashMismatch));
}

}  // namespace
}  // namespace pawl::manifest
