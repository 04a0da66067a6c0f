// SPDX-License-Identifier: Apache-2.0
#include "delta/generate/similar_match.h"

#include <algorithm>
#include <iterator>
#include <optional>
#include <span>

#include "delta/generate/alignment_choice.h"
#include "delta/generate/coding_costs.h"
#include "delta/generate/old_text.h"
#include "delta/generate/shift_match.h"
#include "delta/generate/suffix_index.h"
#include "delta/generate/suffix_match.h"
#include "delta/generate/window_choice.h"

namespace pawl::delta {
namespace {

constexpr std::uint64_t kUnitBytes = 4ULL << 20;  // of the new image per unit, and per group
// Old bytes around an unmatched block that are sorted too: content that moved by less than this is
// found although its block as such was matched elsewhere.
constexpr std::uint64_t kMarginBytes = 4096;
constexpr std::uint64_t kMaxWindow = 1ULL << 30;  // the sort's 32-bit positions
// What this misses are matches of few bytes; it saves a third of the scan.
constexpr std::size_t kFastStride = 2;
constexpr std::uint64_t kMinGap = 16;             // shorter gaps stay literal

// What one thread takes at most while it chooses alignments in kUnitBytes of text: that text, eight
// bytes for each step through it, remembered matches twice and the room to sort them, the costs.
constexpr std::uint64_t kChoiceBytes = 72ULL << 20;

// A run of unmatched new bytes.
struct Unit {
  Range range;
  Pieces pieces;  // found in it, in order
  std::size_t window = 0;
};

std::vector<Unit> CutIntoUnits(const Pieces& pieces, std::uint64_t target_bytes) {
  std::vector<Unit> units;
  for (const Range& gap : Gaps(pieces, target_bytes)) {
    for (std::uint64_t at = gap.begin; at < gap.end(); at += kUnitBytes) {
      units.push_back({{at, std::min(kUnitBytes, gap.end() - at)}, {}, 0});
    }
  }
  return units;
}

// Neighbours, together about as long as one unit, whose scans learn the costs together: what most
// gaps hold alone is too little to learn from.
std::vector<Range> CutIntoGroups(const std::vector<Unit>& units) {
  std::vector<Range> groups;
  std::uint64_t bytes = 0;
  for (std::size_t i = 0; i < units.size(); ++i) {
    if (groups.empty() || bytes + units[i].range.length > kUnitBytes) {
      groups.push_back({i, 0});
      bytes = 0;
    }
    ++groups.back().length;
    bytes += units[i].range.length;
  }
  return groups;
}

// The scan of one unit.
struct UnitScan {
  Unit* unit = nullptr;
  Bytes text;
  std::vector<ScanTask> tasks;  // what shifted matches left of the text
  std::vector<Scan> scans;      // of each task
};

// Joins lists of pieces that do not overlap.
void Merge(Pieces& into, const Pieces& from) {
  Pieces all;
  all.reserve(into.size() + from.size());
  std::ranges::merge(into, from, std::back_inserter(all), {}, &Piece::target, &Piece::target);
  into = std::move(all);
}

bool HasSource(const Piece& piece) { return piece.kind != PieceKind::kZero; }

class SimilarMatcher {
 public:
  SimilarMatcher(RandomReader& old_image, RandomReader& new_image, BlockMatches& matches,
                 const GenerateOptions& options, ProgressCounter& progress)
      : old_(old_image),
        new_(new_image),
        matches_(matches),
        memory_bytes_(options.memory_bytes),
        threads_(ThreadCount(options.threads)),
        without_(options.without),
        stride_(options.effort == Effort::kFast ? kFastStride : 1),
        choose_(options.effort == Effort::kBest),
        progress_(progress) {}

  Status Run() {
    units_ = CutIntoUnits(matches_.pieces, new_.SizeBytes());
    progress_.Add(new_.SizeBytes() - UnitBytes());
    if (!without_.contains(Layer::kShifted)) PAWL_TRY(MatchShifted());
    if (!without_.contains(Layer::kSimilar)) PAWL_TRY(ScanAll());
    CollectPieces();
    return {};
  }

 private:
  Status ScanAll() {
    PAWL_TRY(PlanWindows());
    for (std::size_t window = 0; window < windows_.size(); ++window) PAWL_TRY(ScanWindow(window));
    return {};
  }

