// SPDX-License-Identifier: Apache-2.0
#include "signer/image_identity.h"

#include <fcntl.h>

#include <algorithm>
#include <array>

#include "base/file.h"
#include "base/format.h"
#include "signer/run_tool.h"

namespace pawl::signer {
namespace {

constexpr std::string_view kIdentityPath = "usr/lib/pawl/release";

Result<bool> HasMagic(int fd, std::uint64_t size, std::uint64_t offset, ByteView magic,
                      const std::string& path) {
  if (!Contains(size, offset, magic.size())) return false;
  Bytes found(magic.size());
  PAWL_TRY(ReadExactAt(fd, offset, found, path));
  return std::ranges::equal(found, magic);
}

// A name that no tool can take for an option.
std::string SafeArgument(const std::string& path) {
  return path.starts_with('/') ? path : "./" + path;
}

}  // namespace

Result<ImageKind> KindOfImage(const std::string& path) {
  constexpr std::array<std::uint8_t, 2> kExtMagic{0x53, 0xef};  // linux/magic.h, in the superblock
  constexpr std::uint64_t kExtMagicOffset = 1024 + 56;
  constexpr std::array<std::uint8_t, 4> kSquashfsMagic{'h', 's', 'q', 's'};
  PAWL_ASSIGN_OR_RETURN(const UniqueFd fd, OpenFile(path, O_RDONLY));
  PAWL_ASSIGN_OR_RETURN(const std::uint64_t size, FileSize(path));
  PAWL_ASSIGN_OR_RETURN(const bool squashfs, HasMagic(fd.get(), size, 0, kSquashfsMagic, path));
  if (squashfs) return ImageKind::kSquashfs;
  PAWL_ASSIGN_OR_RETURN(const bool ext, HasMagic(fd.get(), size, kExtMagicOffset, kExtMagic, path));
  return ext ? ImageKind::kExt : ImageKind::kOther;
}

Result<std::optional<manifest::ImageIdentity>> ReadImageIdentity(const std::string& path) {
  PAWL_ASSIGN_OR_RETURN(const ImageKind kind, KindOfImage(path));
  if (kind == ImageKind::kOther) return std::optional<manifest::ImageIdentity>();
  const bool ext = kind == ImageKind::kExt;
  const Tool tool = ext ? Tool{"debugfs", "e2fsprogs"} : Tool{"unsquashfs", "squashfs-tools"};
  std::vector<std::string> arguments;
  if (ext) {
    arguments = {"-R", Format("cat /{}", kIdentityPath), SafeArgument(path)};
  } else {
    arguments = {"-cat", SafeArgument(path), std::string(kIdentityPath)};
  }
  PAWL_ASSIGN_OR_RETURN(const ToolOutput output,
                        RunTool(tool, arguments, manifest::kMaxImageIdentityBytes));
  // Both tools say by an empty output that there is no such file.
  if (output.text.empty()) return std::optional<manifest::ImageIdentity>();
  auto identity = manifest::ParseImageIdentity(output.text);
  if (!identity) {
    return FailIn(Format("{}: /{}", path, kIdentityPath), std::move(identity).error());
  }
  return std::optional(*std::move(identity));
}

}  // namespace pawl::signer
