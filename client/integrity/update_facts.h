// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the update subsystem hands to the statement, as plain values. An absent member is "not
// known": its indicator is unknown.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/time.h"
#include "client/integrity/model/statement.h"

namespace pawl::integrity {

// What is in the slot that is not booted.
enum class OtherSlotState : std::uint8_t { kEmpty, kKnownGood, kWriting, kBad };

struct UpdateFacts {
  // The stored manifest of the booted slot, verified again with the trust root for this statement.
  std::optional<bool> manifest_verified;
  std::string manifest_detail;  // version and digest, or why not

  // Measurements of this boot. The booted slot's entries decide sys.slot_digest; all go into the
  // statement.
  std::vector<SlotEvidence> slots;
  std::string slot_kind;  // SlotDevices::Kind()

  std::string active_slot;
  std::string version;                 // running
  std::optional<std::uint64_t> epoch;  // of the running release, from its verified manifest
  std::optional<std::uint64_t> store_floor;
  std::optional<std::uint64_t> vault_floor;           // KeyVault::ReadFloor
  std::optional<std::uint64_t> root_version;          // of the trust root in use
  std::optional<std::uint64_t> highest_root_version;  // ever trusted by this device
  std::optional<UtcTime> metadata_expires;  // the earliest expiry among the metadata in use
  std::optional<UtcTime> last_refresh;
  std::optional<UtcTime> last_trusted_time;  // the time floor

  std::optional<bool> confirmed;  // false while on trial
  std::optional<std::uint64_t> trial_left;
  std::optional<LastUpdate> last;
  std::optional<bool> rolled_back;  // since the last success
  std::string rollback_reason;      // "E0603 health-check-failed"
  std::optional<OtherSlotState> other_slot;
  std::string staged;  // version in the other slot, waiting
  // The bootloader's facts agree with what the agent remembers.
  std::optional<bool> boot_env_agrees;
  std::string boot_env_detail;
};

}  // namespace pawl::integrity
