// SPDX-License-Identifier: Apache-2.0
#pragma once

// The slots as block devices, or as regular files where a device has none (status says which).

#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "client/ports/block_device.h"

namespace pawl::client {

class LinuxSlotDevices : public SlotDevices {
 public:
  // Component name → path of the block device or file.
  using ComponentPaths = std::map<std::string, std::string, std::less<>>;
  LinuxSlotDevices(ComponentPaths slot_a, ComponentPaths slot_b);

  // kMedium: O_DIRECT; where the file system refuses it, the caches are dropped and a newly opened
  // descriptor reads.
  Result<std::unique_ptr<RandomReader>> OpenForReading(Slot slot, std::string_view component,
                                                       ReadPath path) override;
  // Block devices are opened with O_EXCL: the kernel refuses one that is mounted or held by a
  // mapping, whatever the agent believes. ERRORS: kSlotInUse then.
  Result<std::unique_ptr<BlockDevice>> OpenForWriting(Slot slot,
                                                      std::string_view component) override;
  // "<configured path>:<size in bytes>". Partition labels are stable; device numbers of loop and
  // USB devices change between boots and are no identity.
  Result<std::string> PartitionId(Slot slot, std::string_view component) override;
  // "block devices" when every configured path is one, else "regular files".
  std::string Kind() const override;

 private:
  Result<std::string> PathOf(Slot slot, std::string_view component) const;
  ComponentPaths slots_[2];
};

}  // namespace pawl::client
