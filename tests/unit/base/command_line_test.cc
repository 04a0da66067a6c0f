// SPDX-License-Identifier: Apache-2.0
#include "base/command_line.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/completion.h"
#include "tests/unit/base/holds.h"

namespace pawl {
namespace {

using ::testing::HasSubstr;
using testing::IsError;
using testing::IsOk;
using testing::IsOkAndHolds;
using ::testing::StartsWith;

struct GreetOptions {
  std::string name;
  std::uint64_t times = 1;
  std::vector<std::string> keys;
  bool fail = false;
  bool answer_ten = false;
};

void BindGreet(Arguments& arguments, GreetOptions& options) {
  arguments.Positional("NAME", options.name, "whom");
  arguments.Option("--times", options.times, "how often");
  arguments.Option("--key", options.keys, "a key");
  arguments.Flag("--fail", options.fail, "fail");
  arguments.Flag("--ten", options.answer_ten, "exit with 10");
}

Result<Answer> Greet(const GreetOptions& options) {
  if (options.fail) return Fail(ErrorCode::kHeldBack, "build 7 is held");
  Answer answer;
  for (std::uint64_t i = 0; i < options.times; ++i) answer.text += "hello " + options.name + "\n";
  answer.json = Json{{"schema", "test.greet/1"}, {"name", options.name}, {"keys", options.keys}};
  answer.exit_status = options.answer_ten ? 10 : 0;
  return answer;
}

struct NoOptions {};
void BindNothing(Arguments&, NoOptions&) {}
Result<Answer> SayStatus(const NoOptions&) {
  return Answer{"all well\n", Json{{"schema", "test.status/1"}}};
}
Result<Answer> MakeKey(const NoOptions&) {
  return Answer{"made\n", Json{{"schema", "test.key/1"}}};
}

ProgramInfo Program() {
  return {"pawl-test",
          "a program for tests",
          {{"status", "", "say how it is", "pawl-test status",
            Declare<NoOptions>(BindNothing, SayStatus)},
           {"greet", "NAME", "greet somebody", "pawl-test greet you",
            Declare<GreetOptions>(BindGreet, Greet)},
           {"key new", "", "make a key", "pawl-test key new",
            Declare<NoOptions>(BindNothing, MakeKey)}},
          "status"};
}

struct Outcome {
  int exit_status;
  std::string out;
  std::string err;
  Json json() const { return ParseJson(out).value_or(Json()); }
};

Outcome RunWith(std::vector<const char*> words) {
  words.insert(words.begin(), "pawl-test");
  ::testing::internal::CaptureStdout();
  ::testing::internal::CaptureStderr();
  const int exit_status = RunProgram(Program(), static_cast<int>(words.size()), words.data());
  std::string out = ::testing::internal::GetCapturedStdout();
  return {exit_status, std::move(out), ::testing::internal::GetCapturedStderr()};
}

TEST(CommandLineTest, DispatchesOneAndTwoWords) {
  EXPECT_EQ(RunWith({"greet", "you", "--times", "2"}).out, "hello you\nhello you\n");
  EXPECT_EQ(RunWith({"key", "new"}).out, "made\n");
}

TEST(CommandLineTest, SummariesKeepTheirColumnBesideLongNames) {
  ProgramInfo program = Program();
  program.commands.push_back({"recover timestamp-key", "", "make a recovery",
                              "pawl-test recover timestamp-key",
                              Declare<NoOptions>(BindNothing, MakeKey)});
  const char* const words[] = {"pawl-test", "--help"};
  ::testing::internal::CaptureStdout();
  EXPECT_EQ(RunProgram(program, 2, words), 0);
  const std::string text = ::testing::internal::GetCapturedStdout();
  EXPECT_THAT(text, HasSubstr("\n  recover timestamp-key  make a recovery\n"));
  EXPECT_THAT(text, HasSubstr("\n  key new                make a key\n"));
}

TEST(CommandLineTest, RunsTheDefaultCommandWithoutAWord) {
  EXPECT_EQ(RunWith({}).out, "all well\n");
  EXPECT_EQ(RunWith({"--json"}).json()["schema"], "test.status/1");
}

TEST(CommandLineTest, JsonAnswersAreOneObjectWithASchema) {
  const Outcome outcome = RunWith({"greet", "you", "--json", "--key", "a", "--key", "b"});
  EXPECT_EQ(outcome.exit_status, 0);
  EXPECT_EQ(outcome.err, "");
  EXPECT_EQ(outcome.json(),
            (Json{{"schema", "test.greet/1"}, {"name", "you"}, {"keys", {"a", "b"}}}));
}

TEST(CommandLineTest, AnswersMayHaveAnExitStatus) {
  EXPECT_EQ(RunWith({"greet", "you", "--ten"}).exit_status, 10);
}

TEST(CommandLineTest, ErrorsNameCodeHintAndMore) {
  const Outcome outcome = RunWith({"greet", "you", "--fail"});
  EXPECT_EQ(outcome.exit_status, 17);
  EXPECT_EQ(outcome.out, "");
  EXPECT_THAT(outcome.err,
              StartsWith("pawl-test: error: E0705 held-back: build 7 is held\npawl-test: hint: "));
  EXPECT_THAT(outcome.err, HasSubstr("pawl-test explain E0705"));
}

TEST(CommandLineTest, JsonErrorsHaveTheirShape) {
  const Outcome outcome = RunWith({"greet", "you", "--fail", "--json"});
  const Json error = outcome.json();
  EXPECT_EQ(error["schema"], "pawl.error/1");
  EXPECT_EQ(error["code"], "E0705");
  EXPECT_EQ(error["slug"], "held-back");
  EXPECT_EQ(error["class"], "policy");
  EXPECT_EQ(error["message"], "build 7 is held");
  EXPECT_EQ(error["retryable"], false);
  EXPECT_TRUE(error["hint"].is_string());
  EXPECT_EQ(error.size(), 7U);
}

TEST(CommandLineTest, UnknownCommandSuggestsTheNearest) {
  const Outcome outcome = RunWith({"grete"});
  EXPECT_EQ(outcome.exit_status, 2);
  EXPECT_THAT(outcome.err, HasSubstr("did you mean 'greet'?"));
  EXPECT_THAT(RunWith({"entirely-else"}).err, ::testing::Not(HasSubstr("did you mean")));
}

TEST(CommandLineTest, WrongUsageIsTwoAlsoInJson) {
  for (const std::vector<const char*>& words :
       std::vector<std::vector<const char*>>{{"greet"},
                                             {"greet", "a", "b"},
                                             {"greet", "a", "--no-such"},
                                             {"greet", "a", "--times", "x"},
                                             {"greet", "a", "--times", "-1"},
                                             {"greet", "a", "--progress", "loud"},
                                             {"status", "extra"},
                                             {"--no-such"}}) {
    const Outcome outcome = RunWith(words);
    EXPECT_EQ(outcome.exit_status, 2) << words.back();
    EXPECT_THAT(outcome.err, HasSubstr("E0101 usage")) << words.back();
    EXPECT_EQ(outcome.out, "") << words.back();
  }
  EXPECT_EQ(RunWith({"greet", "--json"}).json()["code"], "E0101");
  EXPECT_EQ(RunWith({"no-such-command", "--json"}).json()["code"], "E0101");
}

TEST(CommandLineTest, NumbersAreDecimalDigits) {
  EXPECT_EQ(RunWith({"greet", "you", "--times", "02"}).out, "hello you\nhello you\n");
  for (const char* number : {"-1", "+1", "0x1", "1.0", "1e1", "", " 1", "18446744073709551616"}) {
    EXPECT_EQ(RunWith({"greet", "you", "--times", number}).exit_status, 2) << number;
  }
}

TEST(CommandLineTest, HelpNamesEveryCommandOnStdout) {
  for (const char* word : {"--help", "-h", "help"}) {
    const Outcome outcome = RunWith({word});
    EXPECT_EQ(outcome.exit_status, 0);
    for (const char* name : {"status", "greet", "key new", "explain", "completion"}) {
      EXPECT_THAT(outcome.out, HasSubstr(name)) << word;
    }
  }
  const Outcome outcome = RunWith({"greet", "--help"});
  EXPECT_EQ(outcome.exit_status, 0);
  EXPECT_THAT(outcome.out, HasSubstr("pawl-test greet you"));
  EXPECT_THAT(outcome.out, HasSubstr("--times"));
}

TEST(CommandLineTest, VersionIsOneLine) {
  EXPECT_EQ(RunWith({"--version"}).out, "pawl-test " + std::string(PawlVersion()) + "\n");
}

TEST(CommandLineTest, ExplainKnowsCodesAndNames) {
  EXPECT_THAT(RunWith({"explain", "E0202"}).out, HasSubstr("signature-threshold"));
  EXPECT_EQ(RunWith({"explain", "signature-threshold", "--json"}).json()["code"], "E0202");
  EXPECT_EQ(RunWith({"explain", "E9999"}).exit_status, 11);
  EXPECT_EQ(RunWith({"explain"}).exit_status, 2);
  const Outcome all = RunWith({"explain", "--all", "--json"});
  EXPECT_EQ(all.json()["errors"].size(), AllErrors().size());
}

TEST(CompletionTest, MentionsEveryCommandAndOption) {
  for (const char* shell : {"bash", "zsh"}) {
    const auto script = CompletionScript(Program(), shell);
    ASSERT_THAT(script, IsOk());
    for (const char* word : {"status", "greet", "key", "new", "--times", "--key", "--json"}) {
      EXPECT_THAT(*script, HasSubstr(word)) << shell;
    }
  }
  EXPECT_THAT(RunWith({"completion", "bash"}).out, HasSubstr("explain"));
  EXPECT_THAT(CompletionScript(Program(), "fish"), IsError(ErrorCode::kUsage));
}

class PassphraseTest : public ::testing::Test {
 protected:
  PassphraseTest() { EXPECT_EQ(pipe2(ends_, O_CLOEXEC), 0); }
  ~PassphraseTest() override {
    CloseWriter();
    close(ends_[0]);
  }
  void Write(const std::string& text) {
    EXPECT_EQ(write(ends_[1], text.data(), text.size()), static_cast<ssize_t>(text.size()));
  }
  void CloseWriter() {
    if (ends_[1] >= 0) close(ends_[1]);
    ends_[1] = -1;
  }
  Result<std::string> Read() {
    PAWL_ASSIGN_OR_RETURN(const SecretBuffer line,
                          ReadPassphrase(static_cast<std::uint64_t>(ends_[0]), "key"));
    return std::string(AsText(line.view()));
  }
  int ends_[2];
};

TEST_F(PassphraseTest, IsOneLineAndLeavesTheNext) {
  Write("first\nsecond\nwithout newline");
  CloseWriter();
  EXPECT_THAT(Read(), IsOkAndHolds(std::string("first")));
  EXPECT_THAT(Read(), IsOkAndHolds(std::string("second")));
  EXPECT_THAT(Read(), IsOkAndHolds(std::string("without newline")));
  EXPECT_THAT(Read(), IsError(ErrorCode::kPassphraseMissing));
}

TEST_F(PassphraseTest, MayBeLongButIsNeverCutShort) {
  Write(std::string(1024, 'x') + "\n" + std::string(1025, 'y') + "\n");
  CloseWriter();
  EXPECT_THAT(Read(), IsOkAndHolds(std::string(1024, 'x')));
  EXPECT_THAT(Read(), IsError(ErrorCode::kInputInvalid));
}

TEST_F(PassphraseTest, EmptyLineOrClosedDescriptorIsMissing) {
  Write("\n");
  EXPECT_THAT(Read(), IsError(ErrorCode::kPassphraseMissing));
  EXPECT_THAT(ReadPassphrase(UINT64_MAX, "key"), IsError(ErrorCode::kPassphraseMissing));
}

}  // namespace
}  // namespace pawl
