// SPDX-License-Identifier: Apache-2.0
#include "base/json.h"

#include "base/format.h"
#include "tests/unit/base/holds.h"

namespace pawl {
namespace {

using testing::IsError;
using testing::IsOk;
using testing::IsOkAndHolds;

using namespace std::string_literals;

std::string Nested(int depth) {
  std::string text;
  for (int i = 0; i < depth; ++i) text += i % 2 == 0 ? "[" : "{\"a\":";
  text += "1";
  for (int i = depth - 1; i >= 0; --i) text += i % 2 == 0 ? "]" : "}";
  return text;
}

struct Refused {
  const char* name;
  std::string text;
};

// docs/manifest-format.md, M-01; docs/integrity-statement.md, S-05.
class StrictJsonTest : public ::testing::TestWithParam<Refused> {};

TEST_P(StrictJsonTest, Refuses) {
  EXPECT_THAT(ParseJson(GetParam().text), IsError(ErrorCode::kInputInvalid)) << GetParam().text;
}

INSTANTIATE_TEST_SUITE_P(
    All, StrictJsonTest,
    ::testing::Values(
        Refused{"Empty", ""}, Refused{"OnlySpace", " \n"},
        Refused{"DuplicateName", R"({"a":1,"a":1})"},
        Refused{"DuplicateNameNested", R"({"x":[{"a":1,"b":2,"a":3}]})"},
        Refused{"DuplicateNameEscaped", R"({"a":1,"\u0061":1})"},
        Refused{"DuplicateEmptyName", R"({"":1,"":2})"}, Refused{"Float", "1.5"},
        Refused{"FloatThatIsWhole", "1.0"}, Refused{"Exponent", "1e2"},
        Refused{"ExponentCapital", "[1E2]"}, Refused{"NegativeZero", "-0"},
        Refused{"NegativeZeroInside", "[-0]"}, Refused{"AboveInt64", "9223372036854775808"},
        Refused{"BelowInt64", "-9223372036854775809"},
        Refused{"AboveUint64", "18446744073709551616"},
        Refused{"HugeInteger", std::string(400, '9')}, Refused{"LeadingZero", "01"},
        Refused{"Plus", "+1"}, Refused{"Hex", "0x10"}, Refused{"NaN", "NaN"},
        Refused{"Infinity", "Infinity"}, Refused{"ByteOrderMark", "\xEF\xBB\xBF{}"},
        Refused{"BadUtf8", "\"\xff\""}, Refused{"OverlongUtf8", "\"\xc0\xaf\""},
        Refused{"CutUtf8", "\"\xe2\x82\""}, Refused{"Utf8Surrogate", "\"\xed\xa0\x80\""},
        Refused{"LoneHighSurrogate", R"("\ud800")"}, Refused{"LoneLowSurrogate", R"("\udc00")"},
        Refused{"SurrogatesSwapped", R"("\udc00\ud800")"}, Refused{"BadName", "{\"\xff\":1}"},
        Refused{"Depth33", Nested(33)}, Refused{"Depth100000", Nested(100'000)},
        Refused{"TrailingWord", "{} x"}, Refused{"TrailingValue", "{}{}"},
        Refused{"TrailingNul", "{}\0"s}, Refused{"TrailingAfterNul", "{}\0{\"a\":1}"s},
        Refused{"NulInString", "\"a\0b\""s}, Refused{"NulAlone", "\0"s},
        Refused{"NulBetween", "[1,\0 2]"s}, Refused{"ControlInString", "\"a\nb\""},
        Refused{"Comment", "{} // x"}, Refused{"TrailingComma", "[1,]"},
        Refused{"SingleQuotes", "{'a':1}"}, Refused{"Unclosed", R"({"a":[1)"},
        Refused{"BareName", "{a:1}"}, Refused{"BadEscape", R"("\x41")"},
        Refused{"Capitals", "True"}),
    [](const auto& test) { return std::string(test.param.name); });

TEST(JsonTest, TakesWhatIsInsideTheLimits) {
  EXPECT_THAT(ParseJson("9223372036854775807"), IsOkAndHolds(Json(INT64_MAX)));
  EXPECT_THAT(ParseJson("-9223372036854775808"), IsOkAndHolds(Json(INT64_MIN)));
  EXPECT_THAT(ParseJson("0"), IsOkAndHolds(Json(0)));
  EXPECT_THAT(ParseJson(" [true, false, null, \"\\u0000\"] "), IsOk());
  EXPECT_THAT(ParseJson(R"({"a":{"a":1},"b":{"a":1}})"),
              IsOk());  // the same name in different objects
  EXPECT_THAT(ParseJson(Nested(kMaxJsonDepth)), IsOk());
  EXPECT_THAT(ParseJson("\"\xf0\x9f\x98\x80\\ud83d\\ude00\""), IsOk());
}

TEST(JsonTest, EveryTruncationOfADocumentIsRefused) {
  const std::string text = R"({"a":[1,-2,"x\n",{"b":null}],"c":true})";
  for (std::size_t length = 0; length < text.size(); ++length) {
    EXPECT_THAT(ParseJson(text.substr(0, length)), IsError(ErrorCode::kInputInvalid)) << length;
  }
}

TEST(JsonTest, ErrorSaysWhere) {
  const auto parsed = ParseJson("{\"a\": 1, }");
  ASSERT_FALSE(parsed.has_value());
  EXPECT_THAT(parsed.error().Message(), ::testing::HasSubstr("at byte"));
}

// docs/manifest-format.md, M-02.
TEST(CanonicalJsonTest, MatchesGoldenForms) {
  const std::vector<std::pair<const char*, std::string>> cases{
      {R"({ "b" : 1, "a" : [ true , null, -5 ] })", R"({"a":[true,null,-5],"b":1})"},
      {R"("quote\" back\\ slash\/ tab\t")", "\"quote\\\" back\\\\ slash/ tab\t\""},
      {R"("\u00e9\u20ac")", "\"\xc3\xa9\xe2\x82\xac\""},
      {R"({"\u00e9":1,"z":2,"Z":3,"":4})", "{\"\":4,\"Z\":3,\"z\":2,\"\xc3\xa9\":1}"},
      {"[]", "[]"},
      {"[{},[[]]]", "[{},[[]]]"},
      {"9223372036854775807", "9223372036854775807"}};
  for (const auto& [text, golden] : cases) {
    const auto parsed = ParseJson(text);
    ASSERT_THAT(parsed, IsOk()) << text;
    EXPECT_EQ(CanonicalJson(*parsed), golden);
  }
}

TEST(CanonicalJsonTest, DoesNotDependOnTheOrderOfInput) {
  EXPECT_EQ(CanonicalJson(*ParseJson(R"({"x":{"b":1,"a":2},"k":3})")),
            CanonicalJson(*ParseJson(R"({"k":3,"x":{"a":2,"b":1}})")));
}

TEST(PrettyJsonTest, IsReadBackAsTheSameValue) {
  const Json value{{"b", {1, 2}}, {"a", "\xc3\xa9"}};
  EXPECT_EQ(PrettyJson(value), "{\n  \"a\": \"\xc3\xa9\",\n  \"b\": [\n    1,\n    2\n  ]\n}\n");
  EXPECT_THAT(ParseJson(PrettyJson(value)), IsOkAndHolds(value));
}

class JsonObjectTest : public ::testing::Test {
 protected:
  JsonObjectTest()
      : document_{{"text", "x"},  {"number", 7},       {"negative", -1},
                  {"flag", true}, {"list", {1, 2, 3}}, {"inner", Json::object()}} {}
  JsonObject Object() {
    return *JsonObject::From(document_, "file.json", ErrorCode::kManifestMalformed);
  }
  Json document_;
};

TEST_F(JsonObjectTest, ReadsEachType) {
  EXPECT_THAT(Object().String("text"), IsOkAndHolds(std::string("x")));
  EXPECT_THAT(Object().Unsigned("number", 7), IsOkAndHolds(7U));
  EXPECT_THAT(Object().Integer("negative"), IsOkAndHolds(-1));
  EXPECT_THAT(Object().Boolean("flag"), IsOkAndHolds(true));
  EXPECT_THAT(Object().Array("list", 3), IsOk());
  EXPECT_EQ(Object().Object("inner")->where(), "file.json: inner");
}

TEST_F(JsonObjectTest, RefusesOtherTypesWithTheCallersCode) {
  EXPECT_THAT(Object().String("number"), IsError(ErrorCode::kManifestMalformed));
  EXPECT_THAT(Object().Integer("text"), IsError(ErrorCode::kManifestMalformed));
  EXPECT_THAT(Object().Unsigned("negative"), IsError(ErrorCode::kManifestMalformed));
  EXPECT_THAT(Object().Unsigned("number", 6), IsError(ErrorCode::kManifestMalformed));
  EXPECT_THAT(Object().Boolean("number"), IsError(ErrorCode::kManifestMalformed));
  EXPECT_THAT(Object().Object("list"), IsError(ErrorCode::kManifestMalformed));
  EXPECT_THAT(Object().Array("inner", 3), IsError(ErrorCode::kManifestMalformed));
  EXPECT_THAT(Object().Array("list", 2), IsError(ErrorCode::kManifestMalformed));
  EXPECT_THAT(Object().String("absent"), IsError(ErrorCode::kManifestMalformed));
  EXPECT_THAT(JsonObject::From(Json::array(), "f", ErrorCode::kOrderMalformed),
              IsError(ErrorCode::kOrderMalformed));
}

TEST_F(JsonObjectTest, ErrorNamesFileMemberAndWhatWasFound) {
  const auto found = Object().String("number");
  EXPECT_EQ(found.error().Message(), "file.json: expected a text as \"number\", found number");
}

}  // namespace
}  // namespace pawl
