// SPDX-License-Identifier: Apache-2.0
#include "base/json_document.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace pawl {
namespace {

JsonDocument Parsed(std::string_view text) {
  auto document = JsonDocument::Parse(AsBytes(text));
  EXPECT_TRUE(document) << document.error().Message();
  return *std::move(document);
}

std::string ErrorOf(std::string_view text) {
  const auto document = JsonDocument::Parse(AsBytes(text));
  return document ? "accepted" : document.error().Message();
}

constexpr std::string_view kEverything =
    R"( {"z":[1,-2,{"b":"\u00e4\"\\","a":null},[],{}],"a":{"y":true,"x":false,"":""},"m":9223372036854775807} )";

TEST(JsonDocumentTest, MembersComeInSortedOrderWhateverTheOrderOfTheFile) {
  const JsonDocument document = Parsed(R"({"c":1,"a":{"z":0,"y":[0]},"b":3})");
  std::vector<std::string> names;
  for (const auto& [name, value] : document.root().members()) names.emplace_back(name);
  EXPECT_EQ(names, (std::vector<std::string>{"a", "b", "c"}));
  EXPECT_EQ(document.root().Find("b")->integer(), 3);
  EXPECT_EQ(document.root().Find("a")->Find("y")->size(), 1U);
  EXPECT_FALSE(document.root().Find("d"));
  EXPECT_EQ(document.root().size(), 3U);
}

TEST(JsonDocumentTest, ReadsEveryKindOfValue) {
  const JsonDocument document = Parsed(kEverything);
  const JsonView z = *document.root().Find("z");
  std::vector<std::string_view> types;
  for (const auto& [name, item] : z.items()) types.push_back(item.type_name());
  EXPECT_EQ(types,
            (std::vector<std::string_view>{"number", "number", "object", "array", "object"}));
  EXPECT_EQ(document.root().Find("m")->integer(), INT64_MAX);
  EXPECT_TRUE(document.root().Find("a")->Find("y")->boolean());
  EXPECT_EQ(document.root().Find("a")->Find("")->text(), "");
}

TEST(JsonDocumentTest, BecomesTheSameDomAndTheSameCanonicalForm) {
  for (const std::string_view text :
       {kEverything, std::string_view("[]"), std::string_view("{}"), std::string_view("-7"),
        std::string_view("null"), std::string_view("\"x\""), std::string_view("[[[]],{},0]")}) {
    const JsonDocument document = Parsed(text);
    const Json dom = Json::parse(text);  // by the library alone
    EXPECT_EQ(ToJson(document.root()), dom) << text;
    EXPECT_EQ(CanonicalJson(document.root()), CanonicalJson(dom)) << text;
  }
}

TEST(JsonDocumentTest, RefusesANameThatStandsTwiceWhereverItStands) {
  EXPECT_NE(ErrorOf(R"({"b":1,"a":2,"b":3})").find("\"b\" twice"), std::string::npos);
  EXPECT_NE(ErrorOf(R"([{"x":{"a":[],"a":[]}}])").find("\"a\" twice"), std::string::npos);
  EXPECT_EQ(ErrorOf(R"({"a":{"a":1},"b":{"a":1}})"), "accepted");
}

// A file that is mostly one bad text must not be repeated in errors and logs.
TEST(JsonDocumentTest, ErrorsQuoteLittleOfTheDocument) {
  EXPECT_LT(ErrorOf("\"" + std::string(100'000, 'x')).size(), 400U);
  EXPECT_LT(ErrorOf("[1, " + std::string(100'000, 'x')).size(), 400U);
}

// T-BOUNDARY-1: what a byte of the network can cost in memory is known.
TEST(JsonDocumentTest, TheDensestDocumentsTakeAtMostSixTimesTheirSize) {
  for (const std::string_view item :
       {"0", "[]", "{}", "\"\"", "{\"\":0}", "[[]]", "{\"\":{\"\":[0,0]}}", "-1"}) {
    std::string text = "[" + std::string(item);
    for (int i = 0; i < 50'000; ++i) text.append(",").append(item);
    const JsonDocument document = Parsed(text + "]");
    EXPECT_LE(document.memory_bytes(), 6 * text.size()) << item;
    EXPECT_EQ(document.root().size(), 50'001U);
  }
}

}  // namespace
}  // namespace pawl
