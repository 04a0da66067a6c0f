// SPDX-License-Identifier: Apache-2.0
// The form of metadata: everything of a wrong shape is refused, signed or not, before a signature
// is looked at, and never by a crash.

#include <gtest/gtest.h>

#include <functional>

#include "base/hash.h"
#include "manifest/limits.h"
#include "manifest/metadata.h"
#include "tests/unit/manifest/tuf_test_util.h"

namespace pawl::manifest {
namespace {

using fakes::SimTufRepository;

Result<SignedMetadata> Parse(const Json& envelope) {
  const std::string text = envelope.dump();
  return ParseMetadata("test", AsBytes(text));
}

Json Envelope(const Json& part) { return {{"signatures", Json::array()}, {"signed", part}}; }

// A repository whose targets use everything that metadata can hold.
SimTufRepository& Full() {
  static SimTufRepository repository;
  static const bool once = [] {
    repository.Delegate("targets", "a", {{"paths", {"a/*"}}});
    repository.Delegate("targets", "b", {{"path_hash_prefixes", {"0f"}}});
    repository.AddTarget("targets", "x/y", "content", {{"build", 1}});
    return true;
  }();
  static_cast<void>(once);
  return repository;
}

TEST(MetadataTest, ReadsWhatItShould) {
  const auto targets = Parse(Envelope(Full().Part("targets")));
  ASSERT_TRUE(Succeeds(targets));
  const Targets& body = *targets->metadata.targets();
  ASSERT_EQ(body.delegations.roles.size(), 2U);
  EXPECT_EQ(body.delegations.roles[0].name, "a");
  EXPECT_EQ(body.targets.at("x/y").length, 7U);
  EXPECT_EQ(body.targets.at("x/y").custom["build"], 1);
  EXPECT_TRUE(Succeeds(Parse(Envelope(Full().Part("root")))));
}

// CVE-2026-23991: well-formed JSON of the wrong shape. Every member of every role is replaced by
// every other kind of value; only members that are not ours to judge may still parse.
//= docs/manifest-format.md#M-04
TEST(MetadataTest, CVE_2026_23991_EveryMemberOfEveryWrongType) {
  const std::vector<Json> wrong = {
      nullptr,         true, -1, 0, "", "x", Json::array(), Json::array({1}), Json::object(),
      {{"x", nullptr}}};
  int refused = 0;
  for (const char* role : {"root", "timestamp", "snapshot", "targets"}) {
    const Json part = Envelope(Full().Part(role));
    const Json leaves = part.flatten();
    for (const auto& [pointer, value] : leaves.items()) {
      // The leaf and each of its parents in turn.
      for (std::string at = pointer; !at.empty(); at = at.substr(0, at.rfind('/'))) {
        for (const Json& other : wrong) {
          Json changed = part;
          changed[Json::json_pointer(at)] = other;
          if (!Parse(changed)) ++refused;
        }
      }
    }
  }
  EXPECT_GT(refused, 1000);
}

TEST(MetadataTest, EveryMissingMemberIsRefused) {
  const std::map<std::string, std::vector<std::string>> members = {
      {"root", {"_type", "spec_version", "version", "expires", "keys", "roles"}},
      {"timestamp", {"_type", "spec_version", "version", "expires", "meta"}},
      {"snapshot", {"_type", "spec_version", "version", "expires", "meta"}},
      {"targets", {"_type", "spec_version", "version", "expires", "targets"}}};
  for (const auto& [role, names] : members) {
    for (const std::string& name : names) {
      Json part = Full().Part(role);
      part.erase(name);
      EXPECT_FALSE(Parse(Envelope(part))) << role << " " << name;
    }
  }
}

struct BadPart {
  const char* what;
  const char* role;
  const char* pointer;
  Json value;
  ErrorCode code = ErrorCode::kMetadataMalformed;
};

// Built at run time: JSON values do not like static initialisation order.
std::vector<BadPart> BadParts() {
  const std::string long_name(300, 'n');
  return {
      {"threshold 0", "root", "/roles/targets/threshold", 0},
      {"threshold -1", "root", "/roles/targets/threshold", -1},
      {"threshold as text", "root", "/roles/targets/threshold", "1"},
      {"delegated threshold 0", "targets", "/delegations/roles/0/threshold", 0},
      {"delegated threshold -1", "targets", "/delegations/roles/0/threshold", -1},
      {"version 0", "targets", "/version", 0},
      {"version -1", "targets", "/version", -1},
      {"version null", "targets", "/version", nullptr},
      {"meta version 0", "snapshot", "/meta/targets.json/version", 0},
      {"spec_version 2", "root", "/spec_version", "2.0.0", ErrorCode::kSpecVersion},
      {"spec_version 10", "root", "/spec_version", "10.0", ErrorCode::kSpecVersion},
      {"spec_version 1", "root", "/spec_version", "1"},
      {"spec_version text", "root", "/spec_version", "one.zero"},
      {"unknown type", "root", "/_type", "Root", ErrorCode::kRoleTypeMismatch},
      {"fractional expiry", "targets", "/expires", "2030-08-15T14:30:45.0000001Z"},
      {"offset expiry", "targets", "/expires", "2030-08-15T14:30:45-06:00"},
      {"date only", "targets", "/expires", "2030-08-15"},
      {"empty hashes", "targets", "/targets/x~1y/hashes", Json::object()},
      {"empty meta hashes", "timestamp", "/meta/snapshot.json/hashes", Json::object()},
      {"short sha256", "targets", "/targets/x~1y/hashes/sha256", "00"},
      {"negative length", "targets", "/targets/x~1y/length", -1},
      {"custom list", "targets", "/targets/x~1y/custom", Json::array()},
      {"duplicate key id", "root", "/roles/targets/keyids", Json::array({"k", "k"})},
      {"no delegated patterns", "targets", "/delegations/roles/0/paths", "a/*"},
      {"upper-case prefix", "targets", "/delegations/roles/1/path_hash_prefixes", {"0F"}},
      {"empty prefix", "targets", "/delegations/roles/1/path_hash_prefixes", {""}},
      {"role called root", "targets", "/delegations/roles/0/name", "root"},
      {"role called targets", "targets", "/delegations/roles/0/name", "targets"},
      {"role in the chain of roots", "targets", "/delegations/roles/0/name", "root/2"},
      {"nameless role", "targets", "/delegations/roles/0/name", ""},
      {"role named too long", "targets", "/delegations/roles/0/name", long_name},
      {"role delegated twice", "targets", "/delegations/roles/0/name", "b"},
      {"terminating as number", "targets", "/delegations/roles/0/terminating", 1},
      {"consistent_snapshot as text", "root", "/consistent_snapshot", "true"},
      {"delegations null", "targets", "/delegations", nullptr},
  };
}

TEST(MetadataTest, RefusesBadParts) {
  for (const BadPart& bad : BadParts()) {
    Json part = Full().Part(bad.role);
    part[Json::json_pointer(bad.pointer)] = bad.value;
    EXPECT_TRUE(FailsWith(Parse(Envelope(part)), bad.code)) << bad.what;
  }
}

// What the document model of a test cannot even express.
TEST(MetadataTest, RefusesBadTexts) {
  const std::string good = Envelope(Full().Part("timestamp")).dump();
  const auto with = [&](std::string_view from, const std::string& to) {
    std::string text = good;
    text.replace(text.find(from), from.size(), to);
    return ParseMetadata("timestamp", AsBytes(text));
  };
  const std::string version = "\"version\":1,\"x-issued\"";
  const std::string tail = ",\"x-issued\"";
  ASSERT_NE(good.find(version), std::string::npos);
  for (const char* number : {"1.0", "1e0", "-0", "9223372036854775808", "01", "0x1", "NaN"}) {
    EXPECT_TRUE(FailsWith(with(version, Format("\"version\":{}{}", number, tail)),
                          ErrorCode::kMetadataMalformed))
        << number;
  }
  EXPECT_TRUE(Succeeds(with(version, "\"version\":9223372036854775807" + tail)));
  EXPECT_FALSE(with(version, "\"version\":1,\"version\":1" + tail));
  EXPECT_FALSE(with(version, "\"a\":\"\xff\"," + version));
  EXPECT_FALSE(with(version, "\"a\":\"\\ud800\"," + version));
  EXPECT_FALSE(
      with(version, "\"a\":" + std::string(40, '[') + std::string(40, ']') + "," + version));
  EXPECT_FALSE(ParseMetadata("timestamp", AsBytes(good + "{}")));
  EXPECT_FALSE(ParseMetadata("timestamp", AsBytes("\xef\xbb\xbf" + good)));
  EXPECT_FALSE(ParseMetadata("timestamp", AsBytes(good.substr(0, good.size() / 2))));
  EXPECT_FALSE(ParseMetadata("timestamp", {}));
  EXPECT_TRUE(Succeeds(ParseMetadata("timestamp", AsBytes(good + " \n"))));
}

//= docs/manifest-format.md#M-22
TEST(MetadataTest, BitLengthIsBounded) {
  SimTufRepository repository;
  repository.DelegateBins("targets", "bin", 1);
  Json part = repository.Part("targets");
  for (const std::int64_t bits : {-1, 0, 33, 64}) {
    part["delegations"]["succinct_roles"]["bit_length"] = bits;
    EXPECT_TRUE(FailsWith(Parse(Envelope(part)), ErrorCode::kMetadataMalformed)) << bits;
  }
  part["delegations"]["succinct_roles"]["bit_length"] = 32;
  EXPECT_TRUE(Succeeds(Parse(Envelope(part))));
  part["delegations"]["roles"] = Json::array();
  EXPECT_FALSE(Parse(Envelope(part)));
}

//= docs/manifest-format.md#M-05
TEST(MetadataTest, SpecVersionsInUseAreFine) {
  for (const char* text : {"1.0", "1.0.0", "1.0.31", "1.99"}) {
    Json part = Full().Part("targets");
    part["spec_version"] = text;
    EXPECT_TRUE(Succeeds(Parse(Envelope(part)))) << text;
  }
}

TEST(MetadataTest, UnknownMembersAreCoveredByTheSignature) {
  Json part = Full().Part("targets");
  part["x-new"] = {{"b", 1}, {"a", "\"\\\n/é"}};
  const auto file = Parse(Envelope(part));
  ASSERT_TRUE(Succeeds(file));
  EXPECT_NE(file->signed_bytes.find("\"x-new\":{\"a\":\"\\\"\\\\\n/é\",\"b\":1}"),
            std::string::npos);
}

TEST(MetadataTest, KeysOfOtherKindsDoNotBreakTheFile) {
  Json part = Full().Part("root");
  part["keys"]["other"] = {
      {"keytype", "sigstore-oidc"}, {"scheme", "Fulcio"}, {"keyval", {{"identity", "me"}}}};
  part["keys"]["short"] = {
      {"keytype", "ed25519"}, {"scheme", "ed25519"}, {"keyval", {{"public", "00"}}}};
  part["roles"]["targets"]["keyids"].push_back("other");
  part["roles"]["targets"]["keyids"].push_back("short");
  part["roles"]["targets"]["keyids"].push_back("unheard of");
  const auto root = Parse(Envelope(part));
  ASSERT_TRUE(Succeeds(root));
  EXPECT_EQ(root->metadata.root()->targets.distinct_keys, 1U);
}

TEST(MetadataTest, KeysetIdFollowsTheKeysOnly) {
  SimTufRepository repository;
  repository.SetKeys("targets", 3, 2);
  const auto id = [&] {
    return Parse(Envelope(repository.Part("root")))->metadata.root()->targets.KeysetId();
  };
  const Sha256Digest before = id();
  repository.Part("root")["roles"]["targets"]["threshold"] = 3;
  EXPECT_EQ(id(), before);
  repository.Part("root")["roles"]["targets"]["keyids"].erase(0);
  EXPECT_NE(id(), before);
}

TEST(MetadataTest, TooManyOfAnything) {
  Json part = Full().Part("root");
  for (int i = 0; i < 300; ++i) part["roles"]["targets"]["keyids"].push_back(Format("k{}", i));
  EXPECT_TRUE(FailsWith(Parse(Envelope(part)), ErrorCode::kTooManyItems));
  part = Full().Part("targets");
  for (int i = 0; i < 1025; ++i)
    part["delegations"]["roles"][0]["paths"].push_back(Format("p{}", i));
  EXPECT_TRUE(FailsWith(Parse(Envelope(part)), ErrorCode::kTooManyItems));
}

// A search for one path holds little, and looks at everything all the same.
TEST(MetadataTest, ForAPathKeepsItsEntriesAndChecksAll) {
  SimTufRepository repository;
  repository.Delegate("targets", "a", {{"paths", {"a/*", "x/*", "x/?"}}});
  repository.Delegate("targets", "b",
                      {{"path_hash_prefixes", {"0", "1", "2", "3", "4", "5", "6", "7"}}});
  repository.Delegate("targets", "c", {{"paths", {"c/*"}}});
  repository.AddTarget("targets", "x/y", "content", {{"build", 1}});
  repository.AddTarget("targets", "x/z", "content");
  Json part = repository.Part("targets");
  const auto parse = [&] {
    const std::string text = Envelope(part).dump();
    return ParseMetadata("test", AsBytes(text), "x/y");
  };
  const auto narrow = parse();
  ASSERT_TRUE(Succeeds(narrow));
  const auto whole = Parse(Envelope(part));
  EXPECT_EQ(narrow->signed_bytes, whole->signed_bytes);
  const Targets& body = *narrow->metadata.targets();
  ASSERT_EQ(body.targets.size(), 1U);
  EXPECT_EQ(body.targets.at("x/y").custom["build"], 1);
  const bool b_covers = HashSha256(AsBytes("x/y")).Hex()[0] < '8';
  ASSERT_EQ(body.delegations.roles.size(), b_covers ? 2U : 1U);
  EXPECT_EQ(body.delegations.roles[0].name, "a");
  EXPECT_EQ(body.delegations.roles[0].paths, (std::vector<std::string>{"x/*", "x/?"}));
  EXPECT_EQ(body.delegations.roles[0].signers.keys.size(), 1U);
  part["targets"]["x/z"]["length"] = -1;
  EXPECT_TRUE(FailsWith(parse(), ErrorCode::kMetadataMalformed));
  part["targets"]["x/z"]["length"] = 1;
  part["delegations"]["roles"][2]["threshold"] = 0;
  EXPECT_TRUE(FailsWith(parse(), ErrorCode::kMetadataMalformed));
}

TEST(MetadataTest, LargeCustomCountsAsAbsent) {
  Json part = Full().Part("targets");
  Json& custom = part["targets"]["x/y"]["custom"];
  custom = {{"x", std::string(kMaxCustomBytes - 8, 'x')}};
  EXPECT_TRUE(Parse(Envelope(part))->metadata.targets()->targets.at("x/y").custom.is_object());
  custom["x"] = std::string(kMaxCustomBytes - 7, 'x');
  EXPECT_TRUE(Parse(Envelope(part))->metadata.targets()->targets.at("x/y").custom.is_null());
}

}  // namespace
}  // namespace pawl::manifest
