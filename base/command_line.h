// SPDX-License-Identifier: Apache-2.0
#pragma once

// One table of commands gives dispatch, help, completion and the checks of the documentation. All three programs use it.
//
// stdout carries the answer, stderr everything else. With --json the answer is one object with a "schema" member, also on failure
// ("pawl.error/1"). Exit status: 0 done, 2 wrong usage, else 10 + error class; 75 when another run holds the lock.

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "base/secret.h"

namespace pawl {

// What a command says when it has worked.
struct Answer {
  std::string text;        // for people; ends with a newline unless empty
  Json json;               // for programs; an object with a "schema" member
  int exit_status = 0;     // other than 0 only for documented answers (`check --exit-code`)
};

// Declares the options of one command and holds the places where their values go. Wraps the parser library.
class Arguments {
 public:
  virtual ~Arguments() = default;
  // `name` as "--out" or "-o,--out". The referenced variables must outlive parsing.
  virtual void Flag(const std::string& name, bool& value, const std::string& help) = 0;
  virtual void Option(const std::string& name, std::string& value, const std::string& help, bool required = false) = 0;
  virtual void Option(const std::string& name, std::optional<std::string>& value, const std::string& help) = 0;
  virtual void Option(const std::string& name, std::uint64_t& value, const std::string& help, bool required = false) = 0;
  virtual void Option(const std::string& name, std::optional<std::uint64_t>& value, const std::string& help) = 0;
  // May be given several times.
  virtual void Option(const std::string& name, std::vector<std::string>& values, const std::string& help,
                      bool required = false) = 0;
  // Positional words, in the order of declaration; `name` in capitals, as shown in help.
  virtual void Positional(const std::string& name, std::string& value, const std::string& help, bool required = true) = 0;
  virtual void Positional(const std::string& name, std::vector<std::string>& values, const std::string& help,
                          bool required = true) = 0;
};

using Action = std::function<Result<Answer>()>;

struct Command {
  std::string name;     // one or two words: "status", "key new"
  std::string args;     // "--key FILE RELEASE", for the usage line
  std::string summary;  // one line, at most 60 characters, no full stop
  std::string example;  // a command line that works, without "$ "
  // Declares the options and returns what to do once they are parsed. The closure owns the variables (a shared_ptr to a struct).
  std::function<Action(Arguments&)> declare;
};

struct ProgramInfo {
  std::string name;      // "pawl-agent"
  std::string sentence;  // what it is for
  std::vector<Command> commands;
  std::string default_command;  // run when no word is given ("status"); empty: print help
};

// Parses, dispatches, prints, returns the exit status. Adds to every program: help, --help, --version, --json, --progress, -v/-q,
// `explain CODE`, `completion bash|zsh`.
int RunProgram(const ProgramInfo& program, int argc, const char* const* argv);

// The version of this build, from the one line in CMakeLists.txt.
std::string_view PawlVersion();

// Helper for the usual shape of Command::declare: Options is default-constructible; `bind(arguments, options)` declares,
// `run(options)` acts.
template <class Options>
std::function<Action(Arguments&)> Declare(void (*bind)(Arguments&, Options&), Result<Answer> (*run)(const Options&)) {
  return [bind, run](Arguments& arguments) -> Action {
    auto options = std::make_shared<Options>();  // shared by the parser's callbacks and the returned action only
    bind(arguments, *options);
    return [options, run] { return run(*options); };
  };
}

// A passphrase, from the terminal without echo, or one line from an inherited descriptor (--passphrase-fd N). Never argv, never environment.
// ERRORS: kPassphraseMissing; kInputInvalid for more than 1024 bytes.
Result<SecretBuffer> ReadPassphrase(std::optional<std::uint64_t> descriptor, std::string_view prompt);

}  // namespace pawl
