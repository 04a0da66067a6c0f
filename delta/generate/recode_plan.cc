// SPDX-License-Identifier: Apache-2.0
#include "delta/generate/recode_plan.h"

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

#include "base/hash.h"
#include "delta/apply/apply_container.h"
#include "delta/generate/block_match.h"
#include "delta/generate/block_prover.h"
#include "delta/generate/parallel.h"

namespace pawl::delta {
namespace {

// A view keeps pages of files aligned, so that equal ones are found as blocks.
constexpr std::uint64_t kPage = kMatchBlockBytes;

std::uint64_t AlignTo(std::uint64_t at, std::uint64_t phase) {
  return at + (kPage + phase % kPage - at % kPage) % kPage;
}

}  // namespace

class RecodePlanner {
 public:
  RecodePlanner(RandomReader& old_image, RandomReader& new_image, const GenerateOptions& options,
                GenerateStatistics& statistics)
      : old_image_(old_image),
        new_image_(new_image),
        options_(options),
        threads_(ThreadCount(options.threads)),
        statistics_(statistics) {}

  Result<std::unique_ptr<RecodePlan>> Run() {
    PAWL_ASSIGN_OR_RETURN(new_, FindBlocks(new_image_));
    if (new_.blocks.empty()) return nullptr;
    KeepAllowed(options_.encoders, new_);
    PAWL_ASSIGN_OR_RETURN(old_, FindBlocks(old_image_));
    if (old_.blocks.empty()) return nullptr;
    PAWL_ASSIGN_OR_RETURN(ScratchFile scratch, ScratchFile::Create(options_.scratch_directory));
    plan_.reset(new RecodePlan(old_image_, new_image_, std::move(scratch)));
    PAWL_TRY(FindKept());
    PAWL_TRY(ProveChanged());
    if (statistics_.blocks_encoded == 0) return nullptr;
    PAWL_TRY(DecodeOld());
    PAWL_TRY(ListTransforms());
    LayOutOld();
    LayOutNew();
    PlaceKept();
    return std::move(plan_);
  }

 private:
  // A changed block whose proof succeeded.
  struct Proved {
    std::size_t index = 0;  // in new_.blocks
    std::uint32_t plain = 0;
    Proof proof;
    std::uint64_t scratch = 0;  // where the plain bytes, and then those ahead, lie
  };

  Result<std::vector<Sha256Digest>> Digests(RandomReader& image,
                                            const std::vector<FoundBlock>& blocks) const {
    std::vector<Sha256Digest> digests(blocks.size());
    PAWL_TRY(ParallelFor(threads_, blocks.size(), [&](std::size_t i) -> Status {
      if (blocks[i].stored) return {};
      PAWL_ASSIGN_OR_RETURN(const Bytes coded, ReadFound(image, blocks[i]));
      digests[i] = HashSha256(coded);
      return {};
    }));
    return digests;
  }

  // Blocks that both images hold in coded form.
  Status FindKept() {
    PAWL_ASSIGN_OR_RETURN(const auto old_digests, Digests(old_image_, old_.blocks));
    PAWL_ASSIGN_OR_RETURN(const auto new_digests, Digests(new_image_, new_.blocks));
    std::map<Sha256Digest, std::size_t> by_digest;
    for (std::size_t i = 0; i < old_.blocks.size(); ++i) {
      if (!old_.blocks[i].stored) by_digest.emplace(old_digests[i], i);
    }
    old_kept_.resize(old_.blocks.size());
    for (std::size_t i = 0; i < new_.blocks.size(); ++i) {
      if (new_.blocks[i].stored) continue;
      ++statistics_.blocks_found;
      const auto same = by_digest.find(new_digests[i]);
      if (same == by_digest.end()) {
        NoteChanged(i);
        continue;
      }
      ++statistics_.blocks_kept;
      old_kept_[same->second] = true;
      kept_.emplace_back(i, same->second);
    }
    return {};
  }

  // A block that nothing may encode stays raw.
  void NoteChanged(std::size_t index) {
    const FoundBlock& block = new_.blocks[index];
    if (options_.encoders && new_.choices[block.choice].empty()) {
      ++statistics_.blocks_left_out[EncoderOf(block.coding)];
    } else {
      changed_.push_back(index);
    }
  }

  Status ProveChanged() {
    Ranking ranking(new_.choices);
    return InBatches(
        new_.blocks, changed_, kTrialBlocks,
        [&](std::size_t first, std::size_t count) { return ProveBatch(first, count, ranking); });
  }

