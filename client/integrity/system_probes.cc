// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>

#include "base/format.h"
#include "client/integrity/mounts.h"
#include "client/integrity/probes.h"

namespace pawl::integrity {
namespace {

// Where programs come from.
constexpr auto kTrusted =
    std::to_array<std::string_view>({"/usr", "/bin", "/sbin", "/lib", "/lib64"});
// Where anybody or the system writes.
constexpr auto kWritable = std::to_array<std::string_view>({"/tmp", "/var", "/data", "/dev/shm"});

bool Trusted(std::string_view point) {
  return point == "/" || std::ranges::any_of(kTrusted, [&](std::string_view tree) {
           return point == tree ||
                  (point.starts_with(tree) && point.substr(tree.size()).starts_with('/'));
         });
}

}  // namespace

Reading ProbeRootReadOnly(const CollectInputs& in) {
  const auto mounts = ReadMounts(in.root);
  if (!mounts || CoveringMount(*mounts, "/") == nullptr)
    return Unknown("mount table cannot be read");
  Conditions conditions;
  for (const Mount& mount : *mounts) {
    // What another mount covers completely cannot be reached any more.
    if (!Trusted(mount.point) || CoveringMount(*mounts, mount.point) != &mount) continue;
    const bool overlay = mount.type == "overlay";
    conditions.Require(mount.read_only() && !overlay, Format("{} {} {}", mount.point, mount.type,
                                                             mount.read_only() ? "ro" : "rw"));
  }
  return conditions.Finish();
}

Reading ProbeMountFlags(const CollectInputs& in) {
  const auto mounts = ReadMounts(in.root);
  if (!mounts) return Unknown("mount table cannot be read");
  Conditions conditions;
  for (const std::string_view path : kWritable) {
    const Mount* mount = CoveringMount(*mounts, path);
    if (mount == nullptr) return Unknown("mount table without a root");
    // A place that is neither mounted nor there holds nothing.
    if (mount->point != path && !in.root.Exists(path)) continue;
    const bool safe = mount->read_only() || (mount->Has("nosuid") && mount->Has("nodev"));
    conditions.Require(safe, Format("{} {}", path,
                                    mount->read_only() ? "ro"
                                    : safe             ? "nosuid,nodev"
                                                       : "open"));
  }
  return conditions.Finish();
}

Reading ProbePreload(const CollectInputs& in) {
  Conditions conditions;
  const bool etc = in.root.Exists("/etc");
  const bool listed = in.root.Exists("/etc/ld.so.preload");
  conditions.Require(
      etc ? std::optional<bool>(!listed) : std::nullopt,
      listed ? "/etc/ld.so.preload there" : (etc ? "no /etc/ld.so.preload" : "/etc=?"));
  const auto environment = in.root.Text("/proc/1/environ");
  const bool in_environment =
      environment &&
      ('\0' + *environment).find(std::string("\0LD_PRELOAD=", 12)) != std::string::npos;
  conditions.Require(environment ? std::optional<bool>(!in_environment) : std::nullopt,
                     environment ? (in_environment ? "LD_PRELOAD in init" : "init clean")
                                 : "environment of init=?");
  return conditions.Finish();
}

Reading ProbeTime(const CollectInputs& in) {
  Conditions conditions;
  const auto& floor = in.update.last_trusted_time;
  conditions.Require(floor ? std::optional<bool>(in.now >= *floor) : std::nullopt,
                     floor ? "floor " + FormatUtcTime(*floor) : "no time floor");
  const std::string_view shown = !in.clock_synchronised   ? "sync=?"
                                 : *in.clock_synchronised ? "synchronised"
                                                          : "not synchronised";
  if (in.profile.clock_sync_required) {
    conditions.Require(in.clock_synchronised, shown);
  } else {
    // A device with only a battery clock is no worse for it: signed metadata bounds the time from
    // below.
    conditions.Require(true, shown);
  }
  return conditions.Finish();
}

}  // namespace pawl::integrity
