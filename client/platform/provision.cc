// SPDX-License-Identifier: Apache-2.0
#include "client/platform/provision.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <string_view>
#include <system_error>
#include <utility>

#include "base/file.h"
#include "base/format.h"
#include "base/secret.h"
#include "base/signature.h"
#include "client/platform/disk_image.h"
#include "client/platform/file_key_vault.h"
#include "client/platform/grub_boot_control.h"
#include "client/platform/sqlite_state_store.h"

namespace pawl::client {
namespace {

constexpr std::uint64_t kMaxGrubConfigBytes = 1U << 20;
constexpr std::size_t kMaxNameBytes = 64;
constexpr std::size_t kMaxServerBytes = 512;

// A working folder that only its owner can enter; gone, with all in it, on every way out.
class ScratchFolder {
 public:
  static Result<ScratchFolder> Make(const std::string& beside) {
    std::string path = beside + ".tmp.XXXXXX";
    if (mkdtemp(path.data()) == nullptr) return std::unexpected(ErrnoError(errno, beside));
    return ScratchFolder(std::move(path));
  }
  ~ScratchFolder() {
    std::error_code ignored;
    if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
  }
  ScratchFolder(ScratchFolder&& other) noexcept : path_(std::exchange(other.path_, {})) {}
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;
  std::string Of(std::string_view name) const { return JoinPath(path_, name); }

