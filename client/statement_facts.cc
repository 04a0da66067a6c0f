// SPDX-License-Identifier: Apache-2.0
#include "client/statement_facts.h"

#include "base/format.h"
#include "base/progress.h"
#include "client/core/release_finder.h"
#include "client/integrity/slot_measurement.h"

namespace pawl::client {
namespace {

struct VerifiedRunning {
  manifest::ReleaseManifest manifest;
  manifest::RefreshResult metadata;
};

// The running release's manifest, verified again from the embedded root through the stored chain.
Result<VerifiedRunning> VerifyRunning(Device& device, const ReleaseFacts& running) {
  PAWL_ASSIGN_OR_RETURN(auto tuf, manifest::TufClient::Open(*device.metadata, device.embedded_root, device.now, device.config.metadata_limits));
  PAWL_ASSIGN_OR_RETURN(const manifest::RefreshResult metadata, tuf.LoadStored());
  if (running.manifest.empty()) return Fail(ErrorCode::kManifestMismatch, "the running release has not been found in the repository");
  PAWL_ASSIGN_OR_RETURN(const manifest::TrustedTarget target, tuf.FindTarget(running.path, nullptr));
  PAWL_ASSIGN_OR_RETURN(manifest::ReleaseManifest manifest, CheckRelease(target, device.config.product, AsBytes(running.manifest)));
  return VerifiedRunning{std::move(manifest), metadata};
}

// Chunk lists are content-addressed: a copy on the device is as good as the server's once its hash is checked.
Result<std::vector<Sha256Digest>> ChunkList(Device& device, const manifest::FileReference& file, std::uint64_t image_size) {
  const std::string folder = JoinPath(device.paths.State(), "chunks");
  const std::string cached = JoinPath(folder, file.sha256.Hex());
  PAWL_ASSIGN_OR_RETURN(auto bytes, ReadFileIfExists(cached, file.length));
  if (!bytes || HashSha256(*bytes) != file.sha256) {
    PAWL_ASSIGN_OR_RETURN(bytes, device.fetcher->Fetch(file.path, file.length));
    if (HashSha256(*bytes) != file.sha256) return Fail(ErrorCode::kMetadataHashMismatch, file.path);
    PAWL_TRY(MakeDirectories(folder, 0700));
    PAWL_TRY(AtomicWriteFile(cached, *bytes, 0600));
  }
  return manifest::ParseChunkList(*bytes, image_size);
}

Status MeasureRunning(Device& device, const manifest::ReleaseManifest& manifest, integrity::UpdateFacts& facts) {
  for (const manifest::Component& component : manifest.components) {
    PAWL_ASSIGN_OR_RETURN(auto chunks, ChunkList(device, component.chunks.file, component.size));
    const Slot booted = device.agent->boot_facts().booted;
    PAWL_ASSIGN_OR_RETURN(const auto reader, device.slots->OpenForReading(booted, component.name, ReadPath::kMedium));
    const integrity::ExpectedImage expected{component.size, component.sha256, std::move(chunks)};
    Progress progress(Format("measuring slot {}", SlotName(booted)), component.size);
    PAWL_ASSIGN_OR_RETURN(const auto measured, integrity::MeasureSlot(*reader, expected, [&](std::uint64_t done, std::uint64_t) { progress.Update(done); }));
    progress.Finish(HumanBytes(component.size));
    facts.slots.push_back(integrity::ToEvidence(measured, expected, std::string(SlotName(booted)), component.name, manifest.version, device.now));
  }
  return {};
}

std::string ResultWord(const UpdateRecord& update) {
  switch (update.phase) {
    case Phase::kIdle: return "none";
    case Phase::kConfirmed: return "success";
    case Phase::kRolledBack: return "rolled-back";
    case Phase::kFailed: return "failed";
    default: return "running";
  }
}

integrity::OtherSlotState OtherSlotOf(const Device& device) {
  const AgentState& state = device.agent->state();
  const BootFacts& facts = device.agent->boot_facts();
  const Slot other = OtherSlot(facts.booted);
  const bool writing = state.update.target == other && (state.update.phase == Phase::kWriting || state.update.phase == Phase::kPlanned);
  if (writing) return integrity::OtherSlotState::kWriting;
  if (facts.failed == other) return integrity::OtherSlotState::kBad;
  if (state.slots.contains(std::string(SlotName(other))) && facts.Bootable(other)) return integrity::OtherSlotState::kKnownGood;
  return facts.Bootable(other) ? integrity::OtherSlotState::kBad : integrity::OtherSlotState::kEmpty;
}

void FillUpdateState(const Device& device, integrity::UpdateFacts& facts) {
  const AgentState& state = device.agent->state();
  const UpdateRecord& update = state.update;
  const BootFacts& boot = device.agent->boot_facts();
  facts.slot_kind = device.slots->Kind();
  facts.active_slot = std::string(SlotName(boot.booted));
  facts.version = device.running.version;
  facts.store_floor = state.floor;
  if (const auto floor = device.vault->ReadFloor()) facts.vault_floor = *floor;
  facts.last_refresh = state.last_refresh;
  facts.last_trusted_time = state.time_floor;
  facts.confirmed = boot.good == boot.booted;
  facts.trial_left = boot.trying ? boot.tries_left : 0;
  facts.last = integrity::LastUpdate{std::to_string(update.transaction), ResultWord(update), update.failure_code, std::string(PhaseName(update.phase)), std::nullopt};
  facts.rolled_back = update.phase == Phase::kRolledBack;
  if (*facts.rolled_back) {
    const ErrorInfo* info = FindError(update.failure_code);
    facts.rollback_reason = Format("{} {}", update.failure_code, info == nullptr ? "" : info->slug);
  }
  facts.other_slot = OtherSlotOf(device);
  if (update.phase == Phase::kArmed) facts.staged = update.release.version;
  facts.boot_env_agrees = update.phase == Phase::kIdle || boot.transaction == update.transaction;
  if (!*facts.boot_env_agrees) {
    facts.boot_env_detail = Format("bootloader transaction {}, store {}", boot.transaction, update.transaction);
  }
}

}  // namespace

Result<integrity::DeviceProfile> LoadDeviceProfile(const Device& device) {
  PAWL_ASSIGN_OR_RETURN(const auto bytes, ReadFileIfExists(device.paths.sysroot + "/usr/lib/pawl/profile.json", integrity::kMaxProfileBytes));
  return bytes ? integrity::ParseDeviceProfile(*bytes) : Result<integrity::DeviceProfile>(integrity::GenericProfile());
}

Result<integrity::UpdateFacts> CollectUpdateFacts(Device& device) {
  integrity::UpdateFacts facts;
  FillUpdateState(device, facts);
  const AgentState& state = device.agent->state();
  const auto running = state.slots.find(facts.active_slot);
  const auto verified = VerifyRunning(device, running == state.slots.end() ? ReleaseFacts{} : running->second);
  facts.manifest_verified = verified.has_value();
  if (!verified) {
    facts.manifest_detail = Format("{} {}", CodeName(verified.error().code()), verified.error().Message());
    return facts;
  }
  facts.manifest_detail = Format("{} {}", verified->manifest.version, running->second.manifest_sha256.Hex().substr(0, 16));
  facts.epoch = verified->manifest.epoch;
  facts.root_version = verified->metadata.root_version;
  facts.highest_root_version = state.highest_root;
  facts.metadata_expires = verified->metadata.timestamp_expires;
  if (auto measured = MeasureRunning(device, verified->manifest, facts); !measured) {
    facts.manifest_detail += Format("; slot not measured: {} {}", CodeName(measured.error().code()), measured.error().Message());
  }
  return facts;
}

}  // namespace pawl::client
