// SPDX-License-Identifier: Apache-2.0
#pragma once

// The disk of a device in the making: partition table, file systems and slot contents, written at
// their offsets into an image file or a whole block device. Nothing is mounted.

#include <cstdint>
#include <optional>
#include <string>

#include "base/hash.h"
#include "base/result.h"

namespace pawl::client {

struct DiskRange {
  std::uint64_t offset = 0;  // bytes from the start of the disk, a multiple of 1 MiB
  std::uint64_t length = 0;  // bytes, a multiple of 1 MiB
};

// Partitions 1 to 4, in this order (packaging/grub/grub.cfg looks for slots in the 2nd and 3rd).
struct DiskLayout {
  DiskRange boot;    // pawl-boot: GRUB's configuration and environment blocks
  DiskRange slot_a;  // pawl-a
  DiskRange slot_b;  // pawl-b
  DiskRange data;    // pawl-data: /var/lib/pawl
  std::uint64_t disk_bytes = 0;
};

// One MiB is left free before the first and after the last partition, for the two copies of the
// table. `disk_bytes` 0: as large as needed; otherwise `data_bytes` is ignored and the data
// partition takes what is left. ERRORS: kInputInvalid for sizes that are not whole MiB or zero,
// kNoSpace.
Result<DiskLayout> PlanDisk(std::uint64_t boot_bytes, std::uint64_t slot_bytes,
                            std::uint64_t data_bytes, std::uint64_t disk_bytes);

// Writes a new GPT with sfdisk. ERRORS: kToolMissing, kNoSpace, kIo.
Status WritePartitionTable(const std::string& disk, const DiskLayout& layout);

enum class FileSystemKind {
  // ext4 with the few features that every GRUB reads, and no journal, which GRUB could not replay.
  kBoot,
  // ext4 as mke2fs makes it by default.
  kData,
};

// Makes a file system in `range` that holds a copy of the files below `from`, owned by root whoever
// runs this. ERRORS: kToolMissing, kNoSpace, kIo.
Status MakeFileSystem(const std::string& disk, DiskRange range, FileSystemKind kind,
                      const std::string& label, const std::string& from);

// Copies the file `image` to the start of `range` and makes the rest of the range zero. Reads the
// copy back past the page cache. Returns the digest of the image. ERRORS: kSlotTooSmall,
// kImageDigestMismatch unless it is `expected`, kSlotReadBackMismatch.
Result<Sha256Digest> WriteSlot(const std::string& disk, DiskRange range, const std::string& image,
                               const std::optional<Sha256Digest>& expected);
Status ZeroRange(const std::string& disk, DiskRange range);

}  // namespace pawl::client
