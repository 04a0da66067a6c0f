// SPDX-License-Identifier: Apache-2.0
// Names of encoders: what this build declares, and what is concluded from what others declare.

#include "delta/apply/encoder_names.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace pawl::delta {
namespace {

std::vector<std::string> Own() { return OwnEncoderNames().value_or(std::vector<std::string>()); }

const std::string& OfFamily(const std::vector<std::string>& names, std::string_view family) {
  return *std::ranges::find_if(names, [&](const auto& name) { return name.starts_with(family); });
}

EncoderFamilies Usable(const std::vector<std::string>& names) {
  const auto match = EncoderMatch::Of(names);
  EXPECT_TRUE(match.has_value());
  return match->usable();
}

// M-55
TEST(EncoderNamesTest, NamesSayFamilyVersionParametersAndSelfTest) {
  const auto entry = DescribeTransform(ZstdTransform(15, false, true), 128U << 10);
  ASSERT_TRUE(entry.has_value());
  EXPECT_EQ(EncoderName(*entry), "zstd-1-20f-" + entry->self_test.Hex().substr(0, 32));
  const std::vector<std::string> own = Own();
  EXPECT_EQ(own.size(), 6U);
  EXPECT_TRUE(std::ranges::is_sorted(own));
  for (const std::string& name : own) {
    EXPECT_TRUE(IsEncoderName(name)) << name;
    EXPECT_LE(name.size(), 64U);
  }
}

TEST(EncoderNamesTest, TheLongestNameFitsIntoAManifest) {
  TransformEntry entry;
  entry.transform = {TransformId::kDeflate, 65535, ~std::uint64_t{0}};
  EXPECT_LE(EncoderName(entry).size(), 64U);
  EXPECT_TRUE(IsEncoderName(EncoderName(entry)));
}

TEST(EncoderNamesTest, OtherFormsAreNoNames) {
  const std::string digest(32, 'a');
  EXPECT_TRUE(IsEncoderName("brotli-2-0-" + digest));  // of a later version
  for (const std::string& name :
       {std::string("zstd-1.5.4"), std::string(), "zstd-1-20f-" + digest.substr(1),
        "zstd-1-20f-" + digest + "a", "zstd-01-20f-" + digest, "zstd-0-20f-" + digest,
        "zstd-65536-20f-" + digest, "zstd-1-020f-" + digest, "zstd-1-20F-" + digest,
        "zstd-1--" + digest, "-1-20f-" + digest, "zstd-1-20f-x-" + digest,
        "zstd-1-11112222333344445-" + digest, "zstd-1-20f-" + std::string(32, 'A'),
        "Zstd-1-20f-" + digest}) {
    EXPECT_FALSE(IsEncoderName(name)) << name;
  }
}

// M-56
TEST(EncoderNamesTest, AFamilyIsUsableWhenAllThatIsDeclaredOfItIsTheSameHere) {
  const std::vector<std::string> own = Own();
  EXPECT_EQ(Usable(own).size(), 4U);
  EXPECT_TRUE(Usable({}).empty());
  const EncoderFamilies only = Usable({OfFamily(own, "xz-")});
  EXPECT_EQ(only, EncoderFamilies({EncoderFamily{TransformId::kXz, 1}}));

  std::vector<std::string> one_differs = own;
  ASSERT_TRUE(one_differs[1].starts_with("lz4-"));
  char& last = one_differs[1].back();
  last = last == '0' ? '1' : '0';
  const EncoderFamilies others = Usable(one_differs);
  EXPECT_EQ(others.size(), 3U) << "the two other lz4 encoders do not make up for it";
  EXPECT_FALSE(others.contains({TransformId::kLz4, 1}));
}

TEST(EncoderNamesTest, NamesThatMeanNothingHereChangeNothing) {
  std::vector<std::string> names = Own();
  const std::string digest(32, 'a');
  names.push_back("brotli-1-0-" + digest);
  names.push_back("zstd-1.5.4");
  names.push_back("zstd-2-20f-" + digest);  // another use of it, which this build does not have
  EXPECT_EQ(Usable(names), Usable(Own()));
  // Parameters without a meaning cannot be compared.
  names.push_back("zstd-1-ffffffffffff-" + digest);
  EXPECT_FALSE(Usable(names).contains({TransformId::kZstd, 1}));
}

TEST(EncoderNamesTest, TheReasonNamesWhatWasDeclared) {
  const std::string other = "zstd-1-20f-" + std::string(32, 'a');
  const auto match = EncoderMatch::Of({other});
  ASSERT_TRUE(match.has_value());
  EXPECT_EQ(match->WhyNot({TransformId::kXz, 1}), "declares no xz encoder");
  EXPECT_NE(match->WhyNot({TransformId::kZstd, 1}).find(other), std::string::npos);
}

TEST(EncoderNamesTest, LibrariesHaveTheirNumbers) {
  EXPECT_TRUE(LibraryName(TransformId::kZstd).starts_with("libzstd 1."));
  EXPECT_TRUE(LibraryName(TransformId::kXz).starts_with("liblzma 5."));
  EXPECT_TRUE(LibraryName(TransformId::kDeflate).starts_with("zlib 1."));
  EXPECT_TRUE(LibraryName(TransformId::kLz4).starts_with("liblz4 1."));
}

}  // namespace
}  // namespace pawl::delta
