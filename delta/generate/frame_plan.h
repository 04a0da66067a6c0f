// SPDX-License-Identifier: Apache-2.0
#pragma once

// Which chunks go together in a frame. Internal to delta/generate.

#include <vector>

#include "base/result.h"
#include "delta/generate/frame_encoder.h"
#include "delta/generate/parallel.h"
#include "delta/generate/piece.h"

namespace pawl::delta {

// Target ranges of frames, in order, of whole chunks: one chunk each in full containers, else up to
// about 1 MiB of payload by a quick estimate. ERRORS: kIo.
Result<std::vector<Range>> PlanFrames(const StreamBuilder& builder, std::uint64_t target_bytes,
                                      bool full, unsigned threads, ProgressCounter& progress);

}  // namespace pawl::delta
