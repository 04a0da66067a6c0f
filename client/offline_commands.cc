// SPDX-License-Identifier: Apache-2.0
// install, order request, order apply: what a device without a network needs.

#include "base/file.h"
#include "base/format.h"
#include "client/commands.h"
#include "client/device.h"
#include "client/platform/linux_entropy.h"
#include "client/update_answer.h"

namespace pawl::client {
namespace {

struct BundleOptions {
  std::string file;
  bool reboot = false;
};

void BindBundle(Arguments& arguments, BundleOptions& options) {
  arguments.Positional("FILE", options.file, "the bundle");
  arguments.Flag("--reboot", options.reboot, "restart when that is the next step");
}

Result<Answer> Run(const BundleOptions& options,
                   Result<UpdateOutcome> (Agent::*act)(const manifest::Bundle&)) {
  ProgressObserver progress;
  PAWL_ASSIGN_OR_RETURN(const auto device,
                        Device::Open(Device::Access::kChange, progress.Observer(), options.file));
  PAWL_TRY(device->agent->Start());
  auto outcome = ((*device->agent).*act)(*device->bundle->bundle);
  progress.Finish();
  if (!outcome) return std::unexpected(std::move(outcome).error());
  Answer answer = ToAnswer(*outcome, *device);
  if (options.reboot && outcome->kind == UpdateOutcome::Kind::kArmed) PAWL_TRY(Reboot());
  return answer;
}

Result<Answer> InstallBundle(const BundleOptions& options) { return Run(options, &Agent::Install); }
Result<Answer> ApplyBundle(const BundleOptions& options) {
  return Run(options, &Agent::ApplyOrder);
}

struct RequestOptions {
  std::optional<std::string> out;
};

Result<Answer> Request(const RequestOptions& options) {
  if (options.out && PathExists(*options.out)) return Fail(ErrorCode::kOutputExists, *options.out);
  PAWL_ASSIGN_OR_RETURN(const auto device, Device::Open(Device::Access::kChange, {}));
  PAWL_TRY(device->agent->Start());
  LinuxEntropy entropy;
  PAWL_ASSIGN_OR_RETURN(const manifest::Challenge challenge, device->agent->RequestOrder(entropy));
  Answer answer;
  answer.json = manifest::EncodeChallenge(challenge);
  const std::string text = PrettyJson(answer.json);
  if (options.out) PAWL_TRY(CreateNewFile(*options.out, AsBytes(text)));
  if (!options.out) {
    answer.text = text;  // nothing else: what is redirected into a file is a challenge
    return answer;
  }
  answer.text = Format(
      "the challenge is in {}\n"
      "Device {} asks for an order: it runs {} (build {}), its security floor is epoch {}.\n"
      "Challenges before this one are void. Bring it to the support desk: pawl-signer order answer "
      "{} …\n"
      "and the file that comes back here: pawl-agent order apply FILE\n",
      *options.out, challenge.device_id, challenge.running_version, challenge.running_build,
      challenge.floor, *options.out);
  return answer;
}

}  // namespace

Command InstallCommand() {
  return {"install", "FILE [--reboot]", "install the release in a bundle file, without a network",
          "pawl-agent install /mnt/gateway-1.1.pawlb",
          Declare<BundleOptions>(BindBundle, InstallBundle)};
}

Command OrderRequestCommand() {
  return {"order request", "[--out FILE]", "print a challenge that an offline order must answer",
          "pawl-agent order request --out challenge.json",
          Declare<RequestOptions>(
              [](Arguments& arguments, RequestOptions& options) {
                arguments.Option("--out", options.out, "write the challenge into this new file");
              },
              Request)};
}

Command OrderApplyCommand() {
  return {"order apply", "FILE [--reboot]", "obey the order in a bundle file, once",
          "pawl-agent order apply /mnt/answer.pawlb",
          Declare<BundleOptions>(BindBundle, ApplyBundle)};
}

}  // namespace pawl::client
