// SPDX-License-Identifier: Apache-2.0
#include "base/command_line.h"

#include <termios.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <iostream>

#include "base/completion.h"
#include "base/format.h"
#include "base/log.h"
#include "base/progress.h"

namespace pawl {
namespace {

// Adapts our declarations to the parser library, so that it is named in this file only.
class CliArguments : public Arguments {
 public:
  explicit CliArguments(CLI::App& app) : app_(app) {}
  void Flag(const std::string& name, bool& value, const std::string& help) override { app_.add_flag(name, value, help); }
  void Option(const std::string& name, std::string& value, const std::string& help, bool required) override {
    Require(app_.add_option(name, value, help), required);
  }
  void Option(const std::string& name, std::optional<std::string>& value, const std::string& help) override {
    app_.add_option_function<std::string>(name, [&value](const std::string& given) { value = given; }, help);
  }
  void Option(const std::string& name, std::uint64_t& value, const std::string& help, bool required) override {
    Require(Number(name, [&value](std::uint64_t given) { value = given; }, help), required);
  }
  void Option(const std::string& name, std::optional<std::uint64_t>& value, const std::string& help) override {
    Number(name, [&value](std::uint64_t given) { value = given; }, help);
  }
  void Option(const std::string& name, std::vector<std::string>& values, const std::string& help, bool required) override {
    // One value per occurrence: "--key a --key b", so that positional words after it are not swallowed.
    Require(app_.add_option(name, values, help)->expected(1)->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
                ->allow_extra_args(false),
            required);
  }
  void Positional(const std::string& name, std::string& value, const std::string& help, bool required) override {
    Require(app_.add_option(name, value, help), required);
  }
  void Positional(const std::string& name, std::vector<std::string>& values, const std::string& help,
                  bool required) override {
    Require(app_.add_option(name, values, help), required);
  }

