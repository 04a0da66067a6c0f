// SPDX-License-Identifier: Apache-2.0
// Real and foreign repositories: do we verify what others published, through key rotations, old
// formats and both ways of naming files?

#include <gtest/gtest.h>

#include "base/format.h"
#include "manifest/metadata.h"
#include "manifest/refresh.h"
#include "tests/fakes/sim_tuf_repository.h"
#include "tests/vectors/tuf_vectors.h"

namespace pawl {
namespace {

using fakes::MemoryMetadataStore;
using fakes::SimTufFetcher;
using manifest::TufClient;

using Files = std::map<std::string, Bytes, std::less<>>;

UtcTime At(std::string_view text) { return *ParseUtcTime(text); }

Files LoadRepository(const std::filesystem::path& folder) {
  Files files = vectors::LoadTree(folder / "metadata", "metadata/");
  files.merge(vectors::LoadTree(folder / "targets", "targets/"));
  return files;
}

class RootSigningTest : public testing::TestWithParam<int> {};

TEST_P(RootSigningTest, WalksFromAnOldRootToTheNewest) {
  PAWL_REQUIRE_TUF_VECTORS(tuf);
  const Files files = LoadRepository(tuf / "root-signing");
  const Bytes& root = files.at(Format("metadata/{}.root.json", GetParam()));
  MemoryMetadataStore store;
  SimTufFetcher fetcher(files);
  auto client = TufClient::Open(store, root, At("2026-08-21T12:00:00Z"));
  ASSERT_TRUE(client) << client.error().Message();
  const auto result = client->Refresh(fetcher);
  ASSERT_TRUE(result) << result.error().Message();
  EXPECT_EQ(result->root_version, 15U);
  const auto target = client->FindTarget("trusted_root.json", &fetcher);
  ASSERT_TRUE(target) << target.error().Message();
  EXPECT_TRUE(client->FetchTarget(*target, fetcher, 1U << 20U));
  const auto delegated = client->FindTarget("registry.npmjs.org/keys.json", &fetcher);
  ASSERT_TRUE(delegated) << delegated.error().Message();
  EXPECT_EQ(delegated->roles, (std::vector<std::string>{"targets", "registry.npmjs.org"}));
  EXPECT_TRUE(client->FetchTarget(*delegated, fetcher, 1U << 20U));
}

INSTANTIATE_TEST_SUITE_P(Versions, RootSigningTest, testing::Values(5, 9, 11, 12, 15));

TEST(RootSigningHistoryTest, RefusesRootWithUnreadableDate) {
  PAWL_REQUIRE_TUF_VECTORS(tuf);
  MemoryMetadataStore store;
  const Bytes root = vectors::ReadVector(tuf / "root-signing" / "metadata" / "1.root.json");
  const auto client = TufClient::Open(store, root, At("2026-08-21T12:00:00Z"));
  ASSERT_FALSE(client);
  EXPECT_EQ(client.error().code(), ErrorCode::kMetadataMalformed);
}

TEST(RootSigningHistoryTest, RefusesRootWhoseKeysWeCannotUse) {
  PAWL_REQUIRE_TUF_VECTORS(tuf);
  MemoryMetadataStore store;
  const Bytes root = vectors::ReadVector(tuf / "root-signing" / "metadata" / "4.root.json");
  const auto client = TufClient::Open(store, root, At("2026-08-21T12:00:00Z"));
  ASSERT_FALSE(client);
  EXPECT_EQ(client.error().code(), ErrorCode::kSignatureThreshold) << client.error().Message();
}

// Each step is a repository of its own age; one device goes through all of them.
class RustTufInteropTest : public testing::TestWithParam<std::tuple<const char*, const char*>> {};

TEST_P(RustTufInteropTest, FollowsSixStepsOfRotation) {
  PAWL_REQUIRE_TUF_VECTORS(tuf);
  const auto folder = tuf / "rust-tuf-interop" / std::get<0>(GetParam()) / std::get<1>(GetParam());
  MemoryMetadataStore device;
  Bytes embedded = vectors::ReadVector(folder / "0" / "repository" / "1.root.json");
  ASSERT_FALSE(embedded.empty());
  for (int step = 0; step < 6; ++step) {
    SCOPED_TRACE(step);
    Files files;
    for (auto& [name, bytes] :
         vectors::LoadTree(folder / std::to_string(step) / "repository", "")) {
      const bool target = name.starts_with("targets/");
      files[target ? name : "metadata/" + name] = std::move(bytes);
    }
    SimTufFetcher fetcher(files);
    MemoryMetadataStore fresh;
    for (MemoryMetadataStore* store : {&device, &fresh}) {
      auto client = TufClient::Open(*store, embedded, At("2026-11-24T00:00:00Z"));
      ASSERT_TRUE(client) << client.error().Message();
      const auto result = client->Refresh(fetcher);
      ASSERT_TRUE(result) << result.error().Message();
      for (int i = 0; i <= step; ++i) {
        const auto target = client->FindTarget(std::to_string(i), &fetcher);
        ASSERT_TRUE(target) << target.error().Message();
        const auto bytes = client->FetchTarget(*target, fetcher, 1024);
        ASSERT_TRUE(bytes) << bytes.error().Message();
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(
    Fuchsia, RustTufInteropTest,
    testing::Combine(testing::Values("fuchsia-go-tuf-5527fe", "fuchsia-go-tuf-transition-M4"),
                     testing::Values("consistent-snapshot-true", "consistent-snapshot-false")));

// In 5527fe every key stands under two ids: its root's four signatures are of two keys.
TEST(RustTufInteropDetailTest, OneKeyUnderTwoIdsIsOneKey) {
  PAWL_REQUIRE_TUF_VECTORS(tuf);
  const auto path = tuf / "rust-tuf-interop" / "fuchsia-go-tuf-5527fe" / "consistent-snapshot-true";
  const Bytes bytes = vectors::ReadVector(path / "0" / "repository" / "1.root.json");
  const auto root = manifest::ParseMetadata("root", bytes);
  ASSERT_TRUE(root) << root.error().Message();
  const manifest::Signers& timestamp = root->metadata.root()->timestamp;
  EXPECT_EQ(timestamp.keys.size(), 2 * timestamp.distinct_keys);
}

TEST(PythonTufEd25519Test, ParsesAndSignsByteExactCanonicalForm) {
  PAWL_REQUIRE_TUF_VECTORS(tuf);
  const auto folder = tuf / "python-tuf-ed25519" / "ed25519_metadata";
  const auto root =
      manifest::ParseMetadata("root", vectors::ReadVector(folder / "root_with_ed25519.json"));
  ASSERT_TRUE(root) << root.error().Message();
  const manifest::Root& keys = *root->metadata.root();
  const std::map<std::string, const manifest::Signers*> roles = {{"root", &keys.root},
                                                                 {"timestamp", &keys.timestamp},
                                                                 {"snapshot", &keys.snapshot},
                                                                 {"targets", &keys.targets}};
  for (const auto& [role, signers] : roles) {
    SCOPED_TRACE(role);
    const auto file =
        manifest::ParseMetadata(role, vectors::ReadVector(folder / (role + "_with_ed25519.json")));
    ASSERT_TRUE(file) << file.error().Message();
    ASSERT_EQ(file->signatures.size(), 1U);
    const auto key = signers->keys.find(file->signatures[0].keyid);
    ASSERT_NE(key, signers->keys.end());
    EXPECT_TRUE(key->second.Verify(AsBytes(file->signed_bytes), file->signatures[0].signature));
  }
}

class StaticRepositoryTest : public testing::TestWithParam<const char*> {};

TEST_P(StaticRepositoryTest, VerifiesAtItsDate) {
  PAWL_REQUIRE_TUF_VECTORS(tuf);
  const auto folder = tuf / "tuf-conformance-static" / GetParam();
  const Files files = LoadRepository(folder);
  // "2025-02-09 12:02:08+00:00"
  std::string date(AsText(vectors::ReadVector(folder / "faketime")).substr(0, 19));
  ASSERT_EQ(date.size(), 19U);
  date[10] = 'T';
  std::string path(AsText(vectors::ReadVector(folder / "targetpath")));
  while (path.ends_with('\n')) path.pop_back();
  MemoryMetadataStore store;
  SimTufFetcher fetcher(files);
  auto client =
      TufClient::Open(store, vectors::ReadVector(folder / "initial_root.json"), At(date + "Z"));
  ASSERT_TRUE(client) << client.error().Message();
  const auto result = client->Refresh(fetcher);
  ASSERT_TRUE(result) << result.error().Message();
  const auto target = client->FindTarget(path, &fetcher);
  ASSERT_TRUE(target) << target.error().Message();
  const auto bytes = client->FetchTarget(*target, fetcher, 1U << 20U);
  EXPECT_TRUE(bytes) << bytes.error().Message();
}

INSTANTIATE_TEST_SUITE_P(Real, StaticRepositoryTest,
                         testing::Values("sigstore-root-signing", "tuf-on-ci-0.11"));

}  // namespace
}  // namespace pawl
