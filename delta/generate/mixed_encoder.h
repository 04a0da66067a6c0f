// SPDX-License-Identifier: Apache-2.0
#pragma once

// The encoding side of codec 3. Internal to delta/generate.

#include <cstdint>

#include "base/bytes.h"
#include "base/result.h"
#include "delta/generate/frame_encoder.h"

namespace pawl::delta {

struct MixedStream {
  Bytes coded;
  std::uint64_t bits = 0;  // that decoding takes
};

// The difference of `streams`, for the machine whose operands make it smallest on a sample.
// ERRORS: kInternal when the control stream does not fit the difference.
Result<MixedStream> EncodeMixed(const PlainStreams& streams);

}  // namespace pawl::delta
