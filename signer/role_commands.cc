// SPDX-License-Identifier: Apache-2.0
// root add, root remove, root rotate, role set, role renew, product add.

#include "base/format.h"
#include "manifest/release.h"
#include "signer/ceremony.h"
#include "signer/commands.h"
#include "signer/role_changes.h"

namespace pawl::signer {
namespace {

// What all changes of keys take.
struct ChangeOptions {
  RepoOptions repo;
  std::vector<std::string> roles;
  std::vector<std::string> add;
  std::vector<std::string> remove;
  std::optional<std::uint64_t> threshold;
  bool lost = false;
};

void BindThreshold(Arguments& arguments, ChangeOptions& options) {
  BindRepo(arguments, options.repo);
  arguments.Option("--threshold", options.threshold, "how many must sign (else as it is)");
}

Result<ChangeOutcome> Change(const ChangeOptions& options, ChangeRequest request) {
  PAWL_ASSIGN_OR_RETURN(const Workspace workspace, Workspace::Open(options.repo.repo));
  PAWL_ASSIGN_OR_RETURN(const FileLock lock, workspace.Lock());
  return MakeChange(workspace, request);
}

Result<Answer> ChangeRoot(const ChangeOptions& options, std::string title, UtcTime now) {
  ChangeRequest request;
  request.title = std::move(title);
  request.now = now;
  PAWL_ASSIGN_OR_RETURN(auto keys, ReadPublicKeys(SplitCommas(options.add)));
  request.changes.push_back(
      {"root", std::move(keys), SplitCommas(options.remove), options.threshold});
  if (options.lost) request.unavailable = request.changes.front().remove;
  if (request.title == "root rotate") request.renew.emplace_back("root");
  PAWL_ASSIGN_OR_RETURN(const ChangeOutcome outcome, Change(options, std::move(request)));
  return ChangeAnswer(outcome);
}

Result<Answer> RootAdd(const ChangeOptions& options, UtcTime now) {
  return ChangeRoot(options, "root add", now);
}
Result<Answer> RootRemove(const ChangeOptions& options, UtcTime now) {
  return ChangeRoot(options, "root remove", now);
}
Result<Answer> RootRotate(const ChangeOptions& options, UtcTime now) {
  return ChangeRoot(options, "root rotate", now);
}

Result<Answer> RoleSet(const ChangeOptions& options, UtcTime now) {
  if (options.roles.size() != 1) return Fail(ErrorCode::kUsage, "expected one role at a time");
  const std::string& role = options.roles.front();
  if (role == "root") {
    return Fail(ErrorCode::kUsage, "root has its own: root add, root remove, root rotate");
  }
  if (options.add.empty() && options.remove.empty() && !options.threshold) {
    return Fail(ErrorCode::kUsage, Format("say what changes: --add, --remove, --threshold; for new "
                                          "dates alone: pawl-signer role renew {}",
                                          role));
  }
  ChangeRequest request;
  request.title = "role set " + role;
  request.now = now;
  PAWL_ASSIGN_OR_RETURN(auto keys, ReadPublicKeys(SplitCommas(options.add)));
  request.changes.push_back(
      {role, std::move(keys), SplitCommas(options.remove), options.threshold});
  PAWL_ASSIGN_OR_RETURN(const ChangeOutcome outcome, Change(options, std::move(request)));
  return ChangeAnswer(outcome);
}

Result<Answer> RoleRenew(const ChangeOptions& options, UtcTime now) {
  ChangeRequest request;
  request.title = "role renew";
  request.now = now;
  request.renew = SplitCommas(options.roles);
  request.reasons.emplace_back("Nothing changes but version and expiry.");
  PAWL_ASSIGN_OR_RETURN(const ChangeOutcome outcome, Change(options, std::move(request)));
  return ChangeAnswer(outcome);
}

struct ProductOptions {
  RepoOptions repo;
  std::string name;
  std::vector<std::string> hardware;
  std::vector<std::string> channels;
  std::vector<std::string> releases_keys;
  std::uint64_t releases_threshold = 0;
  std::vector<std::string> rollout_keys;
};

void BindProduct(Arguments& arguments, ProductOptions& options) {
  BindRepo(arguments, options.repo);
  arguments.Positional("NAME", options.name, "name of the new product");
  arguments.Option("--hardware", options.hardware, "hardware ids, as gw3,gw4", true);
  arguments.Option("--channel", options.channels, "channels; the first is the default (stable)");
  arguments.Option("--releases-key", options.releases_keys, "who signs its releases", true);
  arguments.Option("--releases-threshold", options.releases_threshold, "how many of them must sign",
                   true);
  arguments.Option("--rollout-key", options.rollout_keys, "who decides who gets what; one signs",
                   true);
}

Result<Answer> ProductAdd(const ProductOptions& options, UtcTime now) {
  if (!manifest::IsPlainName(options.name)) {
    return Fail(ErrorCode::kInputInvalid,
                Format("expected a product name of up to 64 characters a-z, 0-9, '.', '_' and '-' "
                       "that begins with a letter or digit, found '{}'",
                       options.name));
  }
  NewProduct product;
  product.name = options.name;
  product.policy.hardware = SplitCommas(options.hardware);
  product.policy.channels =
      options.channels.empty() ? std::vector<std::string>{"stable"} : SplitCommas(options.channels);
  PAWL_ASSIGN_OR_RETURN(product.releases.keys, ReadPublicKeys(SplitCommas(options.releases_keys)));
  product.releases.threshold = options.releases_threshold;
  PAWL_ASSIGN_OR_RETURN(product.rollout.keys, ReadPublicKeys(SplitCommas(options.rollout_keys)));
  ChangeRequest request;
  request.title = "product add " + options.name;
  request.now = now;
  request.product = std::move(product);
  PAWL_ASSIGN_OR_RETURN(const ChangeOutcome outcome,
                        Change({options.repo, {}, {}, {}, {}, false}, std::move(request)));
  return ChangeAnswer(outcome);
}

std::vector<Command> RootCommands(UtcTime now) {
  return {
      {"root add", "PUB… [--threshold N]", "name more root keys: a draft of the next root",
       "pawl-signer root add dirk.key.pub --threshold 2",
       DeclareAt<ChangeOptions>(
           now,
           [](Arguments& arguments, ChangeOptions& options) {
             BindThreshold(arguments, options);
             arguments.Positional("PUB", options.add, "public key files");
           },
           RootAdd)},
      {"root remove", "NAME… [--threshold N] [--lost]",
       "name root keys no more: a draft of the next root", "pawl-signer root remove anna",
       DeclareAt<ChangeOptions>(
           now,
           [](Arguments& arguments, ChangeOptions& options) {
             BindThreshold(arguments, options);
             arguments.Positional("NAME", options.remove, "names of the keys");
             arguments.Flag("--lost", options.lost, "these keys cannot sign the change either");
           },
           RootRemove)},
      {"root rotate", "[--add PUB…] [--remove NAME…] [--threshold N]",
       "the next root: new dates, and keys if given",
       "pawl-signer root rotate --add dirk.key.pub --remove anna",
       DeclareAt<ChangeOptions>(
           now,
           [](Arguments& arguments, ChangeOptions& options) {
             BindThreshold(arguments, options);
             arguments.Option("--add", options.add, "public key file of a new root signer");
             arguments.Option("--remove", options.remove, "name of a root signer who leaves");
             arguments.Flag("--lost", options.lost, "the removed keys cannot sign the change");
           },
           RootRotate)},
  };
}

}  // namespace

Answer ChangeAnswer(const ChangeOutcome& outcome) {
  return Answer{Format("{}\nThis page is kept in {}.\n", outcome.page, outcome.page_path),
                ToJson(outcome)};
}

std::vector<Command> RoleCommands(UtcTime now) {
  std::vector<Command> commands = RootCommands(now);
  commands.push_back(
      {"role set", "ROLE [--add PUB…] [--remove NAME…] [--threshold N]",
       "change who signs a role: drafts",
       "pawl-signer role set releases-gateway --add fritz.key.pub --remove emil",
       DeclareAt<ChangeOptions>(
           now,
           [](Arguments& arguments, ChangeOptions& options) {
             BindThreshold(arguments, options);
             arguments.Positional("ROLE", options.roles,
                                  "one role, as pawl-signer status names it");
             arguments.Option("--add", options.add, "public key file of a new signer");
             arguments.Option("--remove", options.remove, "name of a signer who leaves");
           },
           RoleSet)});
  commands.push_back({"role renew", "ROLE…", "give offline roles new dates: drafts",
                      "pawl-signer role renew targets releases-gateway",
                      DeclareAt<ChangeOptions>(
                          now,
                          [](Arguments& arguments, ChangeOptions& options) {
                            BindRepo(arguments, options.repo);
                            arguments.Positional("ROLE", options.roles, "roles that run out");
                          },
                          RoleRenew)});
  commands.push_back({"product add", "NAME --hardware HW --releases-key PUB …",
                      "a new product with its own signers: drafts",
                      "pawl-signer product add sensor --hardware s1 --releases-key dora.key.pub "
                      "--releases-key emil.key.pub --releases-threshold 2 "
                      "--rollout-key rolf.key.pub",
                      DeclareAt<ProductOptions>(now, BindProduct, ProductAdd)});
  return commands;
}

}  // namespace pawl::signer
