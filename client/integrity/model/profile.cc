// SPDX-License-Identifier: Apache-2.0
#include "client/integrity/model/profile.h"

#include <algorithm>
#include <array>

#include "base/format.h"
#include "base/json.h"
#include "client/integrity/model/catalogue.h"
#include "client/integrity/model/safe_text.h"

namespace pawl::integrity {
namespace {

constexpr std::string_view kSchema = "pawl.device-profile/1";
constexpr ErrorCode kMalformed = ErrorCode::kConfigInvalid;
constexpr std::size_t kMaxWords = 256;

constexpr auto kMembers = std::to_array<std::string_view>(
    {"agent_sha256", "authorized_keys_sha256", "clock_sync_required", "cmdline", "lsm",
     "max_check_age_seconds", "name", "not_applicable", "schema", "suid_set_sha256",
     "sysrq_allowed"});

Status RefuseUnknownMembers(const Json& json) {
  for (const auto& member : json.items()) {
    if (std::ranges::find(kMembers, member.key()) == kMembers.end()) {
      return Fail(kMalformed,
                  Format("device profile: unknown member \"{}\"", SafeText(member.key())));
    }
  }
  return {};
}

Result<std::vector<std::string>> Words(const JsonObject& object, std::string_view name) {
  std::vector<std::string> words;
  if (!object.Has(name)) return words;
  PAWL_ASSIGN_OR_RETURN(const Json* list, object.Array(name, kMaxWords));
  for (const Json& item : *list) {
    if (!item.is_string()) return std::unexpected(object.Malformed(name, "a list of texts"));
    words.push_back(item.get<std::string>());
  }
  return words;
}

Result<std::optional<Sha256Digest>> Digest(const JsonObject& object, std::string_view name) {
  std::optional<Sha256Digest> digest;
  if (!object.Has(name)) return digest;
  PAWL_ASSIGN_OR_RETURN(const std::string hex, object.String(name));
  auto parsed = Sha256Digest::FromHex(hex);
  if (!parsed) return std::unexpected(object.Malformed(name, "64 lower-case hex digits"));
  digest = *parsed;
  return digest;
}

Status ReadReferences(const JsonObject& object, DeviceProfile& profile) {
  PAWL_ASSIGN_OR_RETURN(profile.suid_set, Digest(object, "suid_set_sha256"));
  PAWL_ASSIGN_OR_RETURN(profile.authorized_keys, Digest(object, "authorized_keys_sha256"));
  PAWL_ASSIGN_OR_RETURN(profile.agent, Digest(object, "agent_sha256"));
  PAWL_ASSIGN_OR_RETURN(profile.cmdline, Words(object, "cmdline"));
  if (object.Has("lsm")) {
    PAWL_ASSIGN_OR_RETURN(profile.lsm, object.String("lsm"));
    if (profile.lsm != "apparmor" && profile.lsm != "selinux") {
      return std::unexpected(object.Malformed("lsm", "apparmor or selinux"));
    }
  }
  if (object.Has("sysrq_allowed")) {
    PAWL_ASSIGN_OR_RETURN(profile.sysrq_allowed, object.Unsigned("sysrq_allowed", 511));
  }
  if (object.Has("clock_sync_required")) {
    PAWL_ASSIGN_OR_RETURN(profile.clock_sync_required, object.Boolean("clock_sync_required"));
  }
  if (object.Has("max_check_age_seconds")) {
    constexpr std::uint64_t kYear = 366ULL * 24 * 3600;
    PAWL_ASSIGN_OR_RETURN(profile.max_check_age_seconds,
                          object.Unsigned("max_check_age_seconds", kYear));
  }
  return {};
}

}  // namespace

DeviceProfile GenericProfile() {
  DeviceProfile profile;
  profile.digest = HashSha256({});
  return profile;
}

Result<DeviceProfile> ParseDeviceProfile(ByteView bytes) {
  if (bytes.size() > kMaxProfileBytes) return Fail(kMalformed, "device profile: too large");
  auto json = ParseJson(bytes);
  if (!json) return Fail(kMalformed, Format("device profile: {}", json.error().Message()));
  PAWL_ASSIGN_OR_RETURN(const JsonObject object,
                        JsonObject::From(*json, "device profile", kMalformed));
  PAWL_TRY(RefuseUnknownMembers(*json));
  PAWL_ASSIGN_OR_RETURN(const std::string schema, object.String("schema"));
  if (schema != kSchema) return std::unexpected(object.Malformed("schema", kSchema));
  DeviceProfile profile;
  profile.digest = HashSha256(bytes);
  PAWL_ASSIGN_OR_RETURN(profile.name, object.String("name"));
  if (!IsSafeText(profile.name, 64))
    return std::unexpected(object.Malformed("name", "at most 64 printable characters"));
  PAWL_ASSIGN_OR_RETURN(const std::vector<std::string> exempt, Words(object, "not_applicable"));
  for (const std::string& id : exempt) {
    if (FindIndicator(id) == nullptr) {
      return Fail(kMalformed, Format("device profile: there is no indicator \"{}\"", SafeText(id)));
    }
    profile.not_applicable.insert(id);
  }
  PAWL_TRY(ReadReferences(object, profile));
  return profile;
}

}  // namespace pawl::integrity
