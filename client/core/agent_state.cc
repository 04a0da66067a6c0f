// SPDX-License-Identifier: Apache-2.0
#include "client/core/agent_state.h"

#include <algorithm>

#include "base/format.h"

namespace pawl::client {
namespace {

constexpr ErrorCode kCorrupt = ErrorCode::kStoreCorrupt;
constexpr std::size_t kMaxListItems = 1U << 20;  // chunks of a 1 TiB image

// Absent members have defaults; present ones must have the right type.
template <class T, class Read>
Status Optional(const JsonObject& object, std::string_view name, T& out, Read read) {
  if (!object.Has(name)) return {};
  PAWL_ASSIGN_OR_RETURN(out, read(object, name));
  return {};
}

Result<std::string> ReadText(const JsonObject& object, std::string_view name) { return object.String(name); }
Result<std::uint64_t> ReadNumber(const JsonObject& object, std::string_view name) { return object.Unsigned(name); }
Result<bool> ReadBool(const JsonObject& object, std::string_view name) { return object.Boolean(name); }

Result<Slot> ReadSlot(const JsonObject& object, std::string_view name) {
  PAWL_ASSIGN_OR_RETURN(const std::string text, object.String(name));
  if (text == "a") return Slot::kA;
  if (text == "b") return Slot::kB;
  return std::unexpected(object.Malformed(name, "\"a\" or \"b\""));
}

Result<Sha256Digest> ReadDigest(const JsonObject& object, std::string_view name) {
  PAWL_ASSIGN_OR_RETURN(const std::string text, object.String(name));
  auto digest = Sha256Digest::FromHex(text);
  if (!digest) return std::unexpected(object.Malformed(name, "a SHA-256 digest"));
  return digest;
}

Result<std::optional<UtcTime>> ReadTime(const JsonObject& object, std::string_view name) {
  PAWL_ASSIGN_OR_RETURN(const std::int64_t seconds, object.Integer(name));
  return std::optional<UtcTime>(UtcTime{seconds});
}

Result<Phase> ReadPhase(const JsonObject& object, std::string_view name) {
  PAWL_ASSIGN_OR_RETURN(const std::string text, object.String(name));
  const auto phase = PhaseFromName(text);
  if (!phase) return std::unexpected(object.Malformed(name, "the name of a phase"));
  return *phase;
}

Result<ReleaseFacts> DecodeRelease(const JsonObject& object) {
  ReleaseFacts facts;
  PAWL_TRY(Optional(object, "path", facts.path, ReadText));
  PAWL_TRY(Optional(object, "manifest_sha256", facts.manifest_sha256, ReadDigest));
  PAWL_TRY(Optional(object, "version", facts.version, ReadText));
  PAWL_TRY(Optional(object, "build", facts.build, ReadNumber));
  PAWL_TRY(Optional(object, "epoch", facts.epoch, ReadNumber));
  PAWL_TRY(Optional(object, "manifest", facts.manifest, ReadText));
  return facts;
}

Json EncodeRelease(const ReleaseFacts& facts) {
  return Json{{"path", facts.path},
              {"manifest_sha256", facts.manifest_sha256.Hex()},
              {"version", facts.version},
              {"build", facts.build},
              {"epoch", facts.epoch},
              {"manifest", facts.manifest}};
}

// Writes `values` as the members of `map`, keeping what this agent does not know inside an entry that stays.
template <class Map, class Encode>
void MergeMap(Json& map, const Map& values, Encode encode) {
  if (!map.is_object()) map = Json::object();
  for (auto entry = map.begin(); entry != map.end();) {
    entry = values.contains(entry.key()) ? std::next(entry) : map.erase(entry);
  }
  for (const auto& [name, value] : values) {
    Json& entry = map[name];
    if (!entry.is_object()) entry = Json::object();
    entry.update(encode(value));
  }
}

Result<WriteProgress> DecodeProgress(const Json& value) {
  PAWL_ASSIGN_OR_RETURN(const JsonObject object, JsonObject::From(value, "state: update.progress", kCorrupt));
  WriteProgress progress;
  PAWL_ASSIGN_OR_RETURN(progress.component, object.String("component"));
  PAWL_ASSIGN_OR_RETURN(progress.head_sha256, ReadDigest(object, "head_sha256"));
  PAWL_ASSIGN_OR_RETURN(progress.partition_id, object.String("partition_id"));
  PAWL_ASSIGN_OR_RETURN(progress.next_frame, object.Unsigned("next_frame"));
  PAWL_TRY(Optional(object, "done", progress.done, ReadBool));
  PAWL_ASSIGN_OR_RETURN(const Json* repair, object.Array("repair", kMaxListItems));
  for (const Json& item : *repair) {
    if (!item.is_number_integer() || item.get<std::int64_t>() < 0) {
      return Fail(kCorrupt, "state: update.progress: expected chunk numbers in \"repair\"");
    }
    progress.repair.push_back(item.get<std::uint64_t>());
  }
  return progress;
}

Json EncodeProgress(const WriteProgress& progress) {
  return Json{{"component", progress.component},       {"head_sha256", progress.head_sha256.Hex()},
              {"partition_id", progress.partition_id}, {"next_frame", progress.next_frame},
              {"repair", Json(progress.repair)},       {"done", progress.done}};
}

Result<UpdateRecord> DecodeUpdate(const JsonObject& object) {
  UpdateRecord update;
  PAWL_TRY(Optional(object, "phase", update.phase, ReadPhase));
  PAWL_TRY(Optional(object, "transaction", update.transaction, ReadNumber));
  PAWL_TRY(Optional(object, "target", update.target, ReadSlot));
  PAWL_TRY(Optional(object, "order_id", update.order_id, ReadText));
  PAWL_TRY(Optional(object, "order_reason", update.order_reason, ReadText));
  PAWL_TRY(Optional(object, "left_build", update.left_build, ReadNumber));
  PAWL_TRY(Optional(object, "tries", update.tries, ReadNumber));
  PAWL_TRY(Optional(object, "route", update.route, ReadText));
  PAWL_TRY(Optional(object, "failure_code", update.failure_code, ReadText));
  PAWL_TRY(Optional(object, "failure_text", update.failure_text, ReadText));
  PAWL_TRY(Optional(object, "bytes_fetched", update.bytes_fetched, ReadNumber));
  PAWL_TRY(Optional(object, "bytes_full", update.bytes_full, ReadNumber));
  PAWL_TRY(Optional(object, "floor_raised", update.floor_raised, ReadBool));
  PAWL_TRY(Optional(object, "health_failed", update.health_failed, ReadBool));
  PAWL_TRY(Optional(object, "armed_boot_id", update.armed_boot_id, ReadText));
  if (object.Has("release")) {
    PAWL_ASSIGN_OR_RETURN(const JsonObject release, object.Object("release"));
    PAWL_ASSIGN_OR_RETURN(update.release, DecodeRelease(release));
  }
  if (object.Has("progress")) {
    PAWL_ASSIGN_OR_RETURN(const Json* items, object.Array("progress", 64));
    for (const Json& item : *items) {
      PAWL_ASSIGN_OR_RETURN(WriteProgress progress, DecodeProgress(item));
      update.progress.push_back(std::move(progress));
    }
  }
  return update;
}

void EncodeUpdate(const UpdateRecord& update, Json& object) {
  object["phase"] = PhaseName(update.phase);
  object["transaction"] = update.transaction;
  object["target"] = SlotName(update.target);
  if (!object.contains("release")) object["release"] = Json::object();
  object["release"].update(EncodeRelease(update.release));
  object["order_id"] = update.order_id;
  object["order_reason"] = update.order_reason;
  object["left_build"] = update.left_build;
  object["tries"] = update.tries;
  object["route"] = update.route;
  object["failure_code"] = update.failure_code;
  object["failure_text"] = update.failure_text;
  object["bytes_fetched"] = update.bytes_fetched;
  object["bytes_full"] = update.bytes_full;
  object["floor_raised"] = update.floor_raised;
  object["health_failed"] = update.health_failed;
  object["armed_boot_id"] = update.armed_boot_id;
  Json progress = Json::array();
  for (const WriteProgress& item : update.progress) progress.push_back(EncodeProgress(item));
  object["progress"] = std::move(progress);
}

Result<Measurement> DecodeMeasurement(const JsonObject& object) {
  Measurement measurement;
  PAWL_ASSIGN_OR_RETURN(measurement.boot_id, object.String("boot_id"));
  PAWL_ASSIGN_OR_RETURN(measurement.component, object.String("component"));
  PAWL_ASSIGN_OR_RETURN(measurement.slot, ReadSlot(object, "slot"));
  PAWL_ASSIGN_OR_RETURN(measurement.size_bytes, object.Unsigned("size_bytes"));
  PAWL_ASSIGN_OR_RETURN(const std::string packed, object.String("chunks"));
  auto raw = Base64UrlDecode(packed);
  if (!raw || raw->size() % sizeof(Sha256Digest::bytes) != 0) {
    return std::unexpected(object.Malformed("chunks", "packed digests"));
  }
  for (std::size_t at = 0; at < raw->size(); at += sizeof(Sha256Digest::bytes)) {
    Sha256Digest digest;
    std::copy_n(raw->begin() + static_cast<std::ptrdiff_t>(at), digest.bytes.size(), digest.bytes.begin());
    measurement.chunks.push_back(digest);
  }
  return measurement;
}

Json EncodeMeasurement(const Measurement& measurement) {
  Bytes packed;
  for (const Sha256Digest& digest : measurement.chunks) packed.insert(packed.end(), digest.bytes.begin(), digest.bytes.end());
  return Json{{"boot_id", measurement.boot_id},
              {"component", measurement.component},
              {"slot", SlotName(measurement.slot)},
              {"size_bytes", measurement.size_bytes},
              {"chunks", Base64UrlEncode(packed)}};
}

Status DecodeMaps(const JsonObject& root, AgentState& state) {
  if (root.Has("slots")) {
    PAWL_ASSIGN_OR_RETURN(const JsonObject slots, root.Object("slots"));
    for (const auto& [name, value] : slots.json().items()) {
      PAWL_ASSIGN_OR_RETURN(const JsonObject slot, JsonObject::From(value, "state: slots", kCorrupt));
      PAWL_ASSIGN_OR_RETURN(state.slots[name], DecodeRelease(slot));
    }
  }
  if (root.Has("orders")) {
    PAWL_ASSIGN_OR_RETURN(const JsonObject orders, root.Object("orders"));
    for (const auto& [path, value] : orders.json().items()) {
      PAWL_ASSIGN_OR_RETURN(const JsonObject order, JsonObject::From(value, "state: orders", kCorrupt));
      OrderMemory& memory = state.orders[path];
      PAWL_ASSIGN_OR_RETURN(memory.counter, order.Unsigned("counter"));
      PAWL_ASSIGN_OR_RETURN(memory.keyset, order.String("keyset"));
      PAWL_TRY(Optional(order, "id", memory.id, ReadText));
      PAWL_TRY(Optional(order, "refused", memory.refused, ReadText));
    }
  }
  return {};
}

}  // namespace

Result<AgentState> DecodeAgentState(const Json& document) {
  PAWL_ASSIGN_OR_RETURN(const JsonObject root, JsonObject::From(document, "state", kCorrupt));
  AgentState state;
  if (root.Has("update")) {
    PAWL_ASSIGN_OR_RETURN(const JsonObject update, root.Object("update"));
    PAWL_ASSIGN_OR_RETURN(state.update, DecodeUpdate(update));
  }
  PAWL_TRY(DecodeMaps(root, state));
  std::optional<UtcTime> created;
  PAWL_TRY(Optional(root, "created", created, ReadTime));
  state.created = created.value_or(UtcTime{});
  PAWL_TRY(Optional(root, "floor", state.floor, ReadNumber));
  PAWL_TRY(Optional(root, "time_floor", state.time_floor, ReadTime));
  PAWL_TRY(Optional(root, "time_floor_keyset", state.time_floor_keyset, ReadText));
  PAWL_TRY(Optional(root, "highest_root", state.highest_root, ReadNumber));
  PAWL_TRY(Optional(root, "last_refresh", state.last_refresh, ReadTime));
  PAWL_TRY(Optional(root, "hold", state.hold, ReadBool));
  PAWL_TRY(Optional(root, "held_build", state.held_build, ReadNumber));
  PAWL_TRY(Optional(root, "held_reason", state.held_reason, ReadText));
  PAWL_TRY(Optional(root, "unconfirmed_release", state.unconfirmed_release, ReadText));
  PAWL_TRY(Optional(root, "unconfirmed_trials", state.unconfirmed_trials, ReadNumber));
  PAWL_TRY(Optional(root, "accepted_order", state.accepted_order, ReadText));
  PAWL_TRY(Optional(root, "statement_seq", state.statement_seq, ReadNumber));
  PAWL_TRY(Optional(root, "statement_sha256", state.statement_sha256, ReadText));
  PAWL_TRY(Optional(root, "boots", state.boots, ReadNumber));
  PAWL_TRY(Optional(root, "last_boot_id", state.last_boot_id, ReadText));
  if (root.Has("offline")) {
    PAWL_ASSIGN_OR_RETURN(const JsonObject offline, root.Object("offline"));
    PAWL_TRY(Optional(offline, "nonce", state.offline.nonce, ReadText));
    PAWL_TRY(Optional(offline, "requested", state.offline.requested, ReadTime));
    PAWL_TRY(Optional(offline, "obeyed", state.offline.obeyed, ReadText));
  }
  if (root.Has("measurement") && !root.json()["measurement"].is_null()) {
    PAWL_ASSIGN_OR_RETURN(const JsonObject measurement, root.Object("measurement"));
    PAWL_ASSIGN_OR_RETURN(state.measurement, DecodeMeasurement(measurement));
  }
  return state;
}

void EncodeAgentState(const AgentState& state, Json& document) {
  if (!document.is_object()) document = Json::object();
  if (!document.contains("update")) document["update"] = Json::object();
  EncodeUpdate(state.update, document["update"]);
  MergeMap(document["slots"], state.slots, EncodeRelease);
  MergeMap(document["orders"], state.orders, [](const OrderMemory& memory) {
    return Json{{"counter", memory.counter}, {"keyset", memory.keyset}, {"id", memory.id}, {"refused", memory.refused}};
  });
  if (!document["offline"].is_object()) document["offline"] = Json::object();
  document["offline"]["nonce"] = state.offline.nonce;
  document["offline"]["obeyed"] = state.offline.obeyed;
  document["offline"].erase("requested");
  if (state.offline.requested) document["offline"]["requested"] = state.offline.requested->seconds;
  document["created"] = state.created.seconds;
  document["floor"] = state.floor;
  const auto optional_time = [&](const char* name, const std::optional<UtcTime>& time) {
    if (time) {
      document[name] = time->seconds;
    } else {
      document.erase(name);
    }
  };
  optional_time("time_floor", state.time_floor);
  optional_time("last_refresh", state.last_refresh);
  document["highest_root"] = state.highest_root;
  document["time_floor_keyset"] = state.time_floor_keyset;
  document["hold"] = state.hold;
  document["held_build"] = state.held_build;
  document["held_reason"] = state.held_reason;
  document["unconfirmed_release"] = state.unconfirmed_release;
  document["unconfirmed_trials"] = state.unconfirmed_trials;
  document["accepted_order"] = state.accepted_order;
  document["statement_seq"] = state.statement_seq;
  document["statement_sha256"] = state.statement_sha256;
  document["boots"] = state.boots;
  document["last_boot_id"] = state.last_boot_id;
  document["measurement"] = state.measurement ? EncodeMeasurement(*state.measurement) : Json();
}

}  // namespace pawl::client
