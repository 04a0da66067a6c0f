// SPDX-License-Identifier: Apache-2.0
#include "signer/recovery.h"

#include <algorithm>
#include <array>
#include <set>

#include "base/format.h"
#include "manifest/release.h"
#include "signer/role_keys.h"
#include "signer/roles.h"

namespace pawl::signer {
namespace {

constexpr std::array<std::string_view, 7> kNames{"timestamp-key", "snapshot-key", "releases-key",
                                                 "rollout-key",   "orders-key",   "targets-key",
                                                 "root-key"};

bool Holds(const RoleKeys& keys, const std::string& name) {
  return std::ranges::any_of(
      keys.keys, [&](const NamedKey& key) { return key.name == name || key.keyid == name; });
}

class Recovery {
 public:
  Recovery(const RecoveryRequest& request, const Roles& roles, KeyTable published, KeyTable drafted)
      : request_(request),
        roles_(roles),
        table_(std::move(published)),
        drafted_(std::move(drafted)) {
    change_.title = Format("recover {}", RecoveryName(request.what));
    change_.now = request.now;
    change_.unavailable = request.names;
  }

  Result<ChangeRequest> Plan() {
    PAWL_TRY(CheckNames());
    if (IsOnline()) {
      PAWL_TRY(PlanOnline());
    } else {
      PAWL_TRY(PlanHolders());
      PAWL_TRY(PlanOnlineToo());
      NoteOtherRoles();
    }
    return std::move(change_);
  }

 private:
  bool IsOnline() const {
    return request_.what == RecoveryCase::kTimestamp || request_.what == RecoveryCase::kSnapshot;
  }
  Status CheckNames() const;
  bool IsHolder(const std::string& role, const std::string& name) const;
  std::vector<std::string> HoldersOf(std::string_view kind) const;
  Status CheckHolders(const std::vector<std::string>& roles) const;
  std::vector<std::string> RolesMeant() const;
  Status PlanOnline();
  void ReplaceOnline(const std::string& role, const std::vector<NamedKey>& keys);
  Status PlanHolders();
  Status PlanHolder(const std::string& role);
  Status PlanOnlineToo();
  void ExplainStolen(const std::string& role);
  void ListForReview(const std::string& role);
  void ExplainRole(const std::string& role, const std::vector<std::string>& leaving);
  void NoteOtherRoles();
  void Because(std::string line) { change_.reasons.push_back(std::move(line)); }
  void Then(std::string line) { change_.follow_up.push_back(std::move(line)); }

