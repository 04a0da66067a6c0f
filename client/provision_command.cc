// SPDX-License-Identifier: Apache-2.0
// provision: makes the disk of a new device from a release's image.

#include "base/block_io.h"
#include "base/file.h"
#include "base/format.h"
#include "base/progress.h"
#include "client/commands.h"
#include "client/core/agent_state.h"
#include "client/integrity/model/device_key.h"
#include "client/platform/provision.h"
#include "manifest/refresh.h"

namespace pawl::client {
namespace {

struct Options {
  ProvisionOptions disk;
  std::string root_json;
  std::string public_out;
  std::uint64_t slot_mib = 0;
  std::uint64_t data_mib = 64;
};

void Bind(Arguments& arguments, Options& options) {
  arguments.Positional("DISK", options.disk.output, "a new disk image file, or a block device");
  arguments.Option("--image", options.disk.rootfs_image, "root file system image for slot a", true);
  arguments.Option("--root", options.root_json, "the repository's root.json: the device's root of trust", true);
  arguments.Option("--grub-cfg", options.disk.grub_cfg, "the boot configuration to install", true);
  arguments.Option("--id", options.disk.device.id, "device id", true);
  arguments.Option("--product", options.disk.device.product, "product name", true);
  arguments.Option("--hardware", options.disk.device.hardware, "hardware id", true);
  arguments.Option("--group", options.disk.device.groups, "a group of the device (may be repeated)");
  arguments.Option("--server", options.disk.server, "base URL of the repository", true);
  arguments.Option("--channel", options.disk.channel, "update channel (stable)");
  arguments.Option("--slot-mib", options.slot_mib, "size of each slot in MiB (the image's size)");
  arguments.Option("--data-mib", options.data_mib, "size of the data area in MiB (64)");
  arguments.Option("--public-out", options.public_out, "write the device's public key here, for pawl-fleet register");
  arguments.Flag("--confirm-erase", options.disk.overwrite_block_device, "DISK is a block device and everything on it may be lost");
}

Result<Answer> Provision(const Options& given) {
  ProvisionOptions disk = given.disk;
  if (disk.channel.empty()) disk.channel = "stable";
  PAWL_ASSIGN_OR_RETURN(const std::uint64_t image_bytes, FileSize(disk.rootfs_image));
  disk.slot_bytes = given.slot_mib != 0 ? given.slot_mib * kMebibyte : ChunkCount(image_bytes) * kChunkBytes;
  disk.data_bytes = given.data_mib * kMebibyte;
  PAWL_ASSIGN_OR_RETURN(disk.root_json, ReadFile(given.root_json, manifest::MetadataLimits{}.root_bytes));
  AgentState first;
  first.created = SystemUtcTime();
  disk.first_document = Json::object();
  EncodeAgentState(first, disk.first_document);

  Progress progress(Format("provisioning {}", disk.output), 0);
  PAWL_ASSIGN_OR_RETURN(const ProvisionResult result, ProvisionDisk(disk));
  progress.Finish(HumanBytes(result.disk_bytes));
  const std::string record = PrettyJson(result.device_record);
  if (!given.public_out.empty()) PAWL_TRY(CreateNewFile(given.public_out, AsBytes(record)));
  Answer answer;
  answer.text = Format("device {} is ready: {} in slot a ({}, SHA-256 {})\nnext: start it; register {} with pawl-fleet\n", disk.device.id,
                       disk.rootfs_image, HumanBytes(result.image_bytes), result.slot_a_sha256.Hex(),
                       given.public_out.empty() ? "its device.pub" : given.public_out);
  answer.json = Json{{"schema", "pawl.provision/1"},
                     {"disk", disk.output},
                     {"disk_bytes", result.disk_bytes},
                     {"slot_a_sha256", result.slot_a_sha256.Hex()},
                     {"device", result.device_record}};
  return answer;
}

}  // namespace

Command ProvisionCommand() {
  return {"provision", "DISK --image FILE …", "make the disk of a new device",
          "pawl-agent provision disk.img --image A.ext4 --root root.json --grub-cfg grub.cfg --id gw-1 --product gateway --hardware gw-x1 --server http://127.0.0.1:8080/",
          Declare<Options>(Bind, Provision)};
}

}  // namespace pawl::client
