// SPDX-License-Identifier: Apache-2.0
#include "client/core/local_broker.h"

#include <algorithm>

#include "base/format.h"
#include "client/core/release_finder.h"

namespace pawl::client {
namespace {

//= docs/threat-model.md#T-BOUNDARY-4
Status CompareWithImage(RandomReader& device, const manifest::Component& component, Slot slot) {
  if (device.SizeBytes() < component.size) {
    return Fail(ErrorCode::kSlotTooSmall, Format("slot {}: expected at least {} bytes, found {}", SlotName(slot), component.size, device.SizeBytes()));
  }
  Sha256 hash;
  Bytes buffer(kChunkBytes);
  for (std::uint64_t offset = 0; offset < component.size; offset += kChunkBytes) {
    const ByteSpan part = ByteSpan(buffer).first(static_cast<std::size_t>(std::min(kChunkBytes, component.size - offset)));
    PAWL_TRY(device.ReadAt(offset, part));
    hash.Update(part);
  }
  const Sha256Digest found = hash.Finish();
  if (found != component.sha256) {
    return Fail(ErrorCode::kSlotReadBackMismatch,
                Format("slot {}, {}: expected SHA-256 {}, read back {}", SlotName(slot), component.name, component.sha256.Hex(), found.Hex()));
  }
  return {};
}

}  // namespace

Status LocalBroker::RefuseBooted(Slot slot) {
  PAWL_ASSIGN_OR_RETURN(const BootFacts facts, boot_.Read());
  if (facts.booted == slot) {
    return Fail(ErrorCode::kSlotInUse, Format("slot {} is the running system", SlotName(slot)));
  }
  return {};
}

Result<std::unique_ptr<RandomReader>> LocalBroker::OpenForReading(Slot slot, std::string_view component) {
  return slots_.OpenForReading(slot, component, ReadPath::kCached);
}

Result<std::unique_ptr<BlockDevice>> LocalBroker::OpenTarget(Slot slot, std::string_view component) {
  PAWL_TRY(RefuseBooted(slot));
  verified_.reset();
  // Before the first byte changes: a cut from here on must never start this slot.
  PAWL_TRY(boot_.MarkUnbootable(slot));
  return slots_.OpenForWriting(slot, component);
}

Status LocalBroker::VerifySlot(Slot slot, const ReleaseReference& release) {
  PAWL_TRY(RefuseBooted(slot));
  //= docs/threat-model.md#T-BOUNDARY-5: nothing is armed that was not named by the signed chain and read back here.
  PAWL_ASSIGN_OR_RETURN(auto tuf, manifest::TufClient::Open(metadata_, embedded_root_, now_, limits_, rule_));
  PAWL_TRY(tuf.LoadStored());
  PAWL_ASSIGN_OR_RETURN(const manifest::TrustedTarget target, tuf.FindTarget(release.path, nullptr));
  PAWL_ASSIGN_OR_RETURN(const manifest::ReleaseManifest checked, CheckRelease(target, product_, release.manifest));
  for (const manifest::Component& component : checked.components) {
    PAWL_ASSIGN_OR_RETURN(const auto device, slots_.OpenForReading(slot, component.name, ReadPath::kMedium));
    PAWL_TRY(CompareWithImage(*device, component, slot));
  }
  verified_ = {slot, HashSha256(release.manifest)};
  return {};
}

Status LocalBroker::Arm(Slot slot, std::uint32_t tries, std::uint64_t transaction, const ReleaseReference& release) {
  PAWL_TRY(RefuseBooted(slot));
  if (verified_ != std::pair(slot, HashSha256(release.manifest))) PAWL_TRY(VerifySlot(slot, release));
  return boot_.ArmTrial(slot, tries, transaction);
}

Status LocalBroker::Confirm(Slot booted, bool retire_other) {
  PAWL_TRY(boot_.Confirm(booted));
  if (retire_other) PAWL_TRY(boot_.MarkUnbootable(OtherSlot(booted)));
  return {};
}

}  // namespace pawl::client
