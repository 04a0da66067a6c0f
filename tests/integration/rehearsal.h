// SPDX-License-Identifier: Apache-2.0
#pragma once

// A team with its repository, a fleet of simulated devices that know it from different times, and a
// thief who signs with the team's keys. The team uses what the commands of pawl-signer use; the
// devices are whole agents; the thief writes metadata by hand and puts it on the server.

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "signer/recovery.h"
#include "signer/role_changes.h"
#include "tests/fakes/sim_world.h"
#include "tests/unit/signer/signer_test_util.h"

namespace pawl::signer::testing {

inline constexpr std::uint64_t kHighestVersion = INT64_MAX;

// Root: 2 of anna, ben, chloe. Targets: 2 of tina, tom, tess. Releases: 2 of dora, emil. Rollout:
// rolf. Orders: olga. Online: snap, time. Devices run 1.0, which is published with its rollout; 1.1
// is built and listed nowhere. All metadata was renewed on the way, as a timer would.
//   boxed     saw the first publication and then lay in a box: what it has has expired
//   current   saw everything until now
//   attacked  the same, and then what the thief shows it
//   factory   new, knows root 1 from its image and nothing else
class RehearsalTest : public SignerTest {
 protected:
  void SetUp() override;

  // The team.
  void Pass(std::int64_t days);
  void RefreshAll();  // the timer, with the keys of rollout and orders
  void PublishAndServe();
  void Serve();  // copies public/ to the server
  void Change(const ChangeRequest& request, const std::vector<std::string>& signers);
  RecoveryRequest Case(RecoveryCase what, std::vector<std::string> names = {}) const;
  // The command, the signatures of those who are left, publication.
  void RecoverWith(const RecoveryRequest& request, const std::vector<std::string>& signers);
  void ReleaseNext();  // 1.1 to everybody, by who signs releases and rollout now

  // The fleet.
  fakes::SimDevice& device(const std::string& name) { return *fleet_.at(name); }
  Result<client::CheckOutcome> Check(const std::string& name) { return device(name).Check(); }
  void AddDevice(const std::string& name);
  // Every device refreshes, in at most two runs: one whose time was driven ahead takes the new root
  // in the first and drops the time in the second. Then 1.1 reaches them all.
  void EveryDeviceFollows();

  // The thief. `signers` are those whose keys he has.
  Json PublishedContent(const std::string& role) const;
  PinnedFile PublishedPin(const std::string& role) const;
  PinnedFile Plant(const std::string& role, const Json& content,
                   const std::vector<std::string>& signers);
  void PlantTimestamp(std::uint64_t version, UtcTime issued, const PinnedFile& snapshot,
                      const std::vector<std::string>& signers);
  // A role's file in this version, named by a snapshot and a timestamp of the highest version that
  // `online` sign.
  void PlantRole(const std::string& role, Json content, std::uint64_t version,
                 const std::vector<std::string>& signers, const std::vector<std::string>& online);

  fakes::SimWorld world_;
  std::map<std::string, std::unique_ptr<fakes::SimDevice>> fleet_;
  std::vector<std::string> release_signers_{"dora", "emil"};
  std::string rollout_signer_ = "rolf";
  std::string desk_ = "olga";

 private:
  void AddImage(const std::string& version, std::uint64_t build);
  void ListWithRollout(const std::string& version);
};

}  // namespace pawl::signer::testing
