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
#include "delta/apply/block_index.h"
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
  component.index = Payload(Must(delta::MakeBlockIndex(reader)), "index");
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

SimBundle SimWorld::Bundle(const std::string& version, bool full, const std::vector<std::string>& from) {
  SimBundle bundle;
  for (const auto& [name, bytes] : repository.files) {
    const bool newest = name.starts_with("metadata/") && IsNewest(name);
    if (newest || name.starts_with("metadata/timestamp") || name.ends_with(".root.json")) bundle.Put(name, bytes);
  }
  if (version.empty()) return bundle;
  const SimRelease& release = releases_.at(version);
  const std::size_t slash = release.path.rfind('/');
  const std::string manifest = Format("targets/{}/{}.manifest.json", release.path.substr(0, slash), release.sha256.Hex());
  bundle.Put(manifest, repository.files.at(manifest));
  const manifest::Component& component = release.manifest.components[0];
  const auto put = [&](const manifest::FileReference& file) { bundle.Put(file.path, http.file(file.path)); };
  put(component.chunks.file);
  if (full) put(component.full.file);
  for (const manifest::Delta& delta : component.deltas) {
    const bool wanted = std::ranges::any_of(from, [&](const std::string& name) {
      return HashSha256(releases_.at(name).image) == delta.source_sha256;
    });
    if (!wanted) continue;
    put(delta.source_chunks.file);
    put(delta.container.file);
  }
  return bundle;
}

// Metadata of the version that the snapshot now lists; roles that nobody needs offline too, which does no harm.
bool SimWorld::IsNewest(const std::string& name) {
  for (const std::string& role : {std::string("snapshot"), std::string("targets"), client::ReleasesRole(kProduct)}) {
    if (name == Format("metadata/{}.{}.json", repository.Version(role), role)) return true;
  }
  return false;
}

manifest::Order SimWorld::Answer(const manifest::Challenge& challenge, manifest::OrderAction action, const std::string& version) {
  manifest::Order order;
  order.target = manifest::DeviceOrderPath(challenge.device_id);
  order.counter = 1;
  order.action = action;
  if (!version.empty()) {
    order.release_path = releases_.at(version).path;
    order.release_sha256 = releases_.at(version).sha256;
  }
  order.not_before = challenge.time;
  order.not_after = challenge.time.PlusSeconds(kSecondsPerDay);
  order.reason = "no network on site";
  order.nonce = challenge.nonce;
  return order;
}

Json SimWorld::OfflineRole(const manifest::Order& order) {
  const std::string text = manifest::EncodeOrder(order);
  Json part = repository.Part(client::kOrdersRole);
  part["version"] = repository.Version(client::kOrdersRole) + 1;
  part["targets"] = Json{{order.target, Json{{"length", text.size()}, {"hashes", Json{{"sha256", HashSha256(AsBytes(text)).Hex()}}}}}};
  return part;
}

SimBundle SimWorld::AnswerBundle(const manifest::Order& order, bool payloads) {
  std::string version;
  for (const auto& [name, release] : releases_) {
    if (order.release_path == release.path) version = name;
  }
  SimBundle bundle = Bundle(version, payloads);
  bundle.Put(std::string(manifest::kOfflineOrder), manifest::EncodeOrder(order));
  bundle.Put(std::string(manifest::kOfflineOrdersRole),
             SimTufRepository::Sign(OfflineRole(order), repository.SigningKeys(client::kOrdersRole)));
  return bundle;
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
  std::unique_ptr<client::BundleHttp> bundle_http;
  std::unique_ptr<client::HttpFetcher> fetcher;
  std::unique_ptr<client::LocalBroker> broker;
  std::unique_ptr<client::Agent> agent;
};

std::unique_ptr<SimDevice::Process> SimDevice::NewProcess(const manifest::Bundle* bundle) {
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
  const std::string base(bundle == nullptr ? kBase : client::kBundleUrl);
  settings.expiry = bundle == nullptr ? manifest::ExpiryRule::kAll : manifest::ExpiryRule::kOffline;
  settings.install = {base, kChunkBytes, 16U << 20U};
  settings.confirm_requires_refresh = confirm_requires_refresh;
  settings.limits = limits;
  if (bundle != nullptr) process->bundle_http = std::make_unique<client::BundleHttp>(*bundle);
  client::Http& http = bundle == nullptr ? static_cast<client::Http&>(world_.http) : *process->bundle_http;
  process->fetcher = std::make_unique<client::HttpFetcher>(http, base);
  process->broker = std::make_unique<client::LocalBroker>(boot, slots, metadata, settings.embedded_root, std::string(kProduct), settings.now,
                                                          settings.limits, settings.expiry);
  process->agent = std::make_unique<client::Agent>(
      client::AgentPorts{http, *process->fetcher, metadata, *process->broker, slots, store, vault, health, world_.clock}, settings,
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

Result<client::UpdateOutcome> SimDevice::Install(const SimBundle& bundle) {
  StickReader file(bundle, world_.cuts);
  PAWL_ASSIGN_OR_RETURN(const manifest::Bundle opened, manifest::Bundle::Open(file));
  const auto process = NewProcess(&opened);
  PAWL_TRY(process->agent->Start());
  return process->agent->Install(opened);
}

Result<client::UpdateOutcome> SimDevice::ApplyOrder(const SimBundle& bundle) {
  StickReader file(bundle, world_.cuts);
  PAWL_ASSIGN_OR_RETURN(const manifest::Bundle opened, manifest::Bundle::Open(file));
  const auto process = NewProcess(&opened);
  PAWL_TRY(process->agent->Start());
  return process->agent->ApplyOrder(opened);
}

namespace {

class CountingEntropy : public client::Entropy {
 public:
  explicit CountingEntropy(std::uint64_t number) : dice_(number) {}
  void Fill(ByteSpan out) override {
    for (std::uint8_t& byte : out) byte = static_cast<std::uint8_t>(dice_.Next());
  }

 private:
  Dice dice_;
};

}  // namespace

Result<manifest::Challenge> SimDevice::RequestOrder() {
  const auto process = NewProcess();
  PAWL_TRY(process->agent->Start());
  CountingEntropy entropy(HashSha256(AsBytes(id)).bytes[0] * 1000ULL + ++challenges);
  return process->agent->RequestOrder(entropy);
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
