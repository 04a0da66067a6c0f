// SPDX-License-Identifier: Apache-2.0
#include "delta/generate/recode_frame.h"

#include <algorithm>
#include <map>

#include "delta/apply/source_blocks.h"
#include "delta/generate/block_match.h"

namespace pawl::delta {
namespace {

// Extents: as long as this, so that digests cost little and little is read for one block; they go
// on over so many bytes that nobody needs.
constexpr std::uint64_t kExtentGoal = 256ULL << 10;
constexpr std::uint64_t kMaxExtentGap = 8ULL << 10;
// A source block that gives fewer bytes is not worth its decoding and its place in the recipe.
constexpr std::uint64_t kMinBlockUse = 128;
// Addresses of blocks that lie so close together in the old view keep their distance.
constexpr std::uint64_t kMaxKeptDistance = 1ULL << 20;

class Recoder {
 public:
  Recoder(const RecodePlan& plan, const Pieces& pieces, const Range& target)
      : plan_(plan), pieces_(pieces), target_(target) {}

  Result<RecodedFrame> Run() {
    LayOut();
    for (PlainRun& run : frame_.runs) CollectPieces(run);
    DropPoorBlocks();
    ListBlocks();
    for (PlainRun& run : frame_.runs) Address(run);
    PAWL_TRY(HashExtents());
    CheckLimits();
    return std::move(frame_);
  }

 private:
  using OldBlock = RecodePlan::OldBlock;
  using NewItem = RecodePlan::NewItem;

  // Segments, and the runs of the new view that are their plain bytes.
  void LayOut() {
    auto item = std::ranges::upper_bound(plan_.items(), target_.begin, {}, &NewItem::target) - 1;
    std::uint64_t at = 0;                    // in the new view
    std::uint64_t reach = 0;                 // how far encoders look
    std::uint64_t position = target_.begin;  // modulo a page like places in the view
    for (; item != plan_.items().end() && item->target < target_.end(); ++item) {
      const std::uint64_t begin = std::max(item->target, target_.begin);
      const std::uint64_t end = std::min(item->target + item->target_bytes, target_.end());
      if (!item->block) {
        AddRun({item->view + (begin - item->target), end - begin});
        AddRaw(end - begin);
        position += end - begin;
        continue;
      }
      AddRun({item->view, item->view_bytes});
      Segment segment;
      segment.kind = SegmentKind::kBlock;
      segment.transform = item->transform;
      segment.plain = item->view_bytes;
      segment.ahead = item->ahead;
      segment.zeros = item->zeros;
      segment.coded = static_cast<std::uint32_t>(item->target_bytes - item->zeros);
      segment.skip = static_cast<std::uint32_t>(begin - item->target);
      segment.take = static_cast<std::uint32_t>(end - begin);
      segment.advance = static_cast<std::uint32_t>((item->view - position) % kMatchBlockBytes);
      position += segment.advance + segment.plain;
      frame_.recipe.segments.push_back(segment);
      at = item->view + item->view_bytes;
      reach = std::max(reach, at + item->ahead);
      const bool goes_on = item->linked && end != target_.end();
      if (!goes_on && reach > at) {
        AddRun({at, reach - at});
        position += reach - at;
        frame_.recipe.segments.push_back({SegmentKind::kDrop, 0, reach - at, 0, 0, 0, 0, 0, 0});
      }
    }
  }

  void AddRun(const Range& view) {
    if (!frame_.runs.empty() && frame_.runs.back().view.end() == view.begin) {
      frame_.runs.back().view.length += view.length;
    } else {
      frame_.runs.push_back({view, {}});
    }
  }
  void AddRaw(std::uint64_t length) {
    auto& segments = frame_.recipe.segments;
    if (!segments.empty() && segments.back().kind == SegmentKind::kRaw) {
      segments.back().plain += length;
    } else {
      segments.push_back({SegmentKind::kRaw, 0, length, 0, 0, 0, 0, 0, 0});
    }
  }

  void CollectPieces(PlainRun& run) {
    auto piece = std::ranges::upper_bound(pieces_, run.view.begin, {}, &Piece::target);
    if (piece != pieces_.begin()) --piece;
    for (; piece != pieces_.end() && piece->target < run.view.end(); ++piece) {
      const std::uint64_t begin = std::max(piece->target, run.view.begin);
      const std::uint64_t end = std::min(piece->target + piece->length, run.view.end());
      if (end <= begin) continue;
      const Piece part{begin, end - begin, piece->source + (begin - piece->target), piece->kind};
      if (part.kind == PieceKind::kZero) {
        run.pieces.push_back({part, 0});
      } else {
        SplitBySource(part, run);
      }
    }
  }

  // Cuts a piece where the old view goes from one part to the next; what lies between parts is
  // nobody's and stays literal.
  void SplitBySource(Piece piece, PlainRun& run) {
    const std::uint64_t raw_bytes = plan_.old_image().SizeBytes();
    while (piece.length != 0) {
      std::uint64_t here = piece.length;
      if (piece.source < raw_bytes) {
        here = std::min(here, raw_bytes - piece.source);
        run.pieces.push_back({piece, piece.source});
        run.pieces.back().piece.length = here;
      } else {
        const auto behind =
            std::ranges::upper_bound(plan_.old_blocks(), piece.source, {}, &OldBlock::view);
        const bool inside =
            behind != plan_.old_blocks().begin() && (behind - 1)->view_end() > piece.source;
        if (inside) {
          here = std::min(here, (behind - 1)->view_end() - piece.source);
          run.pieces.push_back({piece, 0});
          run.pieces.back().piece.length = here;
          used_[Index(behind - 1)] += here;
        } else if (behind != plan_.old_blocks().end()) {
          here = std::min(here, behind->view - piece.source);
        }
      }
      piece.target += here;
      piece.source += here;
      piece.length -= here;
    }
  }

