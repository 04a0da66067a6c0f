// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "client/ports/entropy.h"

namespace pawl::client {

// The kernel's random source (getrandom through libsodium).
class LinuxEntropy : public Entropy {
 public:
  void Fill(ByteSpan out) override;
};

}  // namespace pawl::client
