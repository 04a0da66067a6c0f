// SPDX-License-Identifier: Apache-2.0
#pragma once

// How much memory verified metadata takes, roughly and never too little by much: what a search
// holds is bounded by it, since a few bytes of a file can become many in memory.

#include <cstddef>

#include "manifest/metadata.h"

namespace pawl::manifest {

// Bytes of heap that `metadata` holds on to.
std::size_t HeldBytes(const Metadata& metadata);

}  // namespace pawl::manifest
