// SPDX-License-Identifier: Apache-2.0
// The release manifest: additions are passed over, everything else that is not as specified is
// refused.

#include "manifest/release.h"

#include <gtest/gtest.h>

#include "base/format.h"
#include "tests/unit/manifest/document_test_util.h"

namespace pawl::manifest::testing {
namespace {

Sha256Digest Digest(char c) { return HashSha256(AsBytes(std::string(1, c))); }

FileReference File(char c, std::uint64_t length, const std::string& ending) {
  return {Format("payloads/{}/{}.{}", Digest(c).Hex().substr(0, 2), Digest(c).Hex(), ending),
          length, Digest(c)};
}

ReleaseManifest Example() {
  ReleaseManifest release;
  release.product = "gateway";
  release.version = "1.1+rc.2";
  release.build = 12;
  release.epoch = 3;
  release.hardware = {"gw3", "gw4"};
  release.channel = "stable";
  release.min_agent = 1;
  release.encoders = {"zstd-1-20f-978781ce0ba822e156cbf60c088d0bf7"};
  release.health_hooks = {"network", "app"};
  release.health = {60, 2};
  release.built = {1'795'000'000};
  release.notes = "fixes";
  Component rootfs;
  rootfs.name = "rootfs";
  rootfs.size = 3'000'000;
  rootfs.sha256 = Digest('i');
  rootfs.chunks.file = File('c', 3 * 32, "chunks");
  rootfs.full = {File('f', 1'000'000, "pawl"), 500, Digest('h'), 2 << 20, {"zstd"}};
  Delta delta{Digest('s'),
              2'000'000,
              {File('x', 2 * 32, "chunks")},
              {File('d', 1'000, "pawl"), 400, Digest('e'), 2 << 20, {"zstd"}}};
  rootfs.deltas = {delta};
  release.components = {rootfs};
  return release;
}

Json ExampleJson() { return ParseJson(EncodeReleaseManifest(Example())).value(); }

ErrorCode CodeOf(const Json& document) {
  const auto parsed = ParseReleaseManifest(AsBytes(document.dump()));
  return parsed ? ErrorCode::kInternal : parsed.error().code();
}
ErrorCode CodeWith(const std::string& place, const Json& value) {
  Json document = ExampleJson();
  document[Json::json_pointer(place)] = value;
  return CodeOf(document);
}

TEST(ReleaseManifestTest, RoundTripIsExact) {
  const std::string text = EncodeReleaseManifest(Example());
  const auto read = ParseReleaseManifest(AsBytes(text));
  ASSERT_TRUE(read) << read.error().Message();
  EXPECT_EQ(EncodeReleaseManifest(*read), text);
  EXPECT_EQ(read->components[0].deltas[0].container.head_length, 400U);
  EXPECT_EQ(read->health_hooks, (std::vector<std::string>{"network", "app"}));
}

// M-49
TEST(ReleaseManifestTest, ABlockIndexMayBeMissingAndIsAFileElse) {
  ReleaseManifest release = Example();
  release.components[0].index = File('b', 6000, "index");
  const std::string text = EncodeReleaseManifest(release);
  const auto read = ParseReleaseManifest(AsBytes(text));
  ASSERT_TRUE(read) << read.error().Message();
  EXPECT_EQ(EncodeReleaseManifest(*read), text);
  ASSERT_TRUE(read->components[0].index.has_value());
  EXPECT_EQ(read->components[0].index->length, 6000U);
  EXPECT_EQ(CodeWith("/components/0/index", 7), ErrorCode::kManifestMalformed);
  EXPECT_EQ(CodeWith("/components/0/index", Json{{"path", "../x"}, {"length", 1}, {"sha256", Digest('b').Hex()}}),
            ErrorCode::kManifestMalformed);
}

TEST(ReleaseManifestTest, UnknownMembersArePassedOverAtEveryDepth) {
  Json document = ExampleJson();
  for (const char* place :
       {"", "/health", "/components/0", "/components/0/full", "/components/0/deltas/0"}) {
    document[Json::json_pointer(place)]["x-new"] = Json{{"deep", {1, 2}}};
  }
  EXPECT_EQ(CodeOf(document), ErrorCode::kInternal);
}

TEST(ReleaseManifestTest, EveryMemberMissingOrOfAnotherTypeIsRefused) {
  int tried = 0;
  ForEachMutation(ExampleJson(), [&](const Json& changed, const std::string& what) {
    // Texts that are free may be any text; so may plain names.
    if (what.ends_with("as \"text\"")) return;
    EXPECT_NE(CodeOf(changed), ErrorCode::kInternal) << what;
    ++tried;
  });
  EXPECT_GT(tried, 250);
}

// M-41
TEST(ReleaseManifestTest, ALaterSchemaAsksForANewerAgentAForeignOneIsMalformed) {
  EXPECT_EQ(CodeWith("/schema", "pawl.release/2"), ErrorCode::kAgentTooOld);
  EXPECT_EQ(CodeWith("/schema", "pawl.rollout/1"), ErrorCode::kManifestMalformed);
}

// M-43
TEST(ReleaseManifestTest, UnsafePathsAreRefused) {
  for (const char* path : kUnsafePaths) {
    for (const char* place :
         {"/components/0/chunks/path", "/components/0/full/path",
          "/components/0/deltas/0/container/path", "/components/0/deltas/0/source_chunks/path"}) {
      EXPECT_EQ(CodeWith(place, path), ErrorCode::kManifestMalformed) << place << " " << path;
    }
  }
  EXPECT_EQ(CodeWith("/components/0/full/path", std::string("a\0b", 3)),
            ErrorCode::kManifestMalformed);
  EXPECT_EQ(CodeWith("/components/0/full/path", std::string(300, 'a')),
            ErrorCode::kManifestMalformed);
}

// M-42
TEST(ReleaseManifestTest, NamesThatAreNoPlainNamesAreRefused) {
  for (const char* place :
       {"/product", "/channel", "/hardware/0", "/components/0/name", "/health_hooks/0"}) {
    for (const char* name : {"", "..", "a/b", "A", "-a", ".a", "a..b", "a b", "a\n", "ä"}) {
      EXPECT_EQ(CodeWith(place, name), ErrorCode::kManifestMalformed)
          << place << " '" << name << "'";
    }
  }
  EXPECT_EQ(CodeWith("/version", "1.0/2"), ErrorCode::kManifestMalformed);
  EXPECT_EQ(CodeWith("/version", "1..0"), ErrorCode::kManifestMalformed);
}

TEST(ReleaseManifestTest, LimitsHold) {
  EXPECT_EQ(CodeWith("/build", 0), ErrorCode::kManifestMalformed);
  EXPECT_EQ(CodeWith("/epoch", 1LL << 32), ErrorCode::kManifestMalformed);
  EXPECT_EQ(CodeWith("/hardware", Json::array()), ErrorCode::kManifestMalformed);
  EXPECT_EQ(CodeWith("/hardware", Json{"gw4", "gw3"}), ErrorCode::kManifestMalformed);
  EXPECT_EQ(CodeWith("/hardware", Json{"gw3", "gw3"}), ErrorCode::kManifestMalformed);
  EXPECT_EQ(CodeWith("/components", Json::array()), ErrorCode::kManifestMalformed);
  EXPECT_EQ(CodeWith("/components/0/place", "single-copy"), ErrorCode::kManifestMalformed);
  EXPECT_EQ(CodeWith("/components/0/size", 0), ErrorCode::kManifestMalformed);
  EXPECT_EQ(CodeWith("/components/0/size", (1LL << 40) + 1), ErrorCode::kManifestMalformed);
  EXPECT_EQ(CodeWith("/components/0/chunks/length", 4 * 32), ErrorCode::kManifestMalformed);
  EXPECT_EQ(CodeWith("/components/0/full/head_length", 0), ErrorCode::kManifestMalformed);
  EXPECT_EQ(CodeWith("/components/0/full/head_length", 1'000'001), ErrorCode::kManifestMalformed);
  EXPECT_EQ(CodeWith("/components/0/sha256", std::string(64, 'A')), ErrorCode::kManifestMalformed);
  EXPECT_EQ(CodeWith("/health/deadline_s", 0), ErrorCode::kManifestMalformed);
  EXPECT_EQ(CodeWith("/health/deadline_s", 3601), ErrorCode::kManifestMalformed);
  EXPECT_EQ(CodeWith("/health/tries", 4), ErrorCode::kManifestMalformed);
  EXPECT_EQ(CodeWith("/notes", std::string(4097, 'x')), ErrorCode::kManifestMalformed);
  EXPECT_EQ(CodeWith("/built", "2026-11-24"), ErrorCode::kManifestMalformed);
}

TEST(ReleaseManifestTest, AComponentMayNotAppearTwice) {
  Json document = ExampleJson();
  document["components"].push_back(document["components"][0]);
  EXPECT_EQ(CodeOf(document), ErrorCode::kManifestMalformed);
}

TEST(ReleaseManifestTest, TooManyItemsAreRefused) {
  Json document = ExampleJson();
  Json& deltas = document["components"][0]["deltas"];
  const Json delta = deltas[0];
  while (deltas.size() <= kMaxDeltasPerComponent) deltas.push_back(delta);
  EXPECT_EQ(CodeOf(document), ErrorCode::kManifestMalformed);
}

// M-40
TEST(ReleaseManifestTest, TooManyBytesAreRefusedBeforeParsing) {
  const std::string big(kMaxReleaseManifestBytes + 1, ' ');
  EXPECT_EQ(ParseReleaseManifest(AsBytes(big)).error().code(), ErrorCode::kManifestMalformed);
}

TEST(ReleaseManifestTest, EveryTruncationIsRefused) {
  const std::string text = EncodeReleaseManifest(Example());
  for (std::size_t length = 0; length + 2 < text.size(); ++length) {
    EXPECT_FALSE(ParseReleaseManifest(AsBytes(text.substr(0, length)))) << length;
  }
}

// M-44
TEST(ChunkListTest, HoldsExactlyOneDigestAChunk) {
  const std::vector<Sha256Digest> chunks{Digest('a'), Digest('b')};
  const Bytes bytes = EncodeChunkList(chunks);
  EXPECT_EQ(ParseChunkList(bytes, (1U << 20U) + 1).value(), chunks);
  EXPECT_FALSE(ParseChunkList(bytes, 1U << 20U));
  EXPECT_FALSE(ParseChunkList(bytes, (2U << 20U) + 1));
  EXPECT_FALSE(ParseChunkList(ByteView(bytes).first(63), 2U << 20U));
}

// M-45
TEST(ReleaseSummaryTest, AgreesWithItsManifestInEveryMember) {
  const ReleaseManifest release = Example();
  const Json custom = EncodeReleaseSummary(release);
  EXPECT_LE(CanonicalJson(custom).size(), 300U);
  const auto summary = ParseReleaseSummary(custom);
  ASSERT_TRUE(summary) << summary.error().Message();
  EXPECT_TRUE(CheckSummary(*summary, release));
  const auto differs = [&](auto change) {
    ReleaseSummary other = *summary;
    change(other);
    const auto checked = CheckSummary(other, release);
    return !checked && checked.error().code() == ErrorCode::kManifestMismatch;
  };
  EXPECT_TRUE(differs([](auto& s) { s.product = "doorbell"; }));
  EXPECT_TRUE(differs([](auto& s) { s.version = "1.2"; }));
  EXPECT_TRUE(differs([](auto& s) { s.channel = "beta"; }));
  EXPECT_TRUE(differs([](auto& s) { s.build = 13; }));
  EXPECT_TRUE(differs([](auto& s) { s.epoch = 2; }));
  EXPECT_TRUE(differs([](auto& s) { s.hardware = {"gw3"}; }));
}

TEST(ReleaseSummaryTest, EveryMemberMissingOrOfAnotherTypeIsRefused) {
  ForEachMutation(EncodeReleaseSummary(Example()),
                  [](const Json& changed, const std::string& what) {
                    if (what.ends_with("as \"text\"") || what == "/hw as []") return;
                    EXPECT_FALSE(ParseReleaseSummary(changed)) << what;
                  });
  EXPECT_FALSE(ParseReleaseSummary(nullptr));
}

TEST(ImageIdentityTest, RoundTripAndMutations) {
  const ImageIdentity identity{"gateway", "1.1", 12, 3, {1'795'000'000}};
  const std::string text = EncodeImageIdentity(identity);
  const auto read = ParseImageIdentity(AsBytes(text));
  ASSERT_TRUE(read) << read.error().Message();
  EXPECT_EQ(EncodeImageIdentity(*read), text);
  ForEachMutation(*ParseJson(text), [](const Json& changed, const std::string& what) {
    if (what == "/product as \"text\"" || what == "/version as \"text\"") return;
    EXPECT_FALSE(ParseImageIdentity(AsBytes(changed.dump()))) << what;
  });
}

TEST(RelativePathTest, ContentAddressedNamesFitAndLongOnesDoNot) {
  const std::string hex(64, 'a');
  EXPECT_TRUE(CheckRelativePath("payloads/aa/" + hex + ".pawl"));
  EXPECT_TRUE(CheckRelativePath("orders/device/" + hex + ".json"));
  EXPECT_FALSE(CheckRelativePath("payloads/" + hex + std::string(64, 'a')));
  EXPECT_FALSE(CheckRelativePath(hex + ".."));
  EXPECT_FALSE(CheckRelativePath(std::string(63, 'a') + "/." + std::string(20, 'a')));
}

}  // namespace
}  // namespace pawl::manifest::testing
