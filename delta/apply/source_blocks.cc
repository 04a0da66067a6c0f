// SPDX-License-Identifier: Apache-2.0
#include "delta/apply/source_blocks.h"

#include <algorithm>
#include <string>
#include <utility>

namespace pawl::delta {

bool DecodedBlocks::Touch(std::size_t block) {
  const auto place = places_.find(block);
  if (place == places_.end()) return false;
  held_.splice(held_.begin(), held_, place->second);
  return true;
}

void DecodedBlocks::Insert(std::size_t block, std::uint64_t bytes,
                           const std::function<void(std::size_t)>& drop) {
  while (!held_.empty() && bytes_ + bytes > kDecodedCacheBytes) {
    bytes_ -= held_.back().bytes;
    places_.erase(held_.back().block);
    drop(held_.back().block);
    held_.pop_back();
  }
  held_.push_front({block, bytes});
  places_[block] = held_.begin();
  bytes_ += bytes;
}

Status SourceBlocks::Spend(std::uint64_t bytes) {
  //= docs/container-format.md#C-35
  spent_ += bytes;
  if (spent_ > kMaxFrameSourceWork) {
    return Fail(ErrorCode::kContainerMalformed, "recipe: too much work with source blocks");
  }
  return {};
}

Status SourceBlocks::LoadExtent(std::uint32_t index) {
  if (loaded_ == index) return {};
  const SourceExtent& extent = recipe_.extents[index];
  PAWL_TRY(Spend(extent.bytes));
  loaded_.reset();
  coded_.resize(extent.bytes);
  if (Status read = source_->ReadAt(extent.offset, coded_); !read.has_value()) {
    return Fail(ErrorCode::kSourceBlockMismatch, "the source cannot be read at " +
                                                     std::to_string(extent.offset) + ": " +
                                                     read.error().Message());
  }
  //= docs/container-format.md#C-31
  if (const Sha256Digest found = HashSha256(coded_); found != extent.sha256) {
    return Fail(ErrorCode::kSourceBlockMismatch,
                "source bytes from " + std::to_string(extent.offset) + ": expected sha256 " +
                    extent.sha256.Hex() + ", found " + found.Hex());
  }
  loaded_ = index;
  return {};
}

Result<const Bytes*> SourceBlocks::Decoded(std::size_t index) {
  if (held_.Touch(index)) return &decoded_[index];
  const SourceBlock& block = recipe_.blocks[index];
  PAWL_TRY(LoadExtent(block.extent));
  PAWL_TRY(Spend(std::uint64_t{block.coded} + block.plain));
  Bytes plain(block.plain);
  const std::uint64_t from = block.offset - recipe_.extents[block.extent].offset;
  PAWL_TRY(decode_(block.coding,
                   ByteView(coded_).subspan(static_cast<std::size_t>(from), block.coded), plain));
  held_.Insert(index, block.plain, [this](std::size_t gone) { decoded_.erase(gone); });
  return &(decoded_[index] = std::move(plain));
}

Status SourceBlocks::Read(std::uint64_t at, ByteSpan out) {
  while (!out.empty()) {
    const SourceBlock* last = &recipe_.blocks[last_];
    if (at < last->plain_begin || at >= last->plain_begin + last->plain) {
      const auto behind =
          std::ranges::upper_bound(recipe_.blocks, at, {}, &SourceBlock::plain_begin);
      //= docs/container-format.md#C-34
      if (behind == recipe_.blocks.begin() || at >= (behind - 1)->plain_begin + (behind - 1)->plain) {
        return Fail(ErrorCode::kContainerMalformed, "payload: reads addresses that nobody has");
      }
      last_ = static_cast<std::size_t>(behind - recipe_.blocks.begin()) - 1;
      last = &recipe_.blocks[last_];
    }
    PAWL_ASSIGN_OR_RETURN(const Bytes* plain, Decoded(last_));
    const auto from = static_cast<std::size_t>(at - last->plain_begin);
    const std::size_t count = std::min(out.size(), plain->size() - from);
    std::copy_n(plain->begin() + static_cast<std::ptrdiff_t>(from), count, out.begin());
    out = out.subspan(count);
    at += count;
  }
  return {};
}

}  // namespace pawl::delta
