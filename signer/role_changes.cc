// SPDX-License-Identifier: Apache-2.0
#include "signer/role_changes.h"

#include <algorithm>
#include <map>
#include <set>

#include "base/file.h"
#include "base/format.h"
#include "signer/change_page.h"
#include "signer/role_keys.h"
#include "signer/roles.h"

namespace pawl::signer {
namespace {

// A publication a second for a century does not get there.
constexpr std::uint64_t kHighestPlausibleVersion = 1ULL << 32;

// Keys of `after` that stand nowhere in `before`, also those that an earlier draft brought.
std::vector<NamedKey> NewTo(const KeyTable& before, const KeyTable& after) {
  std::set<std::string> seen;
  for (const auto& [role, keys] : before) {
    for (const NamedKey& key : keys.keys) seen.insert(key.keyid);
  }
  std::vector<NamedKey> fresh;
  for (const auto& [role, keys] : after) {
    for (const NamedKey& key : keys.keys) {
      if (seen.insert(key.keyid).second) fresh.push_back(key);
    }
  }
  return fresh;
}

bool Contains(const std::vector<std::string>& list, const std::string& item) {
  return std::ranges::find(list, item) != list.end();
}

class ChangeMaker {
 public:
  ChangeMaker(const Workspace& workspace, Roles roles, const ChangeRequest& request)
      : workspace_(workspace),
        request_(request),
        original_(roles),
        roles_(std::move(roles)),
        ring_(workspace.keys()) {}

  Result<ChangeOutcome> Make() {
    PAWL_TRY(CheckVersions());
    PAWL_TRY(CheckRenewals());
    PAWL_TRY(TakeNewKeys());
    for (const KeyChange& change : request_.changes) PAWL_TRY(Apply(change));
    PAWL_TRY(AddProduct());
    PAWL_TRY(DraftHolders());
    PAWL_ASSIGN_OR_RETURN(const KeyTable after, ReadKeyTable(roles_, ring_));
    PAWL_TRY(CheckKeyTable(after));
    PAWL_TRY(DraftDependents());
    if (drafted_.empty()) return NothingChanges();
    PAWL_TRY(AssignDuties());
    PAWL_TRY(Describe(after));
    PAWL_TRY(Write());
    return std::move(outcome_);
  }

 private:
  Status CheckVersions() const;
  Status CheckRenewals() const;
  Status TakeNewKeys();
  Status TakeNewKey(const NamedKey& key, const std::set<Bytes>& retired);
  std::string FreeName(const std::string& name) const;
  Result<Json*> ContentOf(const std::string& holder);
  Status Apply(const KeyChange& change);
  Status Remove(const KeyChange& change, const std::string& who, RoleKeys& keys) const;
  Status AddProduct();
  Status AddDelegation(Json& targets, const NewDelegation& delegation) const;
  Status DraftHolders();
  Status DraftDependents();
  bool HasFreshDraft(const std::string& role) const;
  bool HasEmptyDraft(const std::string& role) const;
  bool IsVouchedFor(const std::string& role) const;
  Status SetDraft(const std::string& role, const MetadataFile& file);
  std::unexpected<Error> NothingChanges() const;
  Status AssignDuties();
  Status AssignDuty(const std::string& role, const manifest::Signers& signers, bool by_old_root);
  std::unexpected<Error> TooFew(const Duty& duty) const;
  Status Describe(const KeyTable& after);
  void DescribeDrafts();
  Status Write();
  Status WriteProduct() const;
  Status RemoveWaitingTargets() const;
  UtcTime Until(std::string_view role) const {
    return request_.now.PlusSeconds(workspace_.policy().expiry.Of(role));
  }

