// SPDX-License-Identifier: Apache-2.0
#pragma once

// Slots as block devices. The running slot can only be opened for reading; there is no method that opens it otherwise.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/block_io.h"
#include "base/result.h"

namespace pawl::client {

enum class Slot : std::uint8_t { kA, kB };
constexpr Slot OtherSlot(Slot slot) { return slot == Slot::kA ? Slot::kB : Slot::kA; }
constexpr std::string_view SlotName(Slot slot) { return slot == Slot::kA ? "a" : "b"; }

class BlockDevice : public RandomReader {
 public:
  // Writes all of `bytes`; volatile until Sync. ERRORS: kIo, kNoSpace, kPermission.
  virtual Status WriteAt(std::uint64_t offset, ByteView bytes) = 0;
  // Everything written before is on the medium when this returns.
  virtual Status Sync() = 0;
};

// How a reader got its bytes: proof of what a re-read is worth.
enum class ReadPath : std::uint8_t {
  kCached,  // through the page cache: ordinary reading
  kMedium,  // past the page cache: O_DIRECT, or flushed and re-opened
};

class SlotDevices {
 public:
  virtual ~SlotDevices() = default;
  // `component` is a name from the release manifest ("rootfs"). ERRORS: kSlotMissing, kPermission.
  virtual Result<std::unique_ptr<RandomReader>> OpenForReading(Slot slot, std::string_view component, ReadPath path) = 0;
  // REQUIRES: the caller knows that the slot is not the booted one and is marked unbootable (client/core/local_broker.cc does both).
  virtual Result<std::unique_ptr<BlockDevice>> OpenForWriting(Slot slot, std::string_view component) = 0;
  // A stable identity of the partition (GPT unique id, else device number and size): progress is bound to it.
  virtual Result<std::string> PartitionId(Slot slot, std::string_view component) = 0;
  // "block devices" or "regular files": every status says which.
  virtual std::string Kind() const = 0;
};

}  // namespace pawl::client
