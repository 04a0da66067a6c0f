// SPDX-License-Identifier: Apache-2.0
#include "client/platform/linux_slot_devices.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "base/file.h"
#include "base/format.h"

namespace pawl::client {
namespace {

// O_DIRECT asks for offsets, lengths and memory in units of the device's block; 4096 is a multiple
// of every block size in use.
constexpr std::uint64_t kDirectUnit = 4096;
constexpr std::uint64_t kDirectBufferBytes = 256 * 1024;

struct OpenDevice {
  UniqueFd fd;
  std::uint64_t size = 0;
  bool block = false;
};

Result<OpenDevice> Inspect(UniqueFd fd, const std::string& path) {
  struct stat info{};
  if (fstat(fd.get(), &info) != 0) return std::unexpected(ErrnoError(errno, path));
  if (S_ISREG(info.st_mode)) {
    return OpenDevice{std::move(fd), static_cast<std::uint64_t>(info.st_size), false};
  }
  if (!S_ISBLK(info.st_mode)) {
    return Fail(ErrorCode::kSlotMissing,
                Format("{}: expected a block device or a regular file", path));
  }
  std::uint64_t size = 0;
  if (ioctl(fd.get(), BLKGETSIZE64, &size) != 0) return std::unexpected(ErrnoError(errno, path));
  return OpenDevice{std::move(fd), size, true};
}

// Links are followed: /dev/disk/by-partlabel is made of them.
Result<OpenDevice> Open(const std::string& path, int flags) {
  UniqueFd fd(open(path.c_str(), flags | O_CLOEXEC | O_NONBLOCK));
  if (fd.valid()) return Inspect(std::move(fd), path);
  if (errno == EBUSY) {
    return Fail(ErrorCode::kSlotInUse, Format("{} is mounted or held by a device mapping", path));
  }
  if (errno == ENOENT || errno == ENOTDIR) {
    return Fail(ErrorCode::kSlotMissing, Format("{} does not exist", path));
  }
  return std::unexpected(ErrnoError(errno, path));
}

Status PastTheEnd(const std::string& path, std::uint64_t size, std::uint64_t offset,
                  std::uint64_t length) {
  return Fail(ErrorCode::kIo,
              Format("{}: {} bytes at {} are past the end at {}", path, length, offset, size));
}

class CachedReader : public RandomReader {
 public:
  CachedReader(OpenDevice device, std::string path)
      : device_(std::move(device)), path_(std::move(path)) {}
  Status ReadAt(std::uint64_t offset, ByteSpan out) override {
    if (!Contains(device_.size, offset, out.size())) {
      return PastTheEnd(path_, device_.size, offset, out.size());
    }
    return ReadExactAt(device_.fd.get(), offset, out, path_);
  }
  std::uint64_t SizeBytes() const override { return device_.size; }

 private:
  OpenDevice device_;
  std::string path_;
};

// Reads past the page cache through one aligned buffer.
class DirectReader : public RandomReader {
 public:
  struct Free {
    void operator()(std::uint8_t* memory) const { std::free(memory); }
  };
  using Buffer = std::unique_ptr<std::uint8_t, Free>;

  DirectReader(OpenDevice device, Buffer buffer, std::string path)
      : device_(std::move(device)), buffer_(std::move(buffer)), path_(std::move(path)) {}

  static Buffer MakeBuffer() {
    return Buffer(static_cast<std::uint8_t*>(std::aligned_alloc(kDirectUnit, kDirectBufferBytes)));
  }

  Status ReadAt(std::uint64_t offset, ByteSpan out) override {
    if (!Contains(device_.size, offset, out.size())) {
      return PastTheEnd(path_, device_.size, offset, out.size());
    }
    while (!out.empty()) {
      const std::uint64_t start = offset / kDirectUnit * kDirectUnit;
      const std::uint64_t wanted = std::min(offset - start + out.size(), kDirectBufferBytes);
      PAWL_ASSIGN_OR_RETURN(const std::uint64_t got, Fill(start, wanted));
      const std::uint64_t usable = std::min<std::uint64_t>(got - (offset - start), out.size());
      std::memcpy(out.data(), buffer_.get() + (offset - start), usable);
      out = out.subspan(usable);
      offset += usable;
    }
    return {};
  }
  std::uint64_t SizeBytes() const override { return device_.size; }

 private:
  // Reads at least `wanted` bytes at `start` into the buffer. A whole number of units is asked for;
  // at the end of a file or device that is no multiple of the unit the kernel returns fewer.
  Result<std::uint64_t> Fill(std::uint64_t start, std::uint64_t wanted) {
    const std::uint64_t rounded = (wanted + kDirectUnit - 1) / kDirectUnit * kDirectUnit;
    std::uint64_t filled = 0;
    while (filled < wanted) {
      const ssize_t got = pread(device_.fd.get(), buffer_.get() + filled, rounded - filled,
                                static_cast<off_t>(start + filled));
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return std::unexpected(ErrnoError(errno, path_));
      filled += static_cast<std::uint64_t>(got);
      // After a short read the next offset may be no unit any more; only the end is one.
      if (got == 0 || (filled % kDirectUnit != 0 && filled < wanted)) {
        return Fail(ErrorCode::kIo, Format("{}: ends at {}", path_, start + filled));
      }
    }
    return filled;
  }

