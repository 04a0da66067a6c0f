// SPDX-License-Identifier: Apache-2.0
#include "delta/generate/old_text.h"

#include <algorithm>

namespace pawl::delta {

Result<OldText> OldText::Load(RandomReader& image, const std::vector<Range>& ranges) {
  OldText text;
  std::uint64_t total = 0;
  for (const Range& range : ranges) {
    text.segments_.push_back({total, range.begin, range.length});
    total += range.length;
  }
  text.bytes_.resize(static_cast<std::size_t>(total));
  for (const Segment& segment : text.segments_) {
    PAWL_TRY(image.ReadAt(segment.image,
                          ByteSpan(text.bytes_).subspan(static_cast<std::size_t>(segment.text),
                                                        static_cast<std::size_t>(segment.length))));
  }
  return text;
}

const OldText::Segment& OldText::SegmentAt(std::uint64_t position) const {
  const auto behind = std::ranges::upper_bound(segments_, position, {}, &Segment::text);
  return *(behind - 1);
}

std::optional<std::uint64_t> OldText::TextPosition(std::uint64_t image_offset) const {
  const auto behind = std::ranges::upper_bound(segments_, image_offset, {}, &Segment::image);
  if (behind == segments_.begin()) return std::nullopt;
  const Segment& segment = *(behind - 1);
  if (image_offset - segment.image > segment.length) return std::nullopt;
  return segment.text + (image_offset - segment.image);
}

std::vector<Range> Widen(const std::vector<Range>& ranges, std::uint64_t margin,
                         std::uint64_t size) {
  std::vector<Range> wide;
  for (const Range& range : ranges) {
    const std::uint64_t begin = range.begin - std::min(margin, range.begin);
    const std::uint64_t end = range.end() + std::min(margin, size - range.end());
    if (!wide.empty() && begin <= wide.back().end()) {
      wide.back().length = end - wide.back().begin;
    } else {
      wide.push_back({begin, end - begin});
    }
  }
  return wide;
}

std::vector<std::vector<Range>> CutIntoWindows(const std::vector<Range>& ranges,
                                               std::uint64_t limit) {
  std::vector<std::vector<Range>> windows;
  std::uint64_t room = 0;
  for (Range range : ranges) {
    while (range.length != 0) {
      if (room == 0) {
        windows.emplace_back();
        room = limit;
      }
      const std::uint64_t part = std::min(room, range.length);
      windows.back().push_back({range.begin, part});
      range = {range.begin + part, range.length - part};
      room -= part;
    }
  }
  return windows;
}

}  // namespace pawl::delta
