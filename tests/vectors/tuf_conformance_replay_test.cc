// SPDX-License-Identifier: Apache-2.0
// Replays the recorded cases of the public TUF conformance suite: does our client end each call
// with the same exit, the same trusted files byte for byte, the same requests in the same order and
// the same downloads as the recording says?

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "base/format.h"
#include "base/hash.h"
#include "manifest/refresh.h"
#include "tests/fakes/sim_tuf_repository.h"
#include "tests/vectors/tuf_vectors.h"

namespace pawl {
namespace {

using fakes::MemoryMetadataStore;
using fakes::SimTufFetcher;
using manifest::TufClient;

using Files = std::map<std::string, Bytes, std::less<>>;

// Calls in which the recorded client asked for more than ours before it failed. Exit, trusted files
// and downloads are compared for them like for the others, and what we asked for must be the first
// part of what it asked for.
const std::map<std::string, std::string>& FewerRequests() {
  static const std::map<std::string, std::string> cases = {
      {"test_faketime", "as test_root_expired: the root has expired"},
      {"test_root_expired", "the specification (5.3.10) looks at root's expiry before timestamp"},
      {"test_download_with_unknown_hash_algorithm",
       "a target that cannot be checked is not asked for"},
      {"test_cached_role_is_verified_against_current_delegator",
       "the recording is of a client that fails this case; expectations were set by hand"},
  };
  return cases;
}

// One client under test: its metadata folder and its download folder.
class Replay {
 public:
  explicit Replay(std::filesystem::path blobs) : blobs_(std::move(blobs)) {
    store_.keep_root_chain = false;
  }

  void Run(const std::string& name, const Json& step) {
    if (step["cmd"] == "init") {
      store_.files["root"] = Blob(step["root"]);
      EXPECT_EQ(step["exit"], 0);
    } else {
      Call(name, step);
    }
    CompareTrusted(step["trusted"]);
  }

 private:
  Bytes Blob(const Json& name) const {
    return vectors::ReadVector(blobs_ / name.get<std::string>());
  }

  Files Served(const Json& requests) const {
    Files files;
    for (const Json& request : requests) {
      if (request["status"] == 200)
        files[request["path"].get<std::string>()] = Blob(request["body"]);
    }
    return files;
  }

  void Call(const std::string& name, const Json& step) {
    const Files files = Served(step["requests"]);
    SimTufFetcher fetcher(files);
    if (name == "test_timestamp_404" && step["exit"] == 1) {
      fetcher.failures["metadata/timestamp.json"] = ErrorCode::kTransferTruncated;
    }
    const Status status = Work(step, fetcher);
    EXPECT_EQ(status.has_value() ? 0 : 1, step["exit"].get<int>())
        << (status ? "succeeded" : status.error().Message());
    CompareRequests(name, step, fetcher.requests);
    CompareDownloads(step);
  }

  Status Work(const Json& step, SimTufFetcher& fetcher) {
    const UtcTime now = *ParseUtcTime(step["now"].get<std::string>());
    const Bytes root = store_.files["root"];
    PAWL_ASSIGN_OR_RETURN(TufClient client, TufClient::Open(store_, root, now));
    PAWL_TRY(client.Refresh(fetcher));
    if (step["cmd"] != "download") return {};
    for (const Json& path : step["targets"]) {
      PAWL_ASSIGN_OR_RETURN(const auto target,
                            client.FindTarget(path.get<std::string>(), &fetcher));
      const auto have = downloaded_.find(target.path);
      if (have != downloaded_.end() && TufClient::CheckTarget(target, have->second)) continue;
      PAWL_ASSIGN_OR_RETURN(downloaded_[target.path],
                            client.FetchTarget(target, fetcher, 16U << 20U));
    }
    return {};
  }

  void CompareRequests(const std::string& name, const Json& step, std::vector<std::string> asked) {
    std::vector<std::string> recorded;
    for (const Json& request : step["requests"]) recorded.push_back(request["path"]);
    if (name == "test_timestamp_404" && step["exit"] == 1) {
      recorded.emplace_back("metadata/timestamp.json");  // dropped connections were not recorded
    }
    if (step["exit"] == 1 && FewerRequests().contains(name)) {
      // Asking again for what was refused is no more than the recorded client did elsewhere.
      if (name.starts_with("test_cached_role") && asked.back() == "metadata/1.release.json") {
        asked.pop_back();
      }
      ASSERT_LE(asked.size(), recorded.size());
      recorded.resize(asked.size());
    }
    EXPECT_EQ(asked, recorded);
  }

