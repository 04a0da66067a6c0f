// SPDX-License-Identifier: Apache-2.0
#pragma once

// Layer 3: similar bytes. Percival's scan ("Matching with Mismatches and Assorted Applications",
// 2006; bsdiff 4) over a suffix index, with a bound on the work for data that matches nothing.
// Internal to delta/generate.

#include <optional>

#include "base/bytes.h"
#include "delta/generate/old_text.h"
#include "delta/generate/piece.h"
#include "delta/generate/suffix_index.h"

namespace pawl::delta {

struct ScanTask {
  ByteView text;             // of the new image
  std::uint64_t target = 0;  // where `text` lies in the new image
  // Image offsets of the source that what is before and behind `text` comes from, if known.
  std::optional<std::uint64_t> source_before;  // the end of it
  std::optional<std::uint64_t> source_behind;  // the begin of it
  std::size_t stride = 1;  // bytes from one search to the next
};

// Similar pieces for the text of `task`, in order. REQUIRES: `index` was built on `old_text`.
Pieces ScanSimilar(const OldText& old_text, const SuffixIndex& index, const ScanTask& task);

}  // namespace pawl::delta
