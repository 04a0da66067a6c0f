// SPDX-License-Identifier: Apache-2.0
#pragma once

// Hashes that find candidates; content always decides. Internal to delta/generate.

#include <cstdint>
#include <cstring>

#include "base/bytes.h"

namespace pawl::delta {

// Eight bytes as a number. REQUIRES: eight readable bytes at `at`.
inline std::uint64_t Load64(const std::uint8_t* at) {
  std::uint64_t value;
  std::memcpy(&value, at, sizeof(value));
  return value;
}

// Mixes all bits of `value` into the upper ones (Fibonacci hashing, Knuth 6.4).
inline std::uint64_t Mix(std::uint64_t value) {
  value ^= value >> 32;
  value *= 0x9E3779B97F4A7C15ULL;
  return value ^ (value >> 29);
}

// REQUIRES: a multiple of eight bytes.
inline std::uint64_t HashBlock(ByteView block) {
  std::uint64_t hash = block.size();
  for (std::size_t i = 0; i < block.size(); i += 8) {
    hash = Mix(hash + Load64(block.data() + i)) * 0xD6E8FEB86659FD93ULL;
  }
  return hash;
}

// Length of the common beginning.
inline std::size_t CommonPrefix(ByteView a, ByteView b) {
  const std::size_t limit = a.size() < b.size() ? a.size() : b.size();
  std::size_t i = 0;
  while (i + 8 <= limit && Load64(a.data() + i) == Load64(b.data() + i)) i += 8;
  while (i < limit && a[i] == b[i]) ++i;
  return i;
}

// Length of the common end.
inline std::size_t CommonSuffix(ByteView a, ByteView b) {
  const std::size_t limit = a.size() < b.size() ? a.size() : b.size();
  std::size_t i = 0;
  while (i < limit && a[a.size() - 1 - i] == b[b.size() - 1 - i]) ++i;
  return i;
}

}  // namespace pawl::delta
