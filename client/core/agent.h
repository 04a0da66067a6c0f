// SPDX-License-Identifier: Apache-2.0
#pragma once

// The agent: drives the state machine of state.h over the ports. A resumable one-shot: every method may be killed at any time, and the
// next call goes on from what the store and the bootloader say.
//
// Order rules, each obeyed at the line that cites it:
//   O-1 data Sync before store Commit        O-2 store says Verified before ArmTrial        O-3 RaiseFloor only after Confirm

#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "client/core/agent_state.h"
#include "client/core/installer.h"
#include "client/core/order_desk.h"
#include "client/core/planner.h"
#include "client/ports/broker.h"
#include "client/ports/clock.h"
#include "client/ports/entropy.h"
#include "client/ports/health.h"
#include "client/ports/http.h"
#include "client/ports/key_vault.h"
#include "client/ports/state_store.h"
#include "manifest/bundle.h"
#include "manifest/challenge.h"
#include "manifest/refresh.h"
#include "manifest/release.h"

namespace pawl::client {

struct AgentPorts {
  Http& http;
  manifest::Fetcher& fetcher;
  manifest::MetadataStore& metadata;
  Broker& broker;
  SlotDevices& slots;
  StateStore& store;
  KeyVault& vault;
  Health& health;
  Clock& clock;
};

struct AgentSettings {
  Addressee identity;
  std::string channel;
  manifest::ImageIdentity running;  // from the image that runs
  Bytes embedded_root;
  UtcTime now;                      // effective time of this run
  InstallSettings install;
  manifest::MetadataLimits limits;
  manifest::ExpiryRule expiry = manifest::ExpiryRule::kAll;  // kOffline only where a person brought a bundle: ports and broker belong to it
  bool confirm_requires_refresh = true;  // false only by the written offline policy
  bool keep_below_floor_rescue = false;
};

// What a person wants to see while it happens.
struct AgentObserver {
  std::function<void(std::string_view step)> step;                              // "refreshing metadata"
  std::function<void(std::uint64_t done, std::uint64_t total)> writing;         // bytes of target
};

struct UpdateOutcome {
  enum class Kind : std::uint8_t { kNothingToDo, kArmed, kConfirmed, kOrderDone } kind = Kind::kNothingToDo;
  std::string text;  // one or two sentences, with what to do next
  std::vector<RefusedOrder> refused_orders;
  std::optional<Error> why_nothing;  // the policy that said no, when there was an offer
  std::uint64_t bytes_fetched = 0;
  std::uint64_t bytes_full = 0;
  std::uint64_t chunks_repaired = 0;
  std::optional<Error> delta_given_up;  // why the full container had to finish what a delta began
};

struct CheckOutcome {
  std::optional<manifest::ReleaseManifest> offer;  // what the channel names now
  std::optional<Error> why_not;                    // why it would not be installed
  std::optional<AcceptedOrder> order;              // what would be obeyed first
  std::vector<RefusedOrder> refused_orders;
};

class Agent {
 public:
  // Borrows everything. `settings` is copied.
  Agent(const AgentPorts& ports, const AgentSettings& settings, const AgentObserver& observer)
      : ports_(ports), settings_(settings), observer_(observer) {}

  // Loads the store and the bootloader's facts, and changes nothing: for looking on while another run is at work.
  Status Look();

  // Loads the store and lets the bootloader's facts speak. Called first by everything below. ERRORS: kNotProvisioned, kStoreCorrupt,
  // kBootEnvInvalid.
  Status Start();

  // Refreshes, obeys orders, plans, streams, verifies, arms. Resumes what was under way. On a trial boot it runs the trial instead.
  // ERRORS: any; what was reached stays reached.
  Result<UpdateOutcome> Update();

  // The release in a bundle, by the rules of a release by channel but without a rollout; resumes as Update does. REQUIRES: the network
  // ports read from `bundle`, and `expiry` is kOffline, here and in the broker. ERRORS: any; kBundleIncomplete, kProductMismatch,
  // kAlreadyDone when it runs, kTrialPending, kOrderUnderWay.
  Result<UpdateOutcome> Install(const manifest::Bundle& bundle);

  // The order in a bundle, once; given again before it is finished, it goes on. REQUIRES: as Install. ERRORS: any; kOrderMissing,
  // kOrderNonce, kOrderReplayed, kTrialPending and those of the order desk.
  Result<UpdateOutcome> ApplyOrder(const manifest::Bundle& bundle);

  // A new challenge with a new nonce; an older one is answered in vain from now on. ERRORS: E05xx, those of the key vault.
  Result<manifest::Challenge> RequestOrder(Entropy& entropy);

