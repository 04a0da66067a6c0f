// SPDX-License-Identifier: Apache-2.0
#include "tools/fleet/commands.h"

int main(int argc, char** argv) {
  return pawl::RunProgram(pawl::fleet::FleetProgram(), argc, argv);
}
