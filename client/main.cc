// SPDX-License-Identifier: Apache-2.0
// pawl-agent: verifies, stages, switches, confirms or falls back, and reports.

#include <iostream>

#include "base/secret.h"
#include "client/commands.h"

int main(int argc, char** argv) {
  if (auto ready = pawl::InitCrypto(); !ready) {
    std::cerr << "pawl-agent: error: " << ready.error().Message() << '\n';
    return pawl::ExitStatus(ready.error().code());
  }
  using namespace pawl::client;
  const pawl::ProgramInfo program{
      "pawl-agent",
      "updates this device and reports its integrity state",
      {StatusCommand(), CheckCommand(), UpdateCommand(), ConfirmCommand(), RunCommand(), InstallCommand(), OrderRequestCommand(), OrderApplyCommand(), HistoryCommand(), StatementCommand(),
       DoctorCommand(), EncodersCommand(), ProvisionCommand()},
      "status"};
  return pawl::RunProgram(program, argc, argv);
}