 private:
  explicit ScratchFolder(std::string path) : path_(std::move(path)) {}
  std::string path_;
};

// Where the disk is built, and what it becomes.
struct Target {
  std::string disk;  // written to
  bool block = false;
  std::uint64_t block_bytes = 0;
};

Status CheckName(std::string_view what, std::string_view value) {
  const bool plain =
      !value.empty() && value.size() <= kMaxNameBytes && std::ranges::all_of(value, [](char c) {
        return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
               c == '.' || c == '_' || c == '-';
      });
  if (plain) return {};
  return Fail(ErrorCode::kInputInvalid,
              Format("expected a {} of 1 … {} characters A-Z a-z 0-9 . _ -, found \"{}\"", what,
                     kMaxNameBytes, EncodeFileName(value.substr(0, 80))));
}

Status CheckServer(std::string_view url) {
  const bool scheme = url.starts_with("http://") || url.starts_with("https://");
  const bool plain = std::ranges::all_of(url, [](char c) {
    return c > ' ' && c <= '~' && c != '"' && c != '\\' && c != '#' && c != '?';
  });
  if (scheme && plain && url.size() <= kMaxServerBytes) return {};
  return Fail(ErrorCode::kInputInvalid,
              "expected the server as an http:// or https:// URL without query");
}

Status CheckOptions(const ProvisionOptions& options) {
  PAWL_TRY(CheckName("device id", options.device.id));
  PAWL_TRY(CheckName("product", options.device.product));
  PAWL_TRY(CheckName("hardware", options.device.hardware));
  PAWL_TRY(CheckName("channel", options.channel));
  for (const std::string& group : options.device.groups) PAWL_TRY(CheckName("group", group));
  PAWL_TRY(CheckServer(options.server));
  if (!options.first_document.is_object()) {
    return Fail(ErrorCode::kInputInvalid, "expected the store's first document as a JSON object");
  }
  if (options.root_json.empty()) {
    return Fail(ErrorCode::kRootMissing, "expected the root of trust, found no bytes");
  }
  return {};
}

Result<Target> InspectOutput(const ProvisionOptions& options) {
  struct stat info{};
  if (stat(options.output.c_str(), &info) != 0 || !S_ISBLK(info.st_mode)) {
    if (PathExists(options.output)) {
      return Fail(ErrorCode::kOutputExists, Format("{} exists already", options.output));
    }
    return Target{};
  }
  if (!options.overwrite_block_device) {
    return Fail(ErrorCode::kConfirmationMissing,
                Format("{} is a block device; everything on it would be lost", options.output));
  }
  const UniqueFd fd(open(options.output.c_str(), O_RDWR | O_EXCL | O_CLOEXEC));
  if (!fd.valid() && errno == EBUSY) {
    return Fail(ErrorCode::kSlotInUse, Format("{} or a partition of it is in use", options.output));
  }
  if (!fd.valid()) return std::unexpected(ErrnoError(errno, options.output));
  Target target{options.output, true, 0};
  if (ioctl(fd.get(), BLKGETSIZE64, &target.block_bytes) != 0) {
    return std::unexpected(ErrnoError(errno, options.output));
  }
  return target;
}

Status MakeEmptyDisk(const std::string& disk, std::uint64_t bytes) {
  // Only for its owner: the image holds the device's key.
  PAWL_ASSIGN_OR_RETURN(const UniqueFd fd, OpenFile(disk, O_RDWR | O_CREAT | O_EXCL, 0600));
  if (ftruncate(fd.get(), static_cast<off_t>(bytes)) != 0) {
    return std::unexpected(ErrnoError(errno, disk));
  }
  return {};
}

// What the boot file system holds.
Status FillBootFolder(const ProvisionOptions& options, const std::string& folder) {
  PAWL_ASSIGN_OR_RETURN(const Bytes config, ReadFile(options.grub_cfg, kMaxGrubConfigBytes));
  PAWL_TRY(MakeDirectories(JoinPath(folder, "grub")));
  PAWL_TRY(MakeDirectories(JoinPath(folder, "pawl")));
  PAWL_TRY(CreateNewFile(JoinPath(folder, "grub/grub.cfg"), config));
  GrubState first;
  first.good = Slot::kA;
  first.bootable = {true, false};
  const Bytes block = FormatGrubBlock(first);
  PAWL_TRY(CreateNewFile(JoinPath(folder, "pawl/grubenv"), block));
  return CreateNewFile(JoinPath(folder, "pawl/grubenv.bak"), block);
}

// REQUIRES: every value passed CheckOptions, so none needs escaping in TOML.
std::string DeviceToml(const ProvisionOptions& options) {
  std::string groups;
  for (const std::string& group : options.device.groups) {
    groups += Format("{}\"{}\"", groups.empty() ? "" : ", ", group);
  }
  return Format(
      "# Written by `pawl-agent provision`; docs/configuration.md explains every key.\n"
      "[device]\nid = \"{}\"\nproduct = \"{}\"\nhardware = \"{}\"\ngroups = [{}]\n\n"
      "[update]\nserver = \"{}\"\nchannel = \"{}\"\n",
      options.device.id, options.device.product, options.device.hardware, groups, options.server,
      options.channel);
}

// Copies the given seed or makes one, and returns its public half.
Result<Bytes> MakeDeviceKey(const std::string& key_file, const std::string& path) {
  SecretBuffer seed(kEd25519SeedBytes);
  if (key_file.empty()) {
    PAWL_TRY(InitCrypto());
    RandomBytes(seed.span());
  } else {
    FileKeyVault given(key_file, "");
    PAWL_TRY(given.PublicKey());  // checks owner, mode and length
    PAWL_ASSIGN_OR_RETURN(const UniqueFd fd, OpenFile(key_file, O_RDONLY | O_NOFOLLOW));
    PAWL_TRY(ReadExactAt(fd.get(), 0, seed.span(), key_file));
  }
  PAWL_TRY(CreateNewFile(path, seed.view(), 0600));
  return FileKeyVault(path, "").PublicKey();
}

// What the data file system holds: /var/lib/pawl of the device. Returns the public key.
Result<Bytes> FillDataFolder(const ProvisionOptions& options, const std::string& folder) {
  PAWL_TRY(MakeDirectories(JoinPath(folder, "metadata")));
  PAWL_TRY(CreateNewFile(JoinPath(folder, "device.toml"), AsBytes(DeviceToml(options))));
  PAWL_ASSIGN_OR_RETURN(Bytes public_key,
                        MakeDeviceKey(options.key_file, JoinPath(folder, "device.key")));
  const std::string record = PrettyJson(DeviceRecord(options.device, public_key));
  PAWL_TRY(CreateNewFile(JoinPath(folder, "device.pub"), AsBytes(record)));
  PAWL_TRY(SqliteStateStore::Create(JoinPath(folder, "state.db"), options.first_document));
  PAWL_TRY(CreateNewFile(JoinPath(folder, "metadata/root.json"), options.root_json));
  return public_key;
}

Result<Sha256Digest> FillDisk(const ProvisionOptions& options, const Target& target,
                              const DiskLayout& layout, const ScratchFolder& scratch) {
  PAWL_TRY(WritePartitionTable(target.disk, layout));
  PAWL_TRY(MakeFileSystem(target.disk, layout.boot, FileSystemKind::kBoot, "pawl-boot",
                          scratch.Of("boot")));
  PAWL_TRY(MakeFileSystem(target.disk, layout.data, FileSystemKind::kData, "pawl-data",
                          scratch.Of("data")));
  if (target.block) PAWL_TRY(ZeroRange(target.disk, layout.slot_b));  // a new file is zero already
  return WriteSlot(target.disk, layout.slot_a, options.rootfs_image, options.rootfs_sha256);
}

Status SyncDisk(const std::string& disk) {
  PAWL_ASSIGN_OR_RETURN(const UniqueFd fd, OpenFile(disk, O_RDONLY));
  return SyncFd(fd.get(), disk);
}

// Gives the finished file its name. link(2) refuses a name that has appeared meanwhile.
Status Publish(const std::string& disk, const std::string& output) {
  PAWL_TRY(SyncDisk(disk));
  if (link(disk.c_str(), output.c_str()) != 0) {
    if (errno != EEXIST) return std::unexpected(ErrnoError(errno, output));
    return Fail(ErrorCode::kOutputExists, Format("{} exists already", output));
  }
  const std::string parent = std::filesystem::path(output).parent_path().string();
  return SyncDirectory(parent.empty() ? "." : parent);
}

// Lets the kernel see the new partitions. It refuses a device without partition support, which
// takes nothing from what was written.
Status AnnouncePartitions(const std::string& disk) {
  PAWL_TRY(SyncDisk(disk));
  PAWL_ASSIGN_OR_RETURN(const UniqueFd fd, OpenFile(disk, O_RDONLY));
  if (ioctl(fd.get(), BLKRRPART) == 0 || errno == EINVAL || errno == ENOTTY) return {};
  return std::unexpected(ErrnoError(errno, disk));
}

}  // namespace

Json DeviceRecord(const DeviceIdentity& device, ByteView public_key) {
  return Json{{"schema", "pawl.device-key/1"}, {"device", device.id},
              {"product", device.product},     {"hardware", device.hardware},
              {"algorithm", "ed25519"},        {"public_key", HexEncode(public_key)},
              {"protection", "software"}};
}

Result<ProvisionResult> ProvisionDisk(const ProvisionOptions& options) {
  PAWL_TRY(CheckOptions(options));
  PAWL_ASSIGN_OR_RETURN(Target target, InspectOutput(options));
  PAWL_ASSIGN_OR_RETURN(const DiskLayout layout, PlanDisk(options.boot_bytes, options.slot_bytes,
                                                          options.data_bytes, target.block_bytes));
  const std::string beside = target.block ? std::string("/tmp/pawl-provision") : options.output;
  PAWL_ASSIGN_OR_RETURN(const ScratchFolder scratch, ScratchFolder::Make(beside));
  PAWL_TRY(MakeDirectories(scratch.Of("boot")));
  PAWL_TRY(MakeDirectories(scratch.Of("data")));
  PAWL_TRY(FillBootFolder(options, scratch.Of("boot")));
  ProvisionResult result;
  PAWL_ASSIGN_OR_RETURN(result.public_key, FillDataFolder(options, scratch.Of("data")));
  if (!target.block) {
    target.disk = scratch.Of("disk");
    PAWL_TRY(MakeEmptyDisk(target.disk, layout.disk_bytes));
  }
  PAWL_ASSIGN_OR_RETURN(result.slot_a_sha256, FillDisk(options, target, layout, scratch));
  PAWL_TRY(target.block ? AnnouncePartitions(target.disk) : Publish(target.disk, options.output));
  result.device_record = DeviceRecord(options.device, result.public_key);
  PAWL_ASSIGN_OR_RETURN(result.image_bytes, FileSize(options.rootfs_image));
  result.disk_bytes = layout.disk_bytes;
  return result;
}

}  // namespace pawl::client
