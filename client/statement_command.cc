// SPDX-License-Identifier: Apache-2.0
// statement: measures the running slot, collects the indicators, signs.

#include "base/format.h"
#include "base/progress.h"
#include "client/commands.h"
#include "client/device.h"
#include "client/integrity/collector.h"
#include "client/integrity/model/device_key.h"
#include "client/integrity/slot_measurement.h"
#include "client/integrity/statement_builder.h"
#include "client/statement_facts.h"

namespace pawl::client {
namespace {

struct Options {
  std::string nonce;
  std::string audience{integrity::kDefaultAudience};
  std::string out;
};

Result<integrity::DeviceFacts> IdentityFacts(const Device& device) {
  PAWL_ASSIGN_OR_RETURN(const Bytes record, ReadFile(JoinPath(device.paths.State(), "device.pub"), integrity::kMaxDeviceKeyFileBytes));
  PAWL_ASSIGN_OR_RETURN(const integrity::DeviceKey key, integrity::ParseDeviceKey(record));
  integrity::DeviceFacts facts;
  facts.ueid = key.ueid;
  facts.hwmodel = device.config.hardware;
  facts.swname = device.config.product;
  facts.swversion = device.running.version;
  facts.agent_version = std::string(PawlVersion());
  facts.boot_count = device.agent->state().boots;
  PAWL_ASSIGN_OR_RETURN(facts.boot_id, device.clock->BootId());
  return facts;
}

// The sequence number is used up before the statement exists: two statements never share one, whatever is cut.
Result<integrity::SignedStatement> Sign(Device& device, const integrity::StatementRequest& wanted, const integrity::CollectInputs& inputs,
                                        const integrity::Observation& observation) {
  PAWL_ASSIGN_OR_RETURN(const integrity::DeviceFacts facts, IdentityFacts(device));
  AgentState& state = device.agent->mutable_state();
  integrity::StatementRequest request = wanted;
  request.seq = state.statement_seq + 1;
  if (!state.statement_sha256.empty()) {
    PAWL_ASSIGN_OR_RETURN(request.prev, Sha256Digest::FromHex(state.statement_sha256));
  }
  PAWL_ASSIGN_OR_RETURN(integrity::SignedStatement statement,
                        integrity::BuildStatement(request, facts, inputs, observation, *device.vault));
  state.statement_seq = request.seq;
  state.statement_sha256 = statement.sha256.Hex();
  PAWL_TRY(device.agent->SaveState({}));
  return statement;
}

Result<Answer> Statement(const Options& options) {
  PAWL_ASSIGN_OR_RETURN(const auto device, Device::Open(Device::Access::kChange, {}));
  PAWL_TRY(device->agent->Start());
  integrity::StatementRequest request;
  request.now = device->now;
  request.audience = options.audience;
  if (!options.nonce.empty()) {
    PAWL_ASSIGN_OR_RETURN(request.nonce, integrity::ParseNonce(options.nonce));
  }
  integrity::CollectInputs inputs;
  // Anything but "/" is test mode, which the statement says and no verifier trusts.
  if (!device->paths.sysroot.empty()) inputs.root = integrity::Sysroot(device->paths.sysroot);
  inputs.key_file = device->paths.DeviceKey();
  inputs.now = device->now;
  inputs.clock_synchronised = integrity::KernelClockSynchronised();
  PAWL_ASSIGN_OR_RETURN(inputs.profile, LoadDeviceProfile(*device));
  PAWL_ASSIGN_OR_RETURN(inputs.update, CollectUpdateFacts(*device));
  const integrity::Observation observation = integrity::Collect(inputs);
  PAWL_ASSIGN_OR_RETURN(const integrity::SignedStatement statement, Sign(*device, request, inputs, observation));
  if (!options.out.empty()) PAWL_TRY(CreateNewFile(options.out, AsBytes(statement.compact + "\n")));
  Answer answer;
  answer.text = options.out.empty() ? statement.compact + "\n" : Format("wrote {} (statement {})\nnext: pawl-fleet verify\n", options.out, device->agent->state().statement_seq);
  answer.json = Json{{"schema", "pawl.statement/1"},
                     {"statement", statement.compact},
                     {"sha256", statement.sha256.Hex()},
                     {"seq", device->agent->state().statement_seq}};
  return answer;
}

}  // namespace

Command StatementCommand() {
  return {"statement", "[--nonce N] [--out FILE]", "print a signed statement of this device's integrity", "pawl-agent statement --nonce hex:00112233445566778899aabbccddeeff",
          Declare<Options>([](Arguments& arguments, Options& options) {
            arguments.Option("--nonce", options.nonce, "the verifier's nonce: base64url, or hex: and digits");
            arguments.Option("--audience", options.audience, "who is to read it (fleet)");
            arguments.Option("--out", options.out, "write to this new file");
          }, Statement)};
}

}  // namespace pawl::client
