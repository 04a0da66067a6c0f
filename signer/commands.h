// SPDX-License-Identifier: Apache-2.0
#pragma once

// The commands of pawl-signer. Each file of commands makes its part of the table.

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/command_line.h"
#include "base/result.h"
#include "base/time.h"
#include "delta/generate/generator.h"
#include "signer/drafts.h"
#include "signer/key_file.h"
#include "signer/key_source.h"
#include "signer/role_changes.h"
#include "signer/workspace.h"

namespace pawl::signer {

// `now`: read from the system clock once, by main.
ProgramInfo SignerProgram(UtcTime now);

std::vector<Command> KeyCommands();
std::vector<Command> CeremonyCommands(UtcTime now);  // init, sign, status, verify
std::vector<Command> RoleCommands(UtcTime now);      // root …, role …, product add
std::vector<Command> RecoverCommands(UtcTime now);   // recover …-key
std::vector<Command> BuildCommands(UtcTime now);     // build, delta, release
std::vector<Command> ContainerCommands();            // delta make, full, apply, show
std::vector<Command> AnyBaseCommands();              // delta index, any-base
std::vector<Command> RolloutCommands(UtcTime now);   // rollout set, order new
std::vector<Command> PublishCommands(UtcTime now);   // publish, refresh
std::vector<Command> BundleCommands(UtcTime now);    // bundle make, order answer
std::vector<Command> UpkeepCommands(UtcTime now);    // retire, prune
std::vector<Command> DoctorCommands(UtcTime now);    // repo doctor

// Declare() of base/command_line.h for actions that need the time of the run.
template <class Options>
std::function<Action(Arguments&)> DeclareAt(UtcTime now, void (*bind)(Arguments&, Options&),
                                            Result<Answer> (*run)(const Options&, UtcTime)) {
  return [now, bind, run](Arguments& arguments) -> Action {
    auto options =
        std::make_shared<Options>();  // shared by the parser and the returned action only
    bind(arguments, *options);
    return [now, options, run] { return run(*options, now); };
  };
}

// Options that several commands share.
struct RepoOptions {
  std::optional<std::string> repo;
};
void BindRepo(Arguments& arguments, RepoOptions& options);

struct KeyOptions {
  std::vector<std::string> keys;
  std::optional<std::uint64_t> passphrase_fd;
};
void BindKeys(Arguments& arguments, KeyOptions& options);

// What the --key options name: opened, asking for one passphrase or PIN each. ERRORS: as
// OpenSigningKey.
Result<std::vector<SigningKey>> OpenSigningKeys(const KeyOptions& options);

// A public key for programs.
Json KeyJson(const NamedKey& key);

// Asks on the terminal, unless `yes`. ERRORS: kConfirmationMissing for another answer than yes, and
// without a terminal.
Status Confirm(bool yes, const std::string& question);

// {"a,b", "c"} → {"a", "b", "c"}
std::vector<std::string> SplitCommas(const std::vector<std::string>& values);

// "512", "64M", "1GiB" → bytes. ERRORS: kUsage.
Result<std::uint64_t> ParseBytes(const std::string& text);

// ERRORS: kUsage.
Result<delta::Effort> ParseEffort(const std::string& text);

// "note: …" lines.
std::string NoteLines(const std::vector<std::string>& notes);

// What became of a draft and who acts next.
std::string DraftLines(const DraftChange& change);

// What a change of keys made, and who acts next.
Answer ChangeAnswer(const ChangeOutcome& outcome);

}  // namespace pawl::signer
