// SPDX-License-Identifier: Apache-2.0
#pragma once

// Files of the running system below a configurable root, so that probes can be tested on fixture
// trees. Anything but "/" is test mode, which the statement says and every verifier refuses to
// trust.
//
// Bounds: only regular files (procfs and sysfs count as such) opened with O_NONBLOCK | O_NOFOLLOW,
// never more than `max_bytes`: a fifo, a device or an endless file cannot hold a probe up.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/file.h"
#include "base/result.h"

namespace pawl::integrity {

inline constexpr std::uint64_t kProbeReadBytes = 64 * 1024;  // default cap of one file

class Sysroot {
 public:
  Sysroot() = default;
  explicit Sysroot(std::string root) : root_(std::move(root)) {}

  bool test_mode() const { return root_ != "/"; }
  // `path` is absolute as the running system sees it.
  std::string Path(std::string_view path) const;

  // ERRORS: as ReadFile.
  Result<Bytes> Read(std::string_view path, std::uint64_t max_bytes = kProbeReadBytes) const;
  // Without the newline at its end; nothing when it cannot be read for whatever reason.
  std::optional<std::string> Text(std::string_view path,
                                  std::uint64_t max_bytes = kProbeReadBytes) const;
  // A decimal number, nothing else in the file.
  std::optional<std::int64_t> Number(std::string_view path) const;
  // Sorted names in a directory. Nothing when it cannot be read.
  std::optional<std::vector<std::string>> List(std::string_view path) const;
  bool Exists(std::string_view path) const;

 private:
  std::string root_ = "/";
};

}  // namespace pawl::integrity
