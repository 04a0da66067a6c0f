// SPDX-License-Identifier: Apache-2.0
#include "manifest/challenge.h"

#include <algorithm>

#include "base/format.h"
#include "manifest/release.h"

namespace pawl::manifest {
namespace {

constexpr ErrorCode kMalformed = ErrorCode::kChallengeMalformed;
constexpr std::size_t kMaxDeviceIdBytes = 64;
constexpr std::size_t kMaxSlots = 2;

// As the configuration of a device demands it. A challenge is signed by nobody, and people read it.
bool IsDeviceId(std::string_view text) {
  constexpr std::string_view kMarks = "._-";
  return !text.empty() && text.size() <= kMaxDeviceIdBytes &&
         std::ranges::all_of(text, [&](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  kMarks.contains(c);
         });
}

Result<ChallengeSlot> ReadSlot(const Json& value) {
  PAWL_ASSIGN_OR_RETURN(const JsonObject object,
                        JsonObject::From(value, "challenge: slots", kMalformed));
  ChallengeSlot slot;
  PAWL_ASSIGN_OR_RETURN(slot.version, object.String("version"));
  if (!IsPlainVersion(slot.version)) {
    return std::unexpected(object.Malformed("version", "a plain version"));
  }
  PAWL_ASSIGN_OR_RETURN(slot.build, object.Unsigned("build"));
  PAWL_ASSIGN_OR_RETURN(slot.bootable, object.Boolean("bootable"));
  if (!object.Has("manifest_sha256")) return slot;
  PAWL_ASSIGN_OR_RETURN(const std::string digest, object.String("manifest_sha256"));
  auto parsed = Sha256Digest::FromHex(digest);
  if (!parsed) return std::unexpected(object.Malformed("manifest_sha256", "a SHA-256 digest"));
  slot.manifest_sha256 = *parsed;
  return slot;
}

// Who asks, and the nonce.
Status ReadWho(const JsonObject& object, Challenge& challenge) {
  PAWL_ASSIGN_OR_RETURN(challenge.device_id, object.String("device_id"));
  if (!IsDeviceId(challenge.device_id)) {
    return std::unexpected(
        object.Malformed("device_id", "a name of 1 to 64 characters A-Z a-z 0-9 . _ -"));
  }
  PAWL_ASSIGN_OR_RETURN(challenge.nonce, object.String("nonce"));
  const auto nonce = HexDecode(challenge.nonce);
  if (!nonce || nonce->size() != kNonceBytes) {
    return std::unexpected(object.Malformed("nonce", "64 lower-case hexadecimal digits"));
  }
  PAWL_ASSIGN_OR_RETURN(challenge.product, object.String("product"));
  PAWL_ASSIGN_OR_RETURN(challenge.hardware, object.String("hardware"));
  if (!IsPlainName(challenge.product)) {
    return std::unexpected(object.Malformed("product", "a plain name"));
  }
  if (!IsPlainName(challenge.hardware)) {
    return std::unexpected(object.Malformed("hardware", "a plain name"));
  }
  return {};
}

Status ReadState(const JsonObject& object, Challenge& challenge) {
  PAWL_ASSIGN_OR_RETURN(const std::string time, object.String("time"));
  auto parsed = ParseUtcTime(time);
  if (!parsed) return std::unexpected(object.Malformed("time", "a time"));
  challenge.time = *parsed;
  PAWL_ASSIGN_OR_RETURN(challenge.agent_protocol, object.Unsigned("agent_protocol"));
  PAWL_ASSIGN_OR_RETURN(const JsonObject running, object.Object("running"));
  PAWL_ASSIGN_OR_RETURN(challenge.running_version, running.String("version"));
  PAWL_ASSIGN_OR_RETURN(challenge.running_build, running.Unsigned("build"));
  if (!IsPlainVersion(challenge.running_version)) {
    return std::unexpected(running.Malformed("version", "a plain version"));
  }
  PAWL_ASSIGN_OR_RETURN(challenge.floor, object.Unsigned("floor"));
  PAWL_ASSIGN_OR_RETURN(const JsonObject metadata, object.Object("metadata"));
  PAWL_ASSIGN_OR_RETURN(challenge.root, metadata.Unsigned("root"));
  PAWL_ASSIGN_OR_RETURN(challenge.timestamp, metadata.Unsigned("timestamp"));
  PAWL_ASSIGN_OR_RETURN(challenge.snapshot, metadata.Unsigned("snapshot"));
  PAWL_ASSIGN_OR_RETURN(challenge.targets, metadata.Unsigned("targets"));
  return {};
}

Status ReadSlots(const JsonObject& object, Challenge& challenge) {
  PAWL_ASSIGN_OR_RETURN(challenge.booted, object.String("booted"));
  PAWL_ASSIGN_OR_RETURN(const JsonObject slots, object.Object("slots"));
  if (slots.json().size() > kMaxSlots || (challenge.booted != "a" && challenge.booted != "b")) {
    return std::unexpected(object.Malformed("slots", "the slots a and b"));
  }
  for (const auto& [name, value] : slots.json().items()) {
    if (name != "a" && name != "b") {
      return std::unexpected(object.Malformed("slots", "the slots a and b"));
    }
    PAWL_ASSIGN_OR_RETURN(challenge.slots[name], ReadSlot(value));
  }
  return {};
}

}  // namespace

//= docs/manifest-format.md#M-79
Result<Challenge> ParseChallenge(ByteView bytes) {
  if (bytes.size() > kMaxChallengeBytes) {
    return Fail(kMalformed, Format("challenge: expected at most {} bytes, found {}",
                                   kMaxChallengeBytes, bytes.size()));
  }
  auto document = ParseJson(bytes);
  if (!document) return Fail(kMalformed, "challenge: " + document.error().Message());
  PAWL_ASSIGN_OR_RETURN(const JsonObject object,
                        JsonObject::From(*document, "challenge", kMalformed));
  PAWL_ASSIGN_OR_RETURN(const std::string schema, object.String("schema"));
  if (schema != kChallengeSchema) {
    return std::unexpected(object.Malformed("schema", kChallengeSchema));
  }
  Challenge challenge;
  PAWL_TRY(ReadWho(object, challenge));
  PAWL_TRY(ReadState(object, challenge));
  PAWL_TRY(ReadSlots(object, challenge));
  return challenge;
}

Json EncodeChallenge(const Challenge& challenge) {
  Json slots = Json::object();
  for (const auto& [name, slot] : challenge.slots) {
    slots[name] =
        Json{{"version", slot.version}, {"build", slot.build}, {"bootable", slot.bootable}};
    if (slot.manifest_sha256) slots[name]["manifest_sha256"] = slot.manifest_sha256->Hex();
  }
  return Json{
      {"schema", kChallengeSchema},
      {"device_id", challenge.device_id},
      {"nonce", challenge.nonce},
      {"product", challenge.product},
      {"hardware", challenge.hardware},
      {"time", FormatUtcTime(challenge.time)},
      {"agent_protocol", challenge.agent_protocol},
      {"running", Json{{"version", challenge.running_version}, {"build", challenge.running_build}}},
      {"floor", challenge.floor},
      {"booted", challenge.booted},
      {"slots", std::move(slots)},
      {"metadata", Json{{"root", challenge.root},
                        {"timestamp", challenge.timestamp},
                        {"snapshot", challenge.snapshot},
                        {"targets", challenge.targets}}}};
}

}  // namespace pawl::manifest
