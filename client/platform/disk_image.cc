// SPDX-License-Identifier: Apache-2.0
#include "client/platform/disk_image.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <filesystem>
#include <system_error>
#include <utility>
#include <vector>

#include "base/file.h"
#include "base/format.h"
#include "base/progress.h"
#include "client/platform/linux_slot_devices.h"
#include "client/platform/spawn.h"

namespace pawl::client {
namespace {

constexpr std::uint64_t kMebibyteBytes = 1U << 20;
constexpr std::chrono::minutes kToolPatience(15);  // a large, slow SD card
constexpr std::uint64_t kSectorBytes = 512;
constexpr std::uint64_t kCopyBytes = 1U << 20;

// "Linux filesystem data": automounters leave it alone.
constexpr std::string_view kPartitionType = "0FC63DAF-8483-4772-8E79-3D69D8477DE4";

Status RunTool(const std::string& program, std::vector<std::string> arguments, std::string input) {
  PAWL_ASSIGN_OR_RETURN(const SpawnOutcome outcome,
                        Spawn({program, std::move(arguments), std::move(input),
                               std::chrono::steady_clock::now() + kToolPatience}));
  if (outcome.timed_out) return Fail(ErrorCode::kIo, Format("{} did not end", program));
  if (outcome.exit_status == 0) return {};
  const bool full = outcome.tail.find("No space left") != std::string::npos;
  return Fail(
      full ? ErrorCode::kNoSpace : ErrorCode::kIo,
      Format("{} ended with status {}: {}", program, outcome.exit_status, outcome.LastLine()));
}

std::string PartitionLine(DiskRange range, std::string_view name) {
  return Format("start={}MiB, size={}MiB, type={}, name=\"{}\"\n", range.offset / kMebibyteBytes,
                range.length / kMebibyteBytes, kPartitionType, name);
}

// mke2fs -d keeps the owner of every file, which is whoever runs the provisioning.
Status GiveToRoot(const std::string& disk, DiskRange range, const std::string& from) {
  std::string commands = "set_inode_field / uid 0\nset_inode_field / gid 0\n";
  std::error_code failure;
  std::filesystem::recursive_directory_iterator files(from, failure);
  for (; !failure && files != std::filesystem::recursive_directory_iterator();
       files.increment(failure)) {
    const std::string name = "/" + files->path().lexically_relative(from).string();
    commands += Format("set_inode_field {0} uid 0\nset_inode_field {0} gid 0\n", name);
  }
  if (failure) return std::unexpected(ErrnoError(failure.value(), from));
  return RunTool("debugfs", {"-w", "-f", "-", Format("{}?offset={}", disk, range.offset)},
                 std::move(commands));
}

bool IsBlockDevice(int fd) {
  struct stat info{};
  return fstat(fd, &info) == 0 && S_ISBLK(info.st_mode);
}

Result<UniqueFd> OpenDisk(const std::string& disk) {
  PAWL_ASSIGN_OR_RETURN(UniqueFd fd, OpenFile(disk, O_RDWR));
  if (!IsBlockDevice(fd.get())) return fd;
  // Exclusive: the kernel refuses while any of its partitions is mounted.
  UniqueFd exclusive(open(disk.c_str(), O_RDWR | O_EXCL | O_CLOEXEC));
  if (!exclusive.valid() && errno == EBUSY) {
    return Fail(ErrorCode::kSlotInUse, Format("{} or a partition of it is in use", disk));
  }
  if (!exclusive.valid()) return std::unexpected(ErrnoError(errno, disk));
  return exclusive;
}

Status ZeroBytes(int fd, DiskRange range, const std::string& disk) {
  // Up to the next sector by hand, the rest by the kernel.
  const std::uint64_t by_hand =
      std::min(range.length, (kSectorBytes - range.offset % kSectorBytes) % kSectorBytes);
  const Bytes zeros(by_hand);
  PAWL_TRY(WriteExactAt(fd, range.offset, zeros, disk));
  if (range.length == by_hand) return {};
  const off_t offset = static_cast<off_t>(range.offset + by_hand);
  const off_t length = static_cast<off_t>(range.length - by_hand);
  if (!IsBlockDevice(fd)) {
    // A hole reads as zeros and costs no space.
    if (fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, length) == 0) return {};
    if (errno != EOPNOTSUPP) return std::unexpected(ErrnoError(errno, disk));
    const Bytes block(kCopyBytes);
    for (off_t done = 0; done < length; done += static_cast<off_t>(kCopyBytes)) {
      const auto now =
          static_cast<std::size_t>(std::min<off_t>(length - done, static_cast<off_t>(kCopyBytes)));
      PAWL_TRY(WriteExactAt(fd, static_cast<std::uint64_t>(offset + done),
                            ByteView(block).first(now), disk));
    }
    return {};
  }
  std::uint64_t where[2] = {static_cast<std::uint64_t>(offset), static_cast<std::uint64_t>(length)};
  if (ioctl(fd, BLKZEROOUT, &where) != 0) return std::unexpected(ErrnoError(errno, disk));
  return {};
}

// The digest of `length` bytes from `offset`, as they lie on the medium.
Result<Sha256Digest> HashFromMedium(const std::string& disk, std::uint64_t offset,
                                    std::uint64_t length) {
  LinuxSlotDevices devices({{"disk", disk}}, {});
  PAWL_ASSIGN_OR_RETURN(const auto reader,
                        devices.OpenForReading(Slot::kA, "disk", ReadPath::kMedium));
  Progress progress("reading slot a back", length);
  Sha256 hash;
  Bytes buffer(kCopyBytes);
  for (std::uint64_t done = 0; done < length;) {
    const ByteSpan part = ByteSpan(buffer).first(std::min(kCopyBytes, length - done));
    PAWL_TRY(reader->ReadAt(offset + done, part));
    hash.Update(part);
    done += part.size();
    progress.Update(done);
  }
  progress.Finish();
  return hash.Finish();
}

Result<Sha256Digest> CopyImage(int from, std::uint64_t length, int to, std::uint64_t offset,
                               const std::string& image, const std::string& disk) {
  Progress progress("writing slot a", length);
  Sha256 hash;
  Bytes buffer(kCopyBytes);
  for (std::uint64_t done = 0; done < length;) {
    const ByteSpan part = ByteSpan(buffer).first(std::min(kCopyBytes, length - done));
    PAWL_TRY(ReadExactAt(from, done, part, image));
    PAWL_TRY(WriteExactAt(to, offset + done, part, disk));
    hash.Update(part);
    done += part.size();
    progress.Update(done);
  }
  progress.Finish();
  return hash.Finish();
}

}  // namespace

