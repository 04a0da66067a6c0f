// SPDX-License-Identifier: Apache-2.0
#pragma once

// The root broker inside this process. Everything that it decides, it decides from what it verifies itself: the stored metadata chain,
// the manifest's digest in it, the bytes it reads back from the medium.

#include <memory>
#include <optional>
#include <utility>

#include "base/bytes.h"
#include "base/time.h"
#include "client/ports/block_device.h"
#include "client/ports/boot_control.h"
#include "client/ports/broker.h"
#include "manifest/refresh.h"

namespace pawl::client {

class LocalBroker : public Broker {
 public:
  // Borrows all references. `now` is the effective time of this run, `embedded_root` the root of trust in the running image. `rule` is
  // kOffline only in a process that a person has started with a bundle: nobody can ask for it later.
  LocalBroker(BootControl& boot, SlotDevices& slots, manifest::MetadataStore& metadata, ByteView embedded_root, std::string product,
              UtcTime now, const manifest::MetadataLimits& limits, manifest::ExpiryRule rule = manifest::ExpiryRule::kAll)
      : boot_(boot), slots_(slots), metadata_(metadata), embedded_root_(embedded_root.begin(), embedded_root.end()),
        product_(std::move(product)), now_(now), limits_(limits), rule_(rule) {}

  Result<BootFacts> Facts() override { return boot_.Read(); }
  Result<std::unique_ptr<RandomReader>> OpenForReading(Slot slot, std::string_view component) override;
  Result<std::unique_ptr<BlockDevice>> OpenTarget(Slot slot, std::string_view component) override;
  Status VerifySlot(Slot slot, const ReleaseReference& release) override;
  Status Arm(Slot slot, std::uint32_t tries, std::uint64_t transaction, const ReleaseReference& release) override;
  Status Confirm(Slot booted, bool retire_other) override;

 private:
  Status RefuseBooted(Slot slot);
  BootControl& boot_;
  SlotDevices& slots_;
  manifest::MetadataStore& metadata_;
  Bytes embedded_root_;
  std::string product_;
  UtcTime now_;
  manifest::MetadataLimits limits_;
  manifest::ExpiryRule rule_;
  std::optional<std::pair<Slot, Sha256Digest>> verified_;  // by this process, and not opened for writing since
};

}  // namespace pawl::client
