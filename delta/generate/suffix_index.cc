// SPDX-License-Identifier: Apache-2.0
#include "delta/generate/suffix_index.h"

#include <divsufsort.h>

#include <algorithm>
#include <bit>

#include "delta/generate/fast_hash.h"

namespace pawl::delta {
namespace {

constexpr std::size_t kBuckets = 1U << 16;

std::size_t BucketOf(const std::uint8_t* at) { return std::size_t{at[0]} << 8 | at[1]; }

}  // namespace

Result<SuffixIndex> SuffixIndex::Build(ByteView text) {
  SuffixIndex index;
  index.text_ = text;
  if (text.size() < kMinMatch) return index;
  index.suffixes_.resize(text.size());
  const auto length = static_cast<std::int32_t>(text.size());
  if (divsufsort(text.data(), index.suffixes_.data(), length) != 0) {
    return Fail(ErrorCode::kInternal, "suffix sort failed");
  }
  // Where each two-byte beginning starts. The one-byte suffix sorts before all that begin with its
  // byte: it is counted to the bucket (byte, 0).
  index.buckets_.assign(kBuckets + 1, 0);
  for (std::size_t i = 0; i + 1 < text.size(); ++i) ++index.buckets_[BucketOf(text.data() + i) + 1];
  ++index.buckets_[(std::size_t{text.back()} << 8) + 1];
  for (std::size_t i = 0; i < kBuckets; ++i) index.buckets_[i + 1] += index.buckets_[i];

  // Four bits or more per position: most beginnings that do not occur are told by one load, which
  // is what bounds the time for data that matches nothing.
  const auto bits = static_cast<unsigned>(std::bit_width(text.size())) + 2;
  index.filter_shift_ = 64 - bits;
  index.filter_.resize(std::max<std::size_t>(1, (std::size_t{1} << bits) / 64));
  for (std::size_t i = 0; i + kMinMatch <= text.size(); ++i) {
    const std::uint64_t bit = Mix(Load64(text.data() + i)) * kBuckets >> index.filter_shift_;
    index.filter_[bit / 64] |= std::uint64_t{1} << (bit % 64);
  }
  return index;
}

bool SuffixIndex::MayContain(std::uint64_t first_eight) const {
  const std::uint64_t bit = Mix(first_eight) * kBuckets >> filter_shift_;
  return (filter_[bit / 64] >> (bit % 64) & 1) != 0;
}

SuffixIndex::Match SuffixIndex::Longest(ByteView pattern) const {
  if (suffixes_.empty() || pattern.size() < kMinMatch || !MayContain(Load64(pattern.data()))) {
    return {};
  }
  const std::size_t bucket = BucketOf(pattern.data());
  auto low = static_cast<std::size_t>(buckets_[bucket]);
  auto high = static_cast<std::size_t>(buckets_[bucket + 1]);
  // Invariant: suffixes before `low` are smaller than the pattern, those from `high` on are not;
  // their common prefixes with it are at least as long as those remembered.
  Match best;
  std::size_t low_common = 0;
  std::size_t high_common = 0;
  while (low < high) {
    const std::size_t middle = low + (high - low) / 2;
    const auto begin = static_cast<std::size_t>(suffixes_[middle]);
    const ByteView suffix = text_.subspan(begin);
    // What both ends share with the pattern, all between them share too.
    std::size_t common = std::min({low_common, high_common, suffix.size()});
    common += CommonPrefix(suffix.subspan(common), pattern.subspan(common));
    if (common > best.length) best = {begin, common};
    if (common == pattern.size()) break;
    if (common < suffix.size() && suffix[common] > pattern[common]) {
      high = middle;
      high_common = common;
    } else {
      low = middle + 1;
      low_common = common;
    }
  }
  return best;
}

}  // namespace pawl::delta
