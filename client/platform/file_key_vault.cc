// SPDX-License-Identifier: Apache-2.0
#include "client/platform/file_key_vault.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <utility>

#include "base/file.h"
#include "base/format.h"
#include "base/secret.h"

namespace pawl::client {
namespace {

constexpr std::uint64_t kMaxFloorFileBytes = 32;

}  // namespace

FileKeyVault::FileKeyVault(std::string key_path, std::string floor_path)
    : key_path_(std::move(key_path)), floor_path_(std::move(floor_path)) {}

Result<Ed25519Key> FileKeyVault::LoadKey() const {
  auto fd = OpenFile(key_path_, O_RDONLY | O_NOFOLLOW);
  if (!fd) {
    const ErrorCode code = fd.error().code() == ErrorCode::kInputMissing
                               ? ErrorCode::kDeviceKeyMissing
                               : ErrorCode::kKeyFilePermissions;
    return Fail(code, fd.error().Message());
  }
  struct stat info{};
  if (fstat(fd->get(), &info) != 0) return std::unexpected(ErrnoError(errno, key_path_));
  const mode_t mode = info.st_mode & 07777;
  if (!S_ISREG(info.st_mode) || (mode != 0600 && mode != 0400) || info.st_uid != geteuid()) {
    return Fail(ErrorCode::kKeyFilePermissions,
                Format("{}: expected a file of user {} with mode 0600, found user {}, mode {:04o}",
                       key_path_, geteuid(), info.st_uid, mode));
  }
  if (info.st_size != static_cast<off_t>(kEd25519SeedBytes)) {
    return Fail(ErrorCode::kKeyFileMalformed, Format("{}: expected {} bytes, found {}", key_path_,
                                                     kEd25519SeedBytes, info.st_size));
  }
  SecretBuffer seed(kEd25519SeedBytes);
  PAWL_TRY(ReadExactAt(fd->get(), 0, seed.span(), key_path_));
  return Ed25519Key::FromSeed(seed);
}

Result<Bytes> FileKeyVault::Sign(ByteView message) {
  PAWL_ASSIGN_OR_RETURN(const Ed25519Key key, LoadKey());
  return key.Sign(message);
}

Result<Bytes> FileKeyVault::PublicKey() {
  PAWL_ASSIGN_OR_RETURN(const Ed25519Key key, LoadKey());
  return key.public_key();
}

Result<std::uint64_t> FileKeyVault::ReadFloor() {
  PAWL_ASSIGN_OR_RETURN(const auto bytes, ReadFileIfExists(floor_path_, kMaxFloorFileBytes));
  if (!bytes) return 0;
  std::string_view text = AsText(*bytes);
  if (!text.empty() && text.back() == '\n') text.remove_suffix(1);
  std::uint64_t floor = 0;
  const auto [end, why] = std::from_chars(text.data(), text.data() + text.size(), floor);
  if (text.empty() || why != std::errc() || end != text.data() + text.size()) {
    return Fail(ErrorCode::kStoreCorrupt, Format("{}: expected one number", floor_path_));
  }
  return floor;
}

Status FileKeyVault::RaiseFloor(std::uint64_t epoch) {
  PAWL_ASSIGN_OR_RETURN(const std::uint64_t floor, ReadFloor());
  if (epoch <= floor) return {};
  return AtomicWriteFile(floor_path_, AsBytes(Format("{}\n", epoch)), 0600);
}

}  // namespace pawl::client
