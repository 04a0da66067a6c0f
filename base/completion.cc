// SPDX-License-Identifier: Apache-2.0
#include "base/completion.h"

#include <algorithm>
#include <set>

#include "base/format.h"

namespace pawl {
namespace {

// Collects the option names that a command declares.
class OptionNames : public Arguments {
 public:
  void Flag(const std::string& name, bool&, const std::string&) override { Add(name); }
  void Option(const std::string& name, std::string&, const std::string&, bool) override { Add(name); }
  void Option(const std::string& name, std::optional<std::string>&, const std::string&) override { Add(name); }
  void Option(const std::string& name, std::uint64_t&, const std::string&, bool) override { Add(name); }
  void Option(const std::string& name, std::optional<std::uint64_t>&, const std::string&) override { Add(name); }
  void Option(const std::string& name, std::vector<std::string>&, const std::string&, bool) override { Add(name); }
  void Positional(const std::string&, std::string&, const std::string&, bool) override {}
  void Positional(const std::string&, std::vector<std::string>&, const std::string&, bool) override {}

  std::string Words() const {
    std::string out = "--help --json --progress --quiet --verbose";
    for (const std::string& name : names_) out += " " + name;
    return out;
  }

 private:
  void Add(const std::string& names) {
    const std::size_t longest = names.find("--");
    if (longest != std::string::npos) names_.insert(names.substr(longest));
  }
  std::set<std::string> names_;
};

std::string BashScript(const ProgramInfo& program) {
  std::string function = "_" + program.name;
  std::ranges::replace(function, '-', '_');
  std::set<std::string> first;
  std::string cases;
  std::string seconds;
  for (const Command& command : program.commands) {
    const std::size_t space = command.name.find(' ');
    first.insert(command.name.substr(0, space));
    OptionNames options;
    command.declare(options);
    cases += Format("    \"{}\") words=\"{}\" ;;\n", command.name, options.Words());
    if (space != std::string::npos) {
      seconds += Format("    \"{}\") words+=\" {}\" ;;\n", command.name.substr(0, space), command.name.substr(space + 1));
    }
  }
  std::string firsts;
  for (const std::string& word : first) firsts += (firsts.empty() ? "" : " ") + word;
  return Format(
      "{0}() {{\n"
      "  local current=\"${{COMP_WORDS[COMP_CWORD]}}\" words=\"\" one=\"${{COMP_WORDS[1]}}\" two=\"${{COMP_WORDS[1]}} ${{COMP_WORDS[2]}}\"\n"
      "  if [ \"$COMP_CWORD\" -le 1 ]; then\n    words=\"{1}\"\n  else\n"
      "  case \"$one\" in\n{2}  esac\n"
      "  case \"$two\" in\n{2}  esac\n"
      "  if [ \"$COMP_CWORD\" = 2 ]; then\n  case \"$one\" in\n    :) ;;\n{3}  esac\n  fi\n  fi\n"
      "  if [[ \"$current\" == -* || \"$COMP_CWORD\" -le 2 ]]; then COMPREPLY=($(compgen -W \"$words\" -- \"$current\")); fi\n"
      "  if [ ${{#COMPREPLY[@]}} = 0 ]; then COMPREPLY=($(compgen -f -- \"$current\")); fi\n"
      "}}\ncomplete -F {0} {4}\n",
      function, firsts, cases, seconds, program.name);
}

}  // namespace

Result<std::string> CompletionScript(const ProgramInfo& program, const std::string& shell) {
  if (shell == "bash") return BashScript(program);
  if (shell == "zsh") return "autoload -U +X bashcompinit && bashcompinit\n" + BashScript(program);
  return Fail(ErrorCode::kUsage, Format("expected bash or zsh, found '{}'", shell));
}

}  // namespace pawl
