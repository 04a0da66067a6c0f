// SPDX-License-Identifier: Apache-2.0
#include "delta/generate/alignment_choice.h"

#include <algorithm>
#include <array>
#include <limits>
#include <utility>

#include "delta/apply/address_map.h"

namespace pawl::delta {
namespace {

// What going over to another alignment costs: an operation with a distance of its own, and for the
// model a place where it knows less.
constexpr Cost kSwitch = 40 * kBit;
// Going over to literal bytes: an operation without a distance.
constexpr Cost kToLiteral = 14 * kBit;
// When the text ends on another alignment than the piece behind it has, that piece pays a distance.
constexpr Cost kRejoin = 20 * kBit;
// Of a byte that is equal: long after a change, and soon after one.
constexpr Cost kCalmByte = 1;
constexpr Cost kNearByte = 6;
constexpr std::uint32_t kCalmAfter = 16;
// Of a word that changes as the one before it did, or the one before that, or one at a distance
// that tables have.
constexpr Cost kSameChange = kBit / 2;
constexpr Cost kRecentChange = kBit;
constexpr std::array<std::size_t, 3> kStrides = {8, 16, 24};
// Of a byte that differs where no whole word is left.
constexpr Cost kOddByte = 7 * kBit;
// Alignments under consideration at one byte: bounds the time.
constexpr std::size_t kMaxActive = 32;
// An alignment that was not worth entering for so many bytes is given up until a match names it.
constexpr std::size_t kPatience = 64;
// A match is followed back until so many more bytes differ than are equal.
constexpr std::ptrdiff_t kMaxDrop = 32;
constexpr std::size_t kMaxBackward = 2048;

constexpr std::uint32_t kLiteral = std::numeric_limits<std::uint32_t>::max();

// The least sum of costs from the begin of the text to each byte, for each alignment that may hold
// there and for literal bytes (Viterbi 1967); then the way back from the end.
class Chooser {
 public:
  Chooser(const OldText& old_text, const CodingCosts& costs, const ScanTask& task)
      : old_text_(old_text),
        old_(old_text.bytes()),
        costs_(costs),
        task_(task),
        text_(task.text),
        steps_(task.text.size() + 1) {}

  Pieces Run(const Scan& scan) {
    starts_.reserve(scan.laid.size() + scan.matches.size() + 1);
    for (const Overlay& overlay : scan.laid) AddStart(overlay);
    for (const Overlay& match : scan.matches) AddStart(match);
    AddNeighbours();
    std::ranges::stable_sort(starts_, {}, &Overlay::text);
    auto start = starts_.begin();
    for (std::size_t at = 0; at < text_.size(); ++at) {
      const std::uint64_t least = Settle(at);
      GoOver(at, least);
      for (; start != starts_.end() && start->text == at; ++start) Enter(*start, least + kSwitch);
      PayByte(at);
    }
    PayRejoin();
    Settle(text_.size());
    return WayBack();
  }

 private:
  // An alignment under consideration.
  struct Active {
    std::uint64_t shift = 0;        // old position less text position, mod 2^64
    std::size_t old_end = 0;        // of its segment
    std::uint64_t image_shift = 0;  // image offset less old position, mod 2^64
    std::uint64_t cost = 0;         // least, of all text before, when it holds here
    std::size_t entered = 0;        // where that went over to it
    std::size_t useful_to = 0;      // where it was last worth keeping
    std::size_t paid_to = 0;        // end of the changed word that was paid last
    std::uint32_t trust = 0;        // for CodingCosts
    std::uint32_t last_change = 0;
    std::uint32_t change_before = 0;
    std::uint32_t quiet = kCalmAfter;  // equal bytes since the last change
  };
  // The cheapest way to a byte ends with this.
  struct Step {
    std::uint32_t old = kLiteral;   // old position there
    std::uint32_t entered = 0;      // where the way went over to this alignment
  };

  // Lets an overlay be entered up to some bytes before it begins.
  void AddStart(const Overlay& overlay) {
    const std::size_t back = BackwardLength(overlay);
    if (overlay.length + back == 0) return;
    starts_.push_back({overlay.text - back, overlay.old - back, overlay.length + back});
  }
  std::size_t BackwardLength(const Overlay& overlay) const {
    // Its segment: that of its first byte, or when it is empty, of the byte before.
    const std::size_t within = overlay.length == 0 ? overlay.old - 1 : overlay.old;
    const auto floor = static_cast<std::size_t>(old_text_.SegmentAt(within).text);
    const std::size_t room = std::min({overlay.text, overlay.old - floor, kMaxBackward});
    std::ptrdiff_t score = 0;
    std::ptrdiff_t best = 0;
    std::size_t length = 0;
    for (std::size_t i = 1; i <= room && score >= best - kMaxDrop; ++i) {
      score += old_[overlay.old - i] == text_[overlay.text - i] ? 1 : -1;
      if (score > best) {
        best = score;
        length = i;
      }
    }
    return length;
  }

  // The alignments of the pieces before and behind the text.
  void AddNeighbours() {
    if (task_.source_before) {
      const auto at = old_text_.TextPosition(*task_.source_before);
      if (at && *at < old_.size() && ImageOffset(*at) == *task_.source_before) {
        Enter({0, static_cast<std::size_t>(*at), 0}, 0);
        literal_cost_ = kToLiteral;
      }
    }
    if (task_.source_behind) {
      const auto at = old_text_.TextPosition(*task_.source_behind);
      if (at && *at > 0) AddStart({text_.size(), static_cast<std::size_t>(*at), 0});
    }
  }
  std::uint64_t ImageOffset(std::uint64_t position) const {
    const OldText::Segment& segment = old_text_.SegmentAt(position);
    return segment.image + (position - segment.text);
  }

