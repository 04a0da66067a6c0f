// SPDX-License-Identifier: Apache-2.0
#include "signer/commands.h"

#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <iostream>

#include "base/format.h"

namespace pawl::signer {

ProgramInfo SignerProgram(UtcTime now) {
  ProgramInfo program{
      "pawl-signer", "builds, signs and publishes releases, rollouts and orders", {}, "status"};
  for (auto& part :
       {CeremonyCommands(now), KeyCommands(), BuildCommands(now), RolloutCommands(now),
        PublishCommands(now), RoleCommands(now), RecoverCommands(now), UpkeepCommands(now),
        DoctorCommands(now), BundleCommands(now), ContainerCommands(), AnyBaseCommands()}) {
    program.commands.insert(program.commands.end(), part.begin(), part.end());
  }
  return program;
}

void BindRepo(Arguments& arguments, RepoOptions& options) {
  arguments.Option("--repo", options.repo,
                   "the repository's folder (else found upwards from here)");
}

void BindKeys(Arguments& arguments, KeyOptions& options) {
  arguments.Option("--key", options.keys,
                   "key file, or pkcs11: URI of a key in a token; may be given again",
                   /*required=*/true);
  arguments.Option("--passphrase-fd", options.passphrase_fd,
                   "read passphrases from this descriptor, one line for each key");
}

Result<std::vector<SigningKey>> OpenSigningKeys(const KeyOptions& options) {
  std::vector<SigningKey> keys;
  for (const std::string& key : options.keys) {
    PAWL_ASSIGN_OR_RETURN(SigningKey opened, OpenSigningKey(key, options.passphrase_fd));
    keys.push_back(std::move(opened));
  }
  return keys;
}

Json KeyJson(const NamedKey& key) {
  return Json{
      {"schema", "pawl.key-info/1"}, {"name", key.name}, {"keyid", key.keyid}, {"key", key.tuf}};
}

Status Confirm(bool yes, const std::string& question) {
  if (yes) return {};
  if (isatty(STDIN_FILENO) != 1) {
    return Fail(ErrorCode::kConfirmationMissing,
                Format("{} There is no terminal to ask on; add -y", question));
  }
  std::cerr << question << " [y/N] " << std::flush;
  std::string answer;
  std::getline(std::cin, answer);
  if (answer == "y" || answer == "yes") return {};
  return Fail(ErrorCode::kConfirmationMissing, "not confirmed; nothing was changed");
}

std::vector<std::string> SplitCommas(const std::vector<std::string>& values) {
  std::vector<std::string> out;
  for (const std::string& value : values) {
    std::string_view rest = value;
    while (true) {
      const std::size_t comma = rest.find(',');
      out.emplace_back(rest.substr(0, comma));
      if (comma == std::string_view::npos) break;
      rest.remove_prefix(comma + 1);
    }
  }
  return out;
}

Result<std::uint64_t> ParseBytes(const std::string& text) {
  std::uint64_t number = 0;
  const char* end = text.data() + text.size();
  const auto [rest, failure] = std::from_chars(text.data(), end, number);
  const std::string_view unit(rest, static_cast<std::size_t>(end - rest));
  unsigned shift = 64;
  if (unit.empty()) shift = 0;
  if (unit == "K" || unit == "KiB") shift = 10;
  if (unit == "M" || unit == "MiB") shift = 20;
  if (unit == "G" || unit == "GiB") shift = 30;
  if (failure != std::errc() || shift > 30 || number > (UINT64_MAX >> shift)) {
    return Fail(ErrorCode::kUsage, Format("expected a size as 512M or 1GiB, found '{}'", text));
  }
  return number << shift;
}

Result<delta::Effort> ParseEffort(const std::string& text) {
  if (text == "fast") return delta::Effort::kFast;
  if (text == "best") return delta::Effort::kBest;
  return Fail(ErrorCode::kUsage, Format("expected --effort fast or best, found '{}'", text));
}

std::string DraftLines(const DraftChange& change) {
  std::string out;
  if (!change.voided.empty()) {
    out += Format("note: the draft changed, so the signatures of {} are void\n",
                  JoinNames(change.voided, " and "));
  }
  return out + NoteLines(change.notes) +
         Format(
             "next: {} by {}: pawl-signer sign {} --key THEIR.key\n",
             change.threshold == 1 ? std::string("one signature")
                                   : Format("{} signatures", change.threshold),
             JoinNames(change.signers, change.threshold < change.signers.size() ? " or " : " and "),
             change.role);
}

std::string NoteLines(const std::vector<std::string>& notes) {
  std::string out;
  for (const std::string& note : notes) out += Format("note: {}\n", note);
  return out;
}

}  // namespace pawl::signer
