// SPDX-License-Identifier: Apache-2.0
#pragma once

// The encoding side of codec 3. Internal to delta/generate.

#include <cstdint>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "delta/apply/address_map.h"
#include "delta/generate/frame_encoder.h"

namespace pawl::delta {

// New bytes that are laid on old ones: an add operation of some streams, or a part of one.
struct Addition {
  std::uint64_t source = 0;
  std::uint64_t target = 0;  // in the plain bytes of the frame
  std::size_t begin = 0;     // in PlainStreams::difference and ::old
  std::size_t length = 0;
};

// The add operations of `streams`, in order.
// ERRORS: kInternal when the control stream does not fit the difference.
Result<std::vector<Addition>> AdditionsOf(const PlainStreams& streams);

struct MixedCost {
  std::uint64_t coded_bits = 0;    // what it takes in the container
  std::uint64_t decoded_bits = 0;  // decisions that a decoder makes
};

struct MixedStream {
  Bytes coded;
  std::vector<MixedCost> costs;  // of each addition
};

// Codes the new bytes of `additions`, which lie in `streams` in ascending order.
MixedStream EncodeMixed(const PlainStreams& streams, const std::vector<Addition>& additions,
                        Machine machine);

// The machine whose operands make a sample of `additions` smallest.
Machine ChooseMachine(const PlainStreams& streams, const std::vector<Addition>& additions);

}  // namespace pawl::delta
