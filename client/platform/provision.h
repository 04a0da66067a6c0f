// SPDX-License-Identifier: Apache-2.0
#pragma once

// Makes the disk of a device: GPT with the partitions pawl-boot, pawl-a, pawl-b, pawl-data, GRUB's
// configuration and environment blocks, the first image in slot A, and the data area with the
// device's identity, key and store. Nothing is mounted and nobody needs to be root for an image
// file.
//
// Tools: sfdisk, mke2fs (Debian: fdisk, e2fsprogs).

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/result.h"

namespace pawl::client {

inline constexpr std::uint64_t kMebibyte = 1U << 20;

struct DeviceIdentity {
  std::string id;        // 1 … 64 of A-Z a-z 0-9 . _ -
  std::string product;   // "gateway"
  std::string hardware;  // "gw-x1"
  std::vector<std::string> groups;
};

struct ProvisionOptions {
  std::string output;                   // a new file, or an existing block device
  bool overwrite_block_device = false;  // --confirm: everything on the device is lost
  DeviceIdentity device;
  std::string server;   // base URL of the repository
  std::string channel;  // "stable"

  std::uint64_t boot_bytes = 64 * kMebibyte;  // all sizes in whole MiB
  std::uint64_t slot_bytes = 0;               // each slot
  std::uint64_t data_bytes = 64 * kMebibyte;  // image file; a block device gives all that is left

  std::string rootfs_image;                   // goes into slot A
  std::optional<Sha256Digest> rootfs_sha256;  // what the image must be, when the caller knows
  std::string grub_cfg;                       // path of the configuration to install
  Bytes root_json;                            // first trusted root, as in the image
  Json first_document;                        // of the store
  std::string key_file;                       // Ed25519 seed, 32 bytes; empty: generated
};

struct ProvisionResult {
  Bytes public_key;            // 32 bytes
  Json device_record;          // what pawl-fleet registers: the content of device.pub
  Sha256Digest slot_a_sha256;  // of the image's bytes as re-read from the disk
  std::uint64_t image_bytes = 0;
  std::uint64_t disk_bytes = 0;
};

// An image file appears under its name only when it is complete and durable; on failure nothing of
// it is left. ERRORS: kOutputExists, kConfirmationMissing (a block device without
// overwrite_block_device), kSlotInUse (a mounted block device), kSlotTooSmall, kInputInvalid,
// kInputMissing, kToolMissing, kNoSpace, kImageDigestMismatch, kSlotReadBackMismatch, kKeyFile….
Result<ProvisionResult> ProvisionDisk(const ProvisionOptions& options);

// The record of a device for pawl-fleet: {"schema": "pawl.device-key/1", "device", "product",
// "hardware", "algorithm": "ed25519", "public_key": hex, "protection": "software"}.
Json DeviceRecord(const DeviceIdentity& device, ByteView public_key);

}  // namespace pawl::client
