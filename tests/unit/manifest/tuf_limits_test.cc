// SPDX-License-Identifier: Apache-2.0
// Bounds: what a file may contain, what a search may hold, what is received. Whoever serves files,
// or holds a delegated key, decides what stands in them.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "manifest/limits.h"
#include "manifest/metadata.h"
#include "manifest/path_pattern.h"
#include "tests/unit/manifest/tuf_test_util.h"

namespace pawl::manifest {
namespace {

using fakes::SimTufRepository;
using testing::Contains;
using testing::Not;

Result<SignedMetadata> Parse(const Json& part) {
  const std::string text = Json({{"signatures", Json::array()}, {"signed", part}}).dump();
  return ParseMetadata("test", AsBytes(text));
}

Json SomeKeys(std::size_t count) {
  Json keys = Json::object();
  for (std::size_t i = 0; i < count; ++i) {
    keys[Format("k{}", i)] = {{"keytype", "ed25519"},
                              {"scheme", "ed25519"},
                              {"keyval", {{"public", Format("{:064x}", i + 1)}}}};
  }
  return keys;
}

Json Repeated(std::size_t count, std::string_view prefix) {
  Json list = Json::array();
  for (std::size_t i = 0; i < count; ++i) list.push_back(Format("{}{}", prefix, i));
  return list;
}

Json DelegationTo(const std::string& name, const Json& keyids) {
  return {{"name", name},
          {"keyids", keyids},
          {"threshold", 1},
          {"terminating", false},
          {"paths", {"*"}}};
}

// A targets role with `count` delegations that name `keyids` keys each.
Json WithDelegations(std::size_t count, std::size_t keyids) {
  SimTufRepository repository;
  Json part = repository.Part("targets");
  part["delegations"] = {{"keys", SomeKeys(keyids)}, {"roles", Json::array()}};
  for (std::size_t i = 0; i < count; ++i) {
    part["delegations"]["roles"].push_back(DelegationTo(Format("r{}", i), Repeated(keyids, "k")));
  }
  return part;
}

//= docs/manifest-format.md#M-39
TEST(LimitsTest, EveryListHasAnEnd) {
  EXPECT_TRUE(Succeeds(Parse(WithDelegations(kMaxDelegations, 1))));
  EXPECT_TRUE(FailsWith(Parse(WithDelegations(kMaxDelegations + 1, 1)), ErrorCode::kTooManyItems));
  EXPECT_TRUE(Succeeds(Parse(WithDelegations(1, kMaxKeys))));
  EXPECT_TRUE(FailsWith(Parse(WithDelegations(1, kMaxKeys + 1)), ErrorCode::kTooManyItems));
  for (const char* member : {"paths", "path_hash_prefixes"}) {
    for (const std::size_t count : {kMaxPatterns, kMaxPatterns + 1}) {
      Json part = WithDelegations(1, 1);
      Json& delegation = part["delegations"]["roles"][0];
      delegation.erase("paths");
      delegation[member] = Repeated(count, "");
      EXPECT_EQ(Parse(part).has_value(), count == kMaxPatterns) << member << count;
    }
  }
  Json root = SimTufRepository().Part("root");
  root["keys"].update(SomeKeys(kMaxKeys));
  EXPECT_TRUE(FailsWith(Parse(root), ErrorCode::kTooManyItems));
}

// Two bytes name a key, and each delegation holds what it names: 512 KiB of file would become
// hundreds of MiB, and all that before a signature is looked at.
//= docs/manifest-format.md#M-34
TEST(LimitsTest, KeysNamedOverAndOverAreRefused) {
  static_assert(kMaxKeyReferences == 32 * kMaxKeys);
  EXPECT_TRUE(Succeeds(Parse(WithDelegations(32, kMaxKeys))));
  EXPECT_TRUE(FailsWith(Parse(WithDelegations(33, kMaxKeys)), ErrorCode::kTooManyItems));
}

TEST(LimitsTest, SixtyFourSignaturesAreFineAndOneMoreIsNot) {
  SimTufRepository repository;
  TufDevice device(repository);
  for (const int extra : {63, 64}) {
    repository.tamper = [&](const std::string& role, Json& envelope) {
      if (role != "timestamp") return;
      Json& list = envelope["signatures"];
      for (int i = 0; i < extra; ++i) {
        list.insert(list.begin(), Json{{"keyid", Format("k{}", i)}, {"sig", "00"}});
      }
    };
    repository.Publish({});
    const auto result = device.Refresh();
    EXPECT_TRUE(extra == 63 ? Succeeds(result) : FailsWith(result, ErrorCode::kTooManyItems));
  }
}

// targets → orders → o0 → o1 …, each of which names 240 keys for the next; and a releases role beside
// them.
SimTufRepository WithSwollenOrders(int roles) {
  SimTufRepository repository;
  std::vector<std::string> names{"targets", "orders", "releases"};
  repository.Delegate("targets", "orders", {{"paths", {"orders/*"}}, {"terminating", true}});
  repository.Delegate("targets", "releases", {{"paths", {"releases/*"}}, {"terminating", true}});
  for (int i = 0; i < roles; ++i) {
    const std::string parent = i == 0 ? "orders" : names.back();
    names.push_back(Format("o{}", i));
    repository.Delegate(parent, names.back(), {{"paths", {"orders/*"}}}, 240);
    repository.SigningKeys(names.back()).resize(1);
    repository.WriteTargets(names.back());
  }
  repository.AddTarget("releases", "releases/1", "x");
  repository.Publish(names);
  return repository;
}

// A stolen support key must not be able to end the agent for lack of memory, and with it updates.
//= docs/manifest-format.md#M-34
TEST(LimitsTest, SearchHoldsSoMuchMemoryAndNoMore) {
  SimTufRepository repository = WithSwollenOrders(6);
  TufDevice device(repository);
  device.limits.targets_bytes = 64 * 1024;  // twice as much may be held
  auto client = device.Open();
  ASSERT_TRUE(Succeeds(client->Refresh(device.fetcher)));
  EXPECT_TRUE(
      FailsWith(client->FindTarget("orders/none", &device.fetcher), ErrorCode::kTooManyItems));
  EXPECT_THAT(device.fetcher.requests, Contains("metadata/2.o0.json"));
  EXPECT_THAT(device.fetcher.requests, Not(Contains("metadata/2.o5.json")));
  // What is over budget for orders takes nothing from the releases.
  EXPECT_TRUE(Succeeds(client->FindTarget("releases/1", &device.fetcher)));
  EXPECT_TRUE(Succeeds(client->ListTargets("releases", &device.fetcher)));
  // With the cap the bound is raised.
  device.limits.targets_bytes = 512 * 1024;
  EXPECT_TRUE(FailsWith(device.Find("orders/none"), ErrorCode::kTargetMissing));
}

TEST(LimitsTest, ManySearchesOfOneRunDoNotAddUp) {
  SimTufRepository repository = WithSwollenOrders(1);
  TufDevice device(repository);
  device.limits.targets_bytes = 64 * 1024;
  auto client = device.Open();
  ASSERT_TRUE(Succeeds(client->Refresh(device.fetcher)));
  for (int i = 0; i < 8; ++i) {
    EXPECT_TRUE(FailsWith(client->FindTarget(Format("orders/{}", i), &device.fetcher),
                          ErrorCode::kTargetMissing));
    EXPECT_TRUE(Succeeds(client->FindTarget("releases/1", &device.fetcher)));
  }
}

//= docs/manifest-format.md#M-25
// Each alone stays under the bound of a search, together they do not: a stolen support key must not
// be able to hide releases.
//= docs/manifest-format.md#M-34
TEST(LimitsTest, OneSearchDoesNotLiveAtTheExpenseOfTheNext) {
  SimTufRepository repository;
  std::vector<std::string> names{"targets", "orders", "releases"};
  repository.Delegate("targets", "orders", {{"paths", {"o/*"}}, {"terminating", true}});
  repository.Delegate("targets", "releases", {{"paths", {"r/*"}}, {"terminating", true}});
  const auto below = [&](const std::string& role, char letter, int roles, std::size_t patterns) {
    const std::string pattern = Format("{}/{}*", letter, std::string(100, '?'));
    for (int i = 0; i < roles; ++i) {
      names.push_back(Format("{}{}", letter, i));
      repository.Delegate(role, names.back(), {{"paths", Json(patterns, pattern)}});
    }
    repository.AddTarget(names.back(), Format("{}/{}", letter, std::string(120, 'a')), "x");
  };
  below("orders", 'o', 4, 800);
  below("releases", 'r', 5, 900);
  repository.Publish(names);
  fakes::SimTufFetcher fetcher(repository);
  fakes::MemoryMetadataStore store;
  auto client = TufClient::Open(store, repository.embedded_root, repository.now);
  ASSERT_TRUE(Succeeds(client));
  ASSERT_TRUE(Succeeds(client->Refresh(fetcher)));
  EXPECT_TRUE(Succeeds(client->FindTarget("o/" + std::string(120, 'a'), &fetcher)));
  EXPECT_TRUE(Succeeds(client->FindTarget("r/" + std::string(120, 'a'), &fetcher)));
}

TEST(LimitsTest, EveryRoleHasItsCapAndRaisingItLetsMoreThrough) {
  struct Case {
    const char* role;
    std::uint64_t MetadataLimits::* cap;
  };
  for (const Case& c : {Case{"root", &MetadataLimits::root_bytes},
                        {"timestamp", &MetadataLimits::timestamp_bytes},
                        {"snapshot", &MetadataLimits::snapshot_bytes},
                        {"targets", &MetadataLimits::targets_bytes},
                        {"a", &MetadataLimits::targets_bytes}}) {
    for (const bool consistent : {true, false}) {
      for (const bool hashes : {true, false}) {
        SimTufRepository repository;
        repository.hashes_in_meta = hashes;
        repository.SetConsistentSnapshot(consistent);
        repository.Delegate("targets", "a", {{"paths", {"a/*"}}});
        repository.AddTarget("a", "a/x", "content");
        TufDevice device(repository);
        // An honest, signed file that is larger than the cap.
        repository.Part(c.role)["x-padding"] = std::string(device.limits.*c.cap, 'x');
        repository.PublishRoot();
        repository.Publish({"targets", "a"});
        EXPECT_TRUE(FailsWith(device.Find("a/x"), ErrorCode::kMetadataTooLarge)) << c.role;
        EXPECT_EQ(device.store.files.contains(c.role),
                  std::string_view(c.role) == "root");  // the embedded one
        device.limits.*c.cap *= 2;
        EXPECT_TRUE(Succeeds(device.Find("a/x"))) << c.role;
      }
    }
  }
}

TEST(LimitsTest, SnapshotMayListThousandsOfRolesAndForgetNone) {
  SimTufRepository repository;
  repository.hashes_in_meta = false;
  Json& meta = repository.Part("snapshot")["meta"];
  for (int i = 0; i < 8000; ++i) meta[Format("r{}.json", i)] = {{"version", 1}};
  // Names that no role has: kept in view against rollback, never asked for.
  for (const char* name : {"odd", ".json", "targets.json.bak", "../x.json", "root.json"}) {
    meta[name] = {{"version", 3}};
  }
  repository.Publish({"targets"});
  TufDevice device(repository);
  ASSERT_TRUE(Succeeds(device.Refresh()));
  EXPECT_EQ(device.fetcher.requests.size(), 4U);
  for (const char* name : {"r4711.json", "odd", "../x.json"}) {
    const Json kept = meta[name];
    meta.erase(name);
    repository.Publish({});
    EXPECT_TRUE(FailsWith(device.Refresh(), ErrorCode::kDelegationMissing)) << name;
    meta[name] = kept;
  }
  meta["odd"]["version"] = 2;
  repository.Publish({});
  EXPECT_TRUE(FailsWith(device.Refresh(), ErrorCode::kVersionRollback));
}

TEST(LimitsTest, TimestampMayListOtherFilesWhichAreNotLookedAt) {
  SimTufRepository repository;
  Json& meta = repository.Part("timestamp")["meta"];
  meta["targets.json"] = {{"version", 99}};
  meta["odd"] = nullptr;
  repository.Publish({});
  TufDevice device(repository);
  EXPECT_TRUE(Succeeds(device.Refresh()));
  meta.erase("snapshot.json");
  repository.files["metadata/timestamp.json"] =
      SimTufRepository::Sign(repository.Part("timestamp"), repository.SigningKeys("timestamp"));
  EXPECT_TRUE(FailsWith(device.Refresh(), ErrorCode::kMetadataMalformed));
}

//= docs/manifest-format.md#M-22
TEST(LimitsTest, FourThousandMillionBinsCostNoMoreThanOne) {
  SimTufRepository repository;
  SuccinctRoles bins;
  bins.name_prefix = "bin";
  bins.bit_length = 32;
  const std::string bin = BinName(bins, "a/x");
  ASSERT_EQ(bin.size(), std::string("bin-").size() + 8);
  const auto& key = repository.NewKey();
  repository.Part("targets")["delegations"] = {
      {"keys", {{key.keyid, key.object}}},
      {"succinct_roles",
       {{"keyids", {key.keyid}}, {"threshold", 1}, {"bit_length", 32}, {"name_prefix", "bin"}}}};
  repository.Part(bin) = repository.Part("targets");
  repository.Part(bin).erase("delegations");
  repository.SigningKeys(bin) = {&key};
  repository.AddTarget(bin, "a/x", "content");
  repository.Publish({"targets", bin});
  TufDevice device(repository);
  EXPECT_TRUE(Succeeds(device.Find("a/x")));
  EXPECT_TRUE(FailsWith(device.Find("a/y"), ErrorCode::kDelegationMissing));
}

}  // namespace
}  // namespace pawl::manifest
