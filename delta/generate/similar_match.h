// SPDX-License-Identifier: Apache-2.0
#pragma once

// What blocks do not match: shifted and similar bytes, in bounded memory. Internal to
// delta/generate.
//
// The unmatched old bytes are cut into windows that can be suffix-sorted within the memory bound;
// usually one. The unmatched new bytes are cut into units; each unit is scanned against the window
// that shares most sampled content with it. Cutting depends on the images and the memory bound
// only.

#include "base/block_io.h"
#include "base/result.h"
#include "delta/generate/block_match.h"
#include "delta/generate/generator.h"
#include "delta/generate/parallel.h"

namespace pawl::delta {

// Adds kShifted and kSimilar pieces to `matches`. ERRORS: kIo, kInternal.
Status MatchSimilar(RandomReader& old_image, RandomReader& new_image, BlockMatches& matches,
                    const GenerateOptions& options, ProgressCounter& progress);

}  // namespace pawl::delta
