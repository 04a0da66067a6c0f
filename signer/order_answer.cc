// SPDX-License-Identifier: Apache-2.0
#include "signer/order_answer.h"

#include <algorithm>

#include "base/format.h"
#include "signer/metadata_writer.h"
#include "signer/roles.h"

namespace pawl::signer {
namespace {

using manifest::Challenge;
using manifest::OrderAction;

bool NamesRelease(OrderAction action) {
  return action == OrderAction::kRollback || action == OrderAction::kInstall;
}

Status CheckRequest(const Workspace& workspace, const AnswerRequest& request) {
  if (NamesRelease(request.action) != request.version.has_value()) {
    return Fail(ErrorCode::kUsage, NamesRelease(request.action)
                                       ? "rollback and install need --release VERSION"
                                       : "hold and release-hold name no release");
  }
  if (request.hours == 0 || request.hours > 168) {
    return Fail(ErrorCode::kUsage, "expected --hours between 1 and 168");
  }
  PAWL_TRY(workspace.ProductOrOnly(request.challenge.product));
  return {};
}

// A device never goes back to older metadata: an old copy of the repository has no answer for it.
Status CheckNotOlder(const Roles& roles, const Challenge& challenge) {
  const std::pair<const char*, std::uint64_t> seen[] = {{"root", challenge.root},
                                                        {"timestamp", challenge.timestamp},
                                                        {"snapshot", challenge.snapshot},
                                                        {"targets", challenge.targets}};
  for (const auto& [role, version] : seen) {
    const RoleFile* file = roles.Published(role);
    if (file == nullptr) {
      return Fail(ErrorCode::kMetadataMissing,
                  Format("{} is not published; run pawl-signer publish first", role));
    }
    if (file->metadata.version >= version) continue;
    return Fail(ErrorCode::kVersionRollback,
                Format("{}: the device has seen version {}, here is {}: fetch what is served now "
                       "into public/",
                       role, version, file->metadata.version));
  }
  return {};
}

// The rules of the device (client/core/planner.cc), on what the challenge says of it.
//= docs/manifest-format.md#M-79
Status CheckObeyable(const Challenge& device, const manifest::ReleaseManifest& release,
                     OrderAction action) {
  if (std::ranges::find(release.hardware, device.hardware) == release.hardware.end()) {
    return Fail(ErrorCode::kHardwareIncompatible,
                Format("the device is '{}', {} is for {}", device.hardware, release.version,
                       Join(release.hardware, ", ")));
  }
  if (release.min_agent > device.agent_protocol) {
    return Fail(ErrorCode::kAgentTooOld,
                Format("{} needs agent protocol {}, the device speaks {}", release.version,
                       release.min_agent, device.agent_protocol));
  }
  if (release.epoch < device.floor) {
    return Fail(ErrorCode::kEpochBelowFloor, Format("the device's floor is epoch {}, {} has {}",
                                                    device.floor, release.version, release.epoch));
  }
  if (release.build == device.running_build) {
    return Fail(ErrorCode::kAlreadyDone, Format("{} is what the device runs", release.version));
  }
  const bool forward = release.build > device.running_build;
  if (forward == (action == OrderAction::kInstall)) return {};
  return Fail(ErrorCode::kBuildNotNewer,
              Format("the device runs build {}, {} is build {}: that is {}", device.running_build,
                     release.version, release.build, forward ? "an install" : "a rollback"));
}

// REQUIRES: the request names a release.
Result<PublishedRelease> ObeyableRelease(const Workspace& workspace, const AnswerRequest& request) {
  auto release = ReadPublishedRelease(workspace, request.challenge.product, *request.version);
  if (!release && release.error().code() == ErrorCode::kUnknownName) {
    return Fail(ErrorCode::kOrderReleaseUnknown, release.error().Message());
  }
  if (release) {
    PAWL_TRY(CheckObeyable(request.challenge, release->manifest, request.action));
  }
  return release;
}

// Both clocks should find themselves inside. Where they are too far apart for that the window is in
// the device's own time: it is the device that looks at it.
void ChooseWindow(const AnswerRequest& request, manifest::Order& order,
                  std::vector<std::string>& notes) {
  const UtcTime device = request.challenge.time;
  const auto seconds = static_cast<std::int64_t>(request.hours) * 3600;
  order.not_before = std::min(request.now, device);
  order.not_after = std::max(request.now, device).PlusSeconds(seconds);
  const std::int64_t length = order.not_after.seconds - order.not_before.seconds;
  if (length <= manifest::kMaxOrderWindowSeconds) return;
  order.not_before = device;
  order.not_after = device.PlusSeconds(seconds);
  notes.push_back(
      Format("the device's clock stands at {}; the order is good by that clock, until {}",
             FormatUtcTime(device), FormatUtcTime(order.not_after)));
}

class Answerer {
 public:
  Answerer(const Workspace& workspace, const Roles& roles, const AnswerRequest& request)
      : workspace_(workspace), roles_(roles), request_(request) {}

