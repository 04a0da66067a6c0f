// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/bytes.h"

namespace pawl::client {

class Entropy {
 public:
  virtual ~Entropy() = default;
  virtual void Fill(ByteSpan out) = 0;
};

}  // namespace pawl::client
