// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "base/result.h"
#include "base/time.h"

namespace pawl::client {

class Clock {
 public:
  virtual ~Clock() = default;
  // The system clock as it stands, right or wrong. Trust decisions use manifest/time_floor.h on top of it.
  virtual UtcTime SystemTime() = 0;
  // Random per boot (/proc/sys/kernel/random/boot_id).
  virtual Result<std::string> BootId() = 0;
};

}  // namespace pawl::client
