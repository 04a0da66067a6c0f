// SPDX-License-Identifier: Apache-2.0
// retire, prune.

#include <iostream>

#include "base/format.h"
#include "base/progress.h"
#include "signer/commands.h"
#include "signer/prune.h"
#include "signer/retire.h"

namespace pawl::signer {
namespace {

struct RetireOptions {
  RepoOptions repo;
  std::optional<std::string> product;
  std::vector<std::string> versions;
  std::vector<std::string> confirm;
};

void BindRetire(Arguments& arguments, RetireOptions& options) {
  BindRepo(arguments, options.repo);
  arguments.Option("--product", options.product, "needed where several products live");
  arguments.Option("--confirm", options.confirm,
                   "retire-VERSION, for one that a rollout or an order still names");
  arguments.Positional("VERSION", options.versions, "releases that are listed");
}

Json UsesJson(const std::vector<ReleaseUse>& uses) {
  Json rows = Json::array();
  for (const ReleaseUse& use : uses) {
    rows.push_back(Json{{"role", use.role}, {"use", use.words}, {"lasting", use.lasting}});
  }
  return rows;
}

Result<Answer> Retire(const RetireOptions& options, UtcTime now) {
  PAWL_ASSIGN_OR_RETURN(const Workspace workspace, Workspace::Open(options.repo.repo));
  PAWL_ASSIGN_OR_RETURN(const FileLock lock, workspace.Lock());
  RetireRequest request;
  PAWL_ASSIGN_OR_RETURN(request.product, workspace.ProductOrOnly(options.product));
  request.versions = options.versions;
  request.confirmed = SplitCommas(options.confirm);
  PAWL_ASSIGN_OR_RETURN(const RetireChange change, RetireReleases(workspace, request, now));
  Answer answer{"", Json{{"schema", "pawl.draft/1"},
                         {"draft", DraftJson(change.draft)},
                         {"product", request.product},
                         {"retired", Json::array()}}};
  for (const RetiredRelease& release : change.retired) {
    answer.text += Format("{} {} is out of the draft of {} (version {})\n", request.product,
                          release.version, change.draft.role, change.draft.version);
    if (!release.published) answer.text += "    it was only drafted: no device has seen it\n";
    for (const ReleaseUse& use : release.uses) {
      answer.text += Format("    ! named by {}: {}\n", use.words,
                            use.lasting ? "passed over from then on" : "until its draft is public");
    }
    for (const std::string& line : release.lines) answer.text += Format("    {}\n", line);
    answer.json["retired"].push_back(Json{{"version", release.version},
                                          {"published", release.published},
                                          {"uses", UsesJson(release.uses)},
                                          {"lines", release.lines}});
  }
  answer.text += DraftLines(change.draft);
  return answer;
}

struct PruneOptions {
  RepoOptions repo;
  std::optional<std::uint64_t> keep;
  bool dry_run = false;
  bool yes = false;
};

void BindPrune(Arguments& arguments, PruneOptions& options) {
  BindRepo(arguments, options.repo);
  arguments.Option("--keep", options.keep,
                   "newest snapshots that keep their files, at least 2 (else 8 and all that are "
                   "still valid)");
  arguments.Flag("--dry-run", options.dry_run, "say what would go, remove nothing");
  arguments.Flag("-y,--yes", options.yes, "do not ask");
}

Json PruneJson(const PrunePlan& plan, bool dry_run) {
  Json files = Json::array();
  for (const PruneFile& file : plan.remove) {
    files.push_back(Json{{"path", file.path}, {"bytes", file.bytes}});
  }
  return Json{{"schema", "pawl.pruned/1"},       {"dry_run", dry_run},
              {"files", std::move(files)},       {"bytes", plan.remove_bytes},
              {"kept_files", plan.kept_files},   {"kept_bytes", plan.kept_bytes},
              {"oldest_kept", plan.oldest_kept}, {"newest_kept", plan.newest_kept},
              {"unknown", plan.unknown},         {"notes", plan.notes}};
}

Result<Answer> PruneTree(const PruneOptions& options, UtcTime now) {
  PAWL_ASSIGN_OR_RETURN(const Workspace workspace, Workspace::Open(options.repo.repo));
  const PruneRequest request{options.keep, now};
  PAWL_ASSIGN_OR_RETURN(const PrunePlan shown, PlanPrune(workspace, request));
  if (options.dry_run || shown.remove.empty()) {
    return Answer{shown.Text(false), PruneJson(shown, options.dry_run)};
  }
  // Nobody is kept waiting while a person reads: the lock is taken afterwards, and what has changed
  // in between is left alone.
  if (!options.yes) std::cerr << shown.Text(false);
  PAWL_TRY(Confirm(options.yes, Format("Remove these {} files for good?", shown.remove.size())));
  DirectoryTreeRemover remover(workspace.PublicDirectory());
  PAWL_ASSIGN_OR_RETURN(const PrunePlan done, Prune(workspace, request, shown, remover));
  return Answer{done.Text(true) +
                    "the tree was judged as a device would, before and after\n"
                    "next: remove them from the server too, as rsync --delete-after does\n",
                PruneJson(done, false)};
}

}  // namespace

std::vector<Command> UpkeepCommands(UtcTime now) {
  return {
      {"retire", "VERSION… [--product P] [--confirm retire-V]",
       "take releases back: a draft to be signed", "pawl-signer retire 0.8 0.9",
       DeclareAt<RetireOptions>(now, BindRetire, Retire)},
      {"prune", "[--dry-run] [--keep N] [-y]", "remove from public/ what no device asks for",
       "pawl-signer prune --dry-run", DeclareAt<PruneOptions>(now, BindPrune, PruneTree)},
  };
}

}  // namespace pawl::signer
