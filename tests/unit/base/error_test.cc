// SPDX-License-Identifier: Apache-2.0
#include "base/error.h"

#include <fstream>
#include <map>
#include <set>

#include "base/result.h"
#include "tests/unit/base/holds.h"

namespace pawl {
namespace {

using testing::IsError;
using testing::IsOkAndHolds;

// Codes as they were promised to users: "E0101 usage" a line, in tests/unit/base/error_codes.txt.
std::map<std::string, std::string> Promised() {
  std::ifstream file(PAWL_SOURCE_DIR "/tests/unit/base/error_codes.txt");
  std::map<std::string, std::string> rows;
  std::string code;
  std::string slug;
  while (file >> code >> slug) rows.emplace(code, slug);
  return rows;
}

TEST(ErrorTableTest, PromisedCodesAreKeptAndNewOnesAreWrittenDown) {
  std::map<std::string, std::string> found;
  for (const ErrorInfo& row : AllErrors()) found.emplace(CodeName(row.code), row.slug);
  EXPECT_EQ(found, Promised())
      << "append new codes to tests/unit/base/error_codes.txt; never change a line";
}

TEST(ErrorTableTest, NumbersAndSlugsAreUniqueAndInOrder) {
  std::set<std::string_view> slugs;
  unsigned last = 0;
  for (const ErrorInfo& row : AllErrors()) {
    EXPECT_LT(last, std::to_underlying(row.code));
    last = std::to_underlying(row.code);
    EXPECT_TRUE(slugs.insert(row.slug).second) << row.slug;
    EXPECT_THAT(std::string(row.slug), ::testing::MatchesRegex("[a-z][a-z0-9-]*"));
  }
}

TEST(ErrorTableTest, EveryEnumeratorHasARow) {
  // The enumerators as the header spells them: "kUsage = 101,".
  std::ifstream header(PAWL_SOURCE_DIR "/base/error.h");
  std::set<unsigned> declared;
  bool inside = false;
  for (std::string line; std::getline(header, line);) {
    if (line.starts_with("enum class ErrorCode")) inside = true;
    if (inside && line.starts_with("}")) break;
    const std::size_t equals = line.find(" = ");
    if (inside && equals != std::string::npos)
      declared.insert(static_cast<unsigned>(std::stoul(line.substr(equals + 3))));
  }
  std::set<unsigned> rows;
  for (const ErrorInfo& row : AllErrors()) rows.insert(std::to_underlying(row.code));
  EXPECT_FALSE(declared.empty());
  EXPECT_EQ(rows, declared);
}

TEST(ErrorTableTest, EveryRowExplainsItself) {
  for (const ErrorInfo& row : AllErrors()) {
    EXPECT_GT(row.meaning.size(), 10U) << row.slug;
    EXPECT_TRUE(row.meaning.ends_with('.')) << row.slug;
    EXPECT_GT(row.hint.size(), 3U) << row.slug;
    EXPECT_FALSE(row.hint.ends_with('.')) << row.slug;
    EXPECT_EQ(row.meaning.find('|'), std::string_view::npos)
        << row.slug;  // it stands in a Markdown table
    EXPECT_FALSE(ClassName(ClassOf(row.code)).empty()) << row.slug;
    EXPECT_EQ(&Describe(row.code), &row);
  }
}

TEST(ErrorTableTest, IsFoundByEverySpelling) {
  for (const char* name : {"E0202", "e0202", "0202", "202", "signature-threshold"}) {
    const ErrorInfo* row = FindError(name);
    ASSERT_NE(row, nullptr) << name;
    EXPECT_EQ(row->code, ErrorCode::kSignatureThreshold);
  }
  for (const char* name : {"", "E", "E9999", "E02020", "signature", "E020x", "-202", "E-202"}) {
    EXPECT_EQ(FindError(name), nullptr) << name;
  }
}

TEST(ErrorTableTest, ExitStatusTellsTheClass) {
  EXPECT_EQ(ExitStatus(ErrorCode::kUsage), 2);
  EXPECT_EQ(ExitStatus(ErrorCode::kLockHeld), 75);
  EXPECT_EQ(ExitStatus(ErrorCode::kConfigInvalid), 11);
  EXPECT_EQ(ExitStatus(ErrorCode::kSignatureThreshold), 12);
  EXPECT_EQ(ExitStatus(ErrorCode::kFrameHashMismatch), 13);
  EXPECT_EQ(ExitStatus(ErrorCode::kNotFound), 14);
  EXPECT_EQ(ExitStatus(ErrorCode::kIo), 15);
  EXPECT_EQ(ExitStatus(ErrorCode::kTrialFailed), 16);
  EXPECT_EQ(ExitStatus(ErrorCode::kHeldBack), 17);
  EXPECT_EQ(ExitStatus(ErrorCode::kPassphraseWrong), 18);
  EXPECT_EQ(ExitStatus(ErrorCode::kInternal), 19);
}

TEST(ErrorTest, OutermostContextComesFirst) {
  const Error error =
      Error(ErrorCode::kIo, "found 512 bytes").Context("reading slot b").Context("measuring");
  EXPECT_EQ(error.Message(), "measuring: reading slot b: found 512 bytes");
  EXPECT_FALSE(error.retryable() != Describe(ErrorCode::kIo).retryable);
}

// docs/manifest-format.md, M-36. Names in messages come from whoever served a file; they end on terminals and in logs.
TEST(ErrorTest, MessagesCannotMoveACursorOrBeginALine) {
  const Error error = Error(ErrorCode::kIo, "role \x1b[2J\nFAKE\x7f\xc2\x9b").Context("a\tb");
  EXPECT_EQ(error.Message(), "a\\x09b: role \\x1b[2J\\x0aFAKE\\x7f\\x9b");
  EXPECT_EQ(Error(ErrorCode::kIo, "größer → 2 \xc2\xb5s").Message(), "größer → 2 \xc2\xb5s");
}

Result<int> Half(int value) {
  if (value % 2 != 0) return Fail(ErrorCode::kInputInvalid, "odd");
  return value / 2;
}
Result<int> Quarter(int value) {
  PAWL_ASSIGN_OR_RETURN(const int half, Half(value));
  PAWL_TRY(Half(half));
  return half / 2;
}

TEST(ResultTest, MacrosPassErrorsOnAndValuesThrough) {
  EXPECT_THAT(Quarter(8), IsOkAndHolds(2));
  EXPECT_THAT(Quarter(7), IsError(ErrorCode::kInputInvalid));
  EXPECT_THAT(Quarter(6), IsError(ErrorCode::kInputInvalid));
  EXPECT_EQ(FailIn("halving", Half(1).error()).error().Message(), "halving: odd");
}

}  // namespace
}  // namespace pawl