 private:
  // The parser library would take "-1" for 2^64-1 and "010" for 8; here a number is its decimal digits.
  CLI::Option* Number(const std::string& name, const std::function<void(std::uint64_t)>& take, const std::string& help) {
    const auto use = [take](const std::string& text) {
      if (const auto number = ParseNumber(text)) take(*number);
    };
    return app_.add_option_function<std::string>(name, use, help)->type_name("NUMBER")->check([](const std::string& text) {
      return ParseNumber(text) ? std::string() : Format("expected a number as 0, 1, 2 …, found '{}'", text);
    });
  }
  static std::optional<std::uint64_t> ParseNumber(std::string_view text) {
    std::uint64_t number = 0;
    const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (failure != std::errc() || end != text.data() + text.size()) return std::nullopt;
    return number;
  }
  static void Require(CLI::Option* option, bool required) {
    if (required) option->required();
  }
  CLI::App& app_;
};

struct Common {
  bool json = false;
  bool verbose = false;
  bool quiet = false;
  std::string progress = "auto";
};

void DeclareCommon(CLI::App& app, Common& common) {
  app.add_flag("--json", common.json, "print the answer as one JSON object");
  app.add_flag("-v,--verbose", common.verbose, "log what is being done");
  app.add_flag("-q,--quiet", common.quiet, "log errors only");
  app.add_option("--progress", common.progress, "auto, none or json")->check(CLI::IsMember({"auto", "none", "json"}));
}

void Apply(const Common& common) {
  if (common.verbose) SetLogLevel(LogLevel::kInfo);
  if (common.quiet) SetLogLevel(LogLevel::kError);
  if (common.progress == "none" || common.quiet) SetProgressMode(ProgressMode::kNone);
  if (common.progress == "json") SetProgressMode(ProgressMode::kJson);
}

void Print(const std::string& text) {
  std::fputs(text.c_str(), stdout);
  std::fflush(stdout);
}

int PrintError(const std::string& program, const Error& error, bool json) {
  const ErrorInfo& info = Describe(error.code());
  if (json) {
    Print(PrettyJson(Json{{"schema", "pawl.error/1"}, {"code", CodeName(error.code())}, {"slug", info.slug},
                          {"class", ClassName(ClassOf(error.code()))}, {"message", error.Message()},
                          {"retryable", info.retryable}, {"hint", info.hint}}));
  }
  std::cerr << program << ": error: " << CodeName(error.code()) << ' ' << info.slug << ": " << error.Message() << '\n'
            << program << ": hint: " << info.hint << '\n'
            << program << ": more: " << program << " explain " << CodeName(error.code()) << '\n';
  return ExitStatus(error.code());
}

Result<Answer> Explain(const std::string& name) {
  const ErrorInfo* row = FindError(name);
  if (row == nullptr) {
    return Fail(ErrorCode::kUnknownName, Format("'{}' is no error code; they look like E0202 or signature-threshold", name));
  }
  Answer answer;
  answer.text = Format("{} {}  ({}{})\n\n{}\n\nWhat to do: {}.\nExit status: {}\n", CodeName(row->code), row->slug,
                       ClassName(ClassOf(row->code)), row->retryable ? ", may pass by itself" : "", row->meaning, row->hint,
                       ExitStatus(row->code));
  answer.json = Json{{"schema", "pawl.explain/1"}, {"code", CodeName(row->code)}, {"slug", row->slug},
                     {"class", ClassName(ClassOf(row->code))}, {"meaning", row->meaning}, {"hint", row->hint},
                     {"retryable", row->retryable}, {"exit_status", ExitStatus(row->code)}};
  return answer;
}


// The documentation of all codes, as docs/errors.md holds it.
Result<Answer> ExplainAll() {
  Answer answer;
  answer.text = "# Errors\n\nGenerated by `pawl-agent explain --all`; the same table answers `explain CODE` in every program.\n";
  Json rows = Json::array();
  ErrorClass last{};
  for (const ErrorInfo& row : AllErrors()) {
    if (const ErrorClass here = ClassOf(row.code); here != last) {
      last = here;
      answer.text += Format("\n## {} (exit status {})\n\n| code | name | meaning | what to do | passes by itself |\n|---|---|---|---|---|\n",
                            ClassName(here), 10 + static_cast<int>(std::to_underlying(here)));
    }
    answer.text += Format("| {} | {} | {} | {} | {} |\n", CodeName(row.code), row.slug, row.meaning, row.hint,
                          row.retryable ? "may" : "no");
    rows.push_back(Json{{"code", CodeName(row.code)}, {"slug", row.slug}});
  }
  answer.text += "\nExit status 2 is wrong usage (E0101), 75 a held lock (E0109).\n";
  answer.json = Json{{"schema", "pawl.errors/1"}, {"errors", rows}};
  return answer;
}

Command ExplainCommand(const std::string& program) {
  struct Options {
    std::string code;
    bool all = false;
  };
  return {"explain", "CODE", "say what an error code means and what to do", program + " explain E0203",
          Declare<Options>(
              [](Arguments& arguments, Options& options) {
                arguments.Positional("CODE", options.code, "a code or name, as E0203 or metadata-expired", false);
                arguments.Flag("--all", options.all, "all codes, as a Markdown page");
              },
              [](const Options& options) -> Result<Answer> {
                if (options.all) return ExplainAll();
                if (options.code.empty()) return Fail(ErrorCode::kUsage, "expected an error code, as in: explain E0203");
                return Explain(options.code);
              })};
}

Command CompletionCommand(const ProgramInfo& program) {
  return {"completion", "bash|zsh", "print the completion script for a shell", program.name + " completion bash",
          [&program](Arguments& arguments) -> Action {
            auto shell = std::make_shared<std::string>();
            arguments.Positional("SHELL", *shell, "bash or zsh");
            return [&program, shell]() -> Result<Answer> {
              PAWL_ASSIGN_OR_RETURN(const std::string script, CompletionScript(program, *shell));
              return Answer{script, Json{{"schema", "pawl.completion/1"}, {"script", script}}};
            };
          }};
}

std::string OverviewText(const ProgramInfo& program) {
  std::string out = Format("{} – {}\n\nUsage: {} COMMAND [OPTIONS]\n\nCommands:\n", program.name, program.sentence, program.name);
  std::size_t width = 15;
  for (const Command& command : program.commands) width = std::max(width, command.name.size());
  for (const Command& command : program.commands) {
    out += Format("  {:<{}}  {}{}\n", command.name, width, command.summary,
                  command.name == program.default_command ? " (default)" : "");
  }
  out += Format("\nEvery command knows --help, --json, --progress=auto|none|json, -v and -q.\nVersion {}\n", PawlVersion());
  return out;
}

// Words of the nearest command names, for "did you mean".
std::string Nearest(const ProgramInfo& program, const std::string& word) {
  const auto distance = [](std::string_view a, std::string_view b) {
    std::vector<std::size_t> row(b.size() + 1);
    for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
    for (std::size_t i = 1; i <= a.size(); ++i) {
      std::size_t diagonal = row[0];
      row[0] = i;
      for (std::size_t j = 1; j <= b.size(); ++j) {
        const std::size_t above = row[j];
        row[j] = std::min({row[j] + 1, row[j - 1] + 1, diagonal + (a[i - 1] == b[j - 1] ? 0U : 1U)});
        diagonal = above;
      }
    }
    return row.back();
  };
  const Command* best = nullptr;
  std::size_t best_distance = 4;  // further away is not a typing mistake
  for (const Command& command : program.commands) {
    const std::size_t d = std::min(distance(word, command.name), distance(word, command.name.substr(0, command.name.find(' '))));
    if (d < best_distance) {
      best_distance = d;
      best = &command;
    }
  }
  return best == nullptr ? "" : Format(", did you mean '{}'?", best->name);
}

struct Match {
  const Command* command = nullptr;
  std::size_t words = 0;
};

Match FindCommand(const ProgramInfo& program, const std::vector<std::string>& words) {
  for (std::size_t count : {std::size_t{2}, std::size_t{1}}) {
    if (words.size() < count) continue;
    const std::string name = count == 2 ? words[0] + " " + words[1] : words[0];
    for (const Command& command : program.commands) {
      if (command.name == name) return {&command, count};
    }
  }
  return {};
}

int RunCommand(const ProgramInfo& program, const Command& command, std::vector<std::string> words) {
  CLI::App app(command.summary, program.name + " " + command.name);
  app.footer("\nExample:\n  " + command.example);
  Common common;
  DeclareCommon(app, common);
  CliArguments arguments(app);
  const Action action = command.declare(arguments);
  // Known before parsing, so that a usage error is JSON too.
  const bool json = std::ranges::find(words, "--json") != words.end();
  try {
    std::ranges::reverse(words);  // the parser library takes them from the back
    app.parse(words);
  } catch (const CLI::CallForHelp&) {
    Print(app.help());
    return 0;
  } catch (const CLI::ParseError& why) {
    return PrintError(program.name, Error(ErrorCode::kUsage, Format("{}: {}", command.name, why.what())), json);
  }
  Apply(common);
  auto answer = action();
  if (!answer) return PrintError(program.name, answer.error(), json);
  Print(json ? PrettyJson(answer->json) : answer->text);
  return answer->exit_status;
}

}  // namespace

std::string_view PawlVersion() { return PAWL_VERSION; }

int RunProgram(const ProgramInfo& given, int argc, const char* const* argv) {
  ProgramInfo program = given;
  program.commands.push_back(ExplainCommand(program.name));
  program.commands.push_back(CompletionCommand(program));
  std::vector<std::string> words(argv + 1, argv + argc);
  if (words.size() == 1 && words[0] == "--version") {
    Print(Format("{} {}\n", program.name, PawlVersion()));
    return 0;
  }
  if (!words.empty() && (words[0] == "--help" || words[0] == "-h" || words[0] == "help")) {
    Print(OverviewText(program));
    return 0;
  }
  Match match = FindCommand(program, words);
  const bool no_word = words.empty() || words[0].starts_with('-');
  if (match.command == nullptr && no_word && !program.default_command.empty()) {
    match = {FindCommand(program, {program.default_command}).command, 0};
  }
  if (match.command == nullptr && words.empty()) {
    Print(OverviewText(program));
    return 0;
  }
  if (match.command == nullptr) {
    return PrintError(program.name,
                      Error(ErrorCode::kUsage, Format("unknown command '{}'{}", words[0], Nearest(program, words[0]))),
                      std::ranges::find(words, "--json") != words.end());
  }
  words.erase(words.begin(), words.begin() + static_cast<std::ptrdiff_t>(match.words));
  return RunCommand(program, *match.command, std::move(words));
}

Result<SecretBuffer> ReadPassphrase(std::optional<std::uint64_t> descriptor, std::string_view prompt) {
  constexpr std::size_t kMaxPassphraseBytes = 1024;
  const int fd = descriptor ? static_cast<int>(std::min<std::uint64_t>(*descriptor, 1U << 20U)) : STDIN_FILENO;
  if (!descriptor && isatty(fd) != 1) {
    return Fail(ErrorCode::kPassphraseMissing, Format("{}: there is no terminal to ask on", prompt));
  }
  termios saved{};
  if (!descriptor) {
    std::cerr << prompt << ": " << std::flush;
    tcgetattr(fd, &saved);
    termios silent = saved;
    silent.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    tcsetattr(fd, TCSAFLUSH, &silent);
  }
  SecretBuffer line(kMaxPassphraseBytes);
  std::size_t length = 0;
  ssize_t got = 0;
  std::uint8_t byte = 0;
  bool too_long = false;
  // Byte by byte: what follows the line belongs to the next passphrase.
  while ((got = read(fd, &byte, 1)) == 1 || (got < 0 && errno == EINTR)) {
    if (got < 0) continue;
    if (byte == '\n') break;
    too_long = length == kMaxPassphraseBytes;
    if (too_long) break;
    line.span()[length++] = byte;
  }
  byte = 0;
  if (!descriptor) {
    tcsetattr(fd, TCSAFLUSH, &saved);
    std::cerr << '\n';
  }
  if (too_long) {  // a part of it would be another passphrase
    return Fail(ErrorCode::kInputInvalid, Format("{}: expected at most {} bytes in one line, found more", prompt, kMaxPassphraseBytes));
  }
  if (length == 0) {
    return Fail(ErrorCode::kPassphraseMissing, Format("{}: expected one line, found nothing", prompt));
  }
  SecretBuffer passphrase(length);
  std::ranges::copy(line.view().first(length), passphrase.span().data());
  return passphrase;
}

}  // namespace pawl
