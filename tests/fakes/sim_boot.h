// SPDX-License-Identifier: Apache-2.0
#pragma once

// A bootloader with its own memory and its own mind: what the agent writes is an environment, what boots is decided by the rules of
// packaging/grub/boot_states.tsv.

#include <cstdint>
#include <optional>

#include "client/ports/boot_control.h"
#include "tests/fakes/cut_schedule.h"

namespace pawl::fakes {

class SimBoot : public client::BootControl {
 public:
  explicit SimBoot(CutSchedule& cuts) : cuts_(cuts) {
    environment_.bootable = {true, false};
  }

  Result<client::BootFacts> Read() override;
  Status MarkUnbootable(client::Slot slot) override;
  Status ArmTrial(client::Slot slot, std::uint32_t tries, std::uint64_t transaction) override;
  Status Confirm(client::Slot slot) override;

  // Restart: applies the boot rules, changes the environment as they say. Empty: nothing is bootable, the device is lost.
  std::optional<client::Slot> Boot();
  // After a cut during a write: the one-sector write happened or it did not.
  void LosePower(Dice& dice);

  client::BootFacts& environment() { return environment_; }

 private:
  Status Change(const client::BootFacts& next);
  CutSchedule& cuts_;
  client::BootFacts environment_;
  std::optional<client::BootFacts> undecided_;  // being written when the power failed
};

}  // namespace pawl::fakes
