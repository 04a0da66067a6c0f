// SPDX-License-Identifier: Apache-2.0
#include "tests/fakes/sim_world.h"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include "base/file.h"
#include "base/format.h"
#include "client/core/release_finder.h"
#include "client/core/run_time.h"
#include "delta/apply/chunks.h"
#include "delta/generate/generator.h"
#include "manifest/rollout.h"

namespace pawl::fakes {

using client::Phase;
using client::Slot;

namespace {

constexpr std::uint64_t kIdentityBytes = 4096;
constexpr std::string_view kBase = "http://repository/";

template <class T>
T Must(Result<T> result) {
  if (!result) {
    std::fprintf(stderr, "fake world: %s\n", result.error().Message().c_str());
    std::abort();
  }
  return std::move(*result);
}

void Must(const Status& status) {
  if (status) return;
  std::fprintf(stderr, "fake world: %s\n", status.error().Message().c_str());
  std::abort();
}

// A folder of its own that goes away.
class ScratchFolder {
 public:
  ScratchFolder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "pawl-sim-XXXXXX").string();
    if (mkdtemp(pattern.data()) == nullptr) std::abort();
    path_ = pattern;
  }
  ~ScratchFolder() { std::filesystem::remove_all(path_); }
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;
  std::string Path(std::string_view name) const { return JoinPath(path_, name); }

 private:
  std::string path_;
};

}  // namespace

SimWorld::SimWorld() {
  clock.now = SimTufRepository::DefaultTime();
  repository.SetKeys("root", 3, 2);
  repository.PublishRoot();
  repository.Delegate("targets", client::ReleasesRole(kProduct),
                      Json{{"paths", Json::array({Format("releases/{}/*/manifest.json", kProduct)})}, {"terminating", true}}, 2, 2);
  repository.Delegate("targets", client::RolloutRole(kProduct),
                      Json{{"paths", Json::array({Format("rollout/{}/*", kProduct)})}, {"terminating", true}});
  repository.Delegate("targets", std::string(client::kOrdersRole),
                      Json{{"paths", Json::array({"orders/device/*", "orders/group/*"})}, {"terminating", true}});
}

Bytes SimWorld::MakeImage(std::string_view version, std::uint64_t build, std::uint64_t epoch, std::uint64_t seed, std::size_t chunks) const {
  Bytes image(chunks * kChunkBytes);
  // Each 64 KiB part is text-like and follows from its number; one part in eight also follows from the seed.
  constexpr std::size_t kPart = 64 * 1024;
  for (std::size_t part = 0; part * kPart < image.size(); ++part) {
    Dice dice(part * 1000003 + (part % 8 == 3 ? seed : 0));
    for (std::size_t i = 0; i < kPart; i += 8) {
      const std::uint64_t word = dice.Next() & 0x0f0f0f0f0f0f0f0fULL;
      for (std::size_t b = 0; b < 8; ++b) image[part * kPart + i + b] = static_cast<std::uint8_t>('a' + ((word >> (8 * b)) & 15U));
    }
  }
  const std::string identity =
      manifest::EncodeImageIdentity({std::string(kProduct), std::string(version), build, epoch, UtcTime{repository.now.seconds - 1000}});
  std::fill_n(image.begin(), kIdentityBytes, std::uint8_t{' '});
  std::ranges::copy(AsBytes(identity), image.begin());
  return image;
}

manifest::FileReference SimWorld::Payload(const Bytes& bytes, const std::string& ending) {
  manifest::FileReference file{"", bytes.size(), HashSha256(bytes)};
  file.path = Format("payloads/{}.{}", file.sha256.Hex(), ending);
  http.Serve(file.path, bytes);
  return file;
}

manifest::ContainerReference SimWorld::Container(const std::string& folder, const std::optional<Bytes>& source, const Bytes& target) {
  const std::string old_path = folder + "/old";
  const std::string new_path = folder + "/new";
  const std::string out_path = folder + "/out";
  Must(AtomicWriteFile(new_path, target));
  delta::GenerateOptions options;
  options.effort = delta::Effort::kFast;
  if (source) {
    Must(AtomicWriteFile(old_path, *source));
    Must(delta::GenerateDelta(old_path, new_path, out_path, options));
  } else {
    Must(delta::GenerateFull(new_path, out_path, options));
  }
  const Bytes container = Must(ReadFile(out_path, 1U << 30U));
  Must(RemoveFileIfExists(out_path));
  const std::uint64_t head_length = Must(delta::PeekHeadBytes(ByteView(container).first(delta::kHeadPrefixBytes), {}));
  const ByteView head_bytes = ByteView(container).first(static_cast<std::size_t>(head_length));
  const delta::Head head = Must(delta::ParseHead(head_bytes, {}));
  return {Payload(container, "pawl"), head_length, HashSha256(head_bytes), head.memory_bytes, {"zstd"}};
}

