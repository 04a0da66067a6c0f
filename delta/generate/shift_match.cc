// SPDX-License-Identifier: Apache-2.0
#include "delta/generate/shift_match.h"

#include <algorithm>
#include <bit>

#include "delta/generate/block_match.h"
#include "delta/generate/fast_hash.h"

namespace pawl::delta {
namespace {

constexpr std::uint64_t kMultiplier = 0x9E3779B97F4A7C15ULL | 1;

// Polynomial rolling hash modulo 2^64; the upper bits are mixed before they are used.
class RollingHash {
 public:
  explicit RollingHash(ByteView block) {
    for (const std::uint8_t byte : block) value_ = value_ * kMultiplier + byte + 1;
  }
  void Roll(std::uint8_t out, std::uint8_t in) {
    value_ = (value_ - (std::uint64_t{out} + 1) * kDrop) * kMultiplier + in + 1;
  }
  std::uint64_t value() const { return Mix(value_); }

 private:
  // kMultiplier to the power of the block length less one.
  static constexpr std::uint64_t kDrop = [] {
    std::uint64_t power = 1;
    for (std::size_t i = 1; i < ShiftIndex::kBlockBytes; ++i) power *= kMultiplier;
    return power;
  }();
  std::uint64_t value_ = 0;
};

// Grows an equal block in both directions, reading the old image in steps.
class Extender {
 public:
  Extender(RandomReader& old_image, ByteView text) : old_(old_image), text_(text), buffer_(kStep) {}

  Result<std::size_t> Forward(std::size_t at, std::uint64_t source) {
    std::size_t grown = 0;
    while (at + grown < text_.size() && source + grown < old_.SizeBytes()) {
      const auto step = static_cast<std::size_t>(std::min<std::uint64_t>(
          {kStep, text_.size() - at - grown, old_.SizeBytes() - source - grown}));
      const ByteSpan part = ByteSpan(buffer_).first(step);
      PAWL_TRY(old_.ReadAt(source + grown, part));
      const std::size_t same = CommonPrefix(part, text_.subspan(at + grown, step));
      grown += same;
      if (same != step) break;
    }
    return grown;
  }
  // Before `at` but not before `floor`.
  Result<std::size_t> Backward(std::size_t at, std::uint64_t source, std::size_t floor) {
    std::size_t grown = 0;
    while (at - grown > floor && source > grown) {
      const auto step = static_cast<std::size_t>(
          std::min<std::uint64_t>({kStep, at - grown - floor, source - grown}));
      const ByteSpan part = ByteSpan(buffer_).first(step);
      PAWL_TRY(old_.ReadAt(source - grown - step, part));
      const std::size_t same = CommonSuffix(part, text_.subspan(at - grown - step, step));
      grown += same;
      if (same != step) break;
    }
    return grown;
  }

 private:
  static constexpr std::size_t kStep = 4096;
  RandomReader& old_;
  ByteView text_;
  Bytes buffer_;
};

}  // namespace

Result<ShiftIndex> ShiftIndex::Build(RandomReader& old_image) {
  ShiftIndex index;
  const std::uint64_t blocks = old_image.SizeBytes() / kBlockBytes;
  Bytes buffer(static_cast<std::size_t>(std::min(kChunkBytes, old_image.SizeBytes())));
  for (std::uint64_t first = 0; first < blocks; first += kChunkBytes / kBlockBytes) {
    const std::uint64_t count = std::min(blocks - first, kChunkBytes / kBlockBytes);
    const ByteSpan part = ByteSpan(buffer).first(static_cast<std::size_t>(count * kBlockBytes));
    PAWL_TRY(old_image.ReadAt(first * kBlockBytes, part));
    for (std::uint64_t i = 0; i < count; ++i) {
      const ByteView block = ByteView(part).subspan(i * kBlockBytes, kBlockBytes);
      if (!IsAllZero(block)) index.entries_.push_back({RollingHash(block).value(), first + i});
    }
  }
  std::ranges::sort(index.entries_, [](const Entry& a, const Entry& b) {
    return a.hash != b.hash ? a.hash < b.hash : a.block < b.block;
  });
  // Of equal hashes the first block stands for all.
  const auto rest = std::ranges::unique(index.entries_, {}, &Entry::hash);
  index.entries_.erase(rest.begin(), rest.end());

  // About sixteen filter bits per entry: one position in sixteen goes on to the search.
  const auto bits = static_cast<unsigned>(std::bit_width(index.entries_.size() | 255)) + 4;
  index.filter_shift_ = 64 - bits;
  index.filter_.resize((std::size_t{1} << bits) / 64);
  for (const Entry& entry : index.entries_) {
    const std::uint64_t bit = entry.hash >> index.filter_shift_;
    index.filter_[bit / 64] |= std::uint64_t{1} << (bit % 64);
  }
  return index;
}

const ShiftIndex::Entry* ShiftIndex::Find(std::uint64_t hash) const {
  const std::uint64_t bit = hash >> filter_shift_;
  if ((filter_[bit / 64] >> (bit % 64) & 1) == 0) return nullptr;
  const auto entry = std::ranges::lower_bound(entries_, hash, {}, &Entry::hash);
  return entry != entries_.end() && entry->hash == hash ? &*entry : nullptr;
}

Result<Pieces> ShiftIndex::Match(RandomReader& old_image, std::uint64_t target,
                                 ByteView text) const {
  Pieces pieces;
  if (entries_.empty() || text.size() < kBlockBytes) return pieces;
  Extender extender(old_image, text);
  std::size_t free_from = 0;  // end of the last piece
  std::size_t at = 0;
  RollingHash hash(text.first(kBlockBytes));
  while (true) {
    if (const Entry* entry = Find(hash.value()); entry != nullptr) {
      const std::uint64_t source = entry->block * kBlockBytes;
      PAWL_ASSIGN_OR_RETURN(const std::size_t forward, extender.Forward(at, source));
      if (forward >= kBlockBytes) {
        PAWL_ASSIGN_OR_RETURN(const std::size_t backward,
                              extender.Backward(at, source, free_from));
        AppendPiece(pieces, {target + at - backward, forward + backward, source - backward,
                             PieceKind::kShifted});
        at += forward;
        free_from = at;
        if (text.size() - at < kBlockBytes) return pieces;
        hash = RollingHash(text.subspan(at, kBlockBytes));
        continue;
      }
    }
    if (at + kBlockBytes >= text.size()) return pieces;
    hash.Roll(text[at], text[at + kBlockBytes]);
    ++at;
  }
}

}  // namespace pawl::delta