  Status ProveBatch(std::size_t first, std::size_t count, Ranking& ranking) {
    const BlockProver prover(new_image_, new_, options_.decoder_memory_bytes);
    std::vector<BlockProver::Attempt> attempts(count);
    PAWL_TRY(ParallelFor(threads_, count, [&](std::size_t i) -> Status {
      const std::size_t index = changed_[first + i];
      PAWL_ASSIGN_OR_RETURN(attempts[i],
                            prover.Try(index, ranking.Order(new_.blocks[index].choice)));
      return {};
    }));
    for (std::size_t i = 0; i < count; ++i) {
      const std::size_t index = changed_[first + i];
      const BlockProver::Attempt& attempt = attempts[i];
      ranking.Count(new_.blocks[index].choice, attempt.proof);
      if (!attempt.proof) {
        ++statistics_.blocks_not_reproducible;
        continue;
      }
      ++statistics_.blocks_encoded;
      Proved proved{index, attempt.plain_bytes, *attempt.proof, 0};
      PAWL_ASSIGN_OR_RETURN(proved.scratch, plan_->scratch_.Append(attempt.input));
      proved_.push_back(proved);
    }
    ranking.Settle();
    return {};
  }

  Status DecodeOld() {
    std::vector<std::size_t> all;
    for (std::size_t i = 0; i < old_.blocks.size(); ++i) {
      if (!old_.blocks[i].stored) all.push_back(i);
    }
    old_scratch_.resize(old_.blocks.size());
    return InBatches(old_.blocks, all, all.size(), [&](std::size_t first, std::size_t count) {
      return DecodeOldBatch(all, first, count);
    });
  }

  Status DecodeOldBatch(const std::vector<std::size_t>& all, std::size_t first, std::size_t count) {
    std::vector<Bytes> plains(count);
    PAWL_TRY(ParallelFor(threads_, count, [&](std::size_t i) -> Status {
      Bytes coded;
      PAWL_ASSIGN_OR_RETURN(plains[i], DecodeFound(old_image_, old_.blocks[all[first + i]], coded));
      return {};
    }));
    for (std::size_t i = 0; i < count; ++i) {
      FoundBlock& block = old_.blocks[all[first + i]];
      block.plain = static_cast<std::uint32_t>(plains[i].size());  // 0: not decodable
      PAWL_ASSIGN_OR_RETURN(old_scratch_[all[first + i]], plan_->scratch_.Append(plains[i]));
    }
    return {};
  }

  // The transforms that are used; those over the format's number are not.
  Status ListTransforms() {
    std::map<Transform, std::uint64_t> longest;
    for (const Proved& proved : proved_) {
      std::uint64_t& bytes = longest[proved.proof.transform];
      bytes = std::max(bytes, std::uint64_t{proved.plain} + proved.proof.ahead);
    }
    for (const auto& [transform, bytes] : longest) {
      if (plan_->transforms_.size() == kMaxTransforms) break;
      PAWL_ASSIGN_OR_RETURN(const TransformEntry entry, DescribeTransform(transform, bytes));
      plan_->transforms_.push_back(entry);
    }
    const auto unlisted = [&](const Proved& proved) { return !TransformIndex(proved); };
    std::erase_if(proved_, unlisted);
    return {};
  }

  std::optional<std::uint16_t> TransformIndex(const Proved& proved) const {
    const auto at =
        std::ranges::find(plan_->transforms_, proved.proof.transform, &TransformEntry::transform);
    if (at == plan_->transforms_.end()) return std::nullopt;
    return static_cast<std::uint16_t>(at - plan_->transforms_.begin());
  }

  void LayOutOld() {
    plan_->old_view_.Add(0, old_image_.SizeBytes(), old_image_, 0);
    std::uint64_t at = old_image_.SizeBytes();
    for (std::size_t i = 0; i < old_.blocks.size(); ++i) {
      const FoundBlock& block = old_.blocks[i];
      if (block.stored || block.plain == 0) continue;
      at = AlignTo(at, block.phase);
      plan_->old_view_.Add(at, block.plain, plan_->scratch_, old_scratch_[i]);
      plan_->old_blocks_.push_back({block.offset, block.coded, block.plain, block.coding,
                                    static_cast<bool>(old_kept_[i]), at});
      at += block.plain;
    }
  }

  void AddRaw(std::uint64_t begin, std::uint64_t end) {
    if (end <= begin) return;
    view_at_ = AlignTo(view_at_, begin);
    plan_->new_view_.Add(view_at_, end - begin, new_image_, begin);
    RecodePlan::NewItem item;
    item.target = begin;
    item.target_bytes = item.view_bytes = end - begin;
    item.view = view_at_;
    plan_->items_.push_back(item);
    view_at_ += end - begin;
  }