  std::size_t Index(std::vector<OldBlock>::const_iterator block) const {
    return static_cast<std::size_t>(block - plan_.old_blocks().begin());
  }

  bool FromBlock(const AddressedPiece& part) const {
    return part.piece.kind != PieceKind::kZero &&
           part.piece.source >= plan_.old_image().SizeBytes();
  }
  std::size_t BlockOf(const AddressedPiece& part) const {
    return Index(
        std::ranges::upper_bound(plan_.old_blocks(), part.piece.source, {}, &OldBlock::view) - 1);
  }

  void DropPoorBlocks() {
    std::erase_if(used_, [](const auto& use) { return use.second < kMinBlockUse; });
    for (PlainRun& run : frame_.runs) {
      std::erase_if(run.pieces, [this](const AddressedPiece& part) {
        return FromBlock(part) && !used_.contains(BlockOf(part));
      });
    }
  }

  void ListBlocks() {
    Recipe& recipe = frame_.recipe;
    std::uint64_t plain = 0;  // addresses so far
    std::uint64_t view = 0;   // where those of the last block end in the old view
    for (auto& [index, place] : used_) {
      const OldBlock& block = plan_.old_blocks()[index];
      const std::uint64_t unused = UnusedBefore(block.view, view, plain);
      plain += unused;
      view = block.view_end();
      const bool joins = !recipe.extents.empty() && JoinsExtent(recipe.extents.back(), block);
      if (!joins) recipe.extents.push_back({block.offset, 0, {}});
      SourceExtent& extent = recipe.extents.back();
      extent.bytes = static_cast<std::uint32_t>(block.offset + block.coded - extent.offset);
      recipe.blocks.push_back({block.offset, block.coded, block.plain, unused, plain,
                               static_cast<std::uint32_t>(recipe.extents.size() - 1),
                               block.coding});
      place = plain;  // from here on: where its plain bytes lie
      plain += block.plain;
    }
  }
  // Blocks of one file keep their distance, all keep their place in a page: code that refers to
  // other code is told apart by both.
  std::uint64_t UnusedBefore(std::uint64_t view, std::uint64_t view_before,
                             std::uint64_t plain) const {
    const std::uint64_t distance = view - view_before;
    if (view_before != 0 && distance <= kMaxKeptDistance) return distance;
    return (view - (plan_.old_image().SizeBytes() + plain)) % kMatchBlockBytes;
  }
  static bool JoinsExtent(const SourceExtent& extent, const OldBlock& block) {
    return block.offset - (extent.offset + extent.bytes) <= kMaxExtentGap &&
           block.offset + block.coded - extent.offset <= kExtentGoal;
  }

  void Address(PlainRun& run) {
    const std::uint64_t raw_bytes = plan_.old_image().SizeBytes();
    for (AddressedPiece& part : run.pieces) {
      if (!FromBlock(part)) continue;
      const std::size_t block = BlockOf(part);
      part.address =
          raw_bytes + used_[block] + (part.piece.source - plan_.old_blocks()[block].view);
    }
  }

  Status HashExtents() {
    Bytes bytes;
    for (SourceExtent& extent : frame_.recipe.extents) {
      bytes.resize(extent.bytes);
      PAWL_TRY(plan_.old_image().ReadAt(extent.offset, bytes));
      extent.sha256 = HashSha256(bytes);
    }
    return {};
  }

  void CheckLimits() {
    const Recipe& recipe = frame_.recipe;
    std::uint64_t encoded = 0;
    for (const Segment& segment : recipe.segments) {
      if (segment.kind == SegmentKind::kBlock) encoded += segment.plain + segment.ahead;
    }
    frame_.within_limits =
        recipe.segments.size() <= kMaxRecipeSegments && recipe.blocks.size() <= kMaxRecipeBlocks &&
        recipe.extents.size() <= kMaxRecipeExtents && recipe.PlainBytes() <= kMaxFramePlainBytes &&
        recipe.SourcePlainBytes() <= kMaxFramePlainBytes && encoded <= kMaxFrameEncodedBytes &&
        SourceWork() <= kMaxFrameSourceWork;
  }

  // What a decoder reads and decompresses when it holds blocks by the rule of the format.
  std::uint64_t SourceWork() const {
    DecodedBlocks held;
    std::uint64_t work = 0;
    std::uint32_t loaded = ~std::uint32_t{0};
    for (const PlainRun& run : frame_.runs) {
      for (const AddressedPiece& part : run.pieces) {
        if (!FromBlock(part)) continue;
        const std::uint64_t at = part.address - plan_.old_image().SizeBytes();
        const auto block =
            std::ranges::upper_bound(frame_.recipe.blocks, at, {}, &SourceBlock::plain_begin) - 1;
        const auto index = static_cast<std::size_t>(block - frame_.recipe.blocks.begin());
        if (held.Touch(index)) continue;
        if (loaded != block->extent) work += frame_.recipe.extents[block->extent].bytes;
        loaded = block->extent;
        work += std::uint64_t{block->coded} + block->plain;
        held.Insert(index, block->plain, [](std::size_t) {});
      }
    }
    return work;
  }

  const RecodePlan& plan_;
  const Pieces& pieces_;
  Range target_;
  RecodedFrame frame_;
  std::map<std::size_t, std::uint64_t> used_;  // old blocks: bytes used, later their place
};

}  // namespace

Result<RecodedFrame> RecodeFrame(const RecodePlan& plan, const Pieces& pieces,
                                 const Range& target) {
  return Recoder(plan, pieces, target).Run();
}

}  // namespace pawl::delta
