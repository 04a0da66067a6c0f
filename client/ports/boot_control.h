// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the bootloader knows and does about the slots. The bootloader decides, the agent reconciles.

#include <array>
#include <cstdint>
#include <optional>

#include "base/result.h"
#include "client/ports/block_device.h"

namespace pawl::client {

struct BootFacts {
  Slot booted = Slot::kA;          // from the kernel command line, as the bootloader wrote it
  std::uint64_t booted_transaction = 0;  // transaction that the bootloader saw at this boot
  Slot good = Slot::kA;            // confirmed slot
  std::optional<Slot> trying;      // slot on trial
  std::uint32_t tries_left = 0;
  std::optional<Slot> failed;      // slot whose last trial ended without confirmation
  std::uint64_t transaction = 0;   // of the last arm
  std::array<bool, 2> bootable{};  // by slot
  bool Bootable(Slot slot) const { return bootable[static_cast<std::size_t>(slot)]; }
};

class BootControl {
 public:
  virtual ~BootControl() = default;
  // ERRORS: kBootEnvInvalid.
  virtual Result<BootFacts> Read() = 0;
  // The slot will not be started again before it is armed. Durable when it returns. ERRORS: kSlotInUse for the booted or the good slot.
  virtual Status MarkUnbootable(Slot slot) = 0;
  // The slot becomes bootable and is started `tries` times at most, 1 … 3. Durable and atomic. ERRORS: kSlotInUse for the booted slot.
  virtual Status ArmTrial(Slot slot, std::uint32_t tries, std::uint64_t transaction) = 0;
  // The booted slot becomes the good one and the trial ends. Durable and atomic; calling it again changes nothing.
  virtual Status Confirm(Slot slot) = 0;
};

}  // namespace pawl::client