  void LayOutNew() {
    std::uint64_t target = 0;
    std::uint64_t reach = 0;  // in the view: how far encoders look
    const Proved* furthest = nullptr;
    for (std::size_t i = 0; i < proved_.size(); ++i) {
      const Proved& proved = proved_[i];
      const FoundBlock& block = new_.blocks[proved.index];
      AddRaw(target, block.offset - block.zeros);
      const bool goes_on = !plan_->items_.empty() && plan_->items_.back().linked;
      if (!goes_on) view_at_ = AlignTo(view_at_, block.phase);
      plan_->new_view_.Add(view_at_, proved.plain, plan_->scratch_, proved.scratch);
      RecodePlan::NewItem item{block.offset - block.zeros,
                               std::uint64_t{block.zeros} + block.coded,
                               view_at_,
                               proved.plain,
                               true,
                               false,
                               *TransformIndex(proved),
                               proved.proof.ahead,
                               block.zeros};
      view_at_ += proved.plain;
      target = block.offset + block.coded;
      if (view_at_ + item.ahead >= reach) {
        reach = view_at_ + item.ahead;
        furthest = &proved;
      }
      item.linked = Linked(i, target);
      if (!item.linked && reach > view_at_) AddTail(*furthest, reach);
      plan_->items_.push_back(item);
    }
    AddRaw(target, new_image_.SizeBytes());
  }

  // True when the next block's plain bytes follow those of block `i`, and so does the block itself.
  bool Linked(std::size_t i, std::uint64_t target) const {
    if (i + 1 == proved_.size()) return false;
    const FoundBlock& next = new_.blocks[proved_[i + 1].index];
    return new_.blocks[proved_[i].index].continues &&
           proved_[i + 1].index == proved_[i].index + 1 && next.offset - next.zeros == target;
  }

  // Plain bytes behind the last block of a file's run, for encoders to look at.
  void AddTail(const Proved& from, std::uint64_t reach) {
    const std::uint64_t length = reach - view_at_;
    const std::uint64_t end = from.scratch + from.plain + from.proof.ahead;
    plan_->new_view_.Add(view_at_, length, plan_->scratch_, end - length);
    view_at_ = reach;
  }

  void PlaceKept() {
    for (const auto& [in_new, in_old] : kept_) {
      const FoundBlock& block = new_.blocks[in_new];
      auto item =
          std::ranges::upper_bound(plan_->items_, block.offset, {}, &RecodePlan::NewItem::target);
      --item;
      AppendPiece(plan_->kept_, {item->view + (block.offset - item->target), block.coded,
                                 old_.blocks[in_old].offset, PieceKind::kShifted});
    }
  }

  RandomReader& old_image_;
  RandomReader& new_image_;
  const GenerateOptions& options_;
  unsigned threads_;
  GenerateStatistics& statistics_;
  FoundBlocks old_;
  FoundBlocks new_;
  std::vector<bool> old_kept_;
  std::vector<std::pair<std::size_t, std::size_t>> kept_;  // new block, old block
  std::vector<std::size_t> changed_;                       // new blocks
  std::vector<Proved> proved_;                             // in order of offset
  std::vector<std::uint64_t> old_scratch_;
  std::uint64_t view_at_ = 0;
  std::unique_ptr<RecodePlan> plan_;
};

Result<std::unique_ptr<RecodePlan>> RecodePlan::Make(RandomReader& old_image,
                                                     RandomReader& new_image,
                                                     const GenerateOptions& options,
                                                     GenerateStatistics& statistics) {
  return RecodePlanner(old_image, new_image, options, statistics).Run();
}

std::vector<Range> RecodePlan::WorthSorting(const std::vector<Range>& ranges) const {
  std::vector<Range> without;  // in order
  for (const OldBlock& block : old_blocks_) without.push_back({block.offset, block.coded});
  for (const OldBlock& block : old_blocks_) {
    if (block.kept) without.push_back({block.view, block.plain});
  }
  std::vector<Range> kept;
  auto hole = without.begin();
  for (const Range& range : ranges) {
    std::uint64_t at = range.begin;
    while (hole != without.end() && hole->end() <= at) ++hole;
    for (auto next = hole; next != without.end() && next->begin < range.end(); ++next) {
      if (next->begin > at) kept.push_back({at, next->begin - at});
      at = std::max(at, next->end());
    }
    if (at < range.end()) kept.push_back({at, range.end() - at});
  }
  return kept;
}

void RecodePlan::AddKept(Pieces& pieces) const {
  Pieces all;
  const std::vector<Range> gaps = Gaps(pieces, new_view_.SizeBytes());
  auto kept = kept_.begin();
  auto piece = pieces.begin();
  for (const Range& gap : gaps) {
    while (piece != pieces.end() && piece->target < gap.begin) all.push_back(*piece++);
    while (kept != kept_.end() && kept->target + kept->length <= gap.begin) ++kept;
    for (; kept != kept_.end() && kept->target < gap.end(); ++kept) {
      const std::uint64_t begin = std::max(kept->target, gap.begin);
      const std::uint64_t end = std::min(kept->target + kept->length, gap.end());
      all.push_back({begin, end - begin, kept->source + (begin - kept->target), kept->kind});
      if (kept->target + kept->length > gap.end()) break;  // the next gap may be in it too
    }
  }
  all.insert(all.end(), piece, pieces.end());
  pieces = std::move(all);
}

}  // namespace pawl::delta
