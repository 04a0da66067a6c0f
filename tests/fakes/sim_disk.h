// SPDX-License-Identifier: Apache-2.0
#pragma once

// A disk with a volatile cache. What was written since the last Sync is pending; at a power cut each pending sector is kept, dropped or
// torn, as the dice say. Counts who opened which slot how.

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>

#include "client/ports/block_device.h"
#include "tests/fakes/cut_schedule.h"

namespace pawl::fakes {

inline constexpr std::uint64_t kSectorBytes = 512;

class SimDisk {
 public:
  SimDisk(std::uint64_t size, CutSchedule& cuts) : durable_(size), cuts_(cuts) {}

  Status Read(std::uint64_t offset, ByteSpan out) const;
  Status Write(std::uint64_t offset, ByteView bytes);
  Status Sync();
  // After a cut: decides the fate of what was pending.
  void LosePower(Dice& dice);

  std::uint64_t size() const { return durable_.size(); }
  // What a reader past all caches would see after a clean shutdown.
  const Bytes& durable() const { return durable_; }
  void Plant(std::uint64_t offset, ByteView bytes);  // as an attacker with the disk in hand
  void FailReadsIn(std::uint64_t chunk) { bad_chunks_.insert(chunk); }
  void FillUp() { full_ = true; }
  void LieAboutWrites() { lying_ = true; }  // a dying flash: says done, keeps the old data
  std::uint64_t writes() const { return writes_; }

 private:
  Bytes durable_;
  std::map<std::uint64_t, std::array<std::uint8_t, kSectorBytes>> pending_;  // by sector
  std::set<std::uint64_t> bad_chunks_;
  CutSchedule& cuts_;
  bool full_ = false;
  bool lying_ = false;
  std::uint64_t writes_ = 0;
};

class SimSlots : public client::SlotDevices {
 public:
  SimSlots(std::uint64_t slot_bytes, CutSchedule& cuts) : disks_{SimDisk(slot_bytes, cuts), SimDisk(slot_bytes, cuts)} {}

  Result<std::unique_ptr<RandomReader>> OpenForReading(client::Slot slot, std::string_view component, client::ReadPath path) override;
  Result<std::unique_ptr<client::BlockDevice>> OpenForWriting(client::Slot slot, std::string_view component) override;
  Result<std::string> PartitionId(client::Slot slot, std::string_view component) override;
  std::string Kind() const override { return "simulated disks"; }

  SimDisk& disk(client::Slot slot) { return disks_.at(static_cast<std::size_t>(slot)); }
  // Slots that anybody asked to write.
  const std::set<client::Slot>& opened_for_writing() const { return opened_for_writing_; }

 private:
  std::array<SimDisk, 2> disks_;
  std::set<client::Slot> opened_for_writing_;
};

}  // namespace pawl::fakes
