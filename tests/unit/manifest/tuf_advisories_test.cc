// SPDX-License-Identifier: Apache-2.0
// The rest of the faults that other TUF clients had (see tuf_past_faults_test.cc): those that need
// more than the five roles of one repository.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "manifest/metadata.h"
#include "manifest/path_pattern.h"
#include "manifest/release.h"
#include "manifest/time_floor.h"
#include "tests/unit/manifest/tuf_test_util.h"

namespace pawl::manifest {
namespace {

using fakes::SimTufRepository;
using testing::Each;
using testing::HasSubstr;
using testing::Not;

Result<SignedMetadata> ParseText(std::string_view text) {
  return ParseMetadata("test", AsBytes(text));
}

std::string Envelope(const Json& part) {
  return Json({{"signatures", Json::array()}, {"signed", part}}).dump();
}

// One P-256 key, spelled in ways that all name the same point.
constexpr const char* kSpellings[] = {
    "-----BEGIN PUBLIC KEY-----\n"
    "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEElGS/oCxtE2fkXwAOwsJKuCBTbF8\n"
    "JdiUa25UmGOAzjo7K1hFf7LQKPLGKlxWefMUtTzSXFIvcg6eSPR+o3UwYA==\n"
    "-----END PUBLIC KEY-----\n",
    "-----BEGIN PUBLIC KEY-----\n"
    "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEElGS/oCxtE2fkXwAOwsJKuCBTbF8"
    "JdiUa25UmGOAzjo7K1hFf7LQKPLGKlxWefMUtTzSXFIvcg6eSPR+o3UwYA==\n"
    "-----END PUBLIC KEY-----",
    "-----BEGIN PUBLIC KEY-----\r\n"
    "MDkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDIgACElGS/oCxtE2fkXwAOwsJKuCBTbF8\r\n"
    "JdiUa25UmGOAzjo=\r\n"
    "-----END PUBLIC KEY-----\r\n",
    "a remark\n-----BEGIN PUBLIC KEY-----\n"
    "MDkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDIgACElGS/oCxtE2fkXwAOwsJKuCBTbF8\n"
    "JdiUa25UmGOAzjo=\n"
    "-----END PUBLIC KEY-----\nanother"};

//= docs/manifest-format.md#M-09
TEST(AdvisoriesTest, GoTuf733_OneKeyInEverySpellingIsOneKey) {
  Json root = SimTufRepository().Part("root");
  Json& role = root["roles"]["targets"];
  role["keyids"] = Json::array();
  for (const char* spelling : kSpellings) {
    for (const char* keytype : {"ecdsa", "ecdsa-sha2-nistp256"}) {
      const std::string keyid = Format("k{}", role["keyids"].size());
      root["keys"][keyid] = {{"keytype", keytype},
                             {"scheme", "ecdsa-sha2-nistp256"},
                             {"keyval", {{"public", spelling}}},
                             {"x-owner", keyid}};
      role["keyids"].push_back(keyid);
    }
  }
  const auto parsed = ParseText(Envelope(root));
  ASSERT_TRUE(Succeeds(parsed));
  EXPECT_EQ(parsed->metadata.root()->targets.keys.size(), 8U);
  EXPECT_EQ(parsed->metadata.root()->targets.distinct_keys, 1U);
}

//= docs/manifest-format.md#M-22
TEST(AdvisoriesTest, GoTuf716_BitLengthIsBounded) {
  SimTufRepository repository;
  repository.DelegateBins("targets", "bin", 1);
  Json part = repository.Part("targets");
  part["delegations"]["succinct_roles"]["bit_length"] = "@";
  for (const char* bits : {"-1", "0", "33", "64", "1.0", "\"8\"", "null", "4294967297"}) {
    std::string text = Envelope(part);
    text.replace(text.find("\"@\""), 3, bits);
    EXPECT_TRUE(FailsWith(ParseText(text), ErrorCode::kMetadataMalformed)) << bits;
  }
}

// Thresholds that no JSON library of a test would write.
TEST(AdvisoriesTest, CVE_2026_23992_ThresholdsThatAreNoCounts) {
  SimTufRepository repository;
  repository.Delegate("targets", "a", {{"paths", {"a/*"}}});
  repository.DelegateBins("a", "bin", 1);
  const std::pair<const char*, const char*> places[] = {{"root", "/roles/root"},
                                                        {"root", "/roles/timestamp"},
                                                        {"root", "/roles/snapshot"},
                                                        {"root", "/roles/targets"},
                                                        {"targets", "/delegations/roles/0"},
                                                        {"a", "/delegations/succinct_roles"}};
  for (const auto& [role, pointer] : places) {
    Json part = repository.Part(role);
    part[Json::json_pointer(pointer)]["threshold"] = "@";
    for (const char* threshold : {"0", "-1", "1.0", "1e0", "\"1\"", "9223372036854775808",
                                  "-9223372036854775808", "null", "true", "[]"}) {
      std::string text = Envelope(part);
      text.replace(text.find("\"@\""), 3, threshold);
      EXPECT_TRUE(FailsWith(ParseText(text), ErrorCode::kMetadataMalformed))
          << role << pointer << " " << threshold;
    }
    part[Json::json_pointer(pointer)].erase("threshold");
    EXPECT_TRUE(FailsWith(ParseText(Envelope(part)), ErrorCode::kMetadataMalformed)) << pointer;
  }
}

// Names of other repositories (TAP 4) are no paths here, since there is one repository: its map is
// a target like any other.
TEST(AdvisoriesTest, GHSA_jqc5_w2xx_5vq4_MapOfRepositoriesIsOnlyATarget) {
  SimTufRepository repository;
  repository.AddTarget("targets", "map.json",
                       R"({"repositories":{"../../etc":["http://evil.example/"]},"mapping":[]})");
  repository.AddTarget("targets", "x", "content");
  repository.Publish();
  TufDevice device(repository);
  ASSERT_TRUE(Succeeds(device.Find("x")));
  EXPECT_THAT(device.fetcher.requests, Each(Not(HasSubstr("map.json"))));
  EXPECT_THAT(device.fetcher.requests, Each(testing::StartsWith("metadata/")));
}

// No attested time must not mean that time stands still for ever: old files end at the latest
// signed time that the device has seen, clock or none.
TEST(AdvisoriesTest, Uptane267_WithoutAClockAFreezeEndsAtTheSignedTime) {
  SimTufRepository repository;
  TufDevice device(repository);
  const UtcTime built = repository.now.PlusSeconds(-100 * kSecondsPerDay);
  device.now =
      ComputeEffectiveTime({0}, built, std::nullopt, device.Open()->timestamp_keyset()).now;
  EXPECT_EQ(device.now, built);
  const auto first = device.Refresh();
  ASSERT_TRUE(Succeeds(first));
  const auto floor = RaiseFloor(std::nullopt, first->issued, first->timestamp_keyset);
  const auto frozen = repository.files;

  const UtcTime later = repository.now.PlusSeconds(20 * kSecondsPerDay);
  for (const char* role : {"timestamp", "snapshot"}) {
    repository.Part(role)["expires"] = FormatUtcTime(later.PlusSeconds(kSecondsPerDay));
  }
  repository.Part("timestamp")["x-issued"] = FormatUtcTime(later);
  repository.Publish({});
  const auto second = device.Refresh();
  ASSERT_TRUE(Succeeds(second));
  const auto raised = RaiseFloor(floor, second->issued, second->timestamp_keyset);
  device.now = ComputeEffectiveTime({0}, built, raised, second->timestamp_keyset).now;
  EXPECT_EQ(device.now, later);
  // Even with a store that was wiped, so that no version is known, the old files are over.
  repository.files = frozen;
  device.store.files.clear();
  EXPECT_TRUE(FailsWith(device.Refresh(), ErrorCode::kMetadataExpired));
}

// Names of images are no paths: what a manifest names is made of plain components.
TEST(AdvisoriesTest, Uptane225_NamesOfPayloadsAreNoPaths) {
  for (const char* path : {"", "/etc/passwd", "../x", "a/../b", "a//b", "a/", ".", "..", "a/./b",
                           "a\\b", "a b", "a\nb", "%2e%2e/x", "payloads/.."}) {
    EXPECT_FALSE(CheckRelativePath(path)) << path;
  }
  EXPECT_FALSE(CheckRelativePath(std::string("a\0b", 3)));
  EXPECT_TRUE(CheckRelativePath("payloads/0f.pawl"));
}

// A bad root is refused now, and in the next run, and in the one after: it never became the trusted
// one.
TEST(AdvisoriesTest, CVE_2020_15163_BadRootIsNotTrustedByTheNextRun) {
  SimTufRepository repository;
  TufDevice device(repository);
  ASSERT_TRUE(Succeeds(device.Refresh()));
  SimTufRepository attacker;
  attacker.NewKey();
  attacker.SetKeys("root", 1, 1);
  attacker.PublishRoot();
  repository.files["metadata/2.root.json"] =
      SimTufRepository::Sign(attacker.Part("root"), {&attacker.NewKey()});
  for (int run = 0; run < 3; ++run) {
    EXPECT_TRUE(FailsWith(device.Refresh(), ErrorCode::kSignatureThreshold));
    EXPECT_EQ(device.Open()->root_version(), 1U);
    EXPECT_FALSE(device.store.files.contains("root/2"));
  }
}

// Terminal escapes and line ends in names that an unsigned file brings stay where they are.
//= docs/manifest-format.md#M-36
TEST(AdvisoriesTest, NamesInErrorsCannotForgeALogLine) {
  const auto refused = ParseText(
      R"({"signatures":[{"keyid":"\u001b[2Jk\n<3>ok","sig":""},{"keyid":"\u001b[2Jk\n<3>ok","sig":""}],)"
      R"("signed":{}})");
  ASSERT_TRUE(FailsWith(refused, ErrorCode::kDuplicateSignature));
  for (const char c : refused.error().Message()) EXPECT_GE(static_cast<unsigned char>(c), 0x20);
}

}  // namespace
}  // namespace pawl::manifest