SimRelease& SimWorld::AddRelease(const std::string& version, std::uint64_t build, std::uint64_t epoch, Bytes image,
                                 const std::vector<std::string>& from, const std::vector<std::string>& hardware, std::uint64_t tries) {
  const ScratchFolder scratch;
  SimRelease release;
  manifest::ReleaseManifest& manifest = release.manifest;
  manifest.product = kProduct;
  manifest.version = version;
  manifest.build = build;
  manifest.epoch = epoch;
  manifest.hardware = hardware;
  manifest.channel = "stable";
  manifest.min_agent = 1;
  manifest.health_hooks = {"10-service"};
  manifest.health.tries = tries;
  manifest.built = repository.now;
  manifest::Component component;
  component.name = "rootfs";
  component.size = image.size();
  component.sha256 = HashSha256(image);
  delta::MemoryReader reader(image);
  component.chunks.file = Payload(manifest::EncodeChunkList(Must(delta::ChunkDigests(reader))), "chunks");
  component.full = Container(scratch.Path(""), std::nullopt, image);
  for (const std::string& name : from) {
    const Bytes& source = releases_.at(name).image;
    delta::MemoryReader source_reader(source);
    manifest::Delta delta;
    delta.source_sha256 = HashSha256(source);
    delta.source_size = source.size();
    delta.source_chunks.file = Payload(manifest::EncodeChunkList(Must(delta::ChunkDigests(source_reader))), "chunks");
    delta.container = Container(scratch.Path(""), source, image);
    component.deltas.push_back(std::move(delta));
  }
  manifest.components.push_back(std::move(component));
  release.image = std::move(image);
  release.path = manifest::ReleasePath(kProduct, version);
  const std::string encoded = manifest::EncodeReleaseManifest(manifest);
  release.sha256 = HashSha256(AsBytes(encoded));
  repository.AddTarget(client::ReleasesRole(kProduct), release.path, encoded, manifest::EncodeReleaseSummary(manifest));
  return releases_[version] = std::move(release);
}

void SimWorld::Rollout(const std::string& version) {
  manifest::Rollout rollout;
  rollout.product = kProduct;
  rollout.channel = "stable";
  rollout.release_path = releases_.at(version).path;
  rollout.release_sha256 = releases_.at(version).sha256;
  repository.AddTarget(client::RolloutRole(kProduct), manifest::RolloutPath(kProduct, "stable"), manifest::EncodeRollout(rollout));
}

void SimWorld::Order(const std::string& device_id, std::uint64_t counter, manifest::OrderAction action, const std::string& version) {
  manifest::Order order;
  order.target = manifest::DeviceOrderPath(device_id);
  order.counter = counter;
  order.action = action;
  if (!version.empty()) {
    order.release_path = releases_.at(version).path;
    order.release_sha256 = releases_.at(version).sha256;
  }
  order.not_before = clock.now;
  order.not_after = clock.now.PlusSeconds(kSecondsPerDay);
  order.reason = "the customer asked for it";
  order.ticket = "T-1";
  repository.AddTarget(std::string(client::kOrdersRole), order.target, manifest::EncodeOrder(order));
}

void SimWorld::Publish() {
  repository.Publish({"targets", client::ReleasesRole(kProduct), client::RolloutRole(kProduct), std::string(client::kOrdersRole)});
  for (const auto& [name, bytes] : repository.files) http.Serve(name, bytes);
}

const SimRelease* SimWorld::Identify(const Bytes& disk) const {
  for (const auto& [version, release] : releases_) {
    if (disk.size() >= release.image.size() && std::equal(release.image.begin(), release.image.end(), disk.begin())) return &release;
  }
  return nullptr;
}

SimDevice::SimDevice(SimWorld& world, const std::string& first_release, std::string device_id)
    : slots(world.release(first_release).image.size(), world.cuts), boot(world.cuts), store(world.cuts), metadata(world.cuts),
      vault(world.cuts), id(std::move(device_id)), world_(world) {
  slots.disk(Slot::kA).Plant(0, world.release(first_release).image);
  client::AgentState first;
  first.created = UtcTime{world.clock.now.seconds - kSecondsPerDay};
  client::EncodeAgentState(first, store.document());
}

