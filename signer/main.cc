// SPDX-License-Identifier: Apache-2.0
// pawl-signer: key ceremonies, releases, rollouts and orders, signed by people and published as
// static files.

#include <sys/stat.h>

#include <iostream>

#include "base/secret.h"
#include "base/time.h"
#include "signer/commands.h"

int main(int argc, char** argv) {
  pawl::HardenProcess();
  // What is served must be readable by a web server, and what a team shares by the team. The files
  // that hold secrets are created with mode 0600 by name.
  umask(022);
  if (auto ready = pawl::InitCrypto(); !ready) {
    std::cerr << "pawl-signer: error: " << ready.error().Message() << '\n';
    return pawl::ExitStatus(ready.error().code());
  }
  return pawl::RunProgram(pawl::signer::SignerProgram(pawl::SystemUtcTime()), argc, argv);
}