  // Is there anything to do? Changes nothing but metadata, time floor and the note of a refresh.
  Result<CheckOutcome> Check();

  // On a trial boot: refresh, health, confirm, raise the floor. ERRORS: kNoTrialRunning; kHealthCheckFailed, kHealthTimeout,
  // kConfirmWithoutRefresh: then a reboot falls back.
  Result<UpdateOutcome> Confirm();

  // Readable after Start().
  const AgentState& state() const { return state_; }
  const BootFacts& boot_facts() const { return facts_; }
  // ERRORS: those of KeyVault::ReadFloor: a floor that cannot be read refuses everything.
  Result<PolicyFacts> Policy();
  Status SaveState(const std::vector<HistoryEntry>& entries);
  AgentState& mutable_state() { return state_; }

 private:
  struct Goal {
    FoundRelease release;
    Purpose purpose = Purpose::kChannel;
    std::string order_id;
    std::string order_reason;
  };

  Status NoteBoot();
  Status ApplyEvent(Event event, const std::vector<HistoryEntry>& entries);
  Status OnConfirmed(std::vector<HistoryEntry>& entries);
  void OnRolledBack(std::vector<HistoryEntry>& entries);
  Result<manifest::TufClient> Refresh();
  Status ResolveRunningRelease(manifest::TufClient& tuf);
  Result<std::optional<Goal>> ChooseGoal(manifest::TufClient& tuf, UpdateOutcome& outcome);
  Result<std::optional<Goal>> GoalByOrder(AcceptedOrder order, UpdateOutcome& outcome);
  Result<std::optional<Goal>> GoalByChannel(manifest::TufClient& tuf, UpdateOutcome& outcome);
  Result<std::optional<Goal>> GoalOfUnfinishedOrder(manifest::TufClient& tuf);
  Result<AcceptedOrder> AcceptOffline(manifest::TufClient& tuf, const manifest::Bundle& bundle, ByteView order);
  manifest::Challenge DescribeForChallenge(const PolicyFacts& policy) const;
  bool UnderWay() const;
  bool OrderUnfinished() const;
  Result<bool> IsArmedAlready(bool same) const;
  bool IsResident(const FoundRelease& release) const;
  UpdateOutcome Armed(UpdateOutcome outcome) const;
  Result<UpdateOutcome> Carry(const Goal& goal, UpdateOutcome outcome);
  void NoteRefusedOrders(const std::vector<RefusedOrder>& refused);
  Status Plan(const Goal& goal);
  Status Drive(Effect effect, UpdateOutcome& outcome);
  Status WriteTarget(UpdateOutcome& outcome);
  // How a component comes: by a delta, or else `full` is set. `full` may be set with a delta too, when both were looked at.
  struct Way {
    Route route;
    std::optional<FullRoute> full;
    std::uint64_t fetched = 0;  // bytes, to choose
  };
  // One component on its way into the slot.
  struct Writing;
  Status WriteComponent(const manifest::Component& component, UpdateOutcome& outcome);
  Status InstallByWays(Writing& writing, UpdateOutcome& outcome);
  Status BeginWay(Writing& writing, const Way& way, UpdateOutcome& outcome);
  Result<Way> ChooseWay(const Writing& writing, std::optional<FullRoute> full);
  Status TurnToFull(const Writing& writing, const std::optional<Error>& given_up, Way& way,
                    UpdateOutcome& outcome);
  void NoteGivenUp(const manifest::Component& component, const Error& why, UpdateOutcome& outcome);
  WriteProgress KnownProgress(const std::string& component, const std::string& partition) const;
  void KeepProgress(const WriteProgress& progress);
  Result<std::vector<Sha256Digest>> MeasureBooted(const std::string& component, std::uint64_t size_bytes);
  Result<std::vector<Sha256Digest>> FetchChunkList(const manifest::ChunkListReference& reference, std::uint64_t image_size);
  // `refused`: indices of deltas that are out of the question.
  Result<Route> RouteFor(const manifest::Component& component,
                         const std::set<std::size_t>& refused);
  Status RaiseFloor();
  Status AdoptRescue();
  Status AbandonOrder(const Error& why);
  Status EndUncountedTrial();
  Error GiveUpOrRetry(Error why);
  ReleaseReference CurrentRelease() const;
  HistoryEntry Note(std::string event, std::string code, std::string text) const;
  void Say(std::string_view step) const {
    if (observer_.step) observer_.step(step);
  }

  AgentPorts ports_;
  AgentSettings settings_;
  AgentObserver observer_;
  Json document_;
  AgentState state_;
  BootFacts facts_;
};

}  // namespace pawl::client
