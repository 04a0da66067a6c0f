// SPDX-License-Identifier: Apache-2.0
// The walk: order of requests, caps, what is kept when, and what a cut, a torn file or an old image
// does.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "manifest/refresh.h"
#include "tests/unit/manifest/tuf_test_util.h"

namespace pawl::manifest {
namespace {

using fakes::MemoryMetadataStore;
using fakes::SimTufRepository;
using testing::ElementsAre;

TEST(RefreshTest, AsksInOrderAndOnlyForWhatChanged) {
  SimTufRepository repository;
  TufDevice device(repository);
  const auto first = device.Refresh();
  ASSERT_TRUE(Succeeds(first));
  EXPECT_TRUE(first->changed);
  EXPECT_THAT(device.fetcher.requests,
              ElementsAre("metadata/2.root.json", "metadata/timestamp.json",
                          "metadata/1.snapshot.json", "metadata/1.targets.json"));
  device.fetcher.requests.clear();
  const auto second = device.Refresh();
  ASSERT_TRUE(Succeeds(second));
  EXPECT_FALSE(second->changed);
  EXPECT_THAT(device.fetcher.requests,
              ElementsAre("metadata/2.root.json", "metadata/timestamp.json"));
}

//= docs/manifest-format.md#M-23
TEST(RefreshTest, NamesFilesWithoutVersionsWhenNotConsistent) {
  SimTufRepository repository;
  repository.SetConsistentSnapshot(false);
  repository.PublishRoot();
  repository.Delegate("targets", "a", {{"paths", {"a/*"}}});
  repository.AddTarget("a", "a/x y", "content");
  repository.Publish({"targets", "a"});
  TufDevice device(repository);
  auto client = device.Open();
  ASSERT_TRUE(Succeeds(client));
  ASSERT_TRUE(Succeeds(client->Refresh(device.fetcher)));
  const auto target = client->FindTarget("a/x y", &device.fetcher);
  ASSERT_TRUE(Succeeds(target));
  static_cast<void>(client->FetchTarget(*target, device.fetcher, 100));
  EXPECT_THAT(device.fetcher.requests,
              ElementsAre("metadata/2.root.json", "metadata/3.root.json", "metadata/timestamp.json",
                          "metadata/snapshot.json", "metadata/targets.json", "metadata/a.json",
                          "targets/a/x%20y"));
}

//= docs/manifest-format.md#M-25
TEST(RefreshTest, CapsEveryRoleWhileReceiving) {
  SimTufRepository repository;
  repository.hashes_in_meta = false;
  repository.Publish();
  TufDevice device(repository);
  ASSERT_TRUE(Succeeds(device.Refresh()));
  const MetadataLimits limits;
  EXPECT_THAT(device.fetcher.caps, ElementsAre(limits.root_bytes, limits.timestamp_bytes,
                                               limits.snapshot_bytes, limits.targets_bytes));
  for (const char* name : {"metadata/2.root.json", "metadata/timestamp.json",
                           "metadata/2.snapshot.json", "metadata/2.targets.json"}) {
    TufDevice other(repository);
    const auto honest = repository.files;
    repository.files[name] = Bytes(600 * 1024, ' ');
    EXPECT_TRUE(FailsWith(other.Refresh(), ErrorCode::kMetadataTooLarge)) << name;
    repository.files = honest;
  }
}

TEST(RefreshTest, SignedLengthIsTheCap) {
  SimTufRepository repository;
  TufDevice device(repository);
  repository.files["metadata/1.targets.json"].push_back(' ');
  EXPECT_TRUE(FailsWith(device.Refresh(), ErrorCode::kMetadataTooLarge));
  EXPECT_EQ(device.fetcher.caps.back(), repository.files["metadata/1.targets.json"].size() - 1);
}

TEST(RefreshTest, SignedLengthAboveTheCapIsNotEvenAskedFor) {
  SimTufRepository repository;
  TufDevice device(repository);
  device.limits.snapshot_bytes = 10;
  EXPECT_TRUE(FailsWith(device.Refresh(), ErrorCode::kMetadataTooLarge));
  EXPECT_EQ(device.fetcher.requests.back(), "metadata/timestamp.json");
}

TEST(RefreshTest, ManyRootsAreTakenOverSeveralRuns) {
  SimTufRepository repository;
  for (int i = 0; i < 9; ++i) repository.PublishRoot();
  TufDevice device(repository);
  device.limits.roots_per_run = 4;
  EXPECT_EQ(device.Refresh()->root_version, 5U);
  EXPECT_EQ(device.Refresh()->root_version, 9U);
  EXPECT_EQ(device.Refresh()->root_version, 10U);
}

TEST(RefreshTest, DeviceFromTheBoxWalksAllRootsAlsoExpiredOnes) {
  SimTufRepository repository;
  for (int year = 0; year < 3; ++year) {
    repository.now = repository.now.PlusSeconds(300 * kSecondsPerDay);
    for (const char* role : {"root", "timestamp", "snapshot", "targets"}) {
      repository.Part(role)["expires"] = FormatUtcTime(repository.now.PlusSeconds(kSecondsPerDay));
      repository.SetKeys(role, 2, 2);
    }
    repository.Part("timestamp")["x-issued"] = FormatUtcTime(repository.now);
    repository.PublishRoot();
    repository.Publish();
  }
  TufDevice device(repository);
  const auto result = device.Refresh();
  ASSERT_TRUE(Succeeds(result));
  EXPECT_EQ(result->root_version, 4U);
}

TEST(RefreshTest, OnlyNotFoundEndsTheRootWalk) {
  SimTufRepository repository;
  TufDevice device(repository);
  for (const ErrorCode code : {ErrorCode::kTransferTruncated, ErrorCode::kNetworkUnreachable,
                               ErrorCode::kHttpStatus, ErrorCode::kTransferTooSlow}) {
    device.fetcher.failures["metadata/2.root.json"] = code;
    EXPECT_TRUE(FailsWith(device.Refresh(), code));
  }
  device.fetcher.failures.clear();
  device.fetcher.failures["metadata/timestamp.json"] = ErrorCode::kTransferTruncated;
  EXPECT_TRUE(FailsWith(device.Refresh(), ErrorCode::kTransferTruncated));
}

// A cut before or after any save: the next run finds a state that it can go on from, and nothing it
// holds was refused.
TEST(RefreshTest, CutAtAnySaveIsRecovered) {
  for (const bool saved : {false, true}) {
    for (std::uint64_t at = 0;; ++at) {
      SCOPED_TRACE(Format("save {} {}", at, saved ? "done" : "lost"));
      SimTufRepository repository;
      TufDevice device(repository);
      ASSERT_TRUE(Succeeds(device.Refresh()));
      repository.Delegate("targets", "a", {{"paths", {"a/*"}}});
      repository.AddTarget("a", "a/x", "content");
      for (const char* role : {"root", "timestamp", "snapshot", "targets"}) {
        repository.SetKeys(role, 2, 1);
      }
      repository.PublishRoot();
      repository.PublishRoot();
      repository.Publish({"targets", "a"});
      device.store.CutAtSave(at, saved);
      const auto cut = device.Find("a/x");
      device.store.RestorePower();
      ASSERT_TRUE(Succeeds(device.Find("a/x")));
      EXPECT_EQ(device.Open()->root_version(), 3U);
      if (cut) break;
      EXPECT_TRUE(FailsWith(cut, ErrorCode::kPowerLost));
    }
  }
}

//= docs/manifest-format.md#M-27
TEST(RefreshTest, TornStoredFilesCountAsAbsent) {
  SimTufRepository repository;
  TufDevice device(repository);
  ASSERT_TRUE(Succeeds(device.Refresh()));
  const auto whole = device.store.files;
  for (const auto& [name, bytes] : whole) {
    device.store.files = whole;
    device.store.files[name].resize(bytes.size() / 2);
    EXPECT_TRUE(Succeeds(device.Refresh())) << name;
    device.store.load_failures[name] = ErrorCode::kMetadataTooLarge;
    EXPECT_TRUE(Succeeds(device.Refresh())) << name;
    device.store.load_failures.clear();
  }
}

// One bad block must not end updates for ever: the file is fetched again and written anew.
TEST(RefreshTest, StoredFileOnABadBlockCountsAsAbsent) {
  SimTufRepository repository;
  repository.PublishRoot();
  TufDevice device(repository);
  ASSERT_TRUE(Succeeds(device.Refresh()));
  const auto whole = device.store.files;
  for (const auto& [name, bytes] : whole) {
    device.store.load_failures = {{name, ErrorCode::kIo}};
    EXPECT_TRUE(Succeeds(device.Refresh())) << name;
    device.store.load_failures.clear();
    EXPECT_EQ(device.store.files, whole) << name;
  }
}

// A wrong owner or a link in the folder is somebody's doing, and said.
TEST(RefreshTest, StorageThatIsSetUpWronglyIsReported) {
  SimTufRepository repository;
  TufDevice device(repository);
  device.store.load_failures["timestamp"] = ErrorCode::kPermission;
  EXPECT_TRUE(FailsWith(device.Refresh(), ErrorCode::kPermission));
  device.store.load_failures["timestamp"] = ErrorCode::kPathUnsafe;
  EXPECT_TRUE(FailsWith(device.Refresh(), ErrorCode::kPathUnsafe));
}

//= docs/manifest-format.md#M-28
TEST(RefreshTest, NewerEmbeddedRootWinsOverStored) {
  SimTufRepository repository;
  TufDevice device(repository);
  ASSERT_TRUE(Succeeds(device.Refresh()));
  repository.SetKeys("root", 1, 1);
  repository.PublishRoot();
  repository.PublishRoot();
  device.embedded_root = repository.files["metadata/3.root.json"];
  ASSERT_TRUE(Succeeds(device.Refresh()));
  EXPECT_EQ(device.fetcher.requests[4], "metadata/4.root.json");
}

TEST(RefreshTest, StoredChainIsFollowedFromTheEmbeddedRoot) {
  SimTufRepository repository;
  repository.PublishRoot();
  TufDevice device(repository);
  ASSERT_TRUE(Succeeds(device.Refresh()));
  EXPECT_EQ(device.Open()->root_version(), 2U);
  device.fetcher.requests.clear();
  ASSERT_TRUE(Succeeds(device.Refresh()));
  EXPECT_EQ(device.fetcher.requests.front(), "metadata/3.root.json");
}

// Who can write the data partition can put any root there; it counts only if the image's root leads
// to it.
TEST(RefreshTest, PlantedRootIsNotTrusted) {
  SimTufRepository repository;
  SimTufRepository attacker;
  attacker.NewKey();
  for (const char* role : {"root", "timestamp", "snapshot", "targets"})
    attacker.SetKeys(role, 1, 1);
  attacker.PublishRoot();
  TufDevice device(repository);
  ASSERT_TRUE(Succeeds(device.Refresh()));
  device.store.files["root"] = attacker.files["metadata/2.root.json"];
  const auto stripped = [&] {
    Json envelope = *ParseJson(attacker.files["metadata/2.root.json"]);
    const std::string own = attacker.Part("root")["roles"]["root"]["keyids"][0];
    std::erase_if(envelope["signatures"].get_ref<Json::array_t&>(),
                  [&](const Json& signature) { return signature["keyid"] != own; });
    const std::string text = envelope.dump();
    return Bytes(text.begin(), text.end());
  }();
  device.store.files["root/2"] = stripped;
  EXPECT_EQ(device.Open()->root_version(), 1U);
  ASSERT_TRUE(Succeeds(device.Refresh()));
  EXPECT_EQ(device.store.files["root"], repository.embedded_root);
}

TEST(RefreshTest, BadEmbeddedRootAsksForNothing) {
  SimTufRepository repository;
  TufDevice device(repository);
  device.embedded_root.clear();
  EXPECT_TRUE(FailsWith(device.Refresh(), ErrorCode::kRootMissing));
  device.embedded_root = repository.files["metadata/timestamp.json"];
  EXPECT_TRUE(FailsWith(device.Refresh(), ErrorCode::kRoleTypeMismatch));
  device.embedded_root = SimTufRepository::Sign(repository.Part("root"), {});
  EXPECT_TRUE(FailsWith(device.Refresh(), ErrorCode::kSignatureThreshold));
  EXPECT_TRUE(device.fetcher.requests.empty());
}

TEST(RefreshTest, LoadStoredVerifiesWhatARefreshLeft) {
  SimTufRepository repository;
  repository.Delegate("targets", "a", {{"paths", {"a/*"}}});
  repository.AddTarget("a", "a/x", "content");
  repository.PublishRoot();
  repository.Publish({"targets", "a"});
  TufDevice device(repository);
  EXPECT_TRUE(FailsWith(device.Open()->LoadStored(), ErrorCode::kMetadataMissing));
  ASSERT_TRUE(Succeeds(device.Refresh()));
  auto client = device.Open();
  const auto loaded = client->LoadStored();
  ASSERT_TRUE(Succeeds(loaded));
  EXPECT_EQ(loaded->root_version, 2U);
  EXPECT_FALSE(loaded->changed);
  EXPECT_TRUE(FailsWith(client->FindTarget("a/x", nullptr), ErrorCode::kMetadataMissing));
  ASSERT_TRUE(Succeeds(device.Find("a/x")));
  client = device.Open();
  ASSERT_TRUE(Succeeds(client->LoadStored()));
  EXPECT_TRUE(Succeeds(client->FindTarget("a/x", nullptr)));

  device.store.files["snapshot"].push_back(' ');  // no longer the file that timestamp names
  EXPECT_TRUE(FailsWith(device.Open()->LoadStored(), ErrorCode::kMetadataHashMismatch));
  ASSERT_TRUE(Succeeds(device.Refresh()));
  device.now = device.now.PlusSeconds(2 * kSecondsPerDay);
  EXPECT_TRUE(FailsWith(device.Open()->LoadStored(), ErrorCode::kMetadataExpired));
}

TEST(RefreshTest, TargetsBeforeARefreshAreAnError) {
  SimTufRepository repository;
  TufDevice device(repository);
  auto client = device.Open();
  EXPECT_TRUE(FailsWith(client->FindTarget("x", &device.fetcher), ErrorCode::kMetadataMissing));
}

//= docs/manifest-format.md#M-24
TEST(FetchTargetTest, ChecksLengthHashAndPath) {
  SimTufRepository repository;
  repository.AddTarget("targets", "dir/file", "content");
  for (const char* path : {"/abs", "../up", "a/../b", "a//b", "a/.", "end/"}) {
    repository.AddTarget("targets", path, "content");
  }
  repository.Publish();
  TufDevice device(repository);
  auto client = device.Open();
  ASSERT_TRUE(Succeeds(client->Refresh(device.fetcher)));
  const auto target = client->FindTarget("dir/file", &device.fetcher);
  ASSERT_TRUE(Succeeds(target));
  EXPECT_TRUE(Succeeds(client->FetchTarget(*target, device.fetcher, 7)));
  EXPECT_TRUE(
      FailsWith(client->FetchTarget(*target, device.fetcher, 6), ErrorCode::kTransferTooLarge));
  const std::string name = device.fetcher.requests.back();
  EXPECT_EQ(name, "targets/dir/" + target->sha256->Hex() + ".file");
  repository.files[name] = {'c', 'O', 'n', 't', 'e', 'n', 't'};
  EXPECT_TRUE(
      FailsWith(client->FetchTarget(*target, device.fetcher, 7), ErrorCode::kMetadataHashMismatch));
  repository.files[name] = {'c', 'o'};
  EXPECT_TRUE(
      FailsWith(client->FetchTarget(*target, device.fetcher, 7), ErrorCode::kMetadataHashMismatch));
  const std::size_t asked = device.fetcher.requests.size();
  for (const char* path : {"/abs", "../up", "a/../b", "a//b", "a/."}) {
    const auto unsafe = client->FindTarget(path, &device.fetcher);
    ASSERT_TRUE(Succeeds(unsafe));
    EXPECT_TRUE(FailsWith(client->FetchTarget(*unsafe, device.fetcher, 7), ErrorCode::kPathUnsafe))
        << path;
  }
  EXPECT_EQ(device.fetcher.requests.size(), asked);
}

TEST(FetchTargetTest, TargetWithoutKnownHashIsRefused) {
  SimTufRepository repository;
  repository.AddTarget("targets", "x", "content");
  repository.Part("targets")["targets"]["x"]["hashes"] = {{"blake3", "00"}};
  repository.Publish();
  TufDevice device(repository);
  auto client = device.Open();
  ASSERT_TRUE(Succeeds(client->Refresh(device.fetcher)));
  const auto target = client->FindTarget("x", &device.fetcher);
  ASSERT_TRUE(Succeeds(target));
  EXPECT_TRUE(
      FailsWith(client->FetchTarget(*target, device.fetcher, 7), ErrorCode::kHashUnsupported));
  EXPECT_TRUE(
      FailsWith(TufClient::CheckTarget(*target, AsBytes("content")), ErrorCode::kHashUnsupported));
}

TEST(RefreshTest, ErrorsNameRoleExpectedAndFound) {
  SimTufRepository repository;
  TufDevice device(repository);
  device.now = repository.now.PlusSeconds(2 * kSecondsPerDay);
  EXPECT_EQ(
      Outcome(device.Refresh()),
      "E0203 timestamp version 1: expected it to be valid at 2026-11-26T00:00:00Z, found that it "
      "expired at 2026-11-25T00:00:00Z");
}

}  // namespace
}  // namespace pawl::manifest