  OpenDevice device_;
  Buffer buffer_;
  std::string path_;
};

class WritableDevice : public BlockDevice {
 public:
  WritableDevice(OpenDevice device, std::string path)
      : device_(std::move(device)), path_(std::move(path)) {}
  Status ReadAt(std::uint64_t offset, ByteSpan out) override {
    if (!Contains(device_.size, offset, out.size())) {
      return PastTheEnd(path_, device_.size, offset, out.size());
    }
    return ReadExactAt(device_.fd.get(), offset, out, path_);
  }
  std::uint64_t SizeBytes() const override { return device_.size; }
  // A slot never grows: a regular file would, and hide a mistake that a partition shows.
  Status WriteAt(std::uint64_t offset, ByteView bytes) override {
    if (!Contains(device_.size, offset, bytes.size())) {
      return Fail(ErrorCode::kNoSpace, Format("{}: {} bytes at {} do not fit into {}", path_,
                                              bytes.size(), offset, device_.size));
    }
    return WriteExactAt(device_.fd.get(), offset, bytes, path_);
  }
  Status Sync() override { return SyncFd(device_.fd.get(), path_); }

 private:
  OpenDevice device_;
  std::string path_;
};

// Drops what the page cache holds of the device. REQUIRES: nothing is waiting to be written.
Status DropCaches(const OpenDevice& device, const std::string& path) {
  if (device.block && ioctl(device.fd.get(), BLKFLSBUF, 0) != 0) {
    return std::unexpected(ErrnoError(errno, path));
  }
  if (const int why = posix_fadvise(device.fd.get(), 0, 0, POSIX_FADV_DONTNEED); why != 0) {
    return std::unexpected(ErrnoError(why, path));
  }
  return {};
}

// True when a first read past the cache works: some file systems accept O_DIRECT and refuse the
// read.
bool DirectWorks(const OpenDevice& device, std::uint8_t* buffer) {
  return device.size == 0 || pread(device.fd.get(), buffer, kDirectUnit, 0) >= 0;
}

Result<std::unique_ptr<RandomReader>> OpenMedium(const std::string& path) {
  {
    // What was written before must be on the medium before it is read from there.
    PAWL_ASSIGN_OR_RETURN(const OpenDevice device, Open(path, O_RDONLY));
    PAWL_TRY(SyncFd(device.fd.get(), path));
    if (auto direct = Open(path, O_RDONLY | O_DIRECT); direct) {
      DirectReader::Buffer buffer = DirectReader::MakeBuffer();
      if (buffer && DirectWorks(*direct, buffer.get())) {
        return std::make_unique<DirectReader>(*std::move(direct), std::move(buffer), path);
      }
    }
    PAWL_TRY(DropCaches(device, path));
  }
  PAWL_ASSIGN_OR_RETURN(OpenDevice device, Open(path, O_RDONLY));
  return std::make_unique<CachedReader>(std::move(device), path);
}

bool IsBlockDevice(const std::string& path) {
  struct stat info{};
  return stat(path.c_str(), &info) == 0 && S_ISBLK(info.st_mode);
}

}  // namespace

LinuxSlotDevices::LinuxSlotDevices(ComponentPaths slot_a, ComponentPaths slot_b)
    : slots_{std::move(slot_a), std::move(slot_b)} {}

Result<std::string> LinuxSlotDevices::PathOf(Slot slot, std::string_view component) const {
  const ComponentPaths& paths = slots_[static_cast<std::size_t>(slot)];
  const auto found = paths.find(component);
  if (found == paths.end()) {
    return Fail(ErrorCode::kSlotMissing, Format("slot {} has no place for component \"{}\"",
                                                SlotName(slot), EncodeFileName(component)));
  }
  return found->second;
}

Result<std::unique_ptr<RandomReader>> LinuxSlotDevices::OpenForReading(Slot slot,
                                                                       std::string_view component,
                                                                       ReadPath path) {
  PAWL_ASSIGN_OR_RETURN(const std::string name, PathOf(slot, component));
  if (path == ReadPath::kMedium) return OpenMedium(name);
  PAWL_ASSIGN_OR_RETURN(OpenDevice device, Open(name, O_RDONLY));
  return std::make_unique<CachedReader>(std::move(device), name);
}

Result<std::unique_ptr<BlockDevice>> LinuxSlotDevices::OpenForWriting(Slot slot,
                                                                      std::string_view component) {
  PAWL_ASSIGN_OR_RETURN(const std::string name, PathOf(slot, component));
  // O_EXCL without O_CREAT is defined for block devices only.
  PAWL_ASSIGN_OR_RETURN(OpenDevice device, Open(name, O_RDWR | (IsBlockDevice(name) ? O_EXCL : 0)));
  return std::make_unique<WritableDevice>(std::move(device), name);
}

Result<std::string> LinuxSlotDevices::PartitionId(Slot slot, std::string_view component) {
  PAWL_ASSIGN_OR_RETURN(const std::string name, PathOf(slot, component));
  PAWL_ASSIGN_OR_RETURN(const OpenDevice device, Open(name, O_RDONLY));
  return Format("{}:{}", name, device.size);
}

std::string LinuxSlotDevices::Kind() const {
  for (const ComponentPaths& slot : slots_) {
    for (const auto& [component, path] : slot) {
      if (!IsBlockDevice(path)) return "regular files";
    }
  }
  return "block devices";
}

}  // namespace pawl::client
