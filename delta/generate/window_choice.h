// SPDX-License-Identifier: Apache-2.0
#pragma once

// Finds the window of the old image that shares most content with a piece of the new one, by
// sampled fingerprints: positions are chosen by the content itself, so that shifts do not matter.
// Internal to delta/generate.

#include <cstdint>
#include <vector>

#include "base/bytes.h"
#include "base/block_io.h"
#include "base/result.h"
#include "delta/generate/piece.h"

namespace pawl::delta {

class WindowChoice {
 public:
  // Samples all windows. ERRORS: kIo.
  static Result<WindowChoice> Build(RandomReader& old_image,
                                    const std::vector<std::vector<Range>>& windows);

  // The window for `text`; of equally good ones, and when nothing is shared, the one that holds
  // the old offset `near`, or the nearest before.
  std::size_t Choose(ByteView text, std::uint64_t near) const;

 private:
  struct Sample {
    std::uint64_t fingerprint;
    std::size_t window;
  };
  std::vector<Sample> samples_;            // by fingerprint, then window
  std::vector<std::uint64_t> window_begins_;  // old offsets
};

}  // namespace pawl::delta
