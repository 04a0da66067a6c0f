// SPDX-License-Identifier: Apache-2.0
#include "client/platform/linux_entropy.h"

#include "base/secret.h"

namespace pawl::client {

void LinuxEntropy::Fill(ByteSpan out) { RandomBytes(out); }

}  // namespace pawl::client
