// SPDX-License-Identifier: Apache-2.0
// encoders: what this agent encodes compressed blocks with, for the build of its image to declare.

#include "base/format.h"
#include "client/commands.h"
#include "delta/apply/encoder_names.h"

namespace pawl::client {
namespace {

struct NoOptions {};

//= docs/manifest-format.md#M-55
Result<Answer> ListEncoders(const NoOptions&) {
  PAWL_ASSIGN_OR_RETURN(const auto names, delta::OwnEncoderNames());
  return Answer{Join(names, "\n") + "\n", Json{{"schema", "pawl.encoders/1"}, {"encoders", names}}};
}

}  // namespace

Command EncodersCommand() {
  return {"encoders", "", "what re-encodes compressed blocks here, by name",
          "pawl-agent encoders > agent.encoders",
          Declare<NoOptions>([](Arguments&, NoOptions&) {}, ListEncoders)};
}

}  // namespace pawl::client
