// SPDX-License-Identifier: Apache-2.0
#include "signer/metadata_writer.h"

#include <algorithm>
#include <set>

#include "base/format.h"
#include "base/hash.h"

namespace pawl::signer {
namespace {

Json Common(std::string_view type, std::uint64_t version, UtcTime expires) {
  return Json{{"_type", type},
              {"spec_version", kTufSpecVersion},
              {"version", version},
              {"expires", FormatUtcTime(expires)}};
}

Json KeyIds(const RoleKeys& role) {
  std::set<std::string> ids;
  for (const NamedKey& key : role.keys) ids.insert(key.keyid);
  return Json(ids);
}

Json WritePin(const PinnedFile& file) {
  return Json{{"version", file.version},
              {"length", file.length},
              {"hashes", Json{{"sha256", file.sha256.Hex()}}}};
}

// Takes the line feeds out of the PEM of each key. There, and only there, canonical form has them,
// and all clients agree that they stand as they are.
void JoinKeyLines(Json& holder) {
  const auto keys = holder.find("keys");
  if (keys == holder.end() || !keys->is_object()) return;
  for (Json& key : *keys) {
    if (!key.is_object() || !key.contains("keyval") || !key["keyval"].is_object()) continue;
    const auto text = key["keyval"].find("public");
    if (text == key["keyval"].end() || !text->is_string()) continue;
    auto& pem = text->get_ref<std::string&>();
    if (pem.starts_with("-----BEGIN PUBLIC KEY-----\n")) std::erase(pem, '\n');
  }
}

Json WithoutKeyLines(Json content) {
  JoinKeyLines(content);
  const auto delegations = content.find("delegations");
  if (delegations != content.end() && delegations->is_object()) JoinKeyLines(*delegations);
  return content;
}

}  // namespace

std::string MetadataFile::SignedBytes() const { return CanonicalJson(content); }

std::uint64_t MetadataFile::version() const {
  const auto member = content.find("version");
  return member != content.end() && member->is_number_integer() ? member->get<std::uint64_t>() : 0;
}

Result<MetadataFile> ParseMetadataFile(std::string_view role, ByteView bytes) {
  PAWL_ASSIGN_OR_RETURN(manifest::SignedMetadata parsed, manifest::ParseMetadata(role, bytes));
  PAWL_ASSIGN_OR_RETURN(const Json document, ParseJson(bytes));
  return MetadataFile{document.at("signed"), std::move(parsed.signatures)};
}

Result<std::string> EncodeMetadataFile(const MetadataFile& file) {
  Json signatures = Json::array();
  for (const manifest::RoleSignature& signature : file.signatures) {
    signatures.push_back(Json{{"keyid", signature.keyid}, {"sig", HexEncode(signature.signature)}});
  }
  const std::string canonical = CanonicalJson(WithoutKeyLines(file.content));
  const auto foreign = std::ranges::find_if(canonical, [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte < 0x20 || byte >= 0x7f;
  });
  if (foreign != canonical.end()) {
    return Fail(ErrorCode::kInputInvalid,
                Format("expected printable ASCII in metadata, found the byte 0x{:02x} after \"{}\"",
                       static_cast<unsigned>(static_cast<unsigned char>(*foreign)),
                       std::string(canonical.begin(), foreign).substr(0, 40)));
  }
  return PrettyJson(Json{{"signed", file.content}, {"signatures", std::move(signatures)}});
}

Status AddSignature(MetadataFile& file, const SigningKey& key) {
  PAWL_ASSIGN_OR_RETURN(Bytes signature, key.Sign(AsBytes(file.SignedBytes())));
  std::erase_if(file.signatures, [&](const auto& old) { return old.keyid == key.named.keyid; });
  file.signatures.push_back({key.named.keyid, std::move(signature)});
  std::ranges::sort(file.signatures, {}, &manifest::RoleSignature::keyid);
  return {};
}

Status CheckRoleKeys(std::string_view role, const RoleKeys& keys) {
  std::set<Bytes> distinct;
  for (const NamedKey& key : keys.keys) distinct.insert(key.key.identity());
  if (keys.threshold >= 1 && keys.threshold <= distinct.size()) return {};
  return Fail(
      ErrorCode::kInputInvalid,
      Format("{}: expected a threshold between 1 and the number of different keys ({}), found {}",
             role, distinct.size(), keys.threshold));
}

Json MakeRoot(std::uint64_t version, UtcTime expires,
              const std::map<std::string, RoleKeys>& roles) {
  Json root = Common("root", version, expires);
  root["consistent_snapshot"] = true;
  root["keys"] = Json::object();
  root["roles"] = Json::object();
  for (const auto& [name, role] : roles) {
    for (const NamedKey& key : role.keys) root["keys"][key.keyid] = key.tuf;
    root["roles"][name] = Json{{"keyids", KeyIds(role)}, {"threshold", role.threshold}};
  }
  return root;
}

Json MakeTargets(std::uint64_t version, UtcTime expires,
                 const std::vector<NewDelegation>& delegations) {
  Json targets = Common("targets", version, expires);
  targets["targets"] = Json::object();
  if (delegations.empty()) return targets;
  Json keys = Json::object();
  Json roles = Json::array();
  for (const NewDelegation& delegation : delegations) {
    for (const NamedKey& key : delegation.keys.keys) keys[key.keyid] = key.tuf;
    // Terminating: what a role does not list under its own paths, nobody after it may list either.
    roles.push_back(Json{{"name", delegation.name},
                         {"keyids", KeyIds(delegation.keys)},
                         {"threshold", delegation.keys.threshold},
                         {"terminating", true},
                         {"paths", delegation.paths}});
  }
  targets["delegations"] = Json{{"keys", std::move(keys)}, {"roles", std::move(roles)}};
  return targets;
}

PinnedFile Pin(std::uint64_t version, ByteView bytes) {
  return {version, bytes.size(), HashSha256(bytes)};
}

Json MakeSnapshot(std::uint64_t version, UtcTime expires,
                  const std::map<std::string, PinnedFile>& roles) {
  Json snapshot = Common("snapshot", version, expires);
  snapshot["meta"] = Json::object();
  for (const auto& [name, file] : roles) snapshot["meta"][name + ".json"] = WritePin(file);
  return snapshot;
}

Json MakeTimestamp(std::uint64_t version, UtcTime issued, UtcTime expires,
                   const PinnedFile& snapshot) {
  Json timestamp = Common("timestamp", version, expires);
  timestamp["x-issued"] = FormatUtcTime(issued);
  timestamp["meta"] = Json{{"snapshot.json", WritePin(snapshot)}};
  return timestamp;
}

Json MakeTarget(ByteView bytes, const Json& custom) {
  Json target{{"length", bytes.size()}, {"hashes", Json{{"sha256", HashSha256(bytes).Hex()}}}};
  if (!custom.is_null()) target["custom"] = custom;
  return target;
}

}  // namespace pawl::signer
