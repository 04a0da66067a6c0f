// SPDX-License-Identifier: Apache-2.0

#include "base/json.h"
#include "client/integrity/model/claims_text.h"
#include "client/integrity/model/statement.h"

namespace pawl::integrity {
namespace {

void PutTime(Json& object, const char* name, const std::optional<UtcTime>& time) {
  if (time) object[name] = time->seconds;
}
template <class T>
void PutIf(Json& object, const char* name, const std::optional<T>& value) {
  if (value) object[name] = *value;
}
void PutText(Json& object, const char* name, const std::string& text) {
  if (!text.empty()) object[name] = text;
}

Json SlotJson(const SlotEvidence& slot) {
  return Json{{"slot", slot.slot},          {"component", slot.component},
              {"version", slot.version},    {"bytes", slot.bytes},
              {"chunks", slot.chunks},      {"wrong_chunks", slot.wrong_chunks},
              {"sha256", slot.image.Hex()}, {"measured_at", slot.measured_at.seconds}};
}

Json OtaJson(const StatementClaims& claims) {
  Json agent{{"version", claims.agent_version}};
  if (claims.agent_digest) agent["digest"] = Json::array({"sha-256", claims.agent_digest->Hex()});
  Json slots = Json::array();
  for (const SlotEvidence& slot : claims.slots) slots.push_back(SlotJson(slot));
  Json ota{{"seq", claims.seq},
           {"keyprot", claims.key_protection},
           {"agent", agent},
           {"profile_digest", claims.profile_digest.Hex()},
           {"catalogue", claims.catalogue},
           {"collect_ms", claims.collect_ms},
           {"test_mode", claims.test_mode},
           {"slot_kind", claims.slot_kind},
           {"slots", slots}};
  if (claims.prev) ota["prev"] = claims.prev->Hex();
  return ota;
}

Json UpdateJson(const UpdateView& view) {
  Json update{{"active", view.active_slot}, {"version", view.version}};
  PutIf(update, "epoch", view.epoch);
  PutIf(update, "floor", view.floor);
  PutIf(update, "trial_left", view.trial_left);
  PutIf(update, "root_version", view.root_version);
  PutTime(update, "metadata_expires", view.metadata_expires);
  PutText(update, "staged", view.staged);
  if (view.last) {
    Json last{{"id", view.last->id}, {"result", view.last->result}, {"phase", view.last->phase}};
    PutText(last, "code", view.last->code);
    PutTime(last, "at", view.last->at);
    update["last"] = last;
  }
  return update;
}

// {"measres": [["kernel", [["k.taint", "success"], …]]], "ota_values": {"k.taint": {"class": "K",
// "v": "0"}}}
Json SubmodJson(Layer layer, const StatementClaims& claims) {
  Json results = Json::array();
  Json values = Json::object();
  for (const Finding& finding : claims.findings) {
    const Indicator* row = FindIndicator(finding.id);
    if (row == nullptr || row->layer != layer) continue;
    // Json::array, because a braced pair of texts would become an object.
    results.push_back(Json::array({finding.id, MeasurementWord(finding.outcome)}));
    Json value{{"class", EvidenceLetter(row->evidence)}, {"v", finding.value}};
    PutTime(value, "at", finding.measured_at);
    values[finding.id] = value;
  }
  Json submod = Json::object();
  if (!results.empty()) {
    Json group = Json::array();
    group.push_back(LayerShortName(layer));
    group.push_back(results);
    submod["measres"] = Json::array({group});
    submod["ota_values"] = values;
  }
  return submod;
}

Json ViewJson(const Judgement& view) {
  Json vector = Json::object();
  for (std::size_t key = 0; key < kClaimCount; ++key) {
    if (view.vector[key] != 0)
      vector[std::string(ClaimName(static_cast<Claim>(key)))] = view.vector[key];
  }
  return Json{{"level", view.level},
              {"suffix", view.runtime_failure ? "!" : ""},
              {"tier", TierName(view.tier)},
              {"score", view.score},
              {"vector", vector},
              {"tags", view.tags}};
}

}  // namespace

std::string WriteClaims(const StatementClaims& claims) {
  Json submods = Json::object();
  for (std::size_t i = 0; i < kLayerCount; ++i) {
    const Layer layer = static_cast<Layer>(i);
    submods[std::string(LayerName(layer))] = SubmodJson(layer, claims);
  }
  submods[std::string(LayerName(Layer::kUpdate))]["ota_update"] = UpdateJson(claims.update);
  Json json{
      {"eat_profile", kStatementProfile},
      {"iat", claims.issued.seconds},
      {"exp", claims.expires.seconds},
      {"aud", claims.audience},
      {"ueid", Base64UrlEncode(claims.ueid)},
      {"hwmodel",
       Base64UrlEncode(AsBytes(claims.hwmodel))},  // bytes in RFC 9711, therefore base64url in JSON
      {"swname", claims.swname},
      {"swversion", Json::array({claims.swversion})},
      {"uptime", claims.uptime_seconds},
      {"bootcount", claims.boot_count},
      {"bootseed", Base64UrlEncode(claims.boot_seed)},
      {"ota", OtaJson(claims)},
      {"submods", submods},
      {"ota_result", ViewJson(claims.own_view)}};
  if (claims.nonce) json["eat_nonce"] = Base64UrlEncode(*claims.nonce);
  if (!claims.hwversion.empty()) json["hwversion"] = Json::array({claims.hwversion});
  // Members sorted, no white space, everything beyond ASCII escaped.
  return json.dump(-1, ' ', true, Json::error_handler_t::replace);
}

}  // namespace pawl::integrity
