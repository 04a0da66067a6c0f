// SPDX-License-Identifier: Apache-2.0
#pragma once

// The agent's configuration: three TOML files, the later one wins key by key. docs/configuration.md
// lists every key with unit, default and reason.
//
//   /usr/lib/pawl/agent.toml      defaults of the image (product, slots, boot)
//   /etc/pawl/agent.toml          the integrator's choices
//   /var/lib/pawl/device.toml     this device (id, hardware, groups, channel, server), from
//   provisioning
//
// There is no key for time, for the root of trust, for the cost of anything, or that skips a check.

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "manifest/refresh.h"

namespace pawl::client {

// Every fixed path of a device, below `sysroot` ("" on a device; tests use a folder).
struct Paths {
  std::string sysroot;

  std::string ImageConfig() const { return sysroot + "/usr/lib/pawl/agent.toml"; }
  std::string SiteConfig() const { return sysroot + "/etc/pawl/agent.toml"; }
  std::string DeviceConfig() const { return sysroot + "/var/lib/pawl/device.toml"; }
  std::string FactoryRoot() const { return sysroot + "/usr/lib/pawl/root.json"; }
  std::string ReleaseFile() const { return sysroot + "/usr/lib/pawl/release"; }
  std::string HealthHooks() const { return sysroot + "/usr/lib/pawl/health.d"; }
  std::string State() const { return sysroot + "/var/lib/pawl"; }
  std::string Store() const { return sysroot + "/var/lib/pawl/state.db"; }
  std::string Metadata() const { return sysroot + "/var/lib/pawl/metadata"; }
  std::string DeviceKey() const { return sysroot + "/var/lib/pawl/device.key"; }
  std::string Floor() const { return sysroot + "/var/lib/pawl/floor"; }
  std::string Lock() const { return sysroot + "/run/pawl/agent.lock"; }
  std::string KernelCommandLine() const { return sysroot + "/proc/cmdline"; }
  std::string BootId() const { return sysroot + "/proc/sys/kernel/random/boot_id"; }
  // A configured absolute path below the sysroot.
  std::string Of(std::string_view path) const { return sysroot + std::string(path); }
};

struct AgentConfig {
  // [device]
  std::string device_id;
  std::string product;
  std::string hardware;
  std::vector<std::string> groups;
  // [update]
  std::string server;  // base URL of the repository, ends with "/"
  std::string channel = "stable";
  std::uint64_t checkpoint_mib = 8;  // progress is made durable after so much written data
  std::uint64_t memory_mib = 40;     // decoders may use
  bool confirm_requires_refresh = true;
  // [slots.a], [slots.b]: component → device path, sysroot included
  std::map<std::string, std::string, std::less<>> slot_a;
  std::map<std::string, std::string, std::less<>> slot_b;
  // [boot]
  std::string boot_backend = "grub";
  std::string boot_env;  // sysroot included
  // [limits]: caps may be raised, never lowered
  manifest::MetadataLimits metadata_limits;
  // [policy]
  bool keep_below_floor_rescue = false;

  // What a reader should know but nothing stops for: unknown keys and tables, with file and line.
  std::vector<std::string> warnings;
  // "update.channel" → "/var/lib/pawl/device.toml:7" or "default".
  std::map<std::string, std::string> sources;
};

// Reads the layers that exist. An unknown key is a warning: an agent that was rolled back must
// still update under the newer configuration. `strict` makes every warning an error (`doctor`).
// ERRORS: kConfigInvalid with file, line and what was expected; kConfigMissing when no layer exists
// or a key without default (device.id, device.product, device.hardware, update.server) is absent.
Result<AgentConfig> LoadConfig(const Paths& paths, bool strict = false);

// Every value with its source, for `doctor --show-config`: {"update.channel": {"value", "source"}}.
Json ShowConfig(const AgentConfig& config);

}  // namespace pawl::client
