// SPDX-License-Identifier: Apache-2.0
#include "client/device.h"

#include <algorithm>

#include "base/format.h"
#include "client/core/run_time.h"

namespace pawl::client {

Result<std::unique_ptr<Device>> Device::Open(Access access, const AgentObserver& observer, const std::optional<std::string>& bundle_path) {
  std::unique_ptr<Device> device(new Device());
  PAWL_ASSIGN_OR_RETURN(device->config, LoadConfig(device->paths));
  if (access == Access::kChange) {
    PAWL_TRY(MakeDirectories(device->paths.sysroot + "/run/pawl"));
    PAWL_ASSIGN_OR_RETURN(device->lock, FileLock::Acquire(device->paths.Lock()));
  }
  PAWL_TRY(device->LoadIdentity());
  PAWL_TRY(device->OpenPorts());
  PAWL_TRY(device->FixTime());
  PAWL_TRY(bundle_path ? device->OpenBundleFile(*bundle_path) : device->OpenNetwork());
  device->Assemble(observer);
  return device;
}

Status Device::LoadIdentity() {
  PAWL_ASSIGN_OR_RETURN(const Bytes release, ReadFile(paths.ReleaseFile(), manifest::kMaxImageIdentityBytes));
  PAWL_ASSIGN_OR_RETURN(running, manifest::ParseImageIdentity(release));
  auto root = ReadFile(paths.FactoryRoot(), config.metadata_limits.root_bytes);
  if (!root) return Fail(ErrorCode::kRootMissing, root.error().Message());
  embedded_root = std::move(*root);
  if (running.product != config.product) {
    return Fail(ErrorCode::kProductMismatch, Format("the image is of '{}', the device is configured as '{}'", running.product, config.product));
  }
  return {};
}

Status Device::OpenPorts() {
  clock = std::make_unique<LinuxClock>(paths.BootId());
  store = std::make_unique<SqliteStateStore>(paths.Store());
  metadata = std::make_unique<DirectoryMetadataStore>(paths.Metadata(), config.metadata_limits);
  vault = std::make_unique<FileKeyVault>(paths.DeviceKey(), paths.Floor());
  health = std::make_unique<CommandHealth>(paths.HealthHooks());
  slots = std::make_unique<LinuxSlotDevices>(config.slot_a, config.slot_b);
  boot = std::make_unique<GrubBootControl>(GrubPaths{config.boot_env, paths.KernelCommandLine()});
  return {};
}

Status Device::FixTime() {
  system_time = clock->SystemTime();
  PAWL_ASSIGN_OR_RETURN(const Json document, store->Load());
  PAWL_ASSIGN_OR_RETURN(const AgentState state, DecodeAgentState(document));
  PAWL_ASSIGN_OR_RETURN(now, EffectiveRunTime(state, system_time, running.built, *metadata, embedded_root));
  return {};
}

Status Device::OpenBundleFile(const std::string& path) {
  PAWL_ASSIGN_OR_RETURN(delta::FileReader reader, delta::FileReader::Open(path));
  bundle = std::make_unique<OpenBundle>(std::move(reader));
  auto opened = manifest::Bundle::Open(bundle->file);
  if (!opened) return FailIn(path, std::move(opened).error());
  bundle->bundle = std::move(*opened);
  bundle->http = std::make_unique<BundleHttp>(*bundle->bundle);
  fetcher = std::make_unique<HttpFetcher>(*bundle->http, std::string(kBundleUrl));
  return {};
}

Status Device::OpenNetwork() {
  PAWL_ASSIGN_OR_RETURN(http, CurlHttp::Create({CertificateTime(system_time, running.built, now), "", {}}));
  fetcher = std::make_unique<HttpFetcher>(*http, config.server);
  return {};
}

void Device::Assemble(const AgentObserver& observer) {
  const auto rule = bundle ? manifest::ExpiryRule::kOffline : manifest::ExpiryRule::kAll;
  Http& source = bundle ? static_cast<Http&>(*bundle->http) : *http;
  broker = std::make_unique<LocalBroker>(*boot, *slots, *metadata, embedded_root, config.product, now, config.metadata_limits, rule);
  AgentSettings settings;
  settings.identity = {config.device_id, config.product, config.hardware, config.groups};
  settings.channel = config.channel;
  settings.running = running;
  settings.embedded_root = embedded_root;
  settings.now = now;
  settings.expiry = rule;
  settings.install = {bundle ? std::string(kBundleUrl) : config.server, config.checkpoint_mib << 20U, config.memory_mib << 20U};
  settings.limits = config.metadata_limits;
  settings.confirm_requires_refresh = config.confirm_requires_refresh;
  settings.keep_below_floor_rescue = config.keep_below_floor_rescue;
  agent = std::make_unique<Agent>(AgentPorts{source, *fetcher, *metadata, *broker, *slots, *store, *vault, *health, *clock}, settings, observer);
}

}  // namespace pawl::client
