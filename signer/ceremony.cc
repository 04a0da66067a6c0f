// SPDX-License-Identifier: Apache-2.0
#include "signer/ceremony.h"

#include <algorithm>
#include <map>
#include <set>

#include "base/file.h"
#include "base/format.h"
#include "manifest/release.h"
#include "signer/role_keys.h"
#include "signer/workspace.h"

namespace pawl::signer {
namespace {

struct RoleRow {
  std::string name;
  const RoleKeys* keys;
  std::int64_t life_seconds;
};

std::vector<RoleRow> RowsOf(const CeremonyRequest& request, const ExpiryPolicy& expiry) {
  return {{"root", &request.root, expiry.root},
          {"targets", &request.targets, expiry.targets},
          {ReleasesRole(request.product), &request.releases, expiry.releases},
          {RolloutRole(request.product), &request.rollout, expiry.rollout},
          {std::string(kOrdersRole), &request.orders, expiry.orders},
          {"snapshot", &request.snapshot, expiry.snapshot},
          {"timestamp", &request.timestamp, expiry.timestamp}};
}

KeyTable TableOf(const std::vector<RoleRow>& rows) {
  KeyTable table;
  for (const RoleRow& row : rows) table.emplace(row.name, *row.keys);
  return table;
}

Status CheckRequest(const CeremonyRequest& request, const std::vector<RoleRow>& rows) {
  if (PathExists(JoinPath(request.directory, kPolicyFileName))) {
    return Fail(ErrorCode::kOutputExists, Format("{} is a repository already", request.directory));
  }
  std::vector<std::string> names = request.hardware;
  names.push_back(request.product);
  names.insert(names.end(), request.channels.begin(), request.channels.end());
  for (const std::string& name : names) {
    if (manifest::IsPlainName(name)) continue;
    return Fail(ErrorCode::kInputInvalid,
                Format("expected plain names ([a-z0-9][a-z0-9._-]*), found '{}'", name));
  }
  if (request.hardware.empty() || request.channels.empty()) {
    return Fail(ErrorCode::kInputInvalid, "expected at least one hardware id and one channel");
  }
  return CheckKeyTable(TableOf(rows));
}

Status WriteKeys(const Workspace& workspace, const std::vector<RoleRow>& rows) {
  PAWL_TRY(MakeDirectories(workspace.Path("keys")));
  KeyRing ring;
  for (const RoleRow& row : rows) {
    for (const NamedKey& key : row.keys->keys) {
      PAWL_TRY(ring.Add(key));
      PAWL_TRY(AtomicWriteFile(workspace.Path(Format("keys/{}.pub", key.name)),
                               AsBytes(EncodePublicKey(key))));
    }
  }
  return {};
}

Status WriteDrafts(const Workspace& workspace, const CeremonyRequest& request) {
  const ExpiryPolicy expiry;
  const auto until = [&](std::string_view role) {
    return request.now.PlusSeconds(expiry.Of(role));
  };
  const std::string releases = ReleasesRole(request.product);
  const std::string rollout = RolloutRole(request.product);
  const Json root = MakeRoot(1, until("root"),
                             {{"root", request.root},
                              {"targets", request.targets},
                              {"snapshot", request.snapshot},
                              {"timestamp", request.timestamp}});
  // '*' never crosses '/', so every level is spelled out.
  const Json targets = MakeTargets(
      1, until("targets"),
      {{releases, request.releases, {Format("releases/{}/*/manifest.json", request.product)}},
       {rollout, request.rollout, {Format("rollout/{}/*", request.product)}},
       {std::string(kOrdersRole), request.orders, {"orders/device/*", "orders/group/*"}}});
  PAWL_TRY(workspace.WriteDraft("root", {root, {}}));
  PAWL_TRY(workspace.WriteDraft("targets", {targets, {}}));
  for (const std::string& role : {releases, rollout, std::string(kOrdersRole)}) {
    PAWL_TRY(workspace.WriteDraft(role, {MakeTargets(1, until(role), {}), {}}));
  }
  return {};
}

std::string RoleTable(const std::vector<RoleRow>& rows, UtcTime now) {
  std::string out;
  for (const RoleRow& row : rows) {
    out += Format("  {:<22} {} of {}   valid until {}\n", row.name, row.keys->threshold,
                  row.keys->keys.size(), FormatUtcTime(now.PlusSeconds(row.life_seconds)));
    for (const NamedKey& key : row.keys->keys) {
      out += Format("      {:<16} {}\n", key.name, key.keyid);
    }
  }
  return out;
}

// Who has to sign which drafts: one line for each person.
std::string WhatEachSigns(const std::vector<RoleRow>& rows) {
  std::vector<std::string> people;
  std::map<std::string, std::vector<std::string>> roles_of;
  for (const RoleRow& row : rows) {
    if (row.name == "snapshot" || row.name == "timestamp") continue;
    for (const NamedKey& key : row.keys->keys) {
      if (!roles_of.contains(key.name)) people.push_back(key.name);
      roles_of[key.name].push_back(row.name);
    }
  }
  std::string out;
  for (const std::string& person : people) {
    out += Format("  {:<10} {:<40} ({})\n", person, Format("pawl-signer sign --key {}.key", person),
                  Join(roles_of[person], ", "));
  }
  return out;
}

std::string Transcript(const CeremonyRequest& request, const std::vector<RoleRow>& rows) {
  std::string warnings;
  for (const std::string& line : KeyWarnings(TableOf(rows))) warnings += Format("note: {}\n", line);
  return Format(
      "Key ceremony of the repository for product '{}' (hardware {}, channels {})\n"
      "held {}\n\n"
      "Roles, thresholds and keys:\n{}\n{}"
      "Each person compares the key id above with `pawl-signer key show` on their own key, then "
      "runs\n"
      "(in this folder, or in a copy of it; carry draft/ back):\n{}\n"
      "When the thresholds are met, whoever holds the online keys runs:\n"
      "  pawl-signer publish --key {}.key --key {}.key\n\n"
      "Give devices the root of trust public/metadata/1.root.json once it is published.\n",
      request.product, Join(request.hardware, ", "), Join(request.channels, ", "),
      FormatUtcTime(request.now), RoleTable(rows, request.now), warnings, WhatEachSigns(rows),
      request.snapshot.keys.front().name, request.timestamp.keys.front().name);
}

Json Summarize(const std::vector<RoleRow>& rows, UtcTime now) {
  Json roles = Json::array();
  for (const RoleRow& row : rows) {
    Json keys = Json::array();
    for (const NamedKey& key : row.keys->keys) {
      keys.push_back(Json{{"name", key.name}, {"keyid", key.keyid}});
    }
    roles.push_back(Json{{"role", row.name},
                         {"threshold", row.keys->threshold},
                         {"keys", std::move(keys)},
                         {"expires", FormatUtcTime(now.PlusSeconds(row.life_seconds))}});
  }
  return roles;
}

}  // namespace

Result<std::vector<NamedKey>> ReadPublicKeys(const std::vector<std::string>& paths) {
  std::vector<NamedKey> keys;
  for (const std::string& path : paths) {
    PAWL_ASSIGN_OR_RETURN(const Bytes bytes, ReadFile(path, kMaxKeyFileBytes));
    PAWL_ASSIGN_OR_RETURN(NamedKey key, ParsePublicKey(bytes, path));
    keys.push_back(std::move(key));
  }
  return keys;
}

Result<Ceremony> HoldCeremony(const CeremonyRequest& request) {
  const Policy policy{{{request.product, {request.hardware, request.channels}}}, {}};
  const std::vector<RoleRow> rows = RowsOf(request, policy.expiry);
  PAWL_TRY(CheckRequest(request, rows));
  for (const char* name : {"", "keys", "draft", "releases", "public", "ceremony"}) {
    PAWL_TRY(MakeDirectories(JoinPath(request.directory, name)));
  }
  const Workspace workspace = Workspace::New(request.directory, policy);
  PAWL_TRY(WriteKeys(workspace, rows));
  PAWL_TRY(WriteDrafts(workspace, request));
  Ceremony ceremony{Transcript(request, rows), workspace.Path("ceremony/0001-init.txt"),
                    Summarize(rows, request.now)};
  PAWL_TRY(AtomicWriteFile(ceremony.transcript_path, AsBytes(ceremony.transcript)));
  PAWL_TRY(AtomicWriteFile(workspace.Path(kPolicyFileName), AsBytes(EncodePolicy(policy))));
  return ceremony;
}

std::string RefreshExecStart(const std::string& directory) {
  return Format(
      "ExecStart=/bin/sh -c 'umask 077 && cp \"$CREDENTIALS_DIRECTORY/snapshot.key\" "
      "\"$CREDENTIALS_DIRECTORY/timestamp.key\" \"$RUNTIME_DIRECTORY/\" && exec pawl-signer "
      "refresh --repo {} --key \"$RUNTIME_DIRECTORY/snapshot.key\" --key "
      "\"$RUNTIME_DIRECTORY/timestamp.key\" --passphrase-fd 3 "
      "3<\"$CREDENTIALS_DIRECTORY/passphrases\"'",
      directory);
}

std::string RefreshTimerUnits(const std::string& directory, const std::string& snapshot_key,
                              const std::string& timestamp_key) {
  constexpr std::string_view kPlain =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-";
  if (directory.find_first_not_of(kPlain) != std::string::npos) {
    return Format(
        "  {} has characters that mean something in units; move the repository to a plain place, "
        "as {}\n",
        directory, kUnitDirectory);
  }
  std::string out;
  if (directory != kUnitDirectory) {
    out += Format(
        "# /etc/systemd/system/pawl-refresh.service.d/place.conf\n"
        "[Unit]\n"
        "ConditionPathExists=\n"
        "ConditionPathExists={0}/pawl-repo.toml\n"
        "[Service]\n"
        "ReadWritePaths=\n"
        "ReadWritePaths={0}\n"
        "ExecStart=\n"
        "{1}\n\n",
        directory, RefreshExecStart(directory));
  }
  return out + Format(
                   "  systemd-sysusers pawl-repo.conf && chown -R pawl-repo: {}\n"
                   "  install -d -m 0700 /etc/pawl-refresh\n"
                   "  install -m 0600 {}.key /etc/pawl-refresh/snapshot.key\n"
                   "  install -m 0600 {}.key /etc/pawl-refresh/timestamp.key\n"
                   "  (umask 077; for key in snapshot timestamp; do systemd-ask-password "
                   "--timeout=0 \"Passphrase of the $key key:\"; done "
                   "> /etc/pawl-refresh/passphrases)\n"
                   "  systemctl daemon-reload && systemctl enable --now pawl-refresh.timer\n",
                   directory, snapshot_key, timestamp_key);
}

}  // namespace pawl::signer