  void CompareTrusted(const Json& recorded) const {
    std::set<std::string> names;
    for (const auto& [role, bytes] : store_.files) {
      const std::string name =
          Format("{}.json", role.starts_with('.') ? EncodeDots(role) : EncodeFileName(role));
      names.insert(name);
      ASSERT_TRUE(recorded.contains(name)) << name << " is trusted, the recording does not have it";
      EXPECT_EQ(HashSha256(bytes).Hex(), recorded[name]["sha256"].get<std::string>()) << name;
    }
    for (const auto& [name, entry] : recorded.items()) EXPECT_TRUE(names.contains(name)) << name;
  }

  // The suite leaves a leading '.' as it is.
  static std::string EncodeDots(const std::string& role) {
    return "." + EncodeFileName("x" + role.substr(1)).substr(1);
  }

  void CompareDownloads(const Json& step) const {
    if (!step.contains("downloaded") || !step["downloaded"].is_object()) return;
    const Json& recorded = step["downloaded"];
    EXPECT_EQ(downloaded_.size(), recorded.size());
    for (const auto& [path, bytes] : downloaded_) {
      const std::string name = EncodeFileName(path);
      ASSERT_TRUE(recorded.contains(name)) << name;
      EXPECT_EQ(HashSha256(bytes).Hex(), recorded[name]["sha256"].get<std::string>());
    }
  }

  std::filesystem::path blobs_;
  MemoryMetadataStore store_;
  Files downloaded_;
};

TEST(TufConformanceReplayTest, EveryRecordedCaseEndsAsRecorded) {
  PAWL_REQUIRE_TUF_VECTORS(tuf);
  const std::filesystem::path folder = tuf / "conformance-recorded";
  int cases = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    const std::string name = entry.path().filename().string();
    if (!std::filesystem::exists(entry.path() / "case.json")) continue;
    SCOPED_TRACE(name);
    const Json recorded = vectors::ReadVectorJson(entry.path() / "case.json");
    ASSERT_TRUE(recorded.contains("steps"));
    Replay replay(folder / "blobs");
    for (std::size_t i = 0; i < recorded["steps"].size(); ++i) {
      SCOPED_TRACE(Format("step {}", i));
      replay.Run(name, recorded["steps"][i]);
    }
    ++cases;
  }
  EXPECT_EQ(cases, 110);
}

// The one that python-tuf, go-tuf, tuf-js and sigstore-rust failed in 2026: nothing of the second
// team's path may come from a role that only the first team's keys signed.
TEST(TufConformanceReplayTest, CachedRoleYieldsNothingForAnotherDelegator) {
  PAWL_REQUIRE_TUF_VECTORS(tuf);
  const auto folder = tuf / "conformance-recorded";
  const Json recorded = vectors::ReadVectorJson(
      folder / "test_cached_role_is_verified_against_current_delegator" / "case.json");
  const Json& step = recorded["steps"][1];
  Files files;
  for (const Json& request : step["requests"]) {
    if (request["status"] != 200) continue;
    files[request["path"]] =
        vectors::ReadVector(folder / "blobs" / request["body"].get<std::string>());
  }
  const Bytes root =
      vectors::ReadVector(folder / "blobs" / recorded["steps"][0]["root"].get<std::string>());
  MemoryMetadataStore store;
  SimTufFetcher fetcher(files);
  auto client = TufClient::Open(store, root, *ParseUtcTime(step["now"].get<std::string>()));
  ASSERT_TRUE(client && client->Refresh(fetcher));
  const auto first = client->FindTarget("team-a/trusted_root.json", &fetcher);
  ASSERT_TRUE(first) << first.error().Message();
  EXPECT_THAT(first->roles, testing::ElementsAre("targets", "parent-a", "release"));
  const auto second = client->FindTarget("team-b/trusted_root.json", &fetcher);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code(), ErrorCode::kSignatureThreshold);
}

}  // namespace
}  // namespace pawl
