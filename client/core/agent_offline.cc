// SPDX-License-Identifier: Apache-2.0
// Without a network: a release and an order from a bundle, and the challenge that an order must
// answer. What is installed goes the way of every update; only where bytes come from and whose
// expiry counts is different.

#include <algorithm>
#include <set>

#include "base/format.h"
#include "client/core/agent.h"

namespace pawl::client {
namespace {

// The images that run, by digest; empty where the release that runs is not known.
std::set<Sha256Digest> RunningImages(const AgentState& state, Slot booted) {
  std::set<Sha256Digest> images;
  const auto running = state.slots.find(std::string(SlotName(booted)));
  if (running == state.slots.end() || running->second.manifest.empty()) return images;
  const auto release = manifest::ParseReleaseManifest(AsBytes(running->second.manifest));
  if (!release) return images;
  for (const manifest::Component& component : release->components) images.insert(component.sha256);
  return images;
}

// What a bundle must have before a plan is made from it: an order must not be used up by a bundle
// that cannot carry it out, nor the standby slot given up for a delta to another image.
Status CheckComplete(const manifest::Bundle& bundle, const manifest::ReleaseManifest& release,
                     const std::set<Sha256Digest>& running) {
  for (const manifest::Component& component : release.components) {
    PAWL_TRY(bundle.Require(component.chunks.file.path));
    if (bundle.Find(component.full.file.path) != nullptr) continue;
    const bool delta = std::ranges::any_of(component.deltas, [&](const manifest::Delta& item) {
      return (running.empty() || running.contains(item.source_sha256)) &&
             bundle.Find(item.container.file.path) != nullptr &&
             bundle.Find(item.source_chunks.file.path) != nullptr;
    });
    if (!delta) {
      return Fail(ErrorCode::kBundleIncomplete,
                  Format("{}: expected the full image of {}, or a delta to it from what runs",
                         release.version, component.name));
    }
  }
  return {};
}

// Empty when the bundle has no such entry.
Result<std::optional<Bytes>> ReadEntry(const manifest::Bundle& bundle, std::string_view name,
                                       std::uint64_t max_bytes) {
  if (bundle.Find(name) == nullptr) return std::optional<Bytes>();
  manifest::BundleFetcher fetcher(bundle);
  PAWL_ASSIGN_OR_RETURN(Bytes bytes, fetcher.Fetch(name, max_bytes));
  return std::optional(std::move(bytes));
}

// "releases/<product>/<version>/manifest.json" of this product.
Result<std::string> ReleaseFor(const manifest::Bundle& bundle, std::string_view product) {
  if (!bundle.release_path())
    return Fail(ErrorCode::kBundleIncomplete, "expected a release in the bundle, found none");
  const std::string& path = *bundle.release_path();
  if (path.starts_with(Format("releases/{}/", product))) return path;
  return Fail(ErrorCode::kProductMismatch,
              Format("this device is a '{}', the bundle has {}", product, path));
}

}  // namespace

// What is armed or on trial comes to its end first. True when it is what `same` looks for: then
// there is nothing left to do but to reboot.
Result<bool> Agent::IsArmedAlready(bool same) const {
  const UpdateRecord& update = state_.update;
  if (update.phase == Phase::kArmed && same) return true;
  if (update.phase != Phase::kArmed && update.phase != Phase::kTrial) return false;
  return Fail(ErrorCode::kTrialPending, Format("{} is {} in slot {}", update.release.version,
                                               update.phase == Phase::kArmed ? "armed" : "on trial",
                                               SlotName(update.target)));
}

//= docs/manifest-format.md#M-80
Result<UpdateOutcome> Agent::Install(const manifest::Bundle& bundle) {
  PAWL_ASSIGN_OR_RETURN(const std::string path, ReleaseFor(bundle, settings_.identity.product));
  PAWL_ASSIGN_OR_RETURN(const bool armed, IsArmedAlready(state_.update.release.path == path));
  UpdateOutcome outcome;
  if (armed) return Armed(std::move(outcome));
  PAWL_ASSIGN_OR_RETURN(auto tuf, Refresh());
  PAWL_TRY(AdoptRescue());
  PAWL_ASSIGN_OR_RETURN(
      FoundRelease found,
      FetchRelease(tuf, ports_.fetcher, settings_.identity.product, path, std::nullopt));
  if (found.manifest.build == settings_.running.build) {
    return Fail(ErrorCode::kAlreadyDone, Format("{} is what runs", found.manifest.version));
  }
  PAWL_ASSIGN_OR_RETURN(const PolicyFacts policy, Policy());
  PAWL_TRY(CheckPolicy(found.manifest, Purpose::kChannel, policy));
  if (OrderUnfinished() && state_.update.release.manifest_sha256 != found.reference.sha256) {
    return Fail(ErrorCode::kOrderUnderWay,
                Format("to {}: {}", state_.update.release.version, state_.update.order_reason));
  }
  PAWL_TRY(CheckComplete(bundle, found.manifest, RunningImages(state_, facts_.booted)));
  Goal goal{std::move(found), Purpose::kChannel, "", ""};
  if (OrderUnfinished())
    goal = {std::move(goal.release), Purpose::kInstall, state_.update.order_id,
            state_.update.order_reason};
  return Carry(goal, std::move(outcome));
}

Result<AcceptedOrder> Agent::AcceptOffline(manifest::TufClient& tuf, const manifest::Bundle& bundle,
                                           ByteView order) {
  PAWL_ASSIGN_OR_RETURN(const auto role, ReadEntry(bundle, manifest::kOfflineOrdersRole,
                                                   manifest::kMaxOfflineOrdersBytes));
  if (!role)
    return Fail(ErrorCode::kBundleIncomplete, Format("expected {}", manifest::kOfflineOrdersRole));
  PAWL_ASSIGN_OR_RETURN(const PolicyFacts policy, Policy());
  PAWL_ASSIGN_OR_RETURN(
      AcceptedOrder accepted,
      JudgeOfflineAnswer(tuf, ports_.fetcher, {settings_.identity, state_, policy, settings_.now},
                         {*role, order}));
  if (accepted.release && !IsResident(*accepted.release))
    PAWL_TRY(CheckComplete(bundle, accepted.release->manifest,
                           RunningImages(state_, facts_.booted)));
  return accepted;
}

Result<UpdateOutcome> Agent::ApplyOrder(const manifest::Bundle& bundle) {
  PAWL_ASSIGN_OR_RETURN(const auto order,
                        ReadEntry(bundle, manifest::kOfflineOrder, manifest::kMaxOrderBytes));
  if (!order)
    return Fail(ErrorCode::kOrderMissing,
                Format("expected {} in the bundle", manifest::kOfflineOrder));
  const std::string id = HashSha256(*order).Hex();
  PAWL_ASSIGN_OR_RETURN(const bool armed, IsArmedAlready(state_.update.order_id == id));
  UpdateOutcome outcome;
  if (armed) return Armed(std::move(outcome));
  PAWL_ASSIGN_OR_RETURN(auto tuf, Refresh());
  PAWL_TRY(AdoptRescue());
  if (OrderUnfinished() &&
      state_.update.order_id == id) {  // accepted before a cut: single use never means lost
    PAWL_ASSIGN_OR_RETURN(const std::optional<Goal> goal, GoalOfUnfinishedOrder(tuf));
    if (goal) return Carry(*goal, std::move(outcome));
    const ErrorInfo* why = FindError(state_.update.failure_code);
    return Fail(why != nullptr ? why->code : ErrorCode::kInternal, state_.update.failure_text);
  }
  auto accepted = AcceptOffline(tuf, bundle, *order);
  if (!accepted) {
    PAWL_TRY(SaveState(
        {Note("order-refused", CodeName(accepted.error().code()), accepted.error().Message())}));
    return std::unexpected(std::move(accepted).error());
  }
  PAWL_ASSIGN_OR_RETURN(const std::optional<Goal> goal, GoalByOrder(std::move(*accepted), outcome));
  if (!goal) return outcome;
  return Carry(*goal, std::move(outcome));
}

// Only what the device itself knows: nothing is fetched, and what is stored may be past its expiry.
manifest::Challenge Agent::DescribeForChallenge(const PolicyFacts& policy) const {
  manifest::Challenge challenge;
  challenge.device_id = settings_.identity.device_id;
  challenge.product = settings_.identity.product;
  challenge.hardware = settings_.identity.hardware;
  challenge.time = settings_.now;
  challenge.agent_protocol = kAgentProtocol;
  challenge.running_build = settings_.running.build;
  challenge.running_version = settings_.running.version;
  challenge.floor = policy.floor;
  challenge.booted = SlotName(facts_.booted);
  for (const Slot slot : {Slot::kA, Slot::kB}) {
    const auto known = state_.slots.find(std::string(SlotName(slot)));
    if (known == state_.slots.end()) continue;
    const ReleaseFacts& release = known->second;
    manifest::ChallengeSlot& entry = challenge.slots[known->first];
    entry = {release.version, release.build, std::nullopt, facts_.Bootable(slot)};
    if (!release.manifest.empty()) entry.manifest_sha256 = release.manifest_sha256;
  }
  return challenge;
}

//= docs/manifest-format.md#M-78
Result<manifest::Challenge> Agent::RequestOrder(Entropy& entropy) {
  PAWL_ASSIGN_OR_RETURN(const PolicyFacts policy, Policy());
  manifest::Challenge challenge = DescribeForChallenge(policy);
  PAWL_ASSIGN_OR_RETURN(
      auto tuf, manifest::TufClient::Open(ports_.metadata, settings_.embedded_root, settings_.now,
                                          settings_.limits, manifest::ExpiryRule::kOffline));
  challenge.root = tuf.root_version();
  if (const auto stored = tuf.LoadStored()) {
    challenge.timestamp = stored->timestamp_version;
    challenge.snapshot = stored->snapshot_version;
    challenge.targets = stored->targets_version;
  }
  Bytes nonce(manifest::kNonceBytes);
  entropy.Fill(nonce);
  challenge.nonce = HexEncode(nonce);
  // Durable before anybody sees it; an older challenge ends here.
  state_.offline.nonce = challenge.nonce;
  state_.offline.requested = settings_.now;
  PAWL_TRY(SaveState(
      {Note("order-requested", "", Format("challenge {}…", challenge.nonce.substr(0, 8)))}));
  return challenge;
}

}  // namespace pawl::client
