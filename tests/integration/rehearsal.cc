// SPDX-License-Identifier: Apache-2.0
#include "tests/integration/rehearsal.h"

#include "base/format.h"
#include "signer/roles.h"
#include "tests/matchers.h"

namespace pawl::signer::testing {

using pawl::testing::IsOk;

namespace {

constexpr std::size_t kImageChunks = 2;

}  // namespace

void RehearsalTest::SetUp() {
  now_ = world_.clock.now;
  for (const char* name : {"tina", "tom", "tess"}) NewKey(name);
  CeremonyRequest request = Request();
  request.hardware = {std::string(fakes::kHardware)};
  request.channels = {"stable"};
  request.targets = Keys({"tina", "tom", "tess"}, 2);
  request.now = now_;
  ASSERT_THAT(HoldCeremony(request), IsOk());
  AddImage("1.0", 10);
  AddImage("1.1", 11);
  ListWithRollout("1.0");
  SignBy({"anna", "ben", "tina", "tom", "dora", "emil", "rolf", "olga"});
  PublishAndServe();
  const std::string root = ReadText(repo_ + "/public/metadata/1.root.json");
  world_.repository.embedded_root = Bytes(root.begin(), root.end());
  for (const char* name : {"boxed", "current", "attacked"}) {
    AddDevice(name);
    ASSERT_THAT(Check(name), IsOk()) << name;
  }
  Pass(20);
  RefreshAll();
  ASSERT_THAT(Check("current"), IsOk());
  ASSERT_THAT(Check("attacked"), IsOk());
}

// The same bytes as an image of the fleet and as the input of the signer's build.
void RehearsalTest::AddImage(const std::string& version, std::uint64_t build) {
  const Bytes image = world_.MakeImage(version, build, 1, build, kImageChunks);
  world_.AddRelease(version, build, 1, image);
  BuildRequest request;
  request.product = fakes::kProduct;
  const std::string path = directory_.Path(version + ".image");
  WriteText(path, std::string(image.begin(), image.end()));
  const manifest::ImageIdentity identity{std::string(fakes::kProduct), version, build, 1,
                                         UtcTime{world_.repository.now.seconds - 1000}};
  WriteText(path + ".identity", manifest::EncodeImageIdentity(identity));
  request.images = {{"rootfs", path}};
  request.identity_path = path + ".identity";
  request.threads = 1;
  ASSERT_THAT(BuildRelease(Open(), request), IsOk());
}

void RehearsalTest::ListWithRollout(const std::string& version) {
  ASSERT_THAT(AddRelease(Open(), std::string(fakes::kProduct), version, now_), IsOk());
  RolloutRequest rollout;
  rollout.product = fakes::kProduct;
  rollout.channel = "stable";
  rollout.version = version;
  ASSERT_THAT(SetRollout(Open(), rollout, now_), IsOk());
}

void RehearsalTest::Pass(std::int64_t days) {
  now_ = now_.PlusSeconds(days * kSecondsPerDay);
  world_.clock.now = now_;
}

void RehearsalTest::RefreshAll() {
  std::vector<std::string> names = online_;
  names.insert(names.end(), {rollout_signer_, desk_});
  const std::vector<SigningKey> keys = KeysOf(names);
  DirectoryTreeWriter writer(repo_ + "/public");
  ASSERT_THAT(Publish(Open(), {Purpose::kRefresh, {}, &keys, now_}, writer), IsOk());
  Serve();
}

void RehearsalTest::PublishAndServe() {
  ASSERT_THAT(PublishAll(), IsOk());
  Serve();
}

void RehearsalTest::Serve() {
  for (const auto& [path, text] : ReadTree(repo_ + "/public")) {
    world_.http.Serve(path, Bytes(text.begin(), text.end()));
  }
}

void RehearsalTest::Change(const ChangeRequest& request, const std::vector<std::string>& signers) {
  ASSERT_THAT(MakeChange(Open(), request), IsOk());
  SignBy(signers);
  PublishAndServe();
}

RecoveryRequest RehearsalTest::Case(RecoveryCase what, std::vector<std::string> names) const {
  RecoveryRequest request;
  request.what = what;
  request.names = std::move(names);
  request.stolen = true;
  request.now = now_;
  return request;
}

void RehearsalTest::RecoverWith(const RecoveryRequest& request,
                                const std::vector<std::string>& signers) {
  const auto outcome = Recover(Open(), request);
  ASSERT_THAT(outcome, IsOk());
  SignBy(signers);
  if (!request.new_snapshot.empty()) online_[0] = request.new_snapshot[0].name;
  if (!request.new_timestamp.empty()) online_[1] = request.new_timestamp[0].name;
  // Whoever follows the page gives exactly these keys.
  EXPECT_EQ(outcome->publish,
            Format("pawl-signer publish --key {}.key --key {}.key", online_[0], online_[1]));
  PublishAndServe();
}

void RehearsalTest::ReleaseNext() {
  ListWithRollout("1.1");
  std::vector<std::string> signers = release_signers_;
  signers.push_back(rollout_signer_);
  SignBy(signers);
  PublishAndServe();
}

void RehearsalTest::AddDevice(const std::string& name) {
  fleet_[name] = std::make_unique<fakes::SimDevice>(world_, "1.0", "gw-" + name);
}

void RehearsalTest::EveryDeviceFollows() {
  AddDevice("factory");
  for (const auto& [name, one] : fleet_) {
    auto checked = one->Check();
    if (!checked) checked = one->Check();
    ASSERT_THAT(checked, IsOk()) << name;
  }
  ReleaseNext();
  for (const auto& [name, one] : fleet_) {
    EXPECT_TRUE(one->RunToRest(1)) << name;
    EXPECT_EQ(one->RunningVersion(), "1.1") << name;
  }
}

Json RehearsalTest::PublishedContent(const std::string& role) const {
  const auto roles = Roles::Load(Open());
  return roles->Published(role)->file.content;
}

PinnedFile RehearsalTest::PublishedPin(const std::string& role) const {
  const auto roles = Roles::Load(Open());
  const RoleFile& file = *roles->Published(role);
  return Pin(file.metadata.version, file.bytes);
}

PinnedFile RehearsalTest::Plant(const std::string& role, const Json& content,
                                const std::vector<std::string>& signers) {
  MetadataFile file{content, {}};
  for (const std::string& name : signers) EXPECT_THAT(AddSignature(file, KeyOf(name)), IsOk());
  const std::string text = EncodeMetadataFile(file).value();
  world_.http.Serve(PublishedMetadataPath(role, file.version()), Bytes(text.begin(), text.end()));
  return Pin(file.version(), AsBytes(text));
}

void RehearsalTest::PlantTimestamp(std::uint64_t version, UtcTime issued,
                                   const PinnedFile& snapshot,
                                   const std::vector<std::string>& signers) {
  const UtcTime expires = issued.PlusSeconds(29 * kSecondsPerDay);
  Plant("timestamp", MakeTimestamp(version, issued, expires, snapshot), signers);
}

void RehearsalTest::PlantRole(const std::string& role, Json content, std::uint64_t version,
                              const std::vector<std::string>& signers,
                              const std::vector<std::string>& online) {
  content["version"] = version;
  std::map<std::string, PinnedFile> pins;
  const auto roles = Roles::Load(Open());
  for (const std::string& name : roles->Names()) {
    if (name != "root") pins.emplace(name, PublishedPin(name));
  }
  pins[role] = Plant(role, content, signers);
  const UtcTime expires = now_.PlusSeconds(29 * kSecondsPerDay);
  const PinnedFile snapshot =
      Plant("snapshot", MakeSnapshot(kHighestVersion, expires, pins), online);
  PlantTimestamp(kHighestVersion, now_, snapshot, online);
}

}  // namespace pawl::signer::testing
