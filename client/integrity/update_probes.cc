// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "base/format.h"
#include "client/integrity/probes.h"

namespace pawl::integrity {
namespace {

Reading Decide(std::optional<bool> holds, std::string text) {
  if (!holds) return Unknown(std::move(text));
  return *holds ? Passed(std::move(text)) : Failed(std::move(text));
}

std::string Shown(std::optional<std::uint64_t> number) {
  return number ? Format("{}", *number) : "?";
}

}  // namespace

Reading ProbeSlotDigest(const CollectInputs& in) {
  Conditions conditions;
  std::optional<UtcTime> oldest;
  for (const SlotEvidence& slot : in.update.slots) {
    if (slot.slot != in.update.active_slot) continue;
    oldest = oldest ? std::min(*oldest, slot.measured_at) : slot.measured_at;
    // What was wrong then is held against the device; what was right long ago, or in the future, is
    // not known to be right now.
    const bool fresh = slot.measured_at.PlusSeconds(kMaxMeasurementAgeSeconds) >= in.now &&
                       slot.measured_at <= in.now.PlusSeconds(kClockLeewaySeconds);
    std::optional<bool> holds;
    if (slot.wrong_chunks != 0)
      holds = false;
    else if (fresh)
      holds = true;
    conditions.Require(holds, Format("{}/{} sha256:{} {} of {} chunks differ{}", slot.slot,
                                     slot.component, slot.image.Hex().substr(0, 16),
                                     slot.wrong_chunks, slot.chunks, fresh ? "" : " (stale)"));
  }
  Reading reading = conditions.Finish();
  if (reading.value.empty()) reading.value = "not measured in this boot";
  reading.measured_at = oldest;
  return reading;
}

Reading ProbeManifest(const CollectInputs& in) {
  return Decide(in.update.manifest_verified, in.update.manifest_detail);
}

Reading ProbeFloor(const CollectInputs& in) {
  const UpdateFacts& facts = in.update;
  std::string shown = Format("epoch {} floor {} burned {}", Shown(facts.epoch),
                             Shown(facts.store_floor), Shown(facts.vault_floor));
  if (!facts.epoch || !facts.store_floor || !facts.vault_floor) return Unknown(std::move(shown));
  const bool above = *facts.epoch >= std::max(*facts.store_floor, *facts.vault_floor);
  // A store below what was burned is an old store put back.
  const bool store_current = *facts.store_floor >= *facts.vault_floor;
  return Decide(above && store_current, std::move(shown));
}

Reading ProbeMetadataAge(const CollectInputs& in) {
  const UpdateFacts& facts = in.update;
  Conditions conditions;
  conditions.Require(
      facts.metadata_expires ? std::optional<bool>(in.now < *facts.metadata_expires) : std::nullopt,
      facts.metadata_expires ? "expires " + FormatUtcTime(*facts.metadata_expires) : "no metadata");
  std::optional<bool> recent;
  if (facts.last_refresh) {
    recent = in.now.seconds - facts.last_refresh->seconds <=
             static_cast<std::int64_t>(in.profile.max_check_age_seconds);
  }
  conditions.Require(recent, facts.last_refresh ? "refreshed " + FormatUtcTime(*facts.last_refresh)
                                                : "never refreshed");
  return conditions.Finish();
}

Reading ProbeRootVersion(const CollectInputs& in) {
  const UpdateFacts& facts = in.update;
  std::string shown =
      Format("{} in use, {} highest", Shown(facts.root_version), Shown(facts.highest_root_version));
  if (!facts.root_version || !facts.highest_root_version) return Unknown(std::move(shown));
  return Decide(*facts.root_version >= *facts.highest_root_version, std::move(shown));
}

Reading ProbeTrial(const CollectInputs& in) {
  const UpdateFacts& facts = in.update;
  if (!facts.confirmed) return Unknown("not known");
  return Decide(facts.confirmed, *facts.confirmed
                                     ? "confirmed"
                                     : Format("on trial, {} boots left", Shown(facts.trial_left)));
}

Reading ProbeLastUpdate(const CollectInputs& in) {
  const auto& last = in.update.last;
  if (!last) return Unknown("not known");
  const bool fine = last->result == "success" || last->result == "none";
  std::string shown = last->result;
  if (!last->phase.empty()) shown += " in " + last->phase;
  if (!last->code.empty()) shown += " " + last->code;
  // An update that is being written has neither succeeded nor failed.
  if (last->result == "running") return Unknown(std::move(shown));
  return Decide(fine, std::move(shown));
}

Reading ProbeRollback(const CollectInputs& in) {
  if (!in.update.rolled_back) return Unknown("not known");
  return Decide(!*in.update.rolled_back,
                *in.update.rolled_back ? "fell back: " + in.update.rollback_reason : "none");
}

Reading ProbeOtherSlot(const CollectInputs& in) {
  if (!in.update.other_slot) return Unknown("not known");
  switch (*in.update.other_slot) {
    case OtherSlotState::kEmpty:
      return Passed("empty");
    case OtherSlotState::kKnownGood:
      return Passed("known good");
    case OtherSlotState::kWriting:
      return Passed("being written");
    case OtherSlotState::kBad:
      return Failed("bad");
  }
  return Unknown("not known");
}

}  // namespace pawl::integrity