  std::uint64_t UnitBytes() const {
    std::uint64_t sum = 0;
    for (const Unit& unit : units_) sum += unit.range.length;
    return sum;
  }

  Result<Bytes> Read(const Range& range) const {
    Bytes bytes(static_cast<std::size_t>(range.length));
    PAWL_TRY(new_.ReadAt(range.begin, bytes));
    return bytes;
  }

  Status MatchShifted() {
    PAWL_ASSIGN_OR_RETURN(const ShiftIndex index, ShiftIndex::Build(old_));
    return ParallelFor(threads_, units_.size(), [&](std::size_t i) -> Status {
      Unit& unit = units_[i];
      PAWL_ASSIGN_OR_RETURN(const Bytes text, Read(unit.range));
      PAWL_ASSIGN_OR_RETURN(unit.pieces, index.Match(old_, unit.range.begin, text));
      return {};
    });
  }

  // Cuts the old text to what the memory bound lets sort at once, and gives each unit its window.
  Status PlanWindows() {
    const std::vector<Range> old_text =
        Widen(matches_.old_unmatched, kMarginBytes, old_.SizeBytes());
    std::uint64_t room = memory_bytes_ * 3 / 4;
    if (choose_) room = std::min(room, memory_bytes_ - kChoiceBytes);  // one thread at least
    const std::uint64_t limit = std::min(kMaxWindow, room / SuffixIndex::kBytesPerTextByte);
    windows_ = CutIntoWindows(old_text, limit);
    if (windows_.size() < 2) return {};
    PAWL_ASSIGN_OR_RETURN(const WindowChoice choice, WindowChoice::Build(old_, windows_));
    return ParallelFor(threads_, units_.size(), [&](std::size_t i) -> Status {
      PAWL_ASSIGN_OR_RETURN(const Bytes text, Read(units_[i].range));
      const Piece* before = PieceBefore(units_[i].range.begin);
      const std::uint64_t near = before != nullptr ? before->source + before->length
                                                   : units_[i].range.begin;
      units_[i].window = choice.Choose(text, near);
      return {};
    });
  }

  Status ScanWindow(std::size_t window) {
    PAWL_ASSIGN_OR_RETURN(const OldText old_text, OldText::Load(old_, windows_[window]));
    PAWL_ASSIGN_OR_RETURN(const SuffixIndex index, SuffixIndex::Build(old_text.bytes()));
    const std::vector<Range> groups = CutIntoGroups(units_);
    return ParallelFor(ScanThreads(old_text), groups.size(), [&](std::size_t i) -> Status {
      std::vector<UnitScan> scans;
      for (Unit& unit : std::span(units_).subspan(groups[i].begin, groups[i].length)) {
        if (unit.window != window) continue;
        PAWL_ASSIGN_OR_RETURN(Bytes text, Read(unit.range));
        scans.push_back({&unit, std::move(text), {}, {}});
      }
      if (!scans.empty()) ScanGroup(old_text, index, scans);
      return {};
    });
  }

  // As many as the memory bound has room for beside the sorted text.
  unsigned ScanThreads(const OldText& old_text) const {
    if (!choose_) return threads_;
    const std::uint64_t sorted = old_text.bytes().size() * SuffixIndex::kBytesPerTextByte;
    const std::uint64_t fitting = (memory_bytes_ - std::min(memory_bytes_, sorted)) / kChoiceBytes;
    return static_cast<unsigned>(std::clamp<std::uint64_t>(fitting, 1, threads_));
  }

  // Scans units; with `choose_`, learns from the scans what changes cost and chooses by that.
  void ScanGroup(const OldText& old_text, const SuffixIndex& index, std::vector<UnitScan>& group) {
    for (UnitScan& scan : group) {
      scan.tasks = TasksOf(*scan.unit, scan.text);
      for (const ScanTask& task : scan.tasks) {
        scan.scans.push_back(ScanSimilar(old_text, index, task));
      }
    }
    std::optional<CodingCosts> costs;
    if (choose_) costs = LearnCosts(old_text, group);
    for (const UnitScan& scan : group) {
      Pieces found;
      for (std::size_t i = 0; i < scan.tasks.size(); ++i) {
        const Pieces pieces =
            costs ? ChooseAlignments(old_text, *costs, scan.tasks[i], scan.scans[i])
                  : LaidPieces(old_text, scan.tasks[i], scan.scans[i]);
        found.insert(found.end(), pieces.begin(), pieces.end());
      }
      Merge(scan.unit->pieces, found);
      progress_.Add(scan.unit->range.length);
    }
  }

