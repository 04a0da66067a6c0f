// SPDX-License-Identifier: Apache-2.0
#pragma once

// Which chunks go together in a frame. Internal to delta/generate.

#include <vector>

#include "base/result.h"
#include "delta/generate/frame_encoder.h"
#include "delta/generate/parallel.h"
#include "delta/generate/piece.h"

namespace pawl::delta {

// Target ranges of a delta's frames, in order, of whole chunks: up to about 2.5 MiB of payload by a
// quick estimate. ERRORS: kIo.
Result<std::vector<Range>> PlanFrames(const StreamBuilder& builder, std::uint64_t target_bytes,
                                      unsigned threads, ProgressCounter& progress);

// Target ranges of a full container's frames, in order. They are cut where files seem to end, at blocks
// that end in zeros: what changes is mostly whole files, and a device fetches whole frames
// (docs/adr/0016-any-base-updates.md). Larger images get larger frames, so that the head stays below a
// part in four hundred of the image. ERRORS: kIo.
Result<std::vector<Range>> PlanFullFrames(const StreamBuilder& builder, std::uint64_t target_bytes,
                                          ProgressCounter& progress);

}  // namespace pawl::delta
