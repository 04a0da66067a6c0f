// SPDX-License-Identifier: Apache-2.0
// Corners of the client workflow that the public conformance suite has no case for: numbers at
// their edges, repositories without consistent snapshots, what stored files may and may not decide.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "manifest/metadata.h"
#include "tests/unit/manifest/tuf_test_util.h"

namespace pawl::manifest {
namespace {

using fakes::SimTufRepository;
using testing::ElementsAre;

SimTufRepository WithDelegation() {
  SimTufRepository repository;
  repository.Delegate("targets", "a", {{"paths", {"a/*"}}});
  repository.AddTarget("a", "a/x", "content");
  repository.Publish({"targets", "a"});
  return repository;
}

//= docs/manifest-format.md#M-07
TEST(WorkflowTest, HighestVersionIsTakenAndNothingFollowsIt) {
  SimTufRepository repository = WithDelegation();
  TufDevice device(repository);
  for (const char* role : {"timestamp", "snapshot", "targets", "a"}) {
    repository.Part(role)["version"] = INT64_MAX - 1;
  }
  repository.Publish({"targets", "a"});
  const auto last = device.Refresh();
  ASSERT_TRUE(Succeeds(last));
  EXPECT_EQ(last->snapshot_version, static_cast<std::uint64_t>(INT64_MAX));
  EXPECT_TRUE(Succeeds(device.Find("a/x")));
  for (const char* role : {"timestamp", "snapshot", "targets", "a"}) {
    repository.Part(role)["version"] = 1;
  }
  repository.Publish({"targets", "a"});
  EXPECT_TRUE(FailsWith(device.Refresh(), ErrorCode::kVersionRollback));
}

TEST(WorkflowTest, RootOfTheHighestVersionIsTheLast) {
  SimTufRepository repository;
  repository.Part("root")["version"] = INT64_MAX - 1;
  repository.PublishRoot();
  TufDevice device(repository);
  device.embedded_root = repository.files["metadata/9223372036854775807.root.json"];
  EXPECT_TRUE(Succeeds(device.Refresh()));
  EXPECT_EQ(device.fetcher.requests.front(), "metadata/9223372036854775808.root.json");
}

// Every place where a version, a length or a threshold stands, with what no implementation agrees
// on.
TEST(WorkflowTest, NumbersOutsideTheIntegersAreRefusedEverywhere) {
  SimTufRepository repository = WithDelegation();
  struct Place {
    const char* role;
    const char* pointer;
  };
  for (const Place& place : {Place{"root", "/version"},
                             {"root", "/roles/targets/threshold"},
                             {"timestamp", "/version"},
                             {"timestamp", "/meta/snapshot.json/version"},
                             {"timestamp", "/meta/snapshot.json/length"},
                             {"snapshot", "/version"},
                             {"snapshot", "/meta/targets.json/version"},
                             {"targets", "/version"},
                             {"targets", "/delegations/roles/0/threshold"},
                             {"a", "/version"},
                             {"a", "/targets/a~1x/length"}}) {
    Json part = repository.Part(place.role);
    part[Json::json_pointer(place.pointer)] = "@";
    const std::string text = Json({{"signatures", Json::array()}, {"signed", part}}).dump();
    const auto with = [&](std::string_view number) {
      std::string changed = text;
      changed.replace(changed.find("\"@\""), 3, number);
      return ParseMetadata(place.role, AsBytes(changed));
    };
    EXPECT_TRUE(Succeeds(with("1"))) << place.pointer;
    EXPECT_TRUE(Succeeds(with("9223372036854775807"))) << place.pointer;
    for (const char* number :
         {"1.0", "1e0", "-1", "-0", "9223372036854775808", "-9223372036854775809", "1E400", "01",
          "+1", "\"1\"", "null", "true", "[1]", "18446744073709551617", "0.5"}) {
      EXPECT_TRUE(FailsWith(with(number), ErrorCode::kMetadataMalformed))
          << place.role << place.pointer << " " << number;
    }
  }
}

//= docs/manifest-format.md#M-37
TEST(WorkflowTest, DelegationsSayOneThingOnly) {
  SimTufRepository repository = WithDelegation();
  const auto parse = [&](const std::function<void(Json&)>& change) {
    Json part = repository.Part("targets");
    change(part["delegations"]);
    const std::string text = Json({{"signatures", Json::array()}, {"signed", part}}).dump();
    return ParseMetadata("targets", AsBytes(text));
  };
  EXPECT_TRUE(Succeeds(parse([](Json&) {})));
  EXPECT_TRUE(FailsWith(parse([](Json& d) { d["roles"][0]["path_hash_prefixes"] = {"ab"}; }),
                        ErrorCode::kMetadataMalformed));
  EXPECT_TRUE(FailsWith(parse([](Json& d) { d["roles"][0].erase("paths"); }),
                        ErrorCode::kMetadataMalformed));
  const Json bins = {
      {"keyids", Json::array()}, {"threshold", 1}, {"bit_length", 8}, {"name_prefix", "b"}};
  EXPECT_TRUE(FailsWith(parse([&](Json& d) { d["succinct_roles"] = bins; }),
                        ErrorCode::kMetadataMalformed));
  EXPECT_TRUE(FailsWith(parse([](Json& d) { d.erase("roles"); }), ErrorCode::kMetadataMalformed));
  EXPECT_TRUE(Succeeds(parse([&](Json& d) {
    d.erase("roles");
    d["succinct_roles"] = bins;
  })));
  for (const char* prefix : {"", "root/", "../", "a/b"}) {
    const bool fine = std::string_view(prefix) != "root/";
    EXPECT_EQ(parse([&](Json& d) {
                d.erase("roles");
                d["succinct_roles"] = bins;
                d["succinct_roles"]["name_prefix"] = prefix;
              }).has_value(),
              fine)
        << prefix;
  }
}

//= docs/manifest-format.md#M-23
TEST(WorkflowTest, WithoutConsistentSnapshotsEveryCheckIsTheSame) {
  SimTufRepository repository;
  repository.SetConsistentSnapshot(false);
  repository.Delegate("targets", "a", {{"paths", {"a/*"}}});
  repository.AddTarget("a", "a/x", "content");
  repository.PublishRoot();
  repository.Publish({"targets", "a"});
  TufDevice device(repository);
  ASSERT_TRUE(Succeeds(device.Find("a/x")));
  const auto older = repository.files;
  repository.Publish({"targets", "a"});
  const auto newer = repository.files;
  // Each file in turn stays behind, as when a mirror is caught between two publications.
  for (const char* name : {"metadata/snapshot.json", "metadata/targets.json", "metadata/a.json"}) {
    TufDevice fresh(repository);
    repository.files = newer;
    repository.files[name] = older.at(name);
    EXPECT_TRUE(FailsWith(fresh.Find("a/x"), ErrorCode::kMetadataHashMismatch)) << name;
  }
  repository.files = newer;
  ASSERT_TRUE(Succeeds(device.Find("a/x")));
  repository.files = older;
  EXPECT_TRUE(FailsWith(device.Find("a/x"), ErrorCode::kVersionRollback));
}

// The stored snapshot has long expired, and still says which version of a delegated role was seen.
//= docs/manifest-format.md#M-16
TEST(WorkflowTest, ExpiredStoredSnapshotStillHoldsDelegatedVersions) {
  SimTufRepository repository = WithDelegation();
  repository.Publish({"a"});
  TufDevice device(repository);
  ASSERT_TRUE(Succeeds(device.Find("a/x")));
  repository.now = device.now = device.now.PlusSeconds(20 * kSecondsPerDay);
  for (const char* role : {"timestamp", "snapshot", "a"}) {
    repository.Part(role)["expires"] = FormatUtcTime(repository.now.PlusSeconds(kSecondsPerDay));
  }
  repository.Part("timestamp")["x-issued"] = FormatUtcTime(repository.now);
  repository.Part("a")["version"] = 2;
  repository.WriteTargets("a");
  repository.Publish({});
  EXPECT_TRUE(FailsWith(device.Find("a/x"), ErrorCode::kVersionRollback));
  repository.Part("a")["version"] = 4;
  repository.WriteTargets("a");
  repository.Publish({});
  EXPECT_TRUE(Succeeds(device.Find("a/x")));
}

// A repository that was restored from an old copy has fewer roots than the device.
TEST(WorkflowTest, StoredRootNewerThanTheNetworksStays) {
  SimTufRepository repository;
  repository.PublishRoot();
  repository.PublishRoot();
  TufDevice device(repository);
  ASSERT_TRUE(Succeeds(device.Refresh()));
  repository.files.erase("metadata/3.root.json");
  device.fetcher.requests.clear();
  const auto again = device.Refresh();
  ASSERT_TRUE(Succeeds(again));
  EXPECT_EQ(again->root_version, 3U);
  EXPECT_THAT(device.fetcher.requests,
              ElementsAre("metadata/4.root.json", "metadata/timestamp.json"));
}

// With and without a stored file the verdict is one.
TEST(WorkflowTest, StoredDelegatedRoleIsJudgedLikeAFetchedOne) {
  SimTufRepository repository = WithDelegation();
  repository.hashes_in_meta = false;
  repository.Publish({"a"});
  TufDevice device(repository);
  ASSERT_TRUE(Succeeds(device.Find("a/x")));
  // New keys for the role; its file is still the one that the old keys signed.
  const Bytes old_file = device.store.files.at("a");
  repository.SetKeys("a", 1, 1);
  repository.Publish({"targets"});
  TufDevice fresh(repository);
  for (TufDevice* each : {&device, &fresh}) {
    EXPECT_TRUE(FailsWith(each->Find("a/x"), ErrorCode::kSignatureThreshold));
  }
  repository.Publish({"a"});
  for (TufDevice* each : {&device, &fresh}) EXPECT_TRUE(Succeeds(each->Find("a/x")));
  EXPECT_NE(device.store.files.at("a"), old_file);
}

//= docs/manifest-format.md#M-13
TEST(WorkflowTest, DelegatedRoleThatExpiresIsUsedNoLongerAndReplacedWhenThereIsANewOne) {
  SimTufRepository repository = WithDelegation();
  for (const char* role : {"timestamp", "snapshot", "targets"}) {
    repository.Part(role)["expires"] =
        FormatUtcTime(repository.now.PlusSeconds(25 * kSecondsPerDay));
  }
  repository.Part("a")["expires"] = FormatUtcTime(repository.now.PlusSeconds(7 * kSecondsPerDay));
  repository.Publish({"targets", "a"});
  TufDevice device(repository);
  ASSERT_TRUE(Succeeds(device.Find("a/x")));
  device.now = device.now.PlusSeconds(18 * kSecondsPerDay);
  EXPECT_TRUE(FailsWith(device.Find("a/x"), ErrorCode::kMetadataExpired));
  TufDevice fresh(repository);
  fresh.now = device.now;
  EXPECT_TRUE(FailsWith(fresh.Find("a/x"), ErrorCode::kMetadataExpired));
  EXPECT_FALSE(fresh.store.files.contains("a"));
  repository.Part("a")["expires"] = FormatUtcTime(repository.now.PlusSeconds(21 * kSecondsPerDay));
  repository.Publish({"a"});
  EXPECT_TRUE(Succeeds(device.Find("a/x")));
}

//= docs/manifest-format.md#M-30
TEST(WorkflowTest, IssueTimeOfEveryOtherFormIsRefused) {
  SimTufRepository repository;
  TufDevice device(repository);
  ASSERT_TRUE(Succeeds(device.Refresh()));
  const auto before = device.store.files;
  for (const Json& issued :
       {Json(nullptr), Json(0), Json(true), Json::array(), Json::object(), Json(""), Json("now"),
        Json("2026-11-24T00:00:00.5Z"), Json("2026-11-24T00:00:00+00:00"),
        Json("2026-11-24t00:00:00z"), Json("2026-11-24"), Json("2026-02-30T00:00:00Z")}) {
    repository.Part("timestamp")["x-issued"] = issued;
    repository.Publish({});
    EXPECT_TRUE(FailsWith(device.Refresh(), ErrorCode::kMetadataMalformed)) << issued;
    EXPECT_EQ(device.store.files, before);
  }
}

// From an empty store and from an old one, through roots, rotation and two levels of delegation:
// wherever the power fails, before or after a save, the next run goes on, and nothing is held that
// was refused.
TEST(WorkflowTest, Aktualizr821_CutBetweenAnyTwoSavesIsRecovered) {
  const auto publish = [](SimTufRepository& repository) {
    for (const char* role : {"root", "timestamp", "snapshot", "targets", "a", "b"}) {
      repository.SetKeys(role, 2, 2);
      repository.PublishRoot();
    }
    repository.Publish({"targets", "a", "b"});
  };
  for (const bool fresh : {true, false}) {
    for (const bool saved : {false, true}) {
      std::uint64_t cuts = 0;
      for (bool cut = true; cut; ++cuts) {
        SCOPED_TRACE(Format("fresh {}, save {} {}", fresh, cuts, saved ? "done" : "lost"));
        SimTufRepository repository;
        repository.Delegate("targets", "a", {{"paths", {"a/*"}}});
        repository.Delegate("a", "b", {{"paths", {"a/*"}}});
        repository.AddTarget("b", "a/x", "content");
        repository.Publish({"targets", "a", "b"});
        TufDevice device(repository);
        if (!fresh) {
          ASSERT_TRUE(Succeeds(device.Find("a/x")));
        }
        publish(repository);
        device.store.CutAtSave(cuts, saved);
        const auto first = device.Find("a/x");
        cut = !first.has_value();
        if (cut) {
          EXPECT_TRUE(FailsWith(first, ErrorCode::kPowerLost));
        }
        device.store.RestorePower();
        EXPECT_LE(device.Open()->root_version(), 7U);
        ASSERT_TRUE(Succeeds(device.Find("a/x")));
        EXPECT_EQ(device.Open()->root_version(), 7U);
      }
      EXPECT_GE(cuts, 12U + 5U);  // six roots twice, and one file each of the others
    }
  }
}

}  // namespace
}  // namespace pawl::manifest
