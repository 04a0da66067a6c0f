// SPDX-License-Identifier: Apache-2.0
#include "tests/fakes/sim_disk.h"

#include <algorithm>

namespace pawl::fakes {

using client::Slot;

Status SimDisk::Read(std::uint64_t offset, ByteSpan out) const {
  if (cuts_.dead()) return CutSchedule::Lost();
  if (!Contains(durable_.size(), offset, out.size())) return Fail(ErrorCode::kIo, "read past the end of the simulated disk");
  for (std::uint64_t chunk = offset / kChunkBytes; chunk <= (offset + out.size() - (out.empty() ? 0 : 1)) / kChunkBytes; ++chunk) {
    if (bad_chunks_.contains(chunk)) return Fail(ErrorCode::kIo, "unreadable sector on the simulated disk");
  }
  std::copy_n(durable_.begin() + static_cast<std::ptrdiff_t>(offset), out.size(), out.begin());
  // A running system sees what it has written, durable or not.
  for (auto sector = pending_.lower_bound(offset / kSectorBytes); sector != pending_.end(); ++sector) {
    const std::uint64_t start = sector->first * kSectorBytes;
    if (start >= offset + out.size()) break;
    for (std::uint64_t i = 0; i < kSectorBytes; ++i) {
      const std::uint64_t at = start + i;
      if (at >= offset && at < offset + out.size()) out[static_cast<std::size_t>(at - offset)] = sector->second.at(i);
    }
  }
  return {};
}

Status SimDisk::Write(std::uint64_t offset, ByteView bytes) {
  if (cuts_.Tick() != CutSchedule::Fate::kDone) {
    // During the cut the write may have reached the cache in part: pending sectors are lost or torn anyway.
    return CutSchedule::Lost();
  }
  if (full_) return Fail(ErrorCode::kNoSpace, "the simulated disk is full");
  if (!Contains(durable_.size(), offset, bytes.size())) return Fail(ErrorCode::kIo, "write past the end of the simulated disk");
  ++writes_;
  if (lying_) return {};
  for (std::uint64_t at = offset; at < offset + bytes.size();) {
    const std::uint64_t sector = at / kSectorBytes;
    auto [slot, fresh] = pending_.try_emplace(sector);
    if (fresh) {
      for (std::uint64_t i = 0; i < kSectorBytes && sector * kSectorBytes + i < durable_.size(); ++i) {
        slot->second.at(i) = durable_[static_cast<std::size_t>(sector * kSectorBytes + i)];
      }
    }
    for (; at < offset + bytes.size() && at / kSectorBytes == sector; ++at) {
      slot->second.at(at % kSectorBytes) = bytes[static_cast<std::size_t>(at - offset)];
    }
  }
  return {};
}

Status SimDisk::Sync() {
  if (cuts_.Tick() != CutSchedule::Fate::kDone) return CutSchedule::Lost();
  for (const auto& [sector, data] : pending_) Plant(sector * kSectorBytes, data);
  pending_.clear();
  return {};
}

void SimDisk::Plant(std::uint64_t offset, ByteView bytes) {
  const std::size_t count = static_cast<std::size_t>(std::min<std::uint64_t>(bytes.size(), durable_.size() - offset));
  std::copy_n(bytes.begin(), count, durable_.begin() + static_cast<std::ptrdiff_t>(offset));
}

void SimDisk::LosePower(Dice& dice) {
  for (const auto& [sector, data] : pending_) {
    switch (dice.Below(3)) {
      case 0: break;                                        // dropped
      case 1: Plant(sector * kSectorBytes, data); break;    // kept
      default: {                                            // torn inside the sector
        const auto part = static_cast<std::size_t>(dice.Below(kSectorBytes));
        Plant(sector * kSectorBytes, ByteView(data).first(part));
      }
    }
  }
  pending_.clear();
}

namespace {

class Reader : public RandomReader {
 public:
  explicit Reader(SimDisk& disk) : disk_(disk) {}
  Status ReadAt(std::uint64_t offset, ByteSpan out) override { return disk_.Read(offset, out); }
  std::uint64_t SizeBytes() const override { return disk_.size(); }

 private:
  SimDisk& disk_;
};

class Writer : public client::BlockDevice {
 public:
  explicit Writer(SimDisk& disk) : disk_(disk) {}
  Status ReadAt(std::uint64_t offset, ByteSpan out) override { return disk_.Read(offset, out); }
  std::uint64_t SizeBytes() const override { return disk_.size(); }
  Status WriteAt(std::uint64_t offset, ByteView bytes) override { return disk_.Write(offset, bytes); }
  Status Sync() override { return disk_.Sync(); }

 private:
  SimDisk& disk_;
};

}  // namespace

Result<std::unique_ptr<RandomReader>> SimSlots::OpenForReading(Slot slot, std::string_view, client::ReadPath) {
  return std::make_unique<Reader>(disk(slot));
}

Result<std::unique_ptr<client::BlockDevice>> SimSlots::OpenForWriting(Slot slot, std::string_view) {
  opened_for_writing_.insert(slot);
  return std::make_unique<Writer>(disk(slot));
}

Result<std::string> SimSlots::PartitionId(Slot slot, std::string_view component) {
  return std::string("sim-") + std::string(client::SlotName(slot)) + "-" + std::string(component);
}

}  // namespace pawl::fakes
