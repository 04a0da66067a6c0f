// SPDX-License-Identifier: Apache-2.0
#pragma once

// Layer 4: compressed blocks compared as plain content. The old image is seen with the plain bytes
// of its blocks behind it, the new one with the plain bytes of its changed blocks in their place;
// the other layers work on these views. Every changed block is encoded here with the code that
// devices run; what does not come out the same stays raw. Internal to delta/generate.

#include <cstdint>
#include <memory>
#include <vector>

#include "base/block_io.h"
#include "base/result.h"
#include "delta/apply/recipe.h"
#include "delta/generate/found_blocks.h"
#include "delta/generate/generator.h"
#include "delta/generate/piece.h"
#include "delta/generate/splice_view.h"

namespace pawl::delta {

class RecodePlan {
 public:
  // A block of the old image, and where its plain bytes lie in the old view.
  struct OldBlock {
    std::uint64_t offset = 0;
    std::uint32_t coded = 0;
    std::uint32_t plain = 0;
    BlockCoding coding = BlockCoding::kZstd;
    bool kept = false;  // the new image has the same coded bytes
    std::uint64_t view = 0;
    std::uint64_t view_end() const { return view + plain; }
  };
  // A run of the new image: raw bytes, or a block that is encoded.
  struct NewItem {
    std::uint64_t target = 0;
    std::uint64_t target_bytes = 0;
    std::uint64_t view = 0;
    std::uint64_t view_bytes = 0;
    bool block = false;
    bool linked = false;  // the plain bytes behind this block's are the next item's
    std::uint16_t transform = 0;
    std::uint32_t ahead = 0;
    std::uint32_t zeros = 0;
  };

  // Null when there is nothing to gain. Both images are borrowed.
  // ERRORS: kIo, kNoSpace (the scratch file), kInternal.
  static Result<std::unique_ptr<RecodePlan>> Make(RandomReader& old_image, RandomReader& new_image,
                                                  const GenerateOptions& options,
                                                  GenerateStatistics& statistics);

  RandomReader& old_image() const { return old_image_; }
  RandomReader& new_image() const { return new_image_; }
  SpliceView& old_view() { return old_view_; }
  SpliceView& new_view() { return new_view_; }
  const std::vector<TransformEntry>& transforms() const { return transforms_; }
  const std::vector<OldBlock>& old_blocks() const { return old_blocks_; }
  const std::vector<NewItem>& items() const { return items_; }

  // Of ranges of the old view, what is worth sorting: not the coded bytes of blocks, nor the plain
  // bytes of blocks that the new image still has.
  std::vector<Range> WorthSorting(const std::vector<Range>& ranges) const;
  // Adds copies of coded blocks that are unchanged where `pieces` leaves them open.
  void AddKept(Pieces& pieces) const;

 private:
  friend class RecodePlanner;
  RecodePlan(RandomReader& old_image, RandomReader& new_image, ScratchFile scratch)
      : old_image_(old_image), new_image_(new_image), scratch_(std::move(scratch)) {}

  RandomReader& old_image_;
  RandomReader& new_image_;
  ScratchFile scratch_;
  SpliceView old_view_;
  SpliceView new_view_;
  std::vector<OldBlock> old_blocks_;  // in order of offset and of view
  std::vector<NewItem> items_;        // cover the new image, in order of target and of view
  Pieces kept_;                       // in the views
  std::vector<TransformEntry> transforms_;
};

}  // namespace pawl::delta
