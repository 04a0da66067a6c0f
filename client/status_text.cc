// SPDX-License-Identifier: Apache-2.0
#include "client/status_text.h"

#include <algorithm>

#include "base/format.h"
#include "base/progress.h"

namespace pawl::client {
namespace {

std::string SlotWord(const Device& device, Slot slot) {
  const BootFacts& facts = device.agent->boot_facts();
  const UpdateRecord& update = device.agent->state().update;
  if (facts.booted == slot) return facts.good == slot ? "good, booted" : "on trial, booted";
  if (facts.trying == slot) return "armed: tried at the next boot";
  if (facts.good == slot) return "good";
  if (update.target == slot && (update.phase == Phase::kWriting || update.phase == Phase::kPlanned)) return "being written";
  if (facts.failed == slot) return "failed its trial";
  return facts.Bootable(slot) ? "bootable" : "not bootable";
}

std::string SlotVersion(const Device& device, Slot slot) {
  const AgentState& state = device.agent->state();
  if (const auto known = state.slots.find(std::string(SlotName(slot))); known != state.slots.end()) return known->second.version;
  if (state.update.target == slot && state.update.phase != Phase::kIdle) return state.update.release.version;
  return "";
}

std::string PhaseSentence(const UpdateRecord& update) {
  switch (update.phase) {
    case Phase::kIdle: return "idle";
    case Phase::kPlanned: return Format("{} is planned", update.release.version);
    case Phase::kWriting: return Format("writing {}; pawl-agent update goes on where it stopped", update.release.version);
    case Phase::kVerified: return Format("{} is written and verified, not armed yet", update.release.version);
    case Phase::kArmed: return Format("{} is armed; waiting for a reboot", update.release.version);
    case Phase::kTrial: return Format("{} is on trial; pawl-agent confirm decides", update.release.version);
    case Phase::kConfirmed: return Format("{} was installed and confirmed", update.release.version);
    case Phase::kRolledBack: return Format("rolled back from {}", update.release.version);
    case Phase::kFailed: return Format("gave up on {}", update.release.version);
  }
  return "";
}

Json SlotJson(const Device& device, Slot slot) {
  const AgentState& state = device.agent->state();
  Json out{{"name", SlotName(slot)},
           {"state", SlotWord(device, slot)},
           {"version", SlotVersion(device, slot)},
           {"booted", device.agent->boot_facts().booted == slot},
           {"good", device.agent->boot_facts().good == slot},
           {"bootable", device.agent->boot_facts().Bootable(slot)}};
  if (const auto known = state.slots.find(std::string(SlotName(slot))); known != state.slots.end()) {
    out["build"] = known->second.build;
    out["epoch"] = known->second.epoch;
  }
  return out;
}

}  // namespace

std::string StatusText(const Device& device) {
  const AgentState& state = device.agent->state();
  const UpdateRecord& update = state.update;
  std::string out;
  for (const Slot slot : {Slot::kA, Slot::kB}) {
    const std::string version = SlotVersion(device, slot);
    out += Format("slot {}    {:<12} {}\n", SlotName(slot), version.empty() ? "-" : version, SlotWord(device, slot));
  }
  out += Format("state     {}\n", PhaseSentence(update));
  if (!update.failure_code.empty()) {
    const ErrorInfo* info = FindError(update.failure_code);
    out += Format("reason    {} {}: {}\n", update.failure_code, info == nullptr ? "" : info->slug, update.failure_text);
    out += Format("hint      pawl-agent explain {}\n", update.failure_code);
  }
  if (!update.order_reason.empty()) out += Format("order     {}\n", update.order_reason);
  if (state.hold) out += Format("hold      all updates: {}\n", state.held_reason);
  if (!state.hold && state.held_build > 0) {
    out += Format("hold      nothing up to build {}: {}\n", state.held_build, state.held_reason);
  }
  out += Format("floor     security epoch {}\n", state.floor);
  if (!state.offline.nonce.empty() && state.offline.requested) {
    out += Format("challenge since {}, unanswered\n", FormatUtcTime(*state.offline.requested));
  }
  out += Format("refresh   {}\n", state.last_refresh ? FormatUtcTime(*state.last_refresh) : "never");
  if (device.now != device.system_time) {
    out += Format("clock     says {}, which is before signed times; {} is used\n", FormatUtcTime(device.system_time), FormatUtcTime(device.now));
  }
  out += Format("device    {} ({}, {}), channel {}, {}\n", device.config.device_id, device.config.product, device.config.hardware,
                device.config.channel, device.slots->Kind());
  if (device.slots->Kind() != "block devices") out += "warning   the slots are plain files: this is a rehearsal, not a device\n";
  for (const std::string& warning : device.config.warnings) out += Format("warning   {}\n", warning);
  return out;
}

Json StatusJson(const Device& device) {
  const AgentState& state = device.agent->state();
  const UpdateRecord& update = state.update;
  return Json{{"schema", "pawl.status/1"},
              {"device", device.config.device_id},
              {"product", device.config.product},
              {"hardware", device.config.hardware},
              {"channel", device.config.channel},
              {"version", device.running.version},
              {"build", device.running.build},
              {"epoch", device.running.epoch},
              {"floor", state.floor},
              {"slots", Json::array({SlotJson(device, Slot::kA), SlotJson(device, Slot::kB)})},
              {"slot_kind", device.slots->Kind()},
              {"state", PhaseName(update.phase)},
              {"update", Json{{"version", update.release.version},
                              {"build", update.release.build},
                              {"transaction", update.transaction},
                              {"target", SlotName(update.target)},
                              {"route", update.route},
                              {"by_order", !update.order_id.empty()},
                              {"bytes_fetched", update.bytes_fetched},
                              {"bytes_full", update.bytes_full},
                              {"failure_code", update.failure_code},
                              {"failure_text", update.failure_text}}},
              {"hold", state.hold},
              {"held_build", state.held_build},
              {"held_reason", state.held_reason},
              {"last_refresh", state.last_refresh ? Json(FormatUtcTime(*state.last_refresh)) : Json()},
              {"challenge_since", state.offline.nonce.empty() || !state.offline.requested ? Json() : Json(FormatUtcTime(*state.offline.requested))},
              {"time", FormatUtcTime(device.now)},
              {"clock_behind", device.now != device.system_time},
              {"boots", state.boots},
              {"warnings", device.config.warnings}};
}

std::string RefusedOrdersText(const std::vector<RefusedOrder>& refused) {
  std::string out;
  for (const RefusedOrder& order : refused) {
    // An order that stands in the repository after it was obeyed is the normal case, but whoever watches wants to see it refused.
    out += Format("order refused: {} {}: {}\n  at {}\n", CodeName(order.why.code()), Describe(order.why.code()).slug, order.why.Message(), order.path);
  }
  return out;
}

Json RefusedOrdersJson(const std::vector<RefusedOrder>& refused) {
  Json out = Json::array();
  for (const RefusedOrder& order : refused) {
    out.push_back(Json{{"path", order.path}, {"id", order.id}, {"code", CodeName(order.why.code())}, {"message", order.why.Message()}});
  }
  return out;
}

std::string OfferText(const manifest::ReleaseManifest& offer, const manifest::ImageIdentity& running) {
  std::uint64_t full = 0;
  std::uint64_t smallest = 0;
  for (const manifest::Component& component : offer.components) {
    full += component.full.file.length;
    std::uint64_t best = component.full.file.length;
    for (const manifest::Delta& delta : component.deltas) best = std::min(best, delta.container.file.length);
    smallest += best;
  }
  const std::string by_delta = smallest < full ? Format(", {} by the smallest delta", HumanBytes(smallest)) : "";
  return Format("{} {} → {} is available: {} full{}\nnext: pawl-agent update\n", offer.product, running.version, offer.version, HumanBytes(full),
                by_delta);
}

}  // namespace pawl::client