  const Workspace& workspace_;
  const ChangeRequest& request_;
  Roles original_;  // as found
  Roles roles_;     // with the new drafts
  KeyRing ring_;    // with the new keys
  std::vector<NamedKey> added_;
  std::map<std::string, Json> holders_;  // content of root and targets as it is to be
  std::vector<std::pair<std::string, MetadataFile>> drafted_;
  ChangeOutcome outcome_;
};

// Versions that a thief drove up in public/ cannot be counted on from.
Status ChangeMaker::CheckVersions() const {
  std::vector<std::string> names = original_.Names();
  names.insert(names.end(), {"snapshot", "timestamp"});
  for (const std::string& role : names) {
    const RoleFile* file = original_.Published(role);
    if (file == nullptr || file->metadata.version < kHighestPlausibleVersion) continue;
    return Fail(ErrorCode::kVersionImplausible,
                Format("the published {} has version {}", role, file->metadata.version));
  }
  return {};
}

// A role that is not there would be passed over, and the one that was meant would run out.
Status ChangeMaker::CheckRenewals() const {
  for (const std::string& role : request_.renew) {
    if (role == "snapshot" || role == "timestamp") {
      return Fail(ErrorCode::kUsage,
                  Format("{} needs no draft: pawl-signer refresh renews it", role));
    }
    PAWL_TRY(original_.SignersOf(role));  // names the roles that there are
  }
  return {};
}

Status ChangeMaker::TakeNewKeys() {
  PAWL_ASSIGN_OR_RETURN(const std::set<Bytes> retired, RetiredKeys(workspace_, original_));
  for (const KeyChange& change : request_.changes) {
    for (const NamedKey& key : change.add) PAWL_TRY(TakeNewKey(key, retired));
  }
  if (!request_.product) return {};
  for (const RoleKeys* keys : {&request_.product->releases, &request_.product->rollout}) {
    for (const NamedKey& key : keys->keys) PAWL_TRY(TakeNewKey(key, retired));
  }
  return {};
}

Status ChangeMaker::TakeNewKey(const NamedKey& key, const std::set<Bytes>& retired) {
  if (retired.contains(key.key.identity())) {
    return Fail(ErrorCode::kKeyRetired,
                Format("the key of '{}' ({}) was taken out of this repository before", key.name,
                       key.keyid.substr(0, 16)));
  }
  for (const auto& [keyid, known] : ring_.by_id()) {
    if (keyid == key.keyid && known.name != key.name) {
      return Fail(ErrorCode::kKeyNameTaken, Format("the key {} is known as '{}' here, not as '{}'",
                                                   keyid.substr(0, 16), known.name, key.name));
    }
    if (keyid != key.keyid && known.name == key.name) {
      return Fail(ErrorCode::kKeyNameTaken,
                  Format("'{}' is the name of the key {} here; make the new key as '{}': "
                         "pawl-signer key new --name {}",
                         key.name, keyid.substr(0, 16), FreeName(key.name), FreeName(key.name)));
    }
  }
  if (ring_.by_id().contains(key.keyid)) return {};
  added_.push_back(key);
  return ring_.Add(key);
}

std::string ChangeMaker::FreeName(const std::string& name) const {
  for (unsigned number = 2;; ++number) {
    std::string free = Format("{}-{}", name, number);
    const bool taken = std::ranges::any_of(
        ring_.by_id(), [&](const auto& known) { return known.second.name == free; });
    if (!taken) return free;
  }
}

// The content of root or targets that the change goes into: a draft's, so that its changes stay.
Result<Json*> ChangeMaker::ContentOf(const std::string& holder) {
  const RoleFile* file = original_.Effective(holder);
  if (file == nullptr) {
    return Fail(ErrorCode::kUnknownName, Format("there is no {} here yet", holder));
  }
  return &holders_.try_emplace(holder, file->file.content).first->second;
}

Status ChangeMaker::Apply(const KeyChange& change) {
  const std::string holder = IsTopLevelRole(change.role) ? "root" : "targets";
  PAWL_ASSIGN_OR_RETURN(Json* const content, ContentOf(holder));
  PAWL_TRY(original_.SignersOf(change.role));  // names the roles that there are
  PAWL_ASSIGN_OR_RETURN(RoleKeys keys, ReadRoleKeys(*content, change.role, ring_));
  for (const std::string& who : change.remove) PAWL_TRY(Remove(change, who, keys));
  for (const NamedKey& key : change.add) {
    const bool there = std::ranges::any_of(
        keys.keys, [&](const NamedKey& held) { return held.keyid == key.keyid; });
    if (!there) keys.keys.push_back(key);
  }
  keys.threshold = change.threshold.value_or(keys.threshold);
  PAWL_TRY(CheckRoleKeys(change.role, keys));
  return WriteRoleKeys(*content, change.role, keys);
}

Status ChangeMaker::Remove(const KeyChange& change, const std::string& who, RoleKeys& keys) const {
  const auto is_meant = [&](const NamedKey& key) { return key.name == who || key.keyid == who; };
  if (std::erase_if(keys.keys, is_meant) > 0) return {};
  // A draft may have taken the key out before.
  if (const RoleFile* published =
          original_.Published(IsTopLevelRole(change.role) ? "root" : "targets")) {
    const auto old = ReadRoleKeys(published->file.content, change.role, ring_);
    if (old && std::ranges::any_of(old->keys, is_meant)) return {};
  }
  std::vector<std::string> names;
  for (const NamedKey& key : keys.keys) names.push_back(key.name);
  return Fail(ErrorCode::kUnknownName, Format("'{}' is no signer of {}; its signers are {}", who,
                                              change.role, JoinNames(names, " and ")));
}

Status ChangeMaker::AddProduct() {
  if (!request_.product) return {};
  const NewProduct& product = *request_.product;
  PAWL_ASSIGN_OR_RETURN(Json* const targets, ContentOf("targets"));
  const std::string releases = ReleasesRole(product.name);
  if (original_.SignersOf(releases)) {
    return Fail(ErrorCode::kOutputExists, Format("the product '{}' is here already", product.name));
  }
  // '*' never crosses '/', so every level is spelled out.
  PAWL_TRY(AddDelegation(
      *targets,
      {releases, product.releases, {Format("releases/{}/*/manifest.json", product.name)}}));
  return AddDelegation(
      *targets,
      {RolloutRole(product.name), product.rollout, {Format("rollout/{}/*", product.name)}});
}

Status ChangeMaker::AddDelegation(Json& targets, const NewDelegation& delegation) const {
  PAWL_TRY(CheckRoleKeys(delegation.name, delegation.keys));
  const Json made = MakeTargets(1, request_.now, {delegation});
  targets["delegations"]["roles"].push_back(made["delegations"]["roles"][0]);
  targets["delegations"]["keys"].update(made["delegations"]["keys"]);
  return {};
}

// Root and targets, where something in them changes or is asked for.
Status ChangeMaker::DraftHolders() {
  for (const std::string holder : {"root", "targets"}) {
    const bool asked = Contains(request_.renew, holder) && !HasFreshDraft(holder);
    if (asked) PAWL_TRY(ContentOf(holder));
    const auto content = holders_.find(holder);
    if (content == holders_.end()) continue;
    if (!asked && content->second == original_.Effective(holder)->file.content) continue;
    PAWL_ASSIGN_OR_RETURN(MetadataFile next, original_.NextDraft(holder, Until(holder)));
    for (const char* member : {"version", "expires"}) {
      content->second[member] = next.content[member];
    }
    next.content = content->second;
    PAWL_TRY(SetDraft(holder, next));
  }
  return {};
}

// Roles that were asked for, and those whose published file the new keys do not vouch for.
Status ChangeMaker::DraftDependents() {
  for (const std::string& role : roles_.Names()) {
    const bool done =
        std::ranges::any_of(drafted_, [&](const auto& draft) { return draft.first == role; });
    if (role == "root" || done) continue;
    const bool emptied = Contains(request_.empty, role) && !HasEmptyDraft(role);
    const bool asked = Contains(request_.renew, role) && !HasFreshDraft(role);
    if (!emptied && !asked && IsVouchedFor(role)) continue;
    PAWL_ASSIGN_OR_RETURN(MetadataFile next, roles_.NextDraft(role, Until(role)));
    if (emptied) next.content["targets"] = Json::object();
    PAWL_TRY(SetDraft(role, next));
  }
  return {};
}

// A draft of the last days needs no newer dates: running a command again voids no signature.
bool ChangeMaker::HasFreshDraft(const std::string& role) const {
  const RoleFile* draft = original_.Draft(role);
  const std::int64_t life = workspace_.policy().expiry.Of(role);
  return draft != nullptr && draft->metadata.expires >= Until(role).PlusSeconds(-life / 12);
}

bool ChangeMaker::HasEmptyDraft(const std::string& role) const {
  const RoleFile* draft = original_.Draft(role);
  const manifest::Targets* targets = draft == nullptr ? nullptr : draft->metadata.targets();
  return targets != nullptr && targets->targets.empty();
}

// By signatures that it has, or by those that its draft will collect.
bool ChangeMaker::IsVouchedFor(const std::string& role) const {
  if (roles_.Draft(role) != nullptr) return true;
  const RoleFile* file = roles_.Published(role);
  const auto sets = roles_.SignersOf(role);
  return file != nullptr && sets &&
         ValidSigners(sets->front(), *file).size() >= sets->front().threshold;
}

Status ChangeMaker::SetDraft(const std::string& role, const MetadataFile& file) {
  if (const RoleFile* old = original_.Draft(role)) {
    PAWL_ASSIGN_OR_RETURN(const auto states, original_.StateOf(role, *old, workspace_.keys()));
    std::set<std::string> voided;
    for (const SigningState& state : states) {
      voided.insert(state.signed_by.begin(), state.signed_by.end());
    }
    for (const std::string& name : voided) {
      outcome_.voided.push_back(
          Format("{}: the draft changed, so the signature of {} is void", role, name));
    }
  }
  PAWL_ASSIGN_OR_RETURN(RoleFile parsed, MakeRoleFile(role, file));
  roles_.SetDraft(role, std::move(parsed));
  drafted_.emplace_back(role, file);
  return {};
}

std::unexpected<Error> ChangeMaker::NothingChanges() const {
  return Fail(ErrorCode::kAlreadyDone,
              Format("{}: this is how it is already, or how the drafts have it; see pawl-signer "
                     "status",
                     request_.title));
}

Status ChangeMaker::AssignDuties() {
  for (const std::string& role : roles_.DraftNames()) {
    PAWL_ASSIGN_OR_RETURN(const auto sets, roles_.SignersOf(role));
    for (std::size_t i = 0; i < sets.size(); ++i) {
      const bool same = i > 0 && sets[i].threshold == sets[0].threshold &&
                        sets[i].KeysetId() == sets[0].KeysetId();
      if (!same) PAWL_TRY(AssignDuty(role, sets[i], i > 0));
    }
  }
  outcome_.drafts = roles_.DraftNames();
  return {};
}

Status ChangeMaker::AssignDuty(const std::string& role, const manifest::Signers& signers,
                               bool by_old_root) {
  Duty duty{role, {}, signers.threshold, by_old_root};
  for (const auto& [keyid, key] : signers.keys) {
    const std::string name = ring_.NameOf(keyid);
    const bool gone = Contains(request_.unavailable, name) || Contains(request_.unavailable, keyid);
    if (!gone) duty.signers.push_back(name);
  }
  std::ranges::sort(duty.signers);
  if (duty.signers.size() < duty.threshold) return TooFew(duty);
  outcome_.signing.push_back(std::move(duty));
  return {};
}

std::unexpected<Error> ChangeMaker::TooFew(const Duty& duty) const {
  const std::string gone =
      request_.unavailable.empty() ? "" : " without " + JoinNames(request_.unavailable, " and ");
  const std::string left =
      duty.signers.empty() ? "nobody" : "only " + JoinNames(duty.signers, " and ");
  if (!duty.by_old_root) {
    return Fail(ErrorCode::kTooFewSigners, Format("{} needs {} signatures, and{} {} can give one",
                                                  duty.role, duty.threshold, gone, left));
  }
  return Fail(ErrorCode::kRootBeyondRecovery,
              Format("the next root needs {} signatures by keys of the published one, and{} {} can "
                     "give one. Whoever still has a key can sign with it, also if it was stolen: "
                     "then use pawl-signer root remove",
                     duty.threshold, gone, left));
}

Status ChangeMaker::Describe(const KeyTable& after) {
  Roles published = original_;
  PAWL_TRY(published.KeepDrafts({}));
  const bool first = published.Published("root") == nullptr;
  PAWL_ASSIGN_OR_RETURN(const KeyTable before,
                        ReadKeyTable(first ? original_ : published, workspace_.keys()));
  outcome_.changes = DescribeKeyChanges(before, after);
  DescribeDrafts();
  outcome_.warnings = KeyWarnings(after);
  outcome_.duties = DescribeDuties(outcome_.signing);
  // One machine may have one key for both.
  std::vector<std::string> online;
  for (const std::string_view role : {"snapshot", "timestamp"}) {
    const std::string& name = after.find(role)->second.keys.front().name;
    if (!Contains(online, name)) online.push_back(name);
  }
  outcome_.publish = "pawl-signer publish";
  for (const std::string& name : online) outcome_.publish += Format(" --key {}.key", name);
  PAWL_ASSIGN_OR_RETURN(outcome_.page_path, NextPagePath(workspace_, request_.title));
  outcome_.page = WriteChangePage(request_, outcome_, NewTo(before, after));
  return {};
}

void ChangeMaker::DescribeDrafts() {
  for (const auto& [role, file] : drafted_) {
    outcome_.changes.push_back(
        Format("{}: version {}, valid until {}{}", role, file.version(),
               FormatUtcTime(roles_.Draft(role)->metadata.expires),
               Contains(request_.empty, role) ? "; it lists nothing from now on" : ""));
  }
}

// The drafts that carry the change come last: until they are there, running the command again
// begins anew.
Status ChangeMaker::Write() {
  PAWL_TRY(MakeDirectories(workspace_.Path("keys")));
  for (const NamedKey& key : added_) {
    PAWL_TRY(AtomicWriteFile(workspace_.Path(Format("keys/{}.pub", key.name)),
                             AsBytes(EncodePublicKey(key))));
  }
  PAWL_TRY(WriteProduct());
  PAWL_TRY(AtomicWriteFile(outcome_.page_path, AsBytes(outcome_.page)));
  std::ranges::reverse(drafted_);
  for (const auto& [role, file] : drafted_) PAWL_TRY(workspace_.WriteDraft(role, file));
  return RemoveWaitingTargets();
}

Status ChangeMaker::WriteProduct() const {
  if (!request_.product || workspace_.policy().products.contains(request_.product->name)) return {};
  const std::string path = workspace_.Path(kPolicyFileName);
  PAWL_ASSIGN_OR_RETURN(const Bytes bytes, ReadFile(path, kMaxMetadataFileBytes));
  // Appended, so that what people wrote into the file stays as it is.
  const std::string text =
      std::string(AsText(bytes)) + EncodeProduct(request_.product->name, request_.product->policy);
  PAWL_TRY(ParsePolicy(text, path));
  return AtomicWriteFile(path, AsBytes(text));
}

// The content of targets that nobody lists any more.
Status ChangeMaker::RemoveWaitingTargets() const {
  for (const std::string& role : request_.empty) {
    const RoleFile* old = original_.Draft(role);
    if (old == nullptr || old->metadata.targets() == nullptr) continue;
    for (const auto& [path, target] : old->metadata.targets()->targets) {
      if (path.starts_with("releases/")) continue;
      PAWL_TRY(RemoveFileIfExists(workspace_.WaitingTargetPath(path)));
    }
  }
  return {};
}

}  // namespace

Result<ChangeOutcome> MakeChange(const Workspace& workspace, const ChangeRequest& request) {
  PAWL_ASSIGN_OR_RETURN(Roles roles, Roles::Load(workspace));
  return ChangeMaker(workspace, std::move(roles), request).Make();
}

Json ToJson(const ChangeOutcome& outcome) {
  Json signing = Json::array();
  for (const Duty& duty : outcome.signing) {
    signing.push_back(Json{{"role", duty.role},
                           {"signers", duty.signers},
                           {"threshold", duty.threshold},
                           {"by_old_root", duty.by_old_root}});
  }
  return Json{{"schema", "pawl.role-change/1"}, {"drafts", outcome.drafts},
              {"changes", outcome.changes},     {"warnings", outcome.warnings},
              {"voided", outcome.voided},       {"signing", std::move(signing)},
              {"publish", outcome.publish},     {"page", outcome.page_path}};
}

}  // namespace pawl::signer