// What lives as long as one process of the agent.
struct SimDevice::Process {
  std::unique_ptr<client::HttpFetcher> fetcher;
  std::unique_ptr<client::LocalBroker> broker;
  std::unique_ptr<client::Agent> agent;
};

std::unique_ptr<SimDevice::Process> SimDevice::NewProcess() {
  auto process = std::make_unique<Process>();
  const Bytes& disk = slots.disk(boot.environment().booted).durable();
  client::AgentSettings settings;
  settings.identity = {id, std::string(kProduct), std::string(kHardware), groups};
  settings.channel = "stable";
  settings.running = Must(manifest::ParseImageIdentity(ByteView(disk).first(kIdentityBytes)));
  settings.embedded_root = world_.repository.embedded_root;
  const bool powered = !world_.cuts.dead();
  const auto state = client::DecodeAgentState(store.document());
  settings.now = powered ? Must(client::EffectiveRunTime(Must(state), world_.clock.SystemTime(), settings.running.built, metadata, settings.embedded_root))
                         : world_.clock.now;
  settings.install = {std::string(kBase), kChunkBytes, 16U << 20U};
  settings.confirm_requires_refresh = confirm_requires_refresh;
  settings.limits = limits;
  process->fetcher = std::make_unique<client::HttpFetcher>(world_.http, std::string(kBase));
  process->broker = std::make_unique<client::LocalBroker>(boot, slots, metadata, settings.embedded_root, std::string(kProduct), settings.now,
                                                          settings.limits);
  process->agent = std::make_unique<client::Agent>(
      client::AgentPorts{world_.http, *process->fetcher, metadata, *process->broker, slots, store, vault, health, world_.clock}, settings,
      client::AgentObserver{});
  return process;
}

Result<client::UpdateOutcome> SimDevice::Update() {
  const auto process = NewProcess();
  PAWL_TRY(process->agent->Start());
  return process->agent->Update();
}

Result<client::UpdateOutcome> SimDevice::Confirm() {
  const auto process = NewProcess();
  PAWL_TRY(process->agent->Start());
  return process->agent->Confirm();
}

Result<client::CheckOutcome> SimDevice::Check() {
  const auto process = NewProcess();
  PAWL_TRY(process->agent->Start());
  return process->agent->Check();
}

Status SimDevice::Start() { return NewProcess()->agent->Start(); }

client::AgentState SimDevice::State() { return Must(client::DecodeAgentState(store.document())); }

std::optional<Slot> SimDevice::Reboot() {
  for (const Slot slot : {Slot::kA, Slot::kB}) {
    if (!slots.disk(slot).Sync()) return LosePowerAndBoot(world_.clock.boots);  // the cut came while shutting down
  }
  ++world_.clock.boots;
  return boot.Boot();
}

std::optional<Slot> SimDevice::LosePowerAndBoot(std::uint64_t seed) {
  Dice dice(seed);
  for (const Slot slot : {Slot::kA, Slot::kB}) slots.disk(slot).LosePower(dice);
  boot.LosePower(dice);
  store.LosePower(dice);
  metadata.LosePower(dice);
  vault.LosePower(dice);
  world_.cuts.CutAt(CutSchedule::kNever);
  ++world_.clock.boots;
  return boot.Boot();
}

bool SimDevice::RunToRest(std::uint64_t seed, int max_steps) {
  for (int step = 0; step < max_steps; ++step) {
    if (Running() == nullptr) return false;  // something runs that nobody signed
    const Status started = Start();
    const Phase phase = State().update.phase;
    Status done = started;
    if (started && phase == Phase::kArmed) {
      if (!Reboot()) return false;
      continue;
    }
    if (started && phase == Phase::kTrial) {
      const auto confirmed = Confirm();
      done = confirmed ? Status() : std::unexpected(confirmed.error());
      if (!done && !world_.cuts.dead()) {
        if (!Reboot()) return false;
        continue;
      }
    } else if (started) {
      const auto updated = Update();
      done = updated ? Status() : std::unexpected(updated.error());
      if (updated && updated->kind == client::UpdateOutcome::Kind::kNothingToDo) return true;
    }
    if (world_.cuts.dead() && !LosePowerAndBoot(seed + static_cast<std::uint64_t>(step))) return false;
  }
  return false;
}

const SimRelease* SimDevice::Running() { return world_.Identify(slots.disk(boot.environment().booted).durable()); }

std::string SimDevice::RunningVersion() {
  const SimRelease* running = Running();
  return running == nullptr ? "unsigned content" : running->manifest.version;
}

}  // namespace pawl::fakes
