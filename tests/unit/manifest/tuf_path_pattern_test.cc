// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <chrono>
#include <string>

#include "base/hash.h"
#include "manifest/path_pattern.h"

namespace pawl::manifest {
namespace {

//= docs/manifest-format.md#M-20
TEST(PathPatternTest, MatchesAsTufSays) {
  struct Case {
    std::string_view pattern;
    std::string_view path;
    bool matches;
  };
  for (const Case& c : {
           Case{"a/b", "a/b", true},
           {"a/b", "a/B", false},
           {"a/b", "a/bc", false},
           {"a/bc", "a/b", false},
           {"*", "abc", true},
           {"*", "", true},
           {"*", "a/b", false},
           {"*/*", "a/b", true},
           {"*/*", "a/b/c", false},
           {"a/*", "a/", true},
           {"a/*.tgz", "a/x.tgz", true},
           {"a/*.tgz", "a/x.tgz.sig", false},
           {"a/*.tgz", "a/b/x.tgz", false},
           {"foo-version-?.tgz", "foo-version-2.tgz", true},
           {"foo-version-?.tgz", "foo-version-alpha.tgz", false},
           {"a?b", "a/b", false},
           {"a*c*e", "abcde", true},
           {"a*c*e", "abcdef", false},
           {"*a*b/c*", "xaab/cd", true},
           {"**", "ab", true},
           {"*b*b*", "aabab", true},
           {"", "", true},
           {"", "a", false},
           {"[ab]", "a", false},
           {"[ab]", "[ab]", true},
           {"releases/gw/*/manifest.json", "releases/gw/1.0/manifest.json", true},
           {"releases/gw/*/manifest.json", "releases/gw/1/0/manifest.json", false},
           {"releases/gw/*/manifest.json", "releases/gw/manifest.json", false},
       }) {
    EXPECT_EQ(MatchesPattern(c.pattern, c.path), c.matches) << c.pattern << " ~ " << c.path;
  }
}

// A matcher that tries every star again needs longer than the age of the world for this.
TEST(PathPatternTest, HostilePatternEndsSoon) {
  std::string pattern;
  for (int i = 0; i < 300; ++i) pattern += "*a";
  pattern += "b";
  const std::string path(1000, 'a');
  const auto start = std::chrono::steady_clock::now();
  EXPECT_FALSE(MatchesPattern(pattern, path));
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(2));
}

TEST(PathPatternTest, PrefixesAreOfTheHexHash) {
  Delegation delegation;
  const std::string hash = HashSha256(AsBytes("orders/x")).Hex();
  delegation.path_hash_prefixes = {hash.substr(0, 3)};
  EXPECT_TRUE(Covers(delegation, "orders/x"));
  delegation.path_hash_prefixes = {hash.substr(1, 3)};
  EXPECT_FALSE(Covers(delegation, "orders/x"));
}

TEST(PathPatternTest, EmptyDelegationCoversNothing) {
  EXPECT_FALSE(Covers(Delegation{}, "a"));
  EXPECT_FALSE(Covers(Delegation{}, ""));
}

//= docs/manifest-format.md#M-22
TEST(PathPatternTest, BinsAreTheFirstBitsOfTheHash) {
  SuccinctRoles roles;
  roles.name_prefix = "bin";
  const std::string path = "orders/device/1";
  const Sha256Digest hash = HashSha256(AsBytes(path));
  roles.bit_length = 8;
  EXPECT_EQ(BinName(roles, path), "bin-" + hash.Hex().substr(0, 2));
  roles.bit_length = 32;
  EXPECT_EQ(BinName(roles, path), "bin-" + hash.Hex().substr(0, 8));
  roles.bit_length = 1;
  EXPECT_EQ(BinName(roles, path), (hash.bytes[0] & 0x80U) != 0 ? "bin-1" : "bin-0");
  roles.bit_length = 9;
  EXPECT_EQ(BinName(roles, path).size(), std::string("bin-000").size());
}

TEST(PathPatternTest, KnowsItsBinNames) {
  SuccinctRoles roles;
  roles.name_prefix = "b";
  roles.bit_length = 5;
  EXPECT_TRUE(IsBinName(roles, "b-00"));
  EXPECT_TRUE(IsBinName(roles, "b-1f"));
  for (const char* name : {"b-20", "b-0", "b-000", "b-1F", "b", "c-00", "b-0g"}) {
    EXPECT_FALSE(IsBinName(roles, name)) << name;
  }
}

}  // namespace
}  // namespace pawl::manifest
