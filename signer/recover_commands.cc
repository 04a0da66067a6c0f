// SPDX-License-Identifier: Apache-2.0
// recover …-key: one command for each kind of key that was lost or stolen.

#include "base/format.h"
#include "signer/ceremony.h"
#include "signer/commands.h"
#include "signer/recovery.h"

namespace pawl::signer {
namespace {

struct RecoverOptions {
  RepoOptions repo;
  std::vector<std::string> names;
  std::vector<std::string> replacements;
  std::vector<std::string> new_snapshot;
  std::vector<std::string> new_timestamp;
  std::optional<std::uint64_t> threshold;
  std::optional<std::string> product;
  bool stolen = false;
};

void BindTimestamp(Arguments& arguments, RecoverOptions& options) {
  BindRepo(arguments, options.repo);
  arguments.Positional("NAME", options.names, "of the old key (else all of the role)", false);
  arguments.Option("--new", options.new_timestamp, "public key file of the new key", true);
}

void BindOnline(Arguments& arguments, RecoverOptions& options) {
  arguments.Option("--new-snapshot", options.new_snapshot, "public key file of a new snapshot key");
  arguments.Option("--new-timestamp", options.new_timestamp,
                   "public key file of a new timestamp key");
}

void BindSnapshot(Arguments& arguments, RecoverOptions& options) {
  BindRepo(arguments, options.repo);
  BindOnline(arguments, options);
}

void BindHolder(Arguments& arguments, RecoverOptions& options) {
  BindRepo(arguments, options.repo);
  arguments.Positional("NAME", options.names, "whose key is lost or stolen");
  arguments.Option("--new", options.replacements, "public key file that takes its place");
  arguments.Option("--threshold", options.threshold, "how many must sign (else as it is)");
  arguments.Flag("--stolen", options.stolen, "somebody else may have the key");
  BindOnline(arguments, options);
}

void BindProductHolder(Arguments& arguments, RecoverOptions& options) {
  BindHolder(arguments, options);
  arguments.Option("--product", options.product, "only in this product (else in all)");
}

template <RecoveryCase kCase>
Result<Answer> Run(const RecoverOptions& options, UtcTime now) {
  RecoveryRequest request;
  request.what = kCase;
  request.now = now;
  request.names = SplitCommas(options.names);
  request.threshold = options.threshold;
  request.product = options.product;
  request.stolen = options.stolen;
  PAWL_ASSIGN_OR_RETURN(request.replacements, ReadPublicKeys(SplitCommas(options.replacements)));
  PAWL_ASSIGN_OR_RETURN(request.new_snapshot, ReadPublicKeys(SplitCommas(options.new_snapshot)));
  PAWL_ASSIGN_OR_RETURN(request.new_timestamp, ReadPublicKeys(SplitCommas(options.new_timestamp)));
  PAWL_ASSIGN_OR_RETURN(const Workspace workspace, Workspace::Open(options.repo.repo));
  PAWL_ASSIGN_OR_RETURN(const FileLock lock, workspace.Lock());
  PAWL_ASSIGN_OR_RETURN(const ChangeOutcome outcome, Recover(workspace, request));
  return ChangeAnswer(outcome);
}

constexpr const char* kHolderArguments = "NAME… [--new PUB] [--threshold N] [--stolen]";

}  // namespace

std::vector<Command> RecoverCommands(UtcTime now) {
  using enum RecoveryCase;
  return {
      {"recover timestamp-key", "[NAME] --new PUB", "the timestamp key is lost or stolen: drafts",
       "pawl-signer recover timestamp-key --new time-2.key.pub",
       DeclareAt<RecoverOptions>(now, BindTimestamp, Run<kTimestamp>)},
      {"recover snapshot-key", "--new-snapshot PUB --new-timestamp PUB",
       "the snapshot key is lost or stolen: drafts",
       "pawl-signer recover snapshot-key --new-snapshot snap-2.key.pub "
       "--new-timestamp time-2.key.pub",
       DeclareAt<RecoverOptions>(now, BindSnapshot, Run<kSnapshot>)},
      {"recover releases-key", kHolderArguments, "a release signer's key is lost or stolen: drafts",
       "pawl-signer recover releases-key emil --new fritz.key.pub --stolen",
       DeclareAt<RecoverOptions>(now, BindProductHolder, Run<kReleases>)},
      {"recover rollout-key", kHolderArguments, "a rollout key is lost or stolen: drafts",
       "pawl-signer recover rollout-key rolf --new rita.key.pub --stolen",
       DeclareAt<RecoverOptions>(now, BindProductHolder, Run<kRollout>)},
      {"recover orders-key", kHolderArguments, "a support key is lost or stolen: drafts",
       "pawl-signer recover orders-key olga --new otto.key.pub --stolen",
       DeclareAt<RecoverOptions>(now, BindHolder, Run<kOrders>)},
      {"recover targets-key", kHolderArguments, "a key of targets is lost or stolen: drafts",
       "pawl-signer recover targets-key anna --new dirk.key.pub",
       DeclareAt<RecoverOptions>(now, BindHolder, Run<kTargets>)},
      {"recover root-key", kHolderArguments, "a root key is lost or stolen: drafts",
       "pawl-signer recover root-key anna --new dirk.key.pub",
       DeclareAt<RecoverOptions>(now, BindHolder, Run<kRoot>)},
  };
}

}  // namespace pawl::signer
