// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "base/result.h"
#include "client/ports/clock.h"

namespace pawl::client {

class LinuxClock : public Clock {
 public:
  explicit LinuxClock(std::string boot_id_path = "/proc/sys/kernel/random/boot_id");
  UtcTime SystemTime() override;
  // ERRORS: kIo unless the file holds a UUID.
  Result<std::string> BootId() override;

 private:
  std::string boot_id_path_;
};

}  // namespace pawl::client
