// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "base/format.h"
#include "base/json.h"
#include "client/integrity/model/claims_text.h"
#include "client/integrity/model/device_key.h"
#include "client/integrity/model/safe_text.h"
#include "client/integrity/model/statement.h"

namespace pawl::integrity {
namespace {

constexpr ErrorCode kMalformed = ErrorCode::kStatementMalformed;
constexpr std::size_t kMaxIdChars = 64;
constexpr std::size_t kBootSeedBytes = 32;

//= docs/integrity-statement.md#S-06
Result<std::string> Text(const JsonObject& object, std::string_view name) {
  PAWL_ASSIGN_OR_RETURN(std::string text, object.String(name));
  if (!IsSafeText(text)) {
    return std::unexpected(object.Malformed(name, "at most 256 printable ASCII characters"));
  }
  return text;
}

Result<std::string> TextOr(const JsonObject& object, std::string_view name) {
  if (!object.Has(name)) return std::string();
  return Text(object, name);
}

Result<UtcTime> Time(const JsonObject& object, std::string_view name) {
  constexpr std::uint64_t kYear9999 = 253'402'300'799;
  PAWL_ASSIGN_OR_RETURN(const std::uint64_t seconds, object.Unsigned(name, kYear9999));
  return UtcTime{static_cast<std::int64_t>(seconds)};
}

Result<Bytes> Base64(const JsonObject& object, std::string_view name, std::size_t min,
                     std::size_t max) {
  PAWL_ASSIGN_OR_RETURN(const std::string text, object.String(name));
  auto bytes = Base64UrlDecode(text);
  if (!bytes || bytes->size() < min || bytes->size() > max) {
    return std::unexpected(object.Malformed(name, Format("{} to {} bytes in base64url", min, max)));
  }
  return std::move(*bytes);
}

Result<Sha256Digest> Digest(const JsonObject& object, std::string_view name) {
  PAWL_ASSIGN_OR_RETURN(const std::string hex, object.String(name));
  auto digest = Sha256Digest::FromHex(hex);
  if (!digest) return std::unexpected(object.Malformed(name, "64 lower-case hex digits"));
  return *digest;
}

// RFC 9711 versions are [text, ?scheme]; we write and accept the text alone.
Result<std::string> Version(const JsonObject& object, std::string_view name) {
  PAWL_ASSIGN_OR_RETURN(const Json* list, object.Array(name, 2));
  if (list->empty() || !list->front().is_string() ||
      !IsSafeText(list->front().get_ref<const std::string&>())) {
    return std::unexpected(object.Malformed(name, "a list with a version text"));
  }
  return list->front().get<std::string>();
}

Result<std::optional<std::uint64_t>> MaybeNumber(const JsonObject& object, std::string_view name) {
  std::optional<std::uint64_t> number;
  if (object.Has(name)) {
    PAWL_ASSIGN_OR_RETURN(number, object.Unsigned(name));
  }
  return number;
}

Result<std::optional<UtcTime>> MaybeTime(const JsonObject& object, std::string_view name) {
  std::optional<UtcTime> time;
  if (object.Has(name)) {
    PAWL_ASSIGN_OR_RETURN(time, Time(object, name));
  }
  return time;
}

Result<SlotEvidence> ReadSlot(const Json& json) {
  PAWL_ASSIGN_OR_RETURN(const JsonObject object,
                        JsonObject::From(json, "statement: ota.slots", kMalformed));
  SlotEvidence slot;
  PAWL_ASSIGN_OR_RETURN(slot.slot, Text(object, "slot"));
  PAWL_ASSIGN_OR_RETURN(slot.component, Text(object, "component"));
  PAWL_ASSIGN_OR_RETURN(slot.version, Text(object, "version"));
  PAWL_ASSIGN_OR_RETURN(slot.bytes, object.Unsigned("bytes"));
  PAWL_ASSIGN_OR_RETURN(slot.chunks, object.Unsigned("chunks"));
  PAWL_ASSIGN_OR_RETURN(slot.wrong_chunks, object.Unsigned("wrong_chunks"));
  PAWL_ASSIGN_OR_RETURN(slot.image, Digest(object, "sha256"));
  PAWL_ASSIGN_OR_RETURN(slot.measured_at, Time(object, "measured_at"));
  return slot;
}

Status ReadAgent(const JsonObject& ota, StatementClaims& claims) {
  PAWL_ASSIGN_OR_RETURN(const JsonObject agent, ota.Object("agent"));
  PAWL_ASSIGN_OR_RETURN(claims.agent_version, Text(agent, "version"));
  if (!agent.Has("digest")) return {};
  PAWL_ASSIGN_OR_RETURN(const Json* pair, agent.Array("digest", 2));
  const bool shape = pair->size() == 2 && (*pair)[0] == "sha-256" && (*pair)[1].is_string();
  auto digest = shape ? Sha256Digest::FromHex((*pair)[1].get_ref<const std::string&>())
                      : Result<Sha256Digest>(Fail(kMalformed, ""));
  if (!digest) return std::unexpected(agent.Malformed("digest", R"(["sha-256", 64 hex digits])"));
  claims.agent_digest = *digest;
  return {};
}

Status ReadOta(const JsonObject& root, StatementClaims& claims) {
  PAWL_ASSIGN_OR_RETURN(const JsonObject ota, root.Object("ota"));
  PAWL_ASSIGN_OR_RETURN(claims.seq, ota.Unsigned("seq"));
  if (ota.Has("prev")) {
    PAWL_ASSIGN_OR_RETURN(claims.prev, Digest(ota, "prev"));
  }
  //= docs/integrity-statement.md#S-12
  if (claims.seq == 0 || (claims.seq == 1) == claims.prev.has_value()) {
    return std::unexpected(
        ota.Malformed("prev", "seq from 1, and prev exactly when seq is above 1"));
  }
  PAWL_ASSIGN_OR_RETURN(claims.key_protection, Text(ota, "keyprot"));
  PAWL_TRY(ReadAgent(ota, claims));
  PAWL_ASSIGN_OR_RETURN(claims.profile_digest, Digest(ota, "profile_digest"));
  PAWL_ASSIGN_OR_RETURN(claims.catalogue, ota.Unsigned("catalogue"));
  PAWL_ASSIGN_OR_RETURN(claims.collect_ms, ota.Unsigned("collect_ms"));
  PAWL_ASSIGN_OR_RETURN(claims.test_mode, ota.Boolean("test_mode"));
  PAWL_ASSIGN_OR_RETURN(claims.slot_kind, Text(ota, "slot_kind"));
  PAWL_ASSIGN_OR_RETURN(const Json* slots, ota.Array("slots", kMaxSlots));
  for (const Json& item : *slots) {
    PAWL_ASSIGN_OR_RETURN(SlotEvidence slot, ReadSlot(item));
    claims.slots.push_back(std::move(slot));
  }
  return {};
}

Status ReadUpdate(const JsonObject& submod, UpdateView& view) {
  if (!submod.Has("ota_update")) return {};
  PAWL_ASSIGN_OR_RETURN(const JsonObject update, submod.Object("ota_update"));
  PAWL_ASSIGN_OR_RETURN(view.active_slot, TextOr(update, "active"));
  PAWL_ASSIGN_OR_RETURN(view.version, TextOr(update, "version"));
  PAWL_ASSIGN_OR_RETURN(view.epoch, MaybeNumber(update, "epoch"));
  PAWL_ASSIGN_OR_RETURN(view.floor, MaybeNumber(update, "floor"));
  PAWL_ASSIGN_OR_RETURN(view.trial_left, MaybeNumber(update, "trial_left"));
  PAWL_ASSIGN_OR_RETURN(view.root_version, MaybeNumber(update, "root_version"));
  PAWL_ASSIGN_OR_RETURN(view.metadata_expires, MaybeTime(update, "metadata_expires"));
  PAWL_ASSIGN_OR_RETURN(view.staged, TextOr(update, "staged"));
  if (!update.Has("last")) return {};
  PAWL_ASSIGN_OR_RETURN(const JsonObject object, update.Object("last"));
  LastUpdate last;
  PAWL_ASSIGN_OR_RETURN(last.id, Text(object, "id"));
  PAWL_ASSIGN_OR_RETURN(last.result, Text(object, "result"));
  PAWL_ASSIGN_OR_RETURN(last.phase, Text(object, "phase"));
  PAWL_ASSIGN_OR_RETURN(last.code, TextOr(object, "code"));
  PAWL_ASSIGN_OR_RETURN(last.at, MaybeTime(object, "at"));
  view.last = std::move(last);
  return {};
}

// One ["k.taint", "success"] with its raw value, if there is one.
Result<Finding> ReadFinding(const Json& pair, const JsonObject& submod, Layer layer) {
  const bool shape =
      pair.is_array() && pair.size() == 2 && pair[0].is_string() && pair[1].is_string();
  const auto outcome = shape ? OutcomeOfWord(pair[1].get_ref<const std::string&>()) : std::nullopt;
  if (!outcome || !IsSafeText(pair[0].get_ref<const std::string&>(), kMaxIdChars)) {
    return std::unexpected(
        submod.Malformed("measres", "pairs of an id and success, fail, not-run or absent"));
  }
  Finding finding{pair[0].get<std::string>(), *outcome, {}, {}};
  const Indicator* row = FindIndicator(finding.id);
  if (row != nullptr && row->layer != layer) {
    return Fail(kMalformed,
                Format("{}: {} belongs to another submodule", submod.where(), finding.id));
  }
  if (!submod.Has("ota_values")) return finding;
  PAWL_ASSIGN_OR_RETURN(const JsonObject values, submod.Object("ota_values"));
  if (!values.Has(finding.id)) return finding;
  PAWL_ASSIGN_OR_RETURN(const JsonObject value, values.Object(finding.id));
  PAWL_ASSIGN_OR_RETURN(finding.value, Text(value, "v"));
  PAWL_ASSIGN_OR_RETURN(finding.measured_at, MaybeTime(value, "at"));
  return finding;
}

Status ReadSubmod(const JsonObject& submods, Layer layer, StatementClaims& claims) {
  if (!submods.Has(LayerName(layer))) return {};  // its rows are missing, which the judge punishes
  PAWL_ASSIGN_OR_RETURN(const JsonObject submod, submods.Object(LayerName(layer)));
  if (layer == Layer::kUpdate) PAWL_TRY(ReadUpdate(submod, claims.update));
  if (!submod.Has("measres")) return {};
  PAWL_ASSIGN_OR_RETURN(const Json* groups, submod.Array("measres", kMaxFindings));
  for (const Json& group : *groups) {
    if (!group.is_array() || group.size() != 2 || group[0] != LayerShortName(layer) ||
        !group[1].is_array()) {
      return std::unexpected(
          submod.Malformed("measres", "groups of a system's name and its results"));
    }
    if (group[1].size() + claims.findings.size() > kMaxFindings) {
      return Fail(kMalformed, Format("statement: expected at most {} indicators", kMaxFindings));
    }
    for (const Json& pair : group[1]) {
      PAWL_ASSIGN_OR_RETURN(Finding finding, ReadFinding(pair, submod, layer));
      claims.findings.push_back(std::move(finding));
    }
  }
  return {};
}

Status ReadView(const JsonObject& root, Judgement& view) {
  PAWL_ASSIGN_OR_RETURN(const JsonObject object, root.Object("ota_result"));
  PAWL_ASSIGN_OR_RETURN(const std::uint64_t level, object.Unsigned("level", 4));
  PAWL_ASSIGN_OR_RETURN(const std::uint64_t score, object.Unsigned("score", 100));
  PAWL_ASSIGN_OR_RETURN(const std::string suffix, Text(object, "suffix"));
  PAWL_ASSIGN_OR_RETURN(const std::string tier, Text(object, "tier"));
  view.level = static_cast<int>(level);
  view.score = static_cast<int>(score);
  view.runtime_failure = suffix == "!";
  for (const Tier known : {Tier::kNone, Tier::kContraindicated, Tier::kWarning, Tier::kAffirming}) {
    if (TierName(known) == tier) {
      view.tier = known;
      return {};
    }
  }
  return std::unexpected(object.Malformed("tier", "none, contraindicated, warning or affirming"));
}

Status ReadDevice(const JsonObject& root, StatementClaims& claims) {
  PAWL_ASSIGN_OR_RETURN(claims.ueid, Base64(root, "ueid", kUeidBytes, kUeidBytes));
  PAWL_ASSIGN_OR_RETURN(const Bytes model, Base64(root, "hwmodel", 1, 32));
  claims.hwmodel = AsText(model);
  if (!IsSafeText(claims.hwmodel))
    return std::unexpected(root.Malformed("hwmodel", "printable ASCII"));
  if (root.Has("hwversion")) {
    PAWL_ASSIGN_OR_RETURN(claims.hwversion, Version(root, "hwversion"));
  }
  PAWL_ASSIGN_OR_RETURN(claims.swname, Text(root, "swname"));
  PAWL_ASSIGN_OR_RETURN(claims.swversion, Version(root, "swversion"));
  PAWL_ASSIGN_OR_RETURN(claims.uptime_seconds, root.Unsigned("uptime"));
  PAWL_ASSIGN_OR_RETURN(claims.boot_count, root.Unsigned("bootcount"));
  PAWL_ASSIGN_OR_RETURN(claims.boot_seed, Base64(root, "bootseed", kBootSeedBytes, kBootSeedBytes));
  return {};
}

}  // namespace

Result<Bytes> ParseNonce(std::string_view text) {
  constexpr std::string_view kHexMark = "hex:";
  auto bytes =
      text.starts_with(kHexMark) ? HexDecode(text.substr(kHexMark.size())) : Base64UrlDecode(text);
  if (!bytes || bytes->size() < kMinNonceBytes || bytes->size() > kMaxNonceBytes) {
    return Fail(ErrorCode::kStatementNonce,
                Format("expected a nonce of {} to {} bytes, in base64url or as hex:…",
                       kMinNonceBytes, kMaxNonceBytes));
  }
  return std::move(*bytes);
}

//= docs/integrity-statement.md#S-05
Result<StatementClaims> ReadClaims(ByteView payload) {
  auto json = ParseJson(payload);
  if (!json) return Fail(kMalformed, Format("statement: {}", json.error().Message()));
  PAWL_ASSIGN_OR_RETURN(const JsonObject root, JsonObject::From(*json, "statement", kMalformed));
  PAWL_ASSIGN_OR_RETURN(const std::string profile, root.String("eat_profile"));
  if (profile != kStatementProfile)
    return std::unexpected(root.Malformed("eat_profile", kStatementProfile));
  StatementClaims claims;
  PAWL_ASSIGN_OR_RETURN(claims.issued, Time(root, "iat"));
  PAWL_ASSIGN_OR_RETURN(claims.expires, Time(root, "exp"));
  PAWL_ASSIGN_OR_RETURN(claims.audience, Text(root, "aud"));
  if (root.Has("eat_nonce")) {
    PAWL_ASSIGN_OR_RETURN(claims.nonce, Base64(root, "eat_nonce", kMinNonceBytes, kMaxNonceBytes));
  }
  PAWL_TRY(ReadDevice(root, claims));
  PAWL_TRY(ReadOta(root, claims));
  PAWL_ASSIGN_OR_RETURN(const JsonObject submods, root.Object("submods"));
  for (std::size_t i = 0; i < kLayerCount; ++i)
    PAWL_TRY(ReadSubmod(submods, static_cast<Layer>(i), claims));
  PAWL_TRY(ReadView(root, claims.own_view));
  return claims;
}

}  // namespace pawl::integrity
