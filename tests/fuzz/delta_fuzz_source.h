// SPDX-License-Identifier: Apache-2.0
#pragma once

// The source image of the frame fuzzer: compressed blocks that recipes of its seeds name, then
// plain bytes; and the transforms of its head, chosen for the speed of their self-tests.

#include <algorithm>
#include <cstdlib>
#include <vector>

#include "delta/apply/block_codec.h"

namespace pawl::delta::testing_source {

inline constexpr std::uint32_t kBlocks = 3;
inline constexpr std::uint32_t kPlainBytes = 3000;
inline constexpr std::uint64_t kSourceBytes = 20'000;

struct Place {
  std::uint64_t offset = 0;
  std::uint32_t coded = 0;
};

inline Bytes Coded(std::uint32_t index) {
  Bytes plain(kPlainBytes);
  for (std::uint32_t i = 0; i < kPlainBytes; ++i) {
    plain[i] = static_cast<std::uint8_t>(i * i / (7 + index) % 29);
  }
  Bytes coded(2 * kPlainBytes);
  const auto made = EncodeBlock(Lz4Transform(0, 0), plain, coded);
  if (!made.has_value()) std::abort();
  coded.resize(made->coded);
  return coded;
}

inline Place Block(std::uint32_t index) {
  Place place;
  for (std::uint32_t i = 0; i < index; ++i) place.offset += Coded(i).size() + 10;
  place.coded = static_cast<std::uint32_t>(Coded(index).size());
  return place;
}

inline Bytes Make() {
  Bytes source(kSourceBytes, 'a');
  for (std::uint32_t i = 0; i < kBlocks; ++i) {
    const Bytes coded = Coded(i);
    std::copy(coded.begin(), coded.end(),
              source.begin() + static_cast<std::ptrdiff_t>(Block(i).offset));
  }
  return source;
}

inline std::vector<TransformEntry> Transforms() {
  std::vector<TransformEntry> entries;
  for (const Transform& transform : {Lz4Transform(0, 0), Lz4Transform(0, 4096)}) {
    const auto entry = DescribeTransform(transform, 1U << 20);
    if (!entry.has_value()) std::abort();
    entries.push_back(*entry);
  }
  return entries;
}

}  // namespace pawl::delta::testing_source
