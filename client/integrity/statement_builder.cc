// SPDX-License-Identifier: Apache-2.0
#include "client/integrity/statement_builder.h"

#include <algorithm>

#include "base/format.h"
#include "client/integrity/model/device_key.h"
#include "client/integrity/model/jws.h"
#include "client/integrity/model/safe_text.h"

namespace pawl::integrity {
namespace {

constexpr std::size_t kMaxModelBytes = 32;  // RFC 9711 section 4.2.4

Status CheckRequest(const StatementRequest& request, const DeviceFacts& device) {
  const auto refuse = [](std::string why) {
    return Fail(ErrorCode::kInputInvalid, "statement: " + std::move(why));
  };
  if (request.seq == 0 || request.seq > INT64_MAX) return refuse("seq counts from 1");
  if ((request.seq == 1) == request.prev.has_value())
    return refuse("prev is there exactly when seq is above 1");
  if (request.lifetime_seconds < 1 || request.lifetime_seconds > kMaxLifetimeSeconds) {
    return refuse(Format("expected a lifetime of 1 to {} s, found {} s", kMaxLifetimeSeconds,
                         request.lifetime_seconds));
  }
  if (request.now.seconds < 0) return refuse("the clock is before 1970");
  if (!IsSafeText(request.audience) || request.audience.empty())
    return refuse("the audience is not printable ASCII");
  if (device.ueid.size() != kUeidBytes || device.ueid.front() != kUeidTypeRandom) {
    return refuse("expected a ueid of 33 bytes that begins with 01");
  }
  if (device.hwmodel.empty() || device.hwmodel.size() > kMaxModelBytes ||
      !IsSafeText(device.hwmodel)) {
    return refuse("expected a hardware model of 1 to 32 printable ASCII characters");
  }
  if (request.nonce &&
      (request.nonce->size() < kMinNonceBytes || request.nonce->size() > kMaxNonceBytes)) {
    return Fail(ErrorCode::kStatementNonce,
                Format("expected a nonce of {} to {} bytes, found {}", kMinNonceBytes,
                       kMaxNonceBytes, request.nonce->size()));
  }
  return {};
}

// The boot id itself is known to every local program; its hash ties statements of one boot together
// and tells nothing else.
Bytes BootSeed(const std::string& boot_id) {
  const Sha256Digest digest = HashSha256(AsBytes("pawl bootseed:" + boot_id));
  return {digest.bytes.begin(), digest.bytes.end()};
}

UpdateView ViewOf(const UpdateFacts& facts) {
  UpdateView view;
  view.active_slot = SafeText(facts.active_slot);
  view.version = SafeText(facts.version);
  view.epoch = facts.epoch;
  view.floor = facts.store_floor && facts.vault_floor
                   ? std::max(facts.store_floor, facts.vault_floor)
                   : facts.store_floor;
  view.trial_left = facts.trial_left;
  view.root_version = facts.root_version;
  view.metadata_expires = facts.metadata_expires;
  view.staged = SafeText(facts.staged);
  if (facts.last) {
    view.last = LastUpdate{SafeText(facts.last->id), SafeText(facts.last->result),
                           SafeText(facts.last->code), SafeText(facts.last->phase), facts.last->at};
  }
  return view;
}

std::vector<SlotEvidence> SafeSlots(const std::vector<SlotEvidence>& slots) {
  std::vector<SlotEvidence> safe(
      slots.begin(),
      slots.begin() + static_cast<std::ptrdiff_t>(std::min(slots.size(), kMaxSlots)));
  for (SlotEvidence& slot : safe) {
    slot.slot = SafeText(slot.slot);
    slot.component = SafeText(slot.component);
    slot.version = SafeText(slot.version);
  }
  return safe;
}

StatementClaims MakeClaims(const StatementRequest& request, const DeviceFacts& device,
                           const CollectInputs& inputs, const Observation& observation,
                           const client::KeyVault& vault) {
  StatementClaims claims;
  claims.issued = request.now;
  claims.expires = request.now.PlusSeconds(request.lifetime_seconds);
  claims.audience = request.audience;
  claims.nonce = request.nonce;
  claims.ueid = device.ueid;
  claims.hwmodel = device.hwmodel;
  claims.hwversion = SafeText(device.hwversion);
  claims.swname = SafeText(device.swname);
  claims.swversion = SafeText(device.swversion);
  claims.uptime_seconds = observation.uptime_seconds.value_or(0);
  claims.boot_count = device.boot_count;
  claims.boot_seed = BootSeed(device.boot_id);
  claims.seq = request.seq;
  claims.prev = request.prev;
  claims.key_protection = SafeText(vault.Protection());
  claims.agent_version = SafeText(device.agent_version);
  claims.agent_digest = observation.agent_digest;
  claims.profile_digest = inputs.profile.digest;
  claims.collect_ms = observation.collect_ms;
  claims.test_mode = observation.test_mode;
  claims.slot_kind = SafeText(inputs.update.slot_kind);
  claims.slots = SafeSlots(inputs.update.slots);
  claims.findings = observation.findings;
  claims.update = ViewOf(inputs.update);
  claims.own_view =
      Judge(observation.findings, Policy{inputs.profile.not_applicable, observation.test_mode, 0});
  return claims;
}

}  // namespace

Result<SignedStatement> BuildStatement(const StatementRequest& request, const DeviceFacts& device,
                                       const CollectInputs& inputs, const Observation& observation,
                                       client::KeyVault& vault) {
  PAWL_TRY(CheckRequest(request, device));
  SignedStatement statement;
  statement.claims = MakeClaims(request, device, inputs, observation, vault);
  PAWL_ASSIGN_OR_RETURN(const Bytes public_key, vault.PublicKey());
  const std::string signing_input =
      JwsSigningInput(KeyThumbprint(public_key), WriteClaims(statement.claims));
  PAWL_ASSIGN_OR_RETURN(const Bytes signature, vault.Sign(AsBytes(signing_input)));
  statement.compact = JwsCompact(signing_input, signature);
  //= docs/integrity-statement.md#S-01
  if (statement.compact.size() > kMaxStatementBytes) {
    return Fail(ErrorCode::kInputInvalid, Format("statement: {} bytes, at most {} are allowed",
                                                 statement.compact.size(), kMaxStatementBytes));
  }
  statement.sha256 = StatementHash(statement.compact);
  return statement;
}

}  // namespace pawl::integrity