  const RecoveryRequest& request_;
  const Roles& roles_;
  KeyTable table_;    // what devices believe now
  KeyTable drafted_;  // and with the drafts that there are
  ChangeRequest change_;
};

Status Recovery::CheckNames() const {
  if (IsOnline() || !request_.names.empty()) return {};
  return Fail(ErrorCode::kUsage, Format("recover {}: say whose key it is, as the first argument",
                                        RecoveryName(request_.what)));
}

// By what devices believe, or by a draft.
bool Recovery::IsHolder(const std::string& role, const std::string& name) const {
  return std::ranges::any_of(std::array{&table_, &drafted_}, [&](const KeyTable* table) {
    const auto keys = table->find(role);
    return keys != table->end() && Holds(keys->second, name);
  });
}

// Of "timestamp", or of all roles "releases-…", now or with the drafts.
std::vector<std::string> Recovery::HoldersOf(std::string_view kind) const {
  std::set<std::string> names;
  for (const KeyTable* table : {&table_, &drafted_}) {
    for (const auto& [role, keys] : *table) {
      if (role != kind && !role.starts_with(Format("{}-", kind))) continue;
      for (const NamedKey& key : keys.keys) names.insert(key.name);
    }
  }
  return {names.begin(), names.end()};
}

// A name that is held nowhere is a slip, and the key that was meant would stay.
Status Recovery::CheckHolders(const std::vector<std::string>& roles) const {
  for (const std::string& name : request_.names) {
    const bool holds =
        std::ranges::any_of(roles, [&](const auto& role) { return IsHolder(role, name); });
    if (holds) continue;
    std::string_view kind = RecoveryName(request_.what);
    kind.remove_suffix(std::string_view("-key").size());
    return Fail(ErrorCode::kUnknownName, Format("'{}' signs no {} role here; those who do are {}",
                                                name, kind, JoinNames(HoldersOf(kind), " and ")));
  }
  return {};
}

// The roles that the case is about. A root key usually signs targets as well; both go together.
std::vector<std::string> Recovery::RolesMeant() const {
  using enum RecoveryCase;
  const bool releases = request_.what == kReleases;
  std::vector<std::string> meant;
  for (const auto& [role, keys] : table_) {
    const bool by_product = (releases && role.starts_with("releases-")) ||
                            (request_.what == kRollout && role.starts_with("rollout-"));
    const bool right_product =
        !request_.product ||
        role == (releases ? ReleasesRole(*request_.product) : RolloutRole(*request_.product));
    const bool holds = std::ranges::any_of(
        request_.names, [&](const std::string& name) { return IsHolder(role, name); });
    if (by_product && right_product && holds) meant.push_back(role);
    if (request_.what == kRoot && role == "targets" && holds) meant.push_back(role);
  }
  if (request_.what == kOrders) meant.emplace_back(kOrdersRole);
  if (request_.what == kTargets) meant.emplace_back("targets");
  if (request_.what == kRoot) meant.emplace_back("root");
  return meant;
}

Status Recovery::PlanOnline() {
  const bool snapshot = request_.what == RecoveryCase::kSnapshot;
  if (snapshot && (request_.new_snapshot.empty() || request_.new_timestamp.empty())) {
    return Fail(ErrorCode::kUsage,
                "a snapshot key goes together with the timestamp key: devices that were shown a "
                "snapshot of a high version remember it through the timestamp that named it. Give "
                "--new-snapshot PUB and --new-timestamp PUB");
  }
  if (!snapshot && request_.new_timestamp.empty()) {
    return Fail(ErrorCode::kUsage, "give the new timestamp key with --new PUB");
  }
  PAWL_TRY(CheckHolders({snapshot ? "snapshot" : "timestamp"}));
  if (snapshot) ReplaceOnline("snapshot", request_.new_snapshot);
  ReplaceOnline("timestamp", request_.new_timestamp);
  // The holder of an online key is a machine: it signs nothing here, whatever becomes of it.
  change_.unavailable.clear();
  Because(
      "Whoever has the old key can have shown devices any version, up to the highest number there "
      "is, and a time far ahead. The next root names other keys: devices then forget both and "
      "count "
      "from what the new keys sign. Nothing else needs to be undone.");
  const std::string now = snapshot ? "both new keys" : "the new timestamp key";
  Then(
      Format("Give {} to the machine that refreshes, with a new passphrase, and take the old "
             "away. First find out how it got out.",
             now));
  return {};
}

void Recovery::ReplaceOnline(const std::string& role, const std::vector<NamedKey>& keys) {
  KeyChange change{role, keys, {}, std::nullopt};
  for (const KeyTable* table : {&table_, &drafted_}) {
    for (const NamedKey& old : table->find(role)->second.keys) {
      const bool kept =
          std::ranges::any_of(keys, [&](const NamedKey& key) { return key.keyid == old.keyid; });
      const bool meant = std::ranges::any_of(request_.names, [&](const std::string& name) {
        return name == old.name || name == old.keyid;
      });
      const bool all = request_.names.empty() || request_.what != RecoveryCase::kTimestamp;
      if (!kept && (meant || all)) change.remove.push_back(old.keyid);
    }
  }
  change_.changes.push_back(std::move(change));
}

Status Recovery::PlanHolders() {
  const std::vector<std::string> roles = RolesMeant();
  const bool root = request_.what == RecoveryCase::kRoot;
  PAWL_TRY(CheckHolders(root ? std::vector<std::string>{"root"} : roles));
  for (const std::string& role : roles) PAWL_TRY(PlanHolder(role));
  return {};
}

Status Recovery::PlanHolder(const std::string& role) {
  KeyChange change{role, request_.replacements, request_.names, request_.threshold};
  // Not every root key need sign targets, and not every signer all products.
  std::erase_if(change.remove, [&](const std::string& name) { return !IsHolder(role, name); });
  if (request_.what == RecoveryCase::kRoot && role == "targets") change.threshold.reset();
  ExplainRole(role, change.remove);
  change_.changes.push_back(std::move(change));
  if (role == kOrdersRole) {
    change_.empty.push_back(role);
  } else if (role.starts_with("rollout-") || (request_.stolen && role != "root")) {
    change_.renew.push_back(role);
  }
  if (request_.stolen) ExplainStolen(role);
  if (request_.stolen || role.starts_with("rollout-")) ListForReview(role);
  return {};
}

void Recovery::ExplainRole(const std::string& role, const std::vector<std::string>& leaving) {
  const std::string who = JoinNames(leaving, " and ");
  Because(Format("{} {} {} no more ({}).", who, leaving.size() == 1 ? "signs" : "sign", role,
                 request_.stolen ? "the key is in foreign hands" : "the key is lost or retired"));
  if (role == kOrdersRole) {
    Because(
        "All orders are taken out of the list, so that none of the thief's stays. Devices count "
        "orders for each set of keys: under the new keys they begin at 1 again.");
    Then("Make the orders anew that shall still be obeyed: pawl-signer order new");
  }
  if (role == "root") {
    Then(
        "Put the newest public/metadata/N.root.json into the next image. Older ones stay public: "
        "devices in boxes need every one.");
  }
}

// How many of a threshold the thief has decides what he could do.
void Recovery::ExplainStolen(const std::string& role) {
  const RoleKeys& keys = table_.find(role)->second;
  const auto stolen = static_cast<std::uint64_t>(
      std::ranges::count_if(request_.names, [&](const auto& name) { return Holds(keys, name); }));
  if (stolen < keys.threshold) {
    Because(
        Format("The thief could not sign {} alone: it needs {} signatures.", role, keys.threshold));
    return;
  }
  if (role == "root") {
    Because(
        "The thief could make a root of his own. Devices that he has reached with it follow him: "
        "they need a new image through another channel. All others are safe from now on.");
    return;
  }
  Because(Format(
      "The thief could sign {} alone. Devices take only the version that a snapshot names, so he "
      "needed the keys of snapshot and timestamp as well, or somebody here who published his file. "
      "If that may be, add --new-snapshot PUB --new-timestamp PUB.",
      role));
  if (role.starts_with("releases-")) {
    Then("Compare what devices run with what is listed: pawl-fleet devices");
  }
}

void Recovery::ListForReview(const std::string& role) {
  const RoleFile* file = roles_.Effective(role);
  if (file == nullptr || file->metadata.targets() == nullptr) return;
  const manifest::Targets& targets = *file->metadata.targets();
  if (!targets.targets.empty()) {
    Because(
        Format("Look at every entry of {}; whoever signs the draft stands for all of them:", role));
  }
  for (const auto& [path, target] : targets.targets) {
    const auto summary = manifest::ParseReleaseSummary(target.custom);
    const std::string digest = target.hashes.sha256 ? target.hashes.sha256->Hex() : "none";
    Because(summary
                ? Format("  {} {}, build {}, epoch {}, channel {}, manifest {}", summary->product,
                         summary->version, summary->build, summary->epoch, summary->channel, digest)
                : Format("  {}, sha256 {}", path, digest));
  }
  if (role != "targets") return;
  Because("Look at who may sign what; whoever signs the draft stands for it:");
  for (const auto& [name, keys] : table_) {
    if (IsTopLevelRole(name)) continue;
    std::vector<std::string> names;
    for (const NamedKey& key : keys.keys) names.push_back(key.name);
    Because(Format("  {}: {} of {}", name, keys.threshold, Join(names, ", ")));
  }
}

// The thief could publish too: what he published with was driven up with it.
Status Recovery::PlanOnlineToo() {
  if (request_.new_snapshot.empty() != request_.new_timestamp.empty()) {
    return Fail(ErrorCode::kUsage, "--new-snapshot and --new-timestamp go together");
  }
  if (request_.new_snapshot.empty()) return {};
  ReplaceOnline("snapshot", request_.new_snapshot);
  ReplaceOnline("timestamp", request_.new_timestamp);
  Because(
      "The thief may have published as well. With new keys for snapshot and timestamp devices "
      "forget every version that he drove up, also those of the roles below targets.");
  Then("Give both new online keys to the machine that refreshes, and take the old away.");
  return {};
}

// One person often has one key for several roles.
void Recovery::NoteOtherRoles() {
  for (const auto& [role, keys] : table_) {
    const bool handled = std::ranges::any_of(
        change_.changes, [&](const KeyChange& change) { return change.role == role; });
    for (const std::string& name : request_.names) {
      if (handled || !Holds(keys, name)) continue;
      Because(
          Format("Careful: the same key of {} still signs {}. Take it out there too.", name, role));
    }
  }
}

}  // namespace

std::string_view RecoveryName(RecoveryCase what) {
  return kNames.at(static_cast<std::size_t>(what));
}

Result<ChangeRequest> PlanRecovery(const Workspace& workspace, const RecoveryRequest& request) {
  PAWL_ASSIGN_OR_RETURN(const Roles roles, Roles::Load(workspace));
  if (roles.Published("root") == nullptr) {
    return Fail(ErrorCode::kRootMissing,
                "nothing is published yet, so there is nothing to recover; begin again with "
                "pawl-signer init");
  }
  Roles published = roles;
  PAWL_TRY(published.KeepDrafts({}));
  PAWL_ASSIGN_OR_RETURN(KeyTable before, ReadKeyTable(published, workspace.keys()));
  PAWL_ASSIGN_OR_RETURN(KeyTable drafted, ReadKeyTable(roles, workspace.keys()));
  return Recovery(request, roles, std::move(before), std::move(drafted)).Plan();
}

Result<ChangeOutcome> Recover(const Workspace& workspace, const RecoveryRequest& request) {
  PAWL_ASSIGN_OR_RETURN(const ChangeRequest change, PlanRecovery(workspace, request));
  return MakeChange(workspace, change);
}

}  // namespace pawl::signer