  Result<OrderAnswer> Answer() {
    OrderAnswer answer;
    std::vector<std::string> notes;
    ChooseWindow(request_, answer.order, notes);
    BundleRequest bundle;
    PAWL_TRY(FillOrder(answer.order, bundle));
    const std::string text = manifest::EncodeOrder(answer.order);
    PAWL_TRY(manifest::ParseOrder(AsBytes(text)));
    PAWL_ASSIGN_OR_RETURN(Bytes role, SignRole(answer.order, AsBytes(text)));
    bundle.product = request_.challenge.product;
    bundle.order = {std::move(role), Bytes(text.begin(), text.end())};
    bundle.out = request_.out;
    // A device whose clock is ahead finds expired what is still fresh here.
    bundle.now = std::max(request_.now, request_.challenge.time);
    bundle.judge = [&](manifest::TufClient& tuf, manifest::Fetcher&) {
      return JudgeAsDevice(tuf, *bundle.order);
    };
    PAWL_ASSIGN_OR_RETURN(answer.bundle, MakeBundle(workspace_, bundle));
    answer.bundle.notes.insert(answer.bundle.notes.begin(), notes.begin(), notes.end());
    return answer;
  }

 private:
  Status FillOrder(manifest::Order& order, BundleRequest& bundle) const;
  bool LiesInOtherSlot(const Sha256Digest& release) const;
  Result<Bytes> SignRole(const manifest::Order& order, ByteView text) const;
  Status JudgeAsDevice(manifest::TufClient& tuf, const BundleOrder& files) const;

  const Workspace& workspace_;
  const Roles& roles_;
  const AnswerRequest& request_;
};

bool Answerer::LiesInOtherSlot(const Sha256Digest& release) const {
  const auto other = request_.challenge.slots.find(request_.challenge.booted == "a" ? "b" : "a");
  return other != request_.challenge.slots.end() && other->second.bootable &&
         other->second.manifest_sha256 == release;
}

Status Answerer::FillOrder(manifest::Order& order, BundleRequest& bundle) const {
  const Challenge& challenge = request_.challenge;
  order.target = manifest::DeviceOrderPath(challenge.device_id);
  order.counter = 1;  // the nonce takes its place
  order.action = request_.action;
  order.reason = request_.reason;
  order.ticket = request_.ticket;
  order.nonce = challenge.nonce;
  if (!request_.version) return {};
  PAWL_ASSIGN_OR_RETURN(const PublishedRelease release, ObeyableRelease(workspace_, request_));
  order.release_path = release.path;
  order.release_sha256 = release.sha256;
  bundle.release = BundleRelease{*request_.version, {}, true, true};
  bundle.release->payloads = request_.full || !LiesInOtherSlot(release.sha256);
  return {};
}

// The next version of the role with this one order: it supersedes what is published and is pinned
// by no snapshot, so nothing but an answer can be made of it.
Result<Bytes> Answerer::SignRole(const manifest::Order& order, ByteView text) const {
  const RoleFile* published = roles_.Published(kOrdersRole);
  if (published == nullptr) return Fail(ErrorCode::kMetadataMissing, "orders is not published");
  const UtcTime by_ours =
      request_.now.PlusSeconds(static_cast<std::int64_t>(request_.hours) * 3600);
  const UtcTime expires = std::max(order.not_after, by_ours).PlusSeconds(1);
  MetadataFile file{MakeTargets(published->metadata.version + 1, expires, {}), {}};
  file.content["targets"][order.target] = MakeTarget(text, nullptr);
  for (const SigningKey& key : *request_.keys) PAWL_TRY(AddSignature(file, key));
  PAWL_ASSIGN_OR_RETURN(const std::string encoded, EncodeMetadataFile(file));
  if (encoded.size() > manifest::kMaxOfflineOrdersBytes) {
    return Fail(ErrorCode::kMetadataTooLarge,
                Format("{}: devices read at most {} bytes, found {}", manifest::kOfflineOrdersRole,
                       manifest::kMaxOfflineOrdersBytes, encoded.size()));
  }
  return Bytes(encoded.begin(), encoded.end());
}

Status Answerer::JudgeAsDevice(manifest::TufClient& tuf, const BundleOrder& files) const {
  const std::string path = manifest::DeviceOrderPath(request_.challenge.device_id);
  auto target = tuf.FindUnpinned(kOrdersRole, path, files.role_file);
  if (!target && target.error().code() == ErrorCode::kSignatureThreshold) {
    return Fail(ErrorCode::kKeyNotEntitled,
                target.error().Message() + "; give --key with the keys of the support desk");
  }
  if (!target) return std::unexpected(std::move(target).error());
  PAWL_TRY(manifest::TufClient::CheckTarget(*target, files.order));
  PAWL_ASSIGN_OR_RETURN(const manifest::Order order, manifest::ParseOrder(files.order));
  return manifest::JudgeOfflineOrder(
      order, path,
      {request_.challenge.device_id, request_.challenge.nonce, request_.challenge.time});
}

}  // namespace

Status CheckAnswer(const Workspace& workspace, const AnswerRequest& request) {
  PAWL_TRY(CheckRequest(workspace, request));
  PAWL_ASSIGN_OR_RETURN(const Roles roles, Roles::Load(workspace));
  PAWL_TRY(CheckNotOlder(roles, request.challenge));
  if (request.version) PAWL_TRY(ObeyableRelease(workspace, request));
  return {};
}

Result<OrderAnswer> AnswerChallenge(const Workspace& workspace, const AnswerRequest& request) {
  PAWL_TRY(CheckAnswer(workspace, request));
  PAWL_ASSIGN_OR_RETURN(const Roles roles, Roles::Load(workspace));
  return Answerer(workspace, roles, request).Answer();
}

}  // namespace pawl::signer
