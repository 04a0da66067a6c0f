// SPDX-License-Identifier: Apache-2.0
#pragma once

// Longest match of a pattern in a text, by suffix array (libdivsufsort; Manber and Myers 1993 for
// the search). Internal to delta/generate.

#include <cstdint>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"

namespace pawl::delta {

class SuffixIndex {
 public:
  // Working memory per byte of text, the text itself included, and what is independent of it.
  static constexpr std::uint64_t kBytesPerTextByte = 6;

  // `text` is borrowed for the life of the index. REQUIRES: fewer than 2^31 bytes.
  // ERRORS: kInternal when the sort reports a failure.
  static Result<SuffixIndex> Build(ByteView text);

  struct Match {
    std::size_t position = 0;  // in the text
    std::size_t length = 0;
  };
  // The longest match of the beginning of `pattern`. Matches shorter than kMinMatch may be missed.
  Match Longest(ByteView pattern) const;

  static constexpr std::size_t kMinMatch = 8;

 private:
  bool MayContain(std::uint64_t first_eight) const;

  ByteView text_;
  std::vector<std::int32_t> suffixes_;  // begins of all suffixes in lexicographic order
  std::vector<std::int32_t> buckets_;   // of each two-byte beginning: where its suffixes begin
  std::vector<std::uint64_t> filter_;   // one bit per hash of eight bytes that occur
  unsigned filter_shift_ = 0;
};

}  // namespace pawl::delta
