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
#include "client/core/bundle_http.h"
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
#include "delta/apply/chunks.h"
#include "manifest/release.h"

namespace pawl::client {

// A bundle file that stands in for the network.
struct OpenBundle {
  explicit OpenBundle(delta::FileReader reader) : file(std::move(reader)) {}
  delta::FileReader file;
  std::optional<manifest::Bundle> bundle;  // reads from `file`
  std::unique_ptr<BundleHttp> http;        // reads from `bundle`
};

// A device's agent for one command. Not movable: the parts refer to each other.
class Device {
 public:
  enum class Access { kRead, kChange };  // kChange takes the agent's lock

  // With `bundle_path` everything that would be fetched comes from that file, by the expiry rules for bundles.
  // ERRORS: kConfig…, kNotProvisioned, kRootMissing, kLockHeld, kStoreCorrupt; kInputMissing and kBundleMalformed for the bundle.
  static Result<std::unique_ptr<Device>> Open(Access access, const AgentObserver& observer, const std::optional<std::string>& bundle_path = {});

  Paths paths;
  AgentConfig config;
  manifest::ImageIdentity running;
  UtcTime now;          // effective time of this run (docs/manifest-format.md, time)
  UtcTime system_time;  // what the clock said
  std::optional<FileLock> lock;
  std::unique_ptr<LinuxClock> clock;
  std::unique_ptr<SqliteStateStore> store;
  std::unique_ptr<DirectoryMetadataStore> metadata;
  std::unique_ptr<OpenBundle> bundle;  // null: the network
  std::unique_ptr<CurlHttp> http;      // null with a bundle
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
  Status OpenNetwork();
  Status OpenBundleFile(const std::string& path);
  Status OpenPorts();
  void Assemble(const AgentObserver& observer);
};

}  // namespace pawl::client
