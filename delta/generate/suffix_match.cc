// SPDX-License-Identifier: Apache-2.0
#include "delta/generate/suffix_match.h"

#include <algorithm>

#include "delta/generate/fast_hash.h"

namespace pawl::delta {
namespace {

// A match replaces the present alignment when it explains so many bytes more (bsdiff's constant).
constexpr std::size_t kSwitchGain = 8;
// An aligned match of this length is taken without asking for a longer one elsewhere.
constexpr std::size_t kAlignedEnough = 32;
// After so many bytes without any match the scan goes on in steps one byte longer, and so on.
constexpr std::size_t kPatienceBytes = 8192;
constexpr std::size_t kMaxStep = 16;
// Overlays must explain so many bytes more than they cost as an operation.
constexpr std::size_t kMinGain = 16;
// Shorter matches are not worth remembering: most are chance.
constexpr std::size_t kMinRemembered = 12;
constexpr std::size_t kFirstMatches = 64;

// A place of the old text that is held against a place of the new text.
struct Alignment {
  std::size_t text = 0;  // in the new text
  std::size_t old = 0;   // in the old text
};

class Scanner {
 public:
  Scanner(const OldText& old_text, const SuffixIndex& index, const ScanTask& task)
      : old_text_(old_text), old_(old_text.bytes()), index_(index), task_(task), text_(task.text) {}

  Scan Run() {
    if (old_.empty()) return {};
    if (task_.source_before) {
      if (const auto at = old_text_.TextPosition(*task_.source_before)) SetAlignment({0, *at});
    }
    while (scan_ < text_.size()) FindNext();
    std::optional<Alignment> behind;
    if (task_.source_behind) {
      if (const auto at = old_text_.TextPosition(*task_.source_behind)) {
        behind = Alignment{text_.size(), *at};
      }
    }
    Close(behind);
    return std::move(found_);
  }

 private:
  // One round of bsdiff's scan: goes on until a match is better than the present alignment.
  void FindNext() {
    std::size_t aligned_score = 0;  // bytes of [scan_, scored) that the present alignment explains
    std::size_t scored = scan_;
    std::size_t fruitless = 0;
    while (scan_ < text_.size()) {
      const std::size_t aligned = AlignedLength(scan_);
      if (aligned >= kAlignedEnough) {
        scan_ += aligned;
        return;
      }
      const SuffixIndex::Match match = index_.Longest(text_.subspan(scan_));
      const std::size_t length = std::min(match.length, SegmentRoom(match));
      Remember({scan_, match.position, length});
      for (; scored < scan_ + length; ++scored) aligned_score += AlignedEqual(scored) ? 1U : 0U;
      if (length == aligned_score && length != 0) {
        scan_ += length;
        return;
      }
      if (length > aligned_score + kSwitchGain) {
        Take({scan_, match.position});
        scan_ += length;
        return;
      }
      const std::size_t step =
          std::min(task_.stride + fruitless / kPatienceBytes, kMaxStep);
      for (std::size_t i = 0; i < step && scan_ < text_.size(); ++i, ++scan_) {
        if (scored > scan_) {
          aligned_score -= AlignedEqual(scan_) ? 1U : 0U;
        } else {
          scored = scan_ + 1;
        }
      }
      fruitless += step;
    }
  }

  std::size_t SegmentRoom(const SuffixIndex::Match& match) const {
    if (match.length == 0) return 0;
    const OldText::Segment& segment = old_text_.SegmentAt(match.position);
    return static_cast<std::size_t>(segment.text_end() - match.position);
  }

  void Remember(const Overlay& match) {
    if (!task_.remember || match.length < kMinRemembered) return;
    // Content in which nearly every byte begins another match would take more than its matches are
    // worth, in memory and in the time to follow each of them back.
    if (found_.matches.size() > match.text / kBytesPerMatch + kFirstMatches) return;
    const std::size_t shift = match.old - match.text;
    if (alignment_ && shift == alignment_->old - alignment_->text) return;
    if (!found_.matches.empty()) {
      const Overlay& last = found_.matches.back();
      if (shift == last.old - last.text && match.text < last.text + last.length) return;
    }
    found_.matches.push_back(match);
  }

  bool AlignedEqual(std::size_t at) const {
    if (!alignment_) return false;
    // The segment holds the alignment, so that the sums below stay in range.
    const std::size_t old = alignment_->old + (at - alignment_->text);
    return old < old_end_ && old_[old] == text_[at];
  }
  std::size_t AlignedLength(std::size_t at) const {
    if (!alignment_) return 0;
    const std::size_t old = alignment_->old + (at - alignment_->text);
    if (old >= old_end_) return 0;
    return CommonPrefix(old_.subspan(old, old_end_ - old), text_.subspan(at));
  }

