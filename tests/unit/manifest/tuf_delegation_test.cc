// SPDX-License-Identifier: Apache-2.0
// Who may speak for which path: what the conformance suite has no case for.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "manifest/path_pattern.h"
#include "tests/unit/manifest/tuf_test_util.h"

namespace pawl::manifest {
namespace {

using fakes::SimTufRepository;
using testing::ElementsAre;

//= docs/manifest-format.md#M-22
TEST(DelegationTest, HashBinsAnswerForTheirPaths) {
  SimTufRepository repository;
  repository.Delegate("targets", "orders", {{"paths", {"orders/*/*"}}, {"terminating", true}});
  repository.DelegateBins("orders", "orders", 3);
  SuccinctRoles bins;
  bins.name_prefix = "orders";
  bins.bit_length = 3;
  std::vector<std::string> roles{"targets", "orders"};
  for (int bin = 0; bin < 8; ++bin) roles.push_back(Format("orders-{}", bin));
  for (int i = 0; i < 20; ++i) {
    const std::string path = Format("orders/device/{}.json", i);
    repository.AddTarget(BinName(bins, path), path, Format("order {}", i));
    // The same path in a bin that is not its own counts for nothing.
    const std::string wrong = Format("orders-{}", (BinName(bins, path).back() - '0' + 1) % 8);
    repository.AddTarget(wrong, Format("orders/group/{}.json", i), "x");
  }
  repository.Publish(roles);
  TufDevice device(repository);
  for (int i = 0; i < 20; ++i) {
    const std::string path = Format("orders/device/{}.json", i);
    const auto target = device.Find(path);
    ASSERT_TRUE(Succeeds(target));
    EXPECT_THAT(target->roles, ElementsAre("targets", "orders", BinName(bins, path)));
  }
  EXPECT_TRUE(FailsWith(device.Find("orders/device/none.json"), ErrorCode::kTargetMissing));
}

TEST(DelegationTest, HashPrefixesChooseTheRole) {
  SimTufRepository repository;
  const std::string hash = HashSha256(AsBytes("a/x")).Hex();
  repository.Delegate("targets", "no", {{"path_hash_prefixes", {hash.substr(1, 4), "ffffffff"}}});
  repository.Delegate("targets", "yes", {{"path_hash_prefixes", {hash.substr(0, 4)}}});
  repository.AddTarget("no", "a/x", "wrong");
  repository.AddTarget("yes", "a/x", "right");
  repository.Publish({"targets", "no", "yes"});
  TufDevice device(repository);
  const auto target = device.Find("a/x");
  ASSERT_TRUE(Succeeds(target));
  EXPECT_EQ(target->roles.back(), "yes");
}

//= docs/manifest-format.md#M-26
TEST(DelegationTest, DepthIsBounded) {
  SimTufRepository repository;
  std::vector<std::string> roles{"targets"};
  for (int i = 1; i <= 9; ++i) {
    repository.Delegate(roles.back(), Format("r{}", i), {{"paths", {"*"}}});
    roles.push_back(Format("r{}", i));
  }
  repository.AddTarget("r8", "eight", "x");
  repository.AddTarget("r9", "nine", "x");
  repository.Publish(roles);
  TufDevice device(repository);
  EXPECT_TRUE(Succeeds(device.Find("eight")));
  EXPECT_TRUE(FailsWith(device.Find("nine"), ErrorCode::kTooManyItems));
}

TEST(DelegationTest, NumberOfRolesInASearchIsBounded) {
  SimTufRepository repository;
  std::vector<std::string> roles{"targets"};
  for (int i = 0; i < 65; ++i) {
    roles.push_back(Format("r{}", i));
    repository.Delegate("targets", roles.back(), {{"paths", {"*"}}});
  }
  repository.AddTarget("r63", "last", "x");
  repository.AddTarget("r64", "beyond", "x");
  repository.Publish(roles);
  TufDevice device(repository);
  EXPECT_TRUE(Succeeds(device.Find("last")));
  EXPECT_TRUE(FailsWith(device.Find("beyond"), ErrorCode::kTooManyItems));
}

TEST(DelegationTest, ReportsChainAndKeySet) {
  SimTufRepository repository;
  repository.Delegate("targets", "orders", {{"paths", {"orders/*"}}}, 2, 1);
  repository.AddTarget("orders", "orders/x", "order", {{"n", 1}});
  repository.Publish({"targets", "orders"});
  TufDevice device(repository);
  const auto before = device.Find("orders/x");
  ASSERT_TRUE(Succeeds(before));
  EXPECT_THAT(before->roles, ElementsAre("targets", "orders"));
  EXPECT_EQ(before->custom["n"], 1);
  repository.SetKeys("orders", 2, 1);
  repository.Publish({"targets", "orders"});
  const auto after = device.Find("orders/x");
  ASSERT_TRUE(Succeeds(after));
  EXPECT_NE(after->role_keyset, before->role_keyset);
}

TEST(DelegationTest, ListingShowsOnlyWhatTheRoleWasGiven) {
  SimTufRepository repository;
  repository.Delegate("targets", "a", {{"paths", {"a/*"}}});
  repository.Delegate("a", "inner", {{"paths", {"a/i*", "b/*"}}});
  for (const char* path : {"a/x", "a/i1", "b/i2"}) {
    repository.AddTarget("a", path, "x");
    repository.AddTarget("inner", path, "x");
  }
  repository.Publish({"targets", "a", "inner"});
  TufDevice device(repository);
  auto client = device.Open();
  ASSERT_TRUE(Succeeds(client->Refresh(device.fetcher)));
  const auto paths = [&](std::string_view role) {
    std::vector<std::string> found;
    const auto listed = client->ListTargets(role, &device.fetcher);
    EXPECT_TRUE(Succeeds(listed));
    for (const TrustedTarget& target : listed.value_or(std::vector<TrustedTarget>{})) {
      found.push_back(target.path);
    }
    return found;
  };
  EXPECT_THAT(paths("a"), ElementsAre("a/i1", "a/x"));
  EXPECT_THAT(paths("inner"), ElementsAre("a/i1"));
  EXPECT_TRUE(paths("targets").empty());
  EXPECT_TRUE(
      FailsWith(client->ListTargets("nobody", &device.fetcher), ErrorCode::kDelegationMissing));
}

TEST(DelegationTest, FailingRoleDoesNotTouchPathsOfOthers) {
  SimTufRepository repository;
  repository.Delegate("targets", "orders", {{"paths", {"orders/*"}}, {"terminating", true}});
  repository.Delegate("targets", "releases", {{"paths", {"releases/*"}}, {"terminating", true}});
  repository.AddTarget("releases", "releases/1", "x");
  repository.Part("orders")["expires"] = "2020-01-01T00:00:00Z";
  repository.Publish({"targets", "orders", "releases"});
  TufDevice device(repository);
  EXPECT_TRUE(Succeeds(device.Find("releases/1")));
  EXPECT_TRUE(FailsWith(device.Find("orders/1"), ErrorCode::kMetadataExpired));
}

// Fast-forward of a delegated role: its version was driven up with a stolen key. New keys for the
// role and for snapshot bring it back.
TEST(DelegationTest, FastForwardIsRecoveredByRotation) {
  SimTufRepository repository;
  repository.Delegate("targets", "a", {{"paths", {"a/*"}}});
  repository.AddTarget("a", "a/x", "x");
  repository.Part("a")["version"] = 1'000'000;
  repository.Publish({"targets", "a"});
  TufDevice device(repository);
  ASSERT_TRUE(Succeeds(device.Find("a/x")));
  repository.SetKeys("a", 1, 1);
  repository.Part("a")["version"] = 1;
  repository.Publish({"targets", "a"});
  EXPECT_TRUE(FailsWith(device.Find("a/x"), ErrorCode::kVersionRollback));
  repository.SetKeys("snapshot", 1, 1);
  repository.PublishRoot();
  repository.Publish({});
  EXPECT_TRUE(Succeeds(device.Find("a/x")));
}

}  // namespace
}  // namespace pawl::manifest
