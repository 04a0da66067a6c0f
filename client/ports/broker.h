// SPDX-License-Identifier: Apache-2.0
#pragma once

// The seam to the root broker: the only part that opens devices and talks to the bootloader. It has no network and decompresses
// nothing, and it never takes the word "verified" from the core: before it arms a slot it verifies the metadata chain and the
// manifest itself and reads the slot back itself.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/hash.h"
#include "base/result.h"
#include "client/ports/block_device.h"
#include "client/ports/boot_control.h"

namespace pawl::client {

// Names one signed release: the broker finds the manifest through the releases role by itself.
struct ReleaseReference {
  std::string path;  // TUF path of the manifest
  Sha256Digest sha256;
  Bytes manifest;    // its bytes, checked against the signed digest
};

class Broker {
 public:
  virtual ~Broker() = default;
  virtual Result<BootFacts> Facts() = 0;
  virtual Result<std::unique_ptr<RandomReader>> OpenForReading(Slot slot, std::string_view component) = 0;
  // Marks the slot unbootable (durably) before it opens it. ERRORS: kSlotInUse for the booted slot.
  virtual Result<std::unique_ptr<BlockDevice>> OpenTarget(Slot slot, std::string_view component) = 0;
  // Reads the whole slot back from the medium and compares it with the signed release.
  // ERRORS: kSlotReadBackMismatch, E02xx, kSlotTooSmall.
  virtual Status VerifySlot(Slot slot, const ReleaseReference& release) = 0;
  // Arms one trial. Verifies first unless this process has just verified the same slot and release.
  virtual Status Arm(Slot slot, std::uint32_t tries, std::uint64_t transaction, const ReleaseReference& release) = 0;
  // Confirms the booted slot; with `retire_other` the other slot is marked unbootable (its epoch is below the floor).
  virtual Status Confirm(Slot booted, bool retire_other) = 0;
};

}  // namespace pawl::client
