// SPDX-License-Identifier: Apache-2.0
#pragma once

// The mount table as the kernel shows it (proc(5), /proc/pid/mountinfo).

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "client/integrity/sysroot.h"

namespace pawl::integrity {

struct Mount {
  std::string point;
  std::vector<std::string> options;        // of this mount
  std::vector<std::string> super_options;  // of the file system
  std::string type;
  std::string source;

  bool Has(std::string_view option) const;
  bool read_only() const;  // this mount or the file system under it refuses writing
};

// Lines that are not what proc(5) describes make the whole unknown: half a table could hide a
// mount.
std::optional<std::vector<Mount>> ParseMountInfo(std::string_view text);
std::optional<std::vector<Mount>> ReadMounts(const Sysroot& root);

// The mount that a path lies in: the longest mount point above it, the latest of those. nullptr
// when there is none.
const Mount* CoveringMount(const std::vector<Mount>& mounts, std::string_view path);

}  // namespace pawl::integrity
