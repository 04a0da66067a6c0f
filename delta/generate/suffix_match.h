// SPDX-License-Identifier: Apache-2.0
#pragma once

// Layer 3, first step: what may be similar. Percival's scan ("Matching with Mismatches and Assorted
// Applications", 2006; bsdiff 4) over a suffix index, with a bound on the work for data that
// matches nothing.
// Internal to delta/generate.

#include <optional>
#include <vector>

#include "base/bytes.h"
#include "delta/generate/old_text.h"
#include "delta/generate/suffix_index.h"

namespace pawl::delta {

struct ScanTask {
  ByteView text;             // of the new image
  std::uint64_t target = 0;  // where `text` lies in the new image
  // Image offsets of the source that what is before and behind `text` comes from, if known.
  std::optional<std::uint64_t> source_before;  // the end of it
  std::optional<std::uint64_t> source_behind;  // the begin of it
  std::size_t stride = 1;  // bytes from one search to the next
  bool remember = false;   // Scan::matches too
};

// A part of the new text laid on the old text; it stays in one segment of that.
struct Overlay {
  std::size_t text = 0;
  std::size_t old = 0;
  std::size_t length = 0;
};

inline constexpr std::size_t kBytesPerMatch = 8;

struct Scan {
  std::vector<Overlay> laid;     // by Percival's rule; in order, apart
  // That were seen on the way, taken by that rule or not: at most one for kBytesPerMatch bytes of
  // text, and a few more.
  std::vector<Overlay> matches;
};

// Scans the text of `task`. REQUIRES: `index` was built on `old_text`.
Scan ScanSimilar(const OldText& old_text, const SuffixIndex& index, const ScanTask& task);

}  // namespace pawl::delta
