// SPDX-License-Identifier: Apache-2.0
#include "signer/scratch.h"

#include <sys/stat.h>

#include <array>
#include <cerrno>
#include <filesystem>
#include <utility>

#include "base/bytes.h"
#include "base/file.h"
#include "base/secret.h"

namespace pawl::signer {

Result<ScratchDirectory> ScratchDirectory::Create(const std::string& parent) {
  PAWL_TRY(MakeDirectories(parent));
  std::array<std::uint8_t, 8> random{};
  RandomBytes(random);
  std::string path = JoinPath(parent, ".work-" + HexEncode(random));
  if (mkdir(path.c_str(), 0755) != 0) return std::unexpected(ErrnoError(errno, path));
  return ScratchDirectory(std::move(path));
}

ScratchDirectory::ScratchDirectory(ScratchDirectory&& other) noexcept
    : path_(std::exchange(other.path_, "")) {}

ScratchDirectory::~ScratchDirectory() {
  if (path_.empty()) return;
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

}  // namespace pawl::signer
