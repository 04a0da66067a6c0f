// SPDX-License-Identifier: Apache-2.0
#include "signer/roles.h"

#include <algorithm>

#include "base/file.h"
#include "base/format.h"
#include "signer/draft_rules.h"

namespace pawl::signer {
namespace {

Result<RoleFile> ReadRoleAt(const std::string& path, std::string_view role) {
  auto bytes = ReadFile(path, kMaxMetadataFileBytes);
  if (!bytes) {
    if (bytes.error().code() != ErrorCode::kInputMissing) {
      return std::unexpected(std::move(bytes).error());
    }
    return Fail(ErrorCode::kMetadataMissing, Format("{} is not there", path));
  }
  auto file = ReadRoleFile(role, std::move(*bytes));
  if (!file) return FailIn(path, std::move(file).error());
  return file;
}

using RoleMap = std::map<std::string, RoleFile, std::less<>>;

// The newest root lies at the end of an unbroken chain from 1.
Status LoadPublishedRoot(const Workspace& workspace, RoleMap& roles) {
  std::uint64_t version = 0;
  while (PathExists(workspace.PublicPath(PublishedMetadataPath("root", version + 1)))) ++version;
  if (version == 0) return {};
  const std::string path = workspace.PublicPath(PublishedMetadataPath("root", version));
  PAWL_ASSIGN_OR_RETURN(RoleFile root, ReadRoleAt(path, "root"));
  roles.insert_or_assign("root", std::move(root));
  return {};
}

// Follows timestamp → snapshot → targets roles, as a client would.
Status LoadPublishedRoles(const Workspace& workspace, RoleMap& roles) {
  const std::string timestamp_path = workspace.PublicPath(PublishedMetadataPath("timestamp", 0));
  if (!PathExists(timestamp_path)) return {};
  PAWL_ASSIGN_OR_RETURN(RoleFile timestamp, ReadRoleAt(timestamp_path, "timestamp"));
  if (timestamp.metadata.timestamp() == nullptr) {
    return Fail(ErrorCode::kRoleTypeMismatch, Format("{} is no timestamp", timestamp_path));
  }
  const std::uint64_t version = timestamp.metadata.timestamp()->snapshot.version;
  const std::string snapshot_path =
      workspace.PublicPath(PublishedMetadataPath("snapshot", version));
  PAWL_ASSIGN_OR_RETURN(RoleFile snapshot, ReadRoleAt(snapshot_path, "snapshot"));
  if (snapshot.metadata.snapshot() == nullptr) {
    return Fail(ErrorCode::kRoleTypeMismatch, Format("{} is no snapshot", snapshot_path));
  }
  for (const auto& [file_name, meta] : snapshot.metadata.snapshot()->meta) {
    const std::string role =
        file_name.substr(0, file_name.size() - std::string_view(".json").size());
    const std::string path = workspace.PublicPath(PublishedMetadataPath(role, meta.version));
    PAWL_ASSIGN_OR_RETURN(RoleFile file, ReadRoleAt(path, role));
    roles.insert_or_assign(role, std::move(file));
  }
  roles.insert_or_assign("timestamp", std::move(timestamp));
  roles.insert_or_assign("snapshot", std::move(snapshot));
  return {};
}

const RoleFile* Find(const RoleMap& roles, std::string_view role) {
  const auto found = roles.find(role);
  return found == roles.end() ? nullptr : &found->second;
}

// A draft came from somebody else: nothing looks at one that was not checked.
Status LoadDrafts(const Workspace& workspace, const RoleMap& published, RoleMap& drafts) {
  const std::string directory = workspace.Path("draft");
  if (!PathExists(directory)) return {};
  PAWL_ASSIGN_OR_RETURN(const std::vector<std::string> names, ListDirectory(directory));
  for (const std::string& name : names) {
    if (!name.ends_with(".json")) continue;
    const std::string role = name.substr(0, name.size() - std::string_view(".json").size());
    const std::string path = JoinPath(directory, name);
    PAWL_ASSIGN_OR_RETURN(RoleFile file, ReadRoleAt(path, role));
    auto checked = CheckDraft(role, file, Find(published, role), workspace.keys());
    if (!checked) return FailIn(path, std::move(checked).error());
    drafts.insert_or_assign(role, std::move(file));
  }
  return {};
}

const manifest::Signers* TopLevelSigners(const manifest::Root& root, std::string_view role) {
  if (role == "root") return &root.root;
  if (role == "targets") return &root.targets;
  if (role == "snapshot") return &root.snapshot;
  if (role == "timestamp") return &root.timestamp;
  return nullptr;
}

}  // namespace

Result<RoleFile> ReadRoleFile(std::string_view role, Bytes bytes) {
  PAWL_ASSIGN_OR_RETURN(manifest::SignedMetadata parsed, manifest::ParseMetadata(role, bytes));
  PAWL_ASSIGN_OR_RETURN(MetadataFile file, ParseMetadataFile(role, bytes));
  return RoleFile{std::move(bytes), std::move(file), std::move(parsed.metadata)};
}

Result<RoleFile> MakeRoleFile(std::string_view role, const MetadataFile& file) {
  PAWL_ASSIGN_OR_RETURN(const std::string text, EncodeMetadataFile(file));
  const ByteView bytes = AsBytes(text);
  return ReadRoleFile(role, Bytes(bytes.begin(), bytes.end()));
}

Result<Roles> Roles::Load(const Workspace& workspace) {
  Roles roles;
  PAWL_TRY(LoadPublishedRoot(workspace, roles.published_));
  PAWL_TRY(LoadPublishedRoles(workspace, roles.published_));
  PAWL_TRY(LoadDrafts(workspace, roles.published_, roles.drafts_));
  return roles;
}

const RoleFile* Roles::Published(std::string_view role) const { return Find(published_, role); }
const RoleFile* Roles::Draft(std::string_view role) const { return Find(drafts_, role); }
const RoleFile* Roles::Effective(std::string_view role) const {
  const RoleFile* draft = Draft(role);
  return draft != nullptr ? draft : Published(role);
}

std::vector<std::string> Roles::Names() const {
  std::vector<std::string> names{"root", "targets"};
  const RoleFile* targets = Effective("targets");
  if (targets == nullptr || targets->metadata.targets() == nullptr) return names;
  for (const manifest::Delegation& role : targets->metadata.targets()->delegations.roles) {
    names.push_back(role.name);
  }
  return names;
}

std::vector<std::string> Roles::FormerNames() const {
  const std::vector<std::string> names = Names();
  std::vector<std::string> former;
  for (const auto& [role, file] : published_) {
    const bool top = role == "snapshot" || role == "timestamp";
    if (!top && std::ranges::find(names, role) == names.end()) former.push_back(role);
  }
  return former;
}

std::vector<std::string> Roles::DraftNames() const {
  std::vector<std::string> names;
  for (const std::string& name : Names()) {
    if (drafts_.contains(name)) names.push_back(name);
  }
  return names;
}

Result<std::vector<manifest::Signers>> Roles::SignersOf(std::string_view role) const {
  const RoleFile* root = Effective("root");
  if (root == nullptr || root->metadata.root() == nullptr) {
    return Fail(ErrorCode::kRootMissing, "the workspace has no root; run pawl-signer init");
  }
  std::vector<manifest::Signers> sets;
  if (const manifest::Signers* top = TopLevelSigners(*root->metadata.root(), role)) {
    sets.push_back(*top);
    // A new root is signed by its own keys and by those of the root before it (TUF 5.3.4).
    const RoleFile* old_root = Published("root");
    if (role == "root" && old_root != nullptr && old_root != root) {
      sets.push_back(old_root->metadata.root()->root);
    }
    return sets;
  }
  const RoleFile* targets = Effective("targets");
  if (targets != nullptr && targets->metadata.targets() != nullptr) {
    for (const manifest::Delegation& delegation : targets->metadata.targets()->delegations.roles) {
      if (delegation.name == role) return std::vector{delegation.signers};
    }
  }
  return Fail(ErrorCode::kUnknownName,
              Format("no role '{}' here; there are {}", role, JoinNames(Names(), " and ")));
}

std::set<std::string> ValidSigners(const manifest::Signers& signers, const RoleFile& file) {
  const std::string message = file.file.SignedBytes();
  std::set<Bytes> seen;
  std::set<std::string> valid;
  for (const manifest::RoleSignature& signature : file.file.signatures) {
    const auto key = signers.keys.find(signature.keyid);
    if (key == signers.keys.end() || !key->second.Verify(AsBytes(message), signature.signature))
      continue;
    // The same key under two ids is one signer.
    if (seen.insert(key->second.identity()).second) valid.insert(signature.keyid);
  }
  return valid;
}

Result<std::vector<SigningState>> Roles::StateOf(std::string_view role, const RoleFile& file,
                                                 const KeyRing& names) const {
  PAWL_ASSIGN_OR_RETURN(const std::vector<manifest::Signers> sets, SignersOf(role));
  std::vector<SigningState> states;
  for (const manifest::Signers& signers : sets) {
    SigningState state{signers.threshold, {}, {}};
    const std::set<std::string> valid = ValidSigners(signers, file);
    for (const auto& [keyid, key] : signers.keys) {
      (valid.contains(keyid) ? state.signed_by : state.can_sign).push_back(names.NameOf(keyid));
    }
    std::ranges::sort(state.signed_by);
    std::ranges::sort(state.can_sign);
    states.push_back(std::move(state));
  }
  return states;
}

Status Roles::KeepDrafts(const std::vector<std::string>& keep) {
  for (const std::string& role : keep) {
    if (!drafts_.contains(role)) {
      return Fail(ErrorCode::kUnknownName,
                  Format("there is no draft of '{}'; drafts: {}", role, Join(DraftNames(), ", ")));
    }
  }
  std::erase_if(drafts_, [&](const auto& draft) {
    return std::ranges::find(keep, draft.first) == keep.end();
  });
  return {};
}

void Roles::SetDraft(const std::string& role, RoleFile file) {
  drafts_.insert_or_assign(role, std::move(file));
}

void Roles::DropDraft(std::string_view role) {
  const auto found = drafts_.find(role);
  if (found != drafts_.end()) drafts_.erase(found);
}

Result<MetadataFile> Roles::NextDraft(std::string_view role, UtcTime expires) const {
  PAWL_TRY(SignersOf(role));  // is it a role at all?
  const RoleFile* base = Effective(role);
  const RoleFile* published = Published(role);
  MetadataFile next;
  next.content = base != nullptr ? base->file.content : MakeTargets(1, expires, {});
  next.content["version"] = published != nullptr ? published->metadata.version + 1 : 1;
  next.content["expires"] = FormatUtcTime(expires);
  return next;
}

}  // namespace pawl::signer