  static Pieces LaidPieces(const OldText& old_text, const ScanTask& task, const Scan& scan) {
    Pieces pieces;
    for (const Overlay& overlay : scan.laid) {
      const OldText::Segment& segment = old_text.SegmentAt(overlay.old);
      pieces.push_back({task.target + overlay.text, overlay.length,
                        segment.image + (overlay.old - segment.text), PieceKind::kSimilar});
    }
    return pieces;
  }

  static CodingCosts LearnCosts(const OldText& old_text, const std::vector<UnitScan>& group) {
    CodingCosts costs;
    for (const UnitScan& scan : group) {
      for (std::size_t i = 0; i < scan.tasks.size(); ++i) {
        Learn(old_text, scan.tasks[i], scan.scans[i], costs);
      }
    }
    costs.FinishLearning();
    return costs;
  }

  static void Learn(const OldText& old_text, const ScanTask& task, const Scan& scan,
                    CodingCosts& costs) {
    std::size_t at = 0;
    for (const Overlay& overlay : scan.laid) {
      costs.LearnLiteral(task.text.subspan(at, overlay.text - at));
      const OldText::Segment& segment = old_text.SegmentAt(overlay.old);
      costs.LearnDifference(old_text.bytes().subspan(overlay.old, overlay.length),
                            segment.image + (overlay.old - segment.text),
                            task.text.subspan(overlay.text, overlay.length),
                            task.target + overlay.text);
      at = overlay.text + overlay.length;
    }
    costs.LearnLiteral(task.text.subspan(at));
  }

  // What the shifted matches left of a unit.
  std::vector<ScanTask> TasksOf(const Unit& unit, ByteView text) const {
    std::vector<ScanTask> tasks;
    std::uint64_t at = unit.range.begin;
    const Piece* before = PieceBefore(at);
    for (std::size_t i = 0; i <= unit.pieces.size(); ++i) {
      const bool last = i == unit.pieces.size();
      const Piece* behind = last ? PieceAt(unit.range.end()) : &unit.pieces[i];
      const std::uint64_t end = last ? unit.range.end() : behind->target;
      if (end - at >= kMinGap) {
        ScanTask task{text.subspan(at - unit.range.begin, end - at), at, {}, {}, stride_, choose_};
        if (before != nullptr) task.source_before = before->source + before->length;
        if (behind != nullptr) task.source_behind = behind->source;
        tasks.push_back(task);
      }
      if (!last) at = behind->target + behind->length;
      before = behind;
    }
    return tasks;
  }

  // The block match that ends or begins at a place of the target; null when there is none.
  const Piece* PieceBefore(std::uint64_t target) const {
    const auto next = std::ranges::lower_bound(matches_.pieces, target, {}, &Piece::target);
    if (next == matches_.pieces.begin()) return nullptr;
    const Piece& piece = *(next - 1);
    return piece.target + piece.length == target && HasSource(piece) ? &piece : nullptr;
  }
  const Piece* PieceAt(std::uint64_t target) const {
    const auto piece = std::ranges::lower_bound(matches_.pieces, target, {}, &Piece::target);
    if (piece == matches_.pieces.end() || piece->target != target) return nullptr;
    return HasSource(*piece) ? &*piece : nullptr;
  }

  void CollectPieces() {
    Pieces found;
    for (const Unit& unit : units_) {
      for (const Piece& piece : unit.pieces) AppendPiece(found, piece);
    }
    Merge(matches_.pieces, found);
  }

  RandomReader& old_;
  RandomReader& new_;
  BlockMatches& matches_;
  std::uint64_t memory_bytes_;
  unsigned threads_;
  std::set<Layer> without_;
  std::size_t stride_;
  bool choose_;  // by costs; else what Percival's rule lays
  ProgressCounter& progress_;
  std::vector<Unit> units_;
  std::vector<std::vector<Range>> windows_;
};

}  // namespace

Status MatchSimilar(RandomReader& old_image, RandomReader& new_image, BlockMatches& matches,
                    const GenerateOptions& options, ProgressCounter& progress) {
  return SimilarMatcher(old_image, new_image, matches, options, progress).Run();
}

}  // namespace pawl::delta
