// SPDX-License-Identifier: Apache-2.0
#include "delta/generate/found_blocks.h"

#include <algorithm>
#include <array>
#include <utility>

namespace pawl::delta {
namespace {

std::uint64_t LittleEndian(ByteView bytes, std::size_t at, std::size_t width) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < width; ++i) value |= std::uint64_t{bytes[at + i]} << (8 * i);
  return value;
}

}  // namespace

std::uint16_t Le16(ByteView bytes, std::size_t at) {
  return static_cast<std::uint16_t>(LittleEndian(bytes, at, 2));
}
std::uint32_t Le32(ByteView bytes, std::size_t at) {
  return static_cast<std::uint32_t>(LittleEndian(bytes, at, 4));
}
std::uint64_t Le64(ByteView bytes, std::size_t at) { return LittleEndian(bytes, at, 8); }

bool FinderReader::Read(std::uint64_t offset, ByteSpan out) {
  if (!Contains(image_.SizeBytes(), offset, out.size())) return false;
  Status read = image_.ReadAt(offset, out);
  if (read.has_value()) return true;
  if (status_.has_value()) status_ = std::move(read);
  return false;
}

void SortBlocks(std::uint64_t image_bytes, FoundBlocks& found) {
  std::ranges::stable_sort(found.blocks, {}, &FoundBlock::offset);
  std::vector<FoundBlock> kept;
  std::uint64_t end = 0;
  for (const FoundBlock& block : found.blocks) {
    const bool good = block.offset >= end && block.coded != 0 && block.plain != 0 &&
                      block.plain <= kMaxBlockBytes && block.coded <= kMaxExtentBytes &&
                      Contains(image_bytes, block.offset, block.coded);
    if (good) {
      kept.push_back(block);
      end = block.offset + block.coded;
    } else if (!kept.empty()) {
      kept.back().continues = false;
    }
  }
  if (!kept.empty()) kept.back().continues = false;
  found.blocks = std::move(kept);
}

Result<FoundBlocks> FindBlocks(RandomReader& image) {
  using Find = Result<FoundBlocks> (*)(RandomReader&);
  constexpr std::array<std::pair<BlockHolder, Find>, 3> kFinders = {{
      {BlockHolder::kSquashfs, FindSquashfsBlocks},
      {BlockHolder::kErofs, FindErofsBlocks},
      {BlockHolder::kMembers, FindMemberBlocks},
  }};
  for (const auto& [holder, find] : kFinders) {
    PAWL_ASSIGN_OR_RETURN(FoundBlocks found, find(image));
    if (found.blocks.empty()) continue;
    found.holder = holder;
    return found;
  }
  return FoundBlocks();
}

}  // namespace pawl::delta