Result<DiskLayout> PlanDisk(std::uint64_t boot_bytes, std::uint64_t slot_bytes,
                            std::uint64_t data_bytes, std::uint64_t disk_bytes) {
  // 4 TiB for each part keeps every sum far from overflow.
  const auto fits = [](std::uint64_t bytes) {
    return bytes > 0 && bytes % kMebibyteBytes == 0 && bytes <= (std::uint64_t{1} << 42U);
  };
  if (!fits(boot_bytes) || !fits(slot_bytes) || (disk_bytes == 0 && !fits(data_bytes))) {
    return Fail(ErrorCode::kInputInvalid,
                Format("expected sizes in whole MiB, found boot {}, slot {}, data {} bytes",
                       boot_bytes, slot_bytes, data_bytes));
  }
  DiskLayout layout;
  layout.boot = {kMebibyteBytes, boot_bytes};
  layout.slot_a = {layout.boot.offset + boot_bytes, slot_bytes};
  layout.slot_b = {layout.slot_a.offset + slot_bytes, slot_bytes};
  layout.data.offset = layout.slot_b.offset + slot_bytes;
  if (disk_bytes == 0) {
    layout.data.length = data_bytes;
    layout.disk_bytes = layout.data.offset + data_bytes + kMebibyteBytes;
    return layout;
  }
  layout.disk_bytes = disk_bytes;
  const std::uint64_t whole = disk_bytes / kMebibyteBytes * kMebibyteBytes;
  const std::uint64_t before = layout.data.offset + kMebibyteBytes;
  constexpr std::uint64_t kSmallestData = 16 * kMebibyteBytes;
  if (whole < before + kSmallestData) {
    return Fail(ErrorCode::kNoSpace,
                Format("the disk has {} bytes, {} are needed", disk_bytes, before + kSmallestData));
  }
  layout.data.length = whole - before;
  return layout;
}

