// SPDX-License-Identifier: Apache-2.0
#pragma once

// Puts the agent of a real device together: configuration, identity, effective time, ports, core. Only this and the fakes of the tests
// assemble all.

#include <memory>
#include <optional>
#include <string>

#include "base/file.h"
#include "base/result.h"
#include "client/config.h"
#include "client/core/agent.h"
#include "client/core/directory_metadata_store.h"
#include "client/core/http_fetcher.h"
#include "client/core/local_broker.h"
#include "client/platform/command_health.h"
#include "client/platform/curl_http.h"
#include "client/platform/file_key_vault.h"
#include "client/platform/grub_boot_control.h"
#include "client/platform/linux_clock.h"
#include "client/platform/linux_slot_devices.h"
#include "client/platform/sqlite_state_store.h"
#include "manifest/release.h"

namespace pawl::client {

// A device's agent for one command. Not movable: the parts refer to each other.
class Device {
 public:
  enum class Access { kRead, kChange };  // kChange takes the agent's lock

  // ERRORS: kConfig…, kNotProvisioned, kRootMissing, kLockHeld, kStoreCorrupt.
  static Result<std::unique_ptr<Device>> Open(Access access, const AgentObserver& observer);

  Paths paths;
  AgentConfig config;
  manifest::ImageIdentity running;
  UtcTime now;          // effective time of this run (docs/manifest-format.md, time)
  UtcTime system_time;  // what the clock said
  std::optional<FileLock> lock;
  std::unique_ptr<LinuxClock> clock;
  std::unique_ptr<SqliteStateStore> store;
  std::unique_ptr<DirectoryMetadataStore> metadata;
  std::unique_ptr<CurlHttp> http;
  std::unique_ptr<HttpFetcher> fetcher;
  std::unique_ptr<FileKeyVault> vault;
  std::unique_ptr<CommandHealth> health;
  std::unique_ptr<LinuxSlotDevices> slots;
  std::unique_ptr<GrubBootControl> boot;
  std::unique_ptr<LocalBroker> broker;
  std::unique_ptr<Agent> agent;
  Bytes embedded_root;

 private:
  Device() = default;
  Status LoadIdentity();
  Status FixTime();
  Status OpenPorts();
  void Assemble(const AgentObserver& observer);
};

}  // namespace pawl::client