  void SetAlignment(const Alignment& alignment) {
    alignment_ = alignment;
    old_end_ = SegmentEnd(alignment.old);
  }
  std::size_t SegmentEnd(std::size_t old) const {
    // A position at the very end of a segment belongs to that segment, which then has no room left.
    if (old == old_.size()) return old;
    return static_cast<std::size_t>(old_text_.SegmentAt(old).text_end());
  }

  // Ends the present alignment and begins the one of `next`.
  void Take(const Alignment& next) {
    const Overlay begun = Close(next);
    SetAlignment({begun.text, begun.old});
  }

  // Emits the present alignment, extended forward; returns where the next one begins, extended
  // backward.
  Overlay Close(const std::optional<Alignment>& next) {
    const std::size_t end = next ? next->text : text_.size();
    std::size_t forward = ForwardLength(end);
    std::size_t backward = next ? BackwardLength(*next) : 0;
    const std::size_t begin = alignment_ ? alignment_->text : last_end_;
    if (begin + forward + backward > end) {
      const std::size_t overlap = begin + forward + backward - end;
      const std::size_t kept = SplitOverlap(*next, forward, backward, overlap);
      forward = forward - overlap + kept;
      backward -= kept;
    }
    if (alignment_) Emit({alignment_->text, alignment_->old, forward});
    last_end_ = begin + forward;
    if (!next) return {};
    const Overlay begun{end - backward, next->old - backward, backward};
    if (next->text == text_.size()) Emit(begun);
    return begun;
  }

  // How far the present alignment goes: where twice the equal bytes less the length is largest.
  std::size_t ForwardLength(std::size_t end) const {
    if (!alignment_) return 0;
    const std::size_t room = std::min(end - alignment_->text, old_end_ - alignment_->old);
    std::ptrdiff_t score = 0;
    std::ptrdiff_t best = 0;
    std::size_t length = 0;
    for (std::size_t i = 0; i < room; ++i) {
      score += old_[alignment_->old + i] == text_[alignment_->text + i] ? 1 : -1;
      if (score > best) {
        best = score;
        length = i + 1;
      }
    }
    return length;
  }

  std::size_t BackwardLength(const Alignment& next) const {
    const std::size_t floor = alignment_ ? alignment_->text : last_end_;
    const std::size_t old_floor = SegmentBegin(next);
    const std::size_t room = std::min(next.text - floor, next.old - old_floor);
    std::ptrdiff_t score = 0;
    std::ptrdiff_t best = 0;
    std::size_t length = 0;
    for (std::size_t i = 1; i <= room; ++i) {
      score += old_[next.old - i] == text_[next.text - i] ? 1 : -1;
      if (score > best) {
        best = score;
        length = i;
      }
    }
    return length;
  }
  // An overlay stays in one segment: that of its first byte when it also goes forward, else (behind
  // the text) that of the byte before.
  std::size_t SegmentBegin(const Alignment& next) const {
    const std::size_t within = next.text == text_.size() && next.old != 0 ? next.old - 1 : next.old;
    return within == old_.size() ? within
                                 : static_cast<std::size_t>(old_text_.SegmentAt(within).text);
  }

  // Of `overlap` bytes that both alignments claim, how many go to the earlier one.
  std::size_t SplitOverlap(const Alignment& next, std::size_t forward, std::size_t backward,
                           std::size_t overlap) const {
    std::ptrdiff_t score = 0;
    std::ptrdiff_t best = 0;
    std::size_t kept = 0;
    for (std::size_t i = 0; i < overlap; ++i) {
      const std::uint8_t byte = text_[next.text - backward + i];
      const std::size_t earlier = alignment_->old + forward - overlap + i;
      score += old_[earlier] == byte ? 1 : 0;
      score -= old_[next.old - backward + i] == byte ? 1 : 0;
      if (score > best) {
        best = score;
        kept = i + 1;
      }
    }
    return kept;
  }

  void Emit(const Overlay& overlay) {
    std::size_t equal = 0;
    for (std::size_t i = 0; i < overlay.length; ++i) {
      equal += old_[overlay.old + i] == text_[overlay.text + i] ? 1U : 0U;
    }
    const std::size_t changed = overlay.length - equal;
    if (equal < changed + kMinGain) return;
    found_.laid.push_back(overlay);
  }

  const OldText& old_text_;
  ByteView old_;
  const SuffixIndex& index_;
  const ScanTask& task_;
  ByteView text_;
  Scan found_;
  std::size_t scan_ = 0;
  std::optional<Alignment> alignment_;  // the present one
  std::size_t old_end_ = 0;             // end of the segment that the alignment lies in
  std::size_t last_end_ = 0;            // of the last overlay, when there is no alignment
};

}  // namespace

Scan ScanSimilar(const OldText& old_text, const SuffixIndex& index, const ScanTask& task) {
  return Scanner(old_text, index, task).Run();
}

}  // namespace pawl::delta