Status WritePartitionTable(const std::string& disk, const DiskLayout& layout) {
  const std::string script = "label: gpt\n" + PartitionLine(layout.boot, "pawl-boot") +
                             PartitionLine(layout.slot_a, "pawl-a") +
                             PartitionLine(layout.slot_b, "pawl-b") +
                             PartitionLine(layout.data, "pawl-data");
  return RunTool("sfdisk",
                 {"--quiet", "--wipe", "always", "--wipe-partitions", "always", "--no-reread",
                  "--no-tell-kernel", disk},
                 script);
}

Status MakeFileSystem(const std::string& disk, DiskRange range, FileSystemKind kind,
                      const std::string& label, const std::string& from) {
  std::vector<std::string> arguments = {"-q", "-F", "-t", "ext4", "-L", label, "-b", "4096"};
  if (kind == FileSystemKind::kBoot) {
    arguments.insert(arguments.end(),
                     {"-O", "none,filetype,sparse_super,large_file,ext_attr,extent"});
  }
  arguments.insert(arguments.end(), {"-E", Format("offset={},root_owner=0:0", range.offset), "-d",
                                     from, disk, Format("{}k", range.length / 1024)});
  PAWL_TRY(RunTool("mke2fs", std::move(arguments), ""));
  if (geteuid() == 0) return {};
  return GiveToRoot(disk, range, from);
}

Status ZeroRange(const std::string& disk, DiskRange range) {
  PAWL_ASSIGN_OR_RETURN(const UniqueFd fd, OpenDisk(disk));
  PAWL_TRY(ZeroBytes(fd.get(), range, disk));
  return SyncFd(fd.get(), disk);
}

Result<Sha256Digest> WriteSlot(const std::string& disk, DiskRange range, const std::string& image,
                               const std::optional<Sha256Digest>& expected) {
  Sha256Digest digest;
  std::uint64_t length = 0;
  {
    PAWL_ASSIGN_OR_RETURN(const UniqueFd from, OpenFile(image, O_RDONLY));
    PAWL_ASSIGN_OR_RETURN(length, FileSize(image));
    if (length == 0 || length > range.length) {
      return Fail(ErrorCode::kSlotTooSmall,
                  Format("{} has {} bytes, a slot holds 1 … {}", image, length, range.length));
    }
    PAWL_ASSIGN_OR_RETURN(const UniqueFd to, OpenDisk(disk));
    PAWL_ASSIGN_OR_RETURN(digest,
                          CopyImage(from.get(), length, to.get(), range.offset, image, disk));
    if (expected && digest != *expected) {
      return Fail(ErrorCode::kImageDigestMismatch,
                  Format("{}: expected sha256 {}, found {}", image, expected->Hex(), digest.Hex()));
    }
    PAWL_TRY(ZeroBytes(to.get(), {range.offset + length, range.length - length}, disk));
    PAWL_TRY(SyncFd(to.get(), disk));
  }
  PAWL_ASSIGN_OR_RETURN(const Sha256Digest found, HashFromMedium(disk, range.offset, length));
  if (found != digest) {
    return Fail(ErrorCode::kSlotReadBackMismatch,
                Format("{}: expected sha256 {} at {}, found {}", disk, digest.Hex(), range.offset,
                       found.Hex()));
  }
  return digest;
}

}  // namespace pawl::client
