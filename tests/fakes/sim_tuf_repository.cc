// SPDX-License-Identifier: Apache-2.0
#include "tests/fakes/sim_tuf_repository.h"

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "base/file.h"
#include "base/format.h"
#include "base/hash.h"
#include "base/secret.h"

namespace pawl::fakes {
namespace {

constexpr std::string_view kTopLevel[] = {"root", "timestamp", "snapshot", "targets"};

// A fake that cannot do what the test asked ends the test program: the test itself is wrong.
template <class T>
T Must(Result<T> result) {
  if (!result) std::abort();
  return *std::move(result);
}

bool IsTopLevel(std::string_view role) {
  return std::ranges::find(kTopLevel, role) != std::end(kTopLevel);
}

std::int64_t LifeSeconds(std::string_view role) {
  if (role == "timestamp") return kSecondsPerDay;
  if (role == "snapshot") return 7 * kSecondsPerDay;
  return 365 * kSecondsPerDay;
}

Bytes ToBytes(std::string_view text) { return Bytes(text.begin(), text.end()); }

std::string EncodeName(std::string_view name) {
  std::string encoded = EncodeFileName(name);
  // A leading '.' is harmless behind a version and stays as it is in a URL.
  if (encoded.starts_with("%2E")) encoded.replace(0, 3, ".");
  return encoded;
}

}  // namespace

SimTufRepository::SimTufRepository(UtcTime time) : now(time) {
  parts_["root"] = {
      {"consistent_snapshot", true}, {"keys", Json::object()}, {"roles", Json::object()}};
  parts_["timestamp"] = {{"meta", Json::object()}, {"x-issued", FormatUtcTime(now)}};
  parts_["snapshot"] = {{"meta", Json::object()}};
  parts_["targets"] = {{"targets", Json::object()}};
  for (const std::string_view role : kTopLevel) {
    Json& part = Part(role);
    part["_type"] = role;
    part["spec_version"] = "1.0.31";
    part["version"] = 1;
    part["expires"] = FormatUtcTime(now.PlusSeconds(LifeSeconds(role)));
    SetKeys(role, 1, 1);
  }
  signing_["root"] = std::exchange(next_root_keys_, {});
  embedded_root = SignRole("root");
  files["metadata/1.root.json"] = embedded_root;
  WriteTargets("targets");
  WriteSnapshot();
  WriteTimestamp();
}

Json& SimTufRepository::Part(std::string_view role) { return parts_[std::string(role)]; }

std::vector<const SimTufKey*>& SimTufRepository::SigningKeys(std::string_view role) {
  return signing_[std::string(role)];
}

const SimTufKey& SimTufRepository::NewKey() {
  SecretBuffer seed(kEd25519SeedBytes);
  const Sha256Digest digest = HashSha256(AsBytes(Format("key {}", keys_.size())));
  std::ranges::copy(digest.bytes, seed.span().begin());
  Ed25519Key key = Must(Ed25519Key::FromSeed(seed));
  const Json object = {{"keytype", "ed25519"},
                       {"scheme", "ed25519"},
                       {"keyval", {{"public", HexEncode(key.public_key())}}}};
  std::string keyid = HashSha256(AsBytes(CanonicalJson(object))).Hex();
  return keys_.emplace_back(std::move(keyid), object, std::move(key));
}

Json* SimTufRepository::DelegationOf(const std::string& role, Json** keys) {
  for (auto& [parent, part] : parts_) {
    if (!part.contains("delegations") || !part["delegations"].contains("roles")) continue;
    for (Json& entry : part["delegations"]["roles"]) {
      if (entry["name"] != role) continue;
      *keys = &part["delegations"]["keys"];
      return &entry;
    }
  }
  std::abort();
}

void SimTufRepository::SetKeys(std::string_view role, std::size_t count, std::uint64_t threshold) {
  const std::string name(role);
  Json* keys = &parts_["root"]["keys"];
  Json* entry = IsTopLevel(role) ? &parts_["root"]["roles"][name] : DelegationOf(name, &keys);
  std::vector<const SimTufKey*> fresh;
  (*entry)["keyids"] = Json::array();
  (*entry)["threshold"] = threshold;
  for (std::size_t i = 0; i < count; ++i) {
    const SimTufKey& key = NewKey();
    (*keys)[key.keyid] = key.object;
    (*entry)["keyids"].push_back(key.keyid);
    fresh.push_back(&key);
  }
  if (role == "root") {
    next_root_keys_ = std::move(fresh);
  } else {
    signing_[name] = std::move(fresh);
  }
}

void SimTufRepository::Delegate(std::string_view parent, const std::string& name,
                                const Json& fields, std::size_t keys, std::uint64_t threshold) {
  Json& delegations = Part(parent)["delegations"];
  if (delegations.is_null()) delegations = {{"keys", Json::object()}, {"roles", Json::array()}};
  Json entry = {{"name", name}, {"terminating", false}, {"keyids", Json::array()}};
  entry.update(fields);
  delegations["roles"].push_back(std::move(entry));
  if (!parts_.contains(name)) {
    parts_[name] = {{"_type", "targets"},
                    {"spec_version", "1.0.31"},
                    {"version", 1},
                    {"expires", FormatUtcTime(now.PlusSeconds(30 * kSecondsPerDay))},
                    {"targets", Json::object()}};
  }
  SetKeys(name, keys, threshold);
  WriteTargets(name);
}

void SimTufRepository::DelegateBins(std::string_view parent, const std::string& prefix,
                                    std::uint32_t bit_length) {
  const SimTufKey& key = NewKey();
  Part(parent)["delegations"] = {{"keys", {{key.keyid, key.object}}},
                                 {"succinct_roles",
                                  {{"keyids", {key.keyid}},
                                   {"threshold", 1},
                                   {"bit_length", bit_length},
                                   {"name_prefix", prefix}}}};
  for (std::uint64_t bin = 0; bin < (std::uint64_t{1} << bit_length); ++bin) {
    const std::string name = Format("{}-{:0{}x}", prefix, bin, (bit_length + 3) / 4);
    parts_[name] = {{"_type", "targets"},
                    {"spec_version", "1.0.31"},
                    {"version", 1},
                    {"expires", FormatUtcTime(now.PlusSeconds(30 * kSecondsPerDay))},
                    {"targets", Json::object()}};
    signing_[name] = {&key};
    WriteTargets(name);
  }
}

void SimTufRepository::AddTarget(std::string_view role, const std::string& path,
                                 std::string_view content, const Json& custom) {
  const std::string hash = HashSha256(AsBytes(content)).Hex();
  Json entry = {{"length", content.size()}, {"hashes", {{"sha256", hash}}}};
  if (!custom.is_null()) entry["custom"] = custom;
  Part(role)["targets"][path] = std::move(entry);
  const std::size_t slash = path.rfind('/');
  const std::size_t name = slash == std::string::npos ? 0 : slash + 1;
  files["targets/" + path] = ToBytes(content);
  files["targets/" + path.substr(0, name) + hash + "." + path.substr(name)] = ToBytes(content);
}

void SimTufRepository::SetConsistentSnapshot(bool on) {
  parts_["root"]["consistent_snapshot"] = on;
}

std::uint64_t SimTufRepository::Version(std::string_view role) {
  return Part(role)["version"].get<std::uint64_t>();
}

void SimTufRepository::RaiseVersion(std::string_view role, std::uint64_t by) {
  Part(role)["version"] = Version(role) + by;
}

Bytes SimTufRepository::Sign(const Json& part, const std::vector<const SimTufKey*>& keys) {
  const std::string signed_bytes = CanonicalJson(part);
  Json envelope = {{"signatures", Json::array()}, {"signed", part}};
  for (const SimTufKey* key : keys) {
    envelope["signatures"].push_back(
        {{"keyid", key->keyid}, {"sig", HexEncode(key->key.Sign(AsBytes(signed_bytes)))}});
  }
  return ToBytes(envelope.dump());
}

Bytes SimTufRepository::SignRole(const std::string& role) {
  Bytes bytes = Sign(parts_[role], signing_[role]);
  if (tamper) {
    Json envelope = Must(ParseJson(bytes));
    tamper(role, envelope);
    bytes = ToBytes(envelope.dump());
  }
  return bytes;
}

std::string SimTufRepository::FileName(const std::string& role, bool versioned) {
  const std::string name = EncodeName(role);
  if (versioned && parts_["root"]["consistent_snapshot"] == true) {
    return Format("metadata/{}.{}.json", Version(role), name);
  }
  return Format("metadata/{}.json", name);
}

Json SimTufRepository::FileEntry(const std::string& role, const Bytes& bytes) {
  Json entry = {{"version", Version(role)}};
  if (hashes_in_meta) {
    entry["length"] = bytes.size();
    entry["hashes"] = {{"sha256", HashSha256(bytes).Hex()}};
  }
  return entry;
}

void SimTufRepository::PublishRoot() {
  RaiseVersion("root");
  const std::vector<const SimTufKey*> fresh = std::exchange(next_root_keys_, {});
  std::vector<const SimTufKey*>& signing = signing_["root"];
  signing.insert(signing.end(), fresh.begin(), fresh.end());
  files[Format("metadata/{}.root.json", Version("root"))] = SignRole("root");
  if (!fresh.empty()) signing = fresh;
}

void SimTufRepository::WriteTargets(const std::string& role) {
  written_[role] = SignRole(role);
  files[FileName(role, true)] = written_[role];
}

void SimTufRepository::WriteSnapshot() {
  Json& meta = parts_["snapshot"]["meta"];
  for (const auto& [role, bytes] : written_) {
    if (role != "snapshot") meta[role + ".json"] = FileEntry(role, bytes);
  }
  written_["snapshot"] = SignRole("snapshot");
  files[FileName("snapshot", true)] = written_["snapshot"];
}

void SimTufRepository::WriteTimestamp() {
  parts_["timestamp"]["meta"]["snapshot.json"] = FileEntry("snapshot", written_["snapshot"]);
  files["metadata/timestamp.json"] = SignRole("timestamp");
}

void SimTufRepository::Publish(const std::vector<std::string>& roles) {
  for (const std::string& role : roles) {
    RaiseVersion(role);
    WriteTargets(role);
  }
  RaiseVersion("snapshot");
  WriteSnapshot();
  RaiseVersion("timestamp");
  WriteTimestamp();
}

Result<Bytes> SimTufFetcher::Fetch(std::string_view name, std::uint64_t max_bytes) {
  requests.emplace_back(name);
  caps.push_back(max_bytes);
  if (const auto failure = failures.find(name); failure != failures.end()) {
    return Fail(failure->second, Format("{}: the test says so", name));
  }
  const auto file = files_->find(name);
  if (file == files_->end()) return Fail(ErrorCode::kNotFound, Format("{}: not found", name));
  if (file->second.size() > max_bytes) {
    return Fail(ErrorCode::kTransferTooLarge,
                Format("{}: expected at most {} bytes", name, max_bytes));
  }
  return file->second;
}

Result<std::optional<Bytes>> MemoryMetadataStore::Load(std::string_view name) {
  if (dead_) return Fail(ErrorCode::kPowerLost, "the power failed");
  if (const auto failure = load_failures.find(name); failure != load_failures.end()) {
    return Fail(failure->second, Format("{}: the test says so", name));
  }
  const auto file = files.find(name);
  if (file == files.end()) return std::nullopt;
  return file->second;
}

Status MemoryMetadataStore::Save(std::string_view name, ByteView bytes) {
  if (!keep_root_chain && name.starts_with("root/")) return {};
  if (dead_) return Fail(ErrorCode::kPowerLost, "the power failed");
  const bool cut = cut_ && saves_ == *cut_;
  ++saves_;
  if (!cut || saved_at_cut_) files[std::string(name)] = Bytes(bytes.begin(), bytes.end());
  if (!cut) return {};
  dead_ = true;
  return Fail(ErrorCode::kPowerLost, "the power failed");
}

Status MemoryMetadataStore::Remove(std::string_view name) {
  if (dead_) return Fail(ErrorCode::kPowerLost, "the power failed");
  if (const auto file = files.find(name); file != files.end()) files.erase(file);
  return {};
}

void MemoryMetadataStore::CutAtSave(std::uint64_t at, bool saved) {
  RestorePower();
  cut_ = at;
  saved_at_cut_ = saved;
}

}  // namespace pawl::fakes
