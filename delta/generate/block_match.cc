// SPDX-License-Identifier: Apache-2.0
#include "delta/generate/block_match.h"

#include <algorithm>
#include <cstddef>
#include <optional>

#include "delta/generate/fast_hash.h"

namespace pawl::delta {
namespace {

// How many blocks of equal hash are compared before a block counts as unmatched: a bound on the
// work that colliding content can cause.
constexpr std::size_t kMaxCandidates = 16;
constexpr std::uint64_t kNoBlock = ~std::uint64_t{0};

// The whole blocks of the old image by hash.
class BlockTable {
 public:
  void Add(std::uint64_t hash, bool zero) {
    hashes_.push_back(hash);
    zero_.push_back(zero);
  }
  void Sort() {
    for (std::uint64_t i = 0; i < hashes_.size(); ++i) {
      if (!zero_[i]) by_hash_.push_back({hashes_[i], i});
    }
    std::ranges::sort(by_hash_, [](const Entry& a, const Entry& b) {
      return a.hash != b.hash ? a.hash < b.hash : a.block < b.block;
    });
    used_.resize(hashes_.size());
  }

  // Blocks that may equal one of this hash, the most promising first: behind the last match, at the
  // same place, then by position.
  std::vector<std::uint64_t> Candidates(std::uint64_t hash, std::uint64_t after_last,
                                        std::uint64_t same_place) const {
    std::vector<std::uint64_t> found;
    for (const std::uint64_t block : {after_last, same_place}) {
      if (block < hashes_.size() && hashes_[block] == hash) found.push_back(block);
    }
    auto entry = std::ranges::lower_bound(by_hash_, hash, {}, &Entry::hash);
    while (entry != by_hash_.end() && entry->hash == hash && found.size() < kMaxCandidates) {
      found.push_back(entry->block);
      ++entry;
    }
    return found;
  }
  void MarkUsed(std::uint64_t block) { used_[block] = true; }

  std::vector<Range> Unused(std::uint64_t image_bytes) const {
    std::vector<Range> ranges;
    const auto add = [&ranges](std::uint64_t begin, std::uint64_t length) {
      if (length == 0) return;
      if (!ranges.empty() && ranges.back().end() == begin) {
        ranges.back().length += length;
      } else {
        ranges.push_back({begin, length});
      }
    };
    for (std::uint64_t i = 0; i < hashes_.size(); ++i) {
      if (!used_[i] && !zero_[i]) add(i * kMatchBlockBytes, kMatchBlockBytes);
    }
    const std::uint64_t tail = hashes_.size() * kMatchBlockBytes;
    add(tail, image_bytes - tail);
    return ranges;
  }

 private:
  struct Entry {
    std::uint64_t hash;
    std::uint64_t block;
  };
  std::vector<std::uint64_t> hashes_;
  std::vector<bool> zero_;
  std::vector<bool> used_;
  std::vector<Entry> by_hash_;
};

// Reads an image chunk by chunk. `visit(offset, bytes)` returns a Status.
template <class Visit>
Status ForEachChunk(RandomReader& image, ProgressCounter& progress, Visit visit) {
  Bytes buffer(static_cast<std::size_t>(std::min(kChunkBytes, image.SizeBytes())));
  for (std::uint64_t offset = 0; offset < image.SizeBytes(); offset += kChunkBytes) {
    const ByteSpan part = ByteSpan(buffer).first(
        static_cast<std::size_t>(std::min(kChunkBytes, image.SizeBytes() - offset)));
    PAWL_TRY(image.ReadAt(offset, part));
    PAWL_TRY(visit(offset, ByteView(part)));
    progress.Add(part.size());
  }
  return {};
}

class Matcher {
 public:
  Matcher(RandomReader* old_image, BlockTable& index, Pieces& pieces)
      : old_image_(old_image), index_(index), pieces_(pieces), old_block_(kMatchBlockBytes) {}

  Status Match(std::uint64_t offset, ByteView block) {
    if (IsAllZero(block)) {
      AppendPiece(pieces_, {offset, block.size(), 0, PieceKind::kZero});
      return {};
    }
    if (old_image_ == nullptr) return {};
    const std::uint64_t next = last_ == kNoBlock ? kNoBlock : last_ + 1;
    const auto candidates =
        index_.Candidates(HashBlock(block), next, offset / kMatchBlockBytes);
    for (const std::uint64_t candidate : candidates) {
      PAWL_TRY(old_image_->ReadAt(candidate * kMatchBlockBytes, old_block_));
      if (!std::ranges::equal(old_block_, block)) continue;
      index_.MarkUsed(candidate);
      last_ = candidate;
      AppendPiece(pieces_,
                  {offset, block.size(), candidate * kMatchBlockBytes, PieceKind::kBlock});
      return {};
    }
    return {};
  }

 private:
  RandomReader* old_image_;
  BlockTable& index_;
  Pieces& pieces_;
  Bytes old_block_;
  std::uint64_t last_ = kNoBlock;
};

Result<ImageIdentity> IndexOld(RandomReader& image, ProgressCounter& progress, BlockTable& index) {
  ImageIdentity identity{image.SizeBytes(), {}};
  Sha256 hash;
  PAWL_TRY(ForEachChunk(image, progress, [&](std::uint64_t, ByteView chunk) -> Status {
    hash.Update(chunk);
    for (; chunk.size() >= kMatchBlockBytes; chunk = chunk.subspan(kMatchBlockBytes)) {
      const ByteView block = chunk.first(kMatchBlockBytes);
      index.Add(HashBlock(block), IsAllZero(block));
    }
    return {};
  }));
  identity.sha256 = hash.Finish();
  return identity;
}

}  // namespace

void AppendPiece(Pieces& pieces, const Piece& piece) {
  if (!pieces.empty()) {
    Piece& last = pieces.back();
    const bool continues = last.kind == piece.kind && last.target + last.length == piece.target &&
                           (piece.kind == PieceKind::kZero ||
                            last.source + last.length == piece.source);
    if (continues) {
      last.length += piece.length;
      return;
    }
  }
  pieces.push_back(piece);
}

Result<BlockMatches> MatchBlocks(RandomReader* old_image, RandomReader& new_image,
                                 ProgressCounter& progress) {
  BlockMatches matches;
  BlockTable index;
  if (old_image != nullptr) {
    PAWL_ASSIGN_OR_RETURN(matches.source, IndexOld(*old_image, progress, index));
  }
  index.Sort();
  Matcher matcher(old_image, index, matches.pieces);
  Sha256 whole;
  const auto match_chunk = [&](std::uint64_t offset, ByteView chunk) -> Status {
    whole.Update(chunk);
    matches.target.chunks.push_back(HashSha256(chunk));
    for (std::uint64_t at = 0; at + kMatchBlockBytes <= chunk.size(); at += kMatchBlockBytes) {
      PAWL_TRY(matcher.Match(offset + at, chunk.subspan(at, kMatchBlockBytes)));
    }
    return {};
  };
  PAWL_TRY(ForEachChunk(new_image, progress, match_chunk));
  matches.target.whole = {new_image.SizeBytes(), whole.Finish()};
  if (old_image != nullptr) matches.old_unmatched = index.Unused(old_image->SizeBytes());
  return matches;
}

}  // namespace pawl::delta
