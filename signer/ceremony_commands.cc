// SPDX-License-Identifier: Apache-2.0
// init, sign, status, verify; root init, root sign.

#include <filesystem>
#include <iostream>

#include "base/file.h"
#include "base/format.h"
#include "base/progress.h"
#include "signer/ceremony.h"
#include "signer/commands.h"
#include "signer/publisher.h"
#include "signer/roles.h"
#include "signer/signing.h"
#include "signer/status.h"

namespace pawl::signer {
namespace {

struct InitOptions {
  std::string directory;
  std::string product;
  std::vector<std::string> hardware;
  std::vector<std::string> channels;
  std::vector<std::string> root_keys;
  std::uint64_t root_threshold = 0;
  std::vector<std::string> targets_keys;
  std::optional<std::uint64_t> targets_threshold;
  std::vector<std::string> releases_keys;
  std::uint64_t releases_threshold = 0;
  std::vector<std::string> rollout_keys;
  std::vector<std::string> orders_keys;
  std::vector<std::string> snapshot_keys;
  std::vector<std::string> timestamp_keys;
};

void BindInit(Arguments& arguments, InitOptions& options) {
  arguments.Positional("DIR", options.directory, "the folder to make the repository in");
  arguments.Option("--product", options.product, "name of the product", true);
  arguments.Option("--hardware", options.hardware, "hardware ids, as gw3,gw4", true);
  arguments.Option("--channel", options.channels, "channels; the first is the default (stable)");
  arguments.Option("--root-key", options.root_keys, "public key file of a root signer", true);
  arguments.Option("--root-threshold", options.root_threshold, "how many of them must sign", true);
  arguments.Option("--targets-key", options.targets_keys,
                   "who signs the delegations (else the root signers)");
  arguments.Option("--targets-threshold", options.targets_threshold, "how many of them must sign");
  arguments.Option("--releases-key", options.releases_keys, "who signs releases", true);
  arguments.Option("--releases-threshold", options.releases_threshold, "how many of them must sign",
                   true);
  arguments.Option("--rollout-key", options.rollout_keys, "who decides who gets what; one signs",
                   true);
  arguments.Option("--orders-key", options.orders_keys, "the support desk; one signs", true);
  arguments.Option("--snapshot-key", options.snapshot_keys, "online key", true);
  arguments.Option("--timestamp-key", options.timestamp_keys, "online key", true);
}

Result<CeremonyRequest> ToRequest(const InitOptions& options, UtcTime now) {
  CeremonyRequest request;
  request.directory = options.directory;
  request.product = options.product;
  request.hardware = SplitCommas(options.hardware);
  request.channels =
      options.channels.empty() ? std::vector<std::string>{"stable"} : SplitCommas(options.channels);
  request.now = now;
  const auto read = [](const std::vector<std::string>& paths, std::uint64_t threshold,
                       RoleKeys& role) -> Status {
    PAWL_ASSIGN_OR_RETURN(role.keys, ReadPublicKeys(SplitCommas(paths)));
    role.threshold = threshold;
    return {};
  };
  PAWL_TRY(read(options.root_keys, options.root_threshold, request.root));
  const bool own_targets = !options.targets_keys.empty();
  PAWL_TRY(read(own_targets ? options.targets_keys : options.root_keys,
                options.targets_threshold.value_or(own_targets ? 1 : options.root_threshold),
                request.targets));
  PAWL_TRY(read(options.releases_keys, options.releases_threshold, request.releases));
  PAWL_TRY(read(options.rollout_keys, 1, request.rollout));
  PAWL_TRY(read(options.orders_keys, 1, request.orders));
  PAWL_TRY(read(options.snapshot_keys, 1, request.snapshot));
  PAWL_TRY(read(options.timestamp_keys, 1, request.timestamp));
  return request;
}

Result<Answer> Init(const InitOptions& options, UtcTime now) {
  PAWL_ASSIGN_OR_RETURN(const CeremonyRequest request, ToRequest(options, now));
  PAWL_ASSIGN_OR_RETURN(const Ceremony ceremony, HoldCeremony(request));
  std::error_code failure;
  std::string absolute =
      std::filesystem::absolute(options.directory, failure).lexically_normal().string();
  if (absolute.size() > 1 && absolute.ends_with('/')) absolute.pop_back();
  Answer answer;
  answer.text = Format(
      "{}\nTimestamp and snapshot expire within days. The installed units pawl-refresh.service and "
      "pawl-refresh.timer\nrenew them without a person. To switch them on, as root:\n\n{}\n"
      "This text is kept in {}.\nnext: cd {} && pawl-signer sign --key YOUR.key\n",
      ceremony.transcript,
      RefreshTimerUnits(absolute, request.snapshot.keys.front().name,
                        request.timestamp.keys.front().name),
      ceremony.transcript_path, options.directory);
  answer.json = Json{{"schema", "pawl.ceremony/1"},
                     {"directory", options.directory},
                     {"roles", ceremony.summary},
                     {"transcript", ceremony.transcript_path}};
  return answer;
}

struct SignOptions {
  RepoOptions repo;
  KeyOptions keys;
  std::vector<std::string> roles;
  bool yes = false;
};

void BindRootSign(Arguments& arguments, SignOptions& options) {
  BindRepo(arguments, options.repo);
  BindKeys(arguments, options.keys);
  arguments.Flag("-y,--yes", options.yes, "do not ask");
}

void BindSign(Arguments& arguments, SignOptions& options) {
  BindRootSign(arguments, options);
  arguments.Positional("ROLE", options.roles, "only the drafts of these roles", false);
}

// One person's turn: show, ask, open the key, sign.
Status SignWithKey(const Workspace& workspace, const SignOptions& options, const std::string& name,
                   UtcTime now, Answer& answer) {
  PAWL_ASSIGN_OR_RETURN(const Roles roles, Roles::Load(workspace));
  const auto passphrase_fd = options.keys.passphrase_fd;
  PAWL_ASSIGN_OR_RETURN(const auto locked, FindSigningKey(name, passphrase_fd));
  PAWL_ASSIGN_OR_RETURN(const SignPlan plan,
                        PlanSigning(workspace, roles, locked->named(), options.roles, now));
  std::cerr << DescribePlan(plan) << '\n';
  PAWL_TRY(Confirm(options.yes, "Sign this?"));
  PAWL_ASSIGN_OR_RETURN(const SigningKey key, locked->Open(passphrase_fd));
  PAWL_ASSIGN_OR_RETURN(const auto outcomes, Sign(workspace, roles, plan, key));
  for (const SignOutcome& outcome : outcomes) {
    answer.text += Format("{}: signed by {}; {}\n", outcome.role, plan.key.name,
                          DescribeSigning(outcome.after));
    answer.json["signed"].push_back(Json{{"role", outcome.role},
                                         {"key", plan.key.name},
                                         {"keyid", plan.key.keyid},
                                         {"signing", SigningJson(outcome.after)},
                                         {"complete", Complete(outcome.after)}});
  }
  return {};
}

Result<Answer> SignDrafts(const SignOptions& options, UtcTime now) {
  PAWL_ASSIGN_OR_RETURN(const Workspace workspace, Workspace::Open(options.repo.repo));
  PAWL_ASSIGN_OR_RETURN(const FileLock lock, workspace.Lock());
  Answer answer{"", Json{{"schema", "pawl.signed/1"}, {"signed", Json::array()}}};
  for (const std::string& name : options.keys.keys) {
    PAWL_TRY(SignWithKey(workspace, options, name, now, answer));
  }
  PAWL_ASSIGN_OR_RETURN(const Roles roles, Roles::Load(workspace));
  bool complete = true;
  for (const std::string& role : roles.DraftNames()) {
    PAWL_ASSIGN_OR_RETURN(const auto states,
                          roles.StateOf(role, *roles.Draft(role), workspace.keys()));
    complete = complete && Complete(states);
  }
  answer.json["all_complete"] = complete;
  answer.text += complete ? "next: pawl-signer publish --key SNAPSHOT.key --key TIMESTAMP.key\n"
                          : "next: those named above run pawl-signer sign --key THEIR.key\n";
  return answer;
}

Result<Answer> SignRoot(const SignOptions& options, UtcTime now) {
  SignOptions only = options;
  only.roles = {"root"};
  return SignDrafts(only, now);
}

struct StatusOptions {
  RepoOptions repo;
  bool exit_code = false;
};

void BindStatus(Arguments& arguments, StatusOptions& options) {
  BindRepo(arguments, options.repo);
  arguments.Flag("--exit-code", options.exit_code,
                 "exit with 10 when something is at warning, urgent or expired");
}

Result<Answer> ShowStatus(const StatusOptions& options, UtcTime now) {
  PAWL_ASSIGN_OR_RETURN(const Workspace workspace, Workspace::Open(options.repo.repo));
  PAWL_ASSIGN_OR_RETURN(StatusReport report, ReportStatus(workspace, now));
  Answer answer{std::move(report.text), std::move(report.json)};
  if (options.exit_code && report.worst >= Alarm::kWarning) answer.exit_status = 10;
  return answer;
}

struct VerifyOptions {
  RepoOptions repo;
  std::string directory;
};

Result<Answer> Verify(const VerifyOptions& options, UtcTime now) {
  std::string directory = options.directory;
  if (directory.empty()) {
    PAWL_ASSIGN_OR_RETURN(const Workspace workspace, Workspace::Open(options.repo.repo));
    directory = workspace.PublicDirectory();
  }
  PAWL_ASSIGN_OR_RETURN(const TreeReport report, VerifyTree(directory, now));
  Json releases = Json::array();
  for (const auto& release : report.releases) {
    releases.push_back(Json{{"product", release.product}, {"version", release.version}});
  }
  const auto& versions = report.versions;
  Answer answer;
  answer.text = Format(
      "{} is what a device accepts now: root {}, targets {}, snapshot {}, timestamp {} (until {})\n"
      "{} releases, {} rollouts, {} orders; {} of payloads hashed\n{}",
      directory, versions.root_version, versions.targets_version, versions.snapshot_version,
      versions.timestamp_version, FormatUtcTime(versions.timestamp_expires), report.releases.size(),
      report.rollouts, report.orders, HumanBytes(report.payload_bytes), NoteLines(report.notes));
  answer.json = Json{{"schema", "pawl.verified/1"},
                     {"directory", directory},
                     {"root", versions.root_version},
                     {"targets", versions.targets_version},
                     {"snapshot", versions.snapshot_version},
                     {"timestamp", versions.timestamp_version},
                     {"timestamp_expires", FormatUtcTime(versions.timestamp_expires)},
                     {"releases", std::move(releases)},
                     {"rollouts", report.rollouts},
                     {"orders", report.orders},
                     {"payload_bytes", report.payload_bytes},
                     {"notes", report.notes}};
  return answer;
}

}  // namespace

std::vector<Command> CeremonyCommands(UtcTime now) {
  return {
      {"status", "[--repo DIR] [--exit-code]", "what is public, who must sign, what expires when",
       "pawl-signer status --json", DeclareAt<StatusOptions>(now, BindStatus, ShowStatus)},
      {"init", "DIR --product P --hardware HW --root-key PUB …",
       "hold the first ceremony: a new repository",
       "pawl-signer init repo --product gateway --hardware gw3 --root-key a.key.pub "
       "--root-key b.key.pub --root-key c.key.pub --root-threshold 2 --releases-key d.key.pub "
       "--releases-key e.key.pub --releases-threshold 2 --rollout-key f.key.pub "
       "--orders-key g.key.pub --snapshot-key h.key.pub --timestamp-key i.key.pub",
       DeclareAt<InitOptions>(now, BindInit, Init)},
      {"root init", "DIR --product P --hardware HW --root-key PUB …", "the same as init",
       "pawl-signer root init --help", DeclareAt<InitOptions>(now, BindInit, Init)},
      {"sign", "[ROLE…] --key FILE [-y]", "show what is signed, ask, append a signature",
       "pawl-signer sign --key anna.key", DeclareAt<SignOptions>(now, BindSign, SignDrafts)},
      {"root sign", "--key FILE [-y]", "sign the draft of the next root, and nothing else",
       "pawl-signer root sign --key anna.key", DeclareAt<SignOptions>(now, BindRootSign, SignRoot)},
      {"verify", "[DIR]", "judge a served tree as a device would", "pawl-signer verify repo/public",
       DeclareAt<VerifyOptions>(
           now,
           [](Arguments& arguments, VerifyOptions& options) {
             BindRepo(arguments, options.repo);
             arguments.Positional("DIR", options.directory,
                                  "the tree (else this repository's public/)", false);
           },
           Verify)},
  };
}

}  // namespace pawl::signer
