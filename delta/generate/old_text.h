// SPDX-License-Identifier: Apache-2.0
#pragma once

// Parts of the old image, laid end to end so that they can be suffix-sorted, with the way back to
// image offsets. Internal to delta/generate.

#include <cstdint>
#include <optional>
#include <vector>

#include "base/block_io.h"
#include "base/bytes.h"
#include "base/result.h"
#include "delta/generate/piece.h"

namespace pawl::delta {

class OldText {
 public:
  // REQUIRES: `ranges` in order, apart, inside the image; together less than 2 GiB. ERRORS: kIo.
  static Result<OldText> Load(RandomReader& image, const std::vector<Range>& ranges);

  struct Segment {
    std::uint64_t text = 0;   // begin in bytes()
    std::uint64_t image = 0;  // begin in the image
    std::uint64_t length = 0;
    std::uint64_t text_end() const { return text + length; }
  };
  ByteView bytes() const { return bytes_; }
  // The segment that holds a position of the text. REQUIRES: position < bytes().size().
  const Segment& SegmentAt(std::uint64_t position) const;
  // Where an image offset lies in the text, if it does (the end of a segment counts as inside).
  std::optional<std::uint64_t> TextPosition(std::uint64_t image_offset) const;

 private:
  Bytes bytes_;
  std::vector<Segment> segments_;
};

// `ranges` widened by `margin` on both sides inside [0, size), joined where they touch.
std::vector<Range> Widen(const std::vector<Range>& ranges, std::uint64_t margin,
                         std::uint64_t size);

// Cuts `ranges` into groups of at most `limit` bytes each, in order.
std::vector<std::vector<Range>> CutIntoWindows(const std::vector<Range>& ranges,
                                               std::uint64_t limit);

}  // namespace pawl::delta
