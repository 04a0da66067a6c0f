// SPDX-License-Identifier: Apache-2.0
#pragma once

// The commands of pawl-agent, one row each.

#include "base/command_line.h"

namespace pawl::client {

Command StatusCommand();
Command CheckCommand();
Command UpdateCommand();
Command ConfirmCommand();
Command RunCommand();
Command InstallCommand();
Command OrderRequestCommand();
Command OrderApplyCommand();
Command HistoryCommand();
Command StatementCommand();
Command ProvisionCommand();
Command DoctorCommand();
Command EncodersCommand();

}  // namespace pawl::client
