// SPDX-License-Identifier: Apache-2.0
#pragma once

// A whole small world: a signed repository with real containers, and devices with simulated disks, bootloader, store and network that
// share one power line.

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "client/core/agent.h"
#include "client/core/bundle_http.h"
#include "client/core/http_fetcher.h"
#include "client/core/local_broker.h"
#include "manifest/order.h"
#include "manifest/release.h"
#include "tests/fakes/cut_schedule.h"
#include "tests/fakes/sim_boot.h"
#include "tests/fakes/sim_bundle.h"
#include "tests/fakes/sim_disk.h"
#include "tests/fakes/sim_ports.h"
#include "tests/fakes/sim_tuf_repository.h"

namespace pawl::fakes {

inline constexpr std::string_view kProduct = "gateway";
inline constexpr std::string_view kHardware = "gw-x1";

struct SimRelease {
  manifest::ReleaseManifest manifest;
  Bytes image;      // begins with its identity, as a real image carries /usr/lib/pawl/release
  std::string path;
  Sha256Digest sha256;
};

class SimWorld {
 public:
  SimWorld();

  // `chunks` MiB of pseudo-random content that follows from `seed`; images of near seeds share most of it.
  Bytes MakeImage(std::string_view version, std::uint64_t build, std::uint64_t epoch, std::uint64_t seed, std::size_t chunks) const;
  // Makes real containers (full, and a delta from each release in `from`), adds the signed target. Publish() makes it visible.
  SimRelease& AddRelease(const std::string& version, std::uint64_t build, std::uint64_t epoch, Bytes image,
                         const std::vector<std::string>& from = {}, const std::vector<std::string>& hardware = {std::string(kHardware)},
                         std::uint64_t tries = 1);
  void Rollout(const std::string& version);
  void Order(const std::string& device_id, std::uint64_t counter, manifest::OrderAction action, const std::string& version);
  void Publish();
  // What `pawl-signer bundle make` would write of the published files: the chain, and the release with these containers.
  SimBundle Bundle(const std::string& version, bool full = true, const std::vector<std::string>& from = {});
  // The answer to a challenge: an order with its nonce in a role file that is not published. Adjust before it is taken into a bundle.
  manifest::Order Answer(const manifest::Challenge& challenge, manifest::OrderAction action, const std::string& version);
  Json OfflineRole(const manifest::Order& order);
  SimBundle AnswerBundle(const manifest::Order& order, bool payloads = true);

  SimRelease& release(const std::string& version) { return releases_.at(version); }
  // Which release's image lies at the start of these bytes, whole and exact? Null: none.
  const SimRelease* Identify(const Bytes& disk) const;

  SimTufRepository repository;
  CutSchedule cuts;
  SimHttp http{cuts};
  SimClock clock;

 private:
  manifest::ContainerReference Container(const std::string& folder, const std::optional<Bytes>& source, const Bytes& target);
  bool IsNewest(const std::string& name);
  manifest::FileReference Payload(const Bytes& bytes, const std::string& ending);
  std::map<std::string, SimRelease> releases_;
};

class SimDevice {
 public:
  SimDevice(SimWorld& world, const std::string& first_release, std::string id = "gw-1");

  // One process of the agent: opens everything afresh, starts, does one thing.
  Result<client::UpdateOutcome> Update();
  Result<client::UpdateOutcome> Confirm();
  Result<client::CheckOutcome> Check();
  Result<client::UpdateOutcome> Install(const SimBundle& bundle);
  Result<client::UpdateOutcome> ApplyOrder(const SimBundle& bundle);
  Result<manifest::Challenge> RequestOrder();
  Status Start();
  client::AgentState State();

  // Clean restart; pending writes reach the disk. Returns the slot, or nothing when the device is lost.
  std::optional<client::Slot> Reboot();
  // The power is gone: what was not synced is lost, kept or torn; then it comes back and the device boots.
  std::optional<client::Slot> LosePowerAndBoot(std::uint64_t seed);

  // Runs agents and reboots until nothing is left to do or `max_steps` are over. Cuts are mended with `seed`.
  // Returns false when the device is lost or does not come to rest.
  bool RunToRest(std::uint64_t seed, int max_steps = 40);

  std::string RunningVersion();
  const SimRelease* Running();  // by content, not by what anybody says

  SimSlots slots;
  SimBoot boot;
  SimStateStore store;
  SimMetadataStore metadata;
  SimVault vault;
  SimHealth health;
  std::string id;
  std::vector<std::string> groups{"lab"};
  bool confirm_requires_refresh = true;
  manifest::MetadataLimits limits;
  std::uint64_t challenges = 0;  // the nonces of a device follow from their number

 private:
  struct Process;
  std::unique_ptr<Process> NewProcess(const manifest::Bundle* bundle = nullptr);
  SimWorld& world_;
};

}  // namespace pawl::fakes