  // Notes the cheapest way to `at` and returns its cost.
  std::uint64_t Settle(std::size_t at) {
    std::uint64_t least = literal_cost_;
    Step step{kLiteral, static_cast<std::uint32_t>(literal_entered_)};
    for (const Active& active : active_) {
      if (active.cost >= least) continue;
      least = active.cost;
      step = {static_cast<std::uint32_t>(at + active.shift),
              static_cast<std::uint32_t>(active.entered)};
    }
    steps_[at] = step;
    return least;
  }

  // What is reached more cheaply from the cheapest way to `at`, is.
  void GoOver(std::size_t at, std::uint64_t least) {
    if (literal_cost_ > least + kToLiteral) {
      literal_cost_ = least + kToLiteral;
      literal_entered_ = at;
    }
    for (std::size_t i = 0; i < active_.size();) {
      Active& active = active_[i];
      if (active.cost < least + kSwitch) {
        active.useful_to = std::max(active.useful_to, at);
      } else if (at > active.useful_to + kPatience) {
        Drop(i);
        continue;
      } else {
        active.cost = least + kSwitch;
        active.entered = at;
      }
      ++i;
    }
  }

  void Enter(const Overlay& start, std::uint64_t cost) {
    const std::size_t useful_to = start.text + start.length;
    for (Active& active : active_) {
      if (start.text + active.shift != start.old || start.old >= active.old_end) continue;
      active.useful_to = std::max(active.useful_to, useful_to);
      return;
    }
    if (active_.size() == kMaxActive) {
      const auto first_to_go = std::ranges::min_element(active_, {}, &Active::useful_to);
      Drop(static_cast<std::size_t>(first_to_go - active_.begin()));
    }
    const OldText::Segment& segment = old_text_.SegmentAt(start.old);
    Active active;
    active.shift = start.old - start.text;
    active.old_end = static_cast<std::size_t>(segment.text_end());
    active.image_shift = segment.image - segment.text;
    active.cost = cost;
    active.entered = start.text;
    active.useful_to = useful_to;
    active_.push_back(active);
  }
  void Drop(std::size_t i) {
    active_[i] = active_.back();
    active_.pop_back();
  }

  void PayByte(std::size_t at) {
    literal_cost_ += costs_.OfLiteralByte();
    for (std::size_t i = 0; i < active_.size();) {
      Active& active = active_[i];
      const std::size_t old = at + active.shift;
      if (old >= active.old_end) {
        Drop(i);
        continue;
      }
      if (old_[old] == text_[at]) {
        active.cost += active.quiet < kCalmAfter ? kNearByte : kCalmByte;
        ++active.quiet;
      } else {
        active.cost += ChangeCost(active, at, old);
        active.quiet = 0;
      }
      ++i;
    }
  }
  // Words begin with their first byte that differs: addresses mostly change in their lowest.
  Cost ChangeCost(Active& active, std::size_t at, std::size_t old) const {
    // Not when the way came here in the middle of the word.
    if (at < active.paid_to && at >= active.entered + sizeof(std::uint32_t)) return 0;
    if (at + sizeof(std::uint32_t) > text_.size() ||
        old + sizeof(std::uint32_t) > active.old_end) {
      return kOddByte;
    }
    active.paid_to = at + sizeof(std::uint32_t);
    const std::uint32_t change = ChangeAt(at, old);
    if (change == active.last_change) return kSameChange;
    std::swap(active.last_change, active.change_before);
    if (change == active.last_change) return kRecentChange;
    active.last_change = change;
    for (const std::size_t stride : kStrides) {
      if (stride <= at - active.entered && ChangeAt(at - stride, old - stride) == change) {
        return kRecentChange;
      }
    }
    return costs_.OfWord(LoadWord(&old_[old]), old + active.image_shift, LoadWord(&text_[at]),
                         task_.target + at, active.trust);
  }

  // How much a word changes. REQUIRES: four bytes each.
  std::uint32_t ChangeAt(std::size_t at, std::size_t old) const {
    return LoadWord(&text_[at]) - LoadWord(&old_[old]);
  }

  void PayRejoin() {
    if (!task_.source_behind) return;
    literal_cost_ += kRejoin;
    for (Active& active : active_) {
      const std::uint64_t image = text_.size() + active.shift + active.image_shift;
      if (image != *task_.source_behind) active.cost += kRejoin;
    }
  }

  Pieces WayBack() const {
    Pieces pieces;
    for (std::size_t end = text_.size(); end > 0;) {
      const Step& step = steps_[end];
      const std::size_t length = end - step.entered;
      // The position at the end may be behind its segment.
      if (step.old != kLiteral && length != 0) {
        pieces.push_back({task_.target + step.entered, length, ImageOffset(step.old - length),
                          PieceKind::kSimilar});
      }
      end = step.entered;
    }
    std::ranges::reverse(pieces);
    return pieces;
  }

  const OldText& old_text_;
  ByteView old_;
  const CodingCosts& costs_;
  const ScanTask& task_;
  ByteView text_;
  std::vector<Overlay> starts_;
  std::vector<Active> active_;
  std::uint64_t literal_cost_ = 0;
  std::size_t literal_entered_ = 0;
  std::vector<Step> steps_;  // for each byte and the end
};

}  // namespace

Pieces ChooseAlignments(const OldText& old_text, const CodingCosts& costs, const ScanTask& task,
                        const Scan& scan) {
  if (old_text.bytes().empty()) return {};
  return Chooser(old_text, costs, task).Run(scan);
}

}  // namespace pawl::delta
