// SPDX-License-Identifier: Apache-2.0
#pragma once

// What differing and literal bytes may cost once coded, as far as a first scan tells. Internal to
// delta/generate.

#include <array>
#include <cstdint>
#include <vector>

#include "base/bytes.h"

namespace pawl::delta {

// In sixteenths of a bit.
using Cost = std::uint32_t;
constexpr Cost kBit = 16;

// Codec 3 codes an address that moved with what it points at in next to no bits, and it learns from
// the first such address. So a changed word is cheap when a word of near value, or one that points
// near the same place, was seen to change in the same way. That asks for no machine and no format:
// in bytes that are not addresses, such pairs hardly occur. Learn first, then ask.
class CodingCosts {
 public:
  CodingCosts();

  // A first scan lays `fresh` on `old`, which lie at these offsets of their images.
  // REQUIRES: both as long.
  void LearnDifference(ByteView old, std::uint64_t old_at, ByteView fresh, std::uint64_t fresh_at);
  // A first scan found nothing like `bytes`.
  void LearnLiteral(ByteView bytes);
  // To be called once, between learning and asking.
  void FinishLearning();

  // Of a word of four bytes, at these offsets, that changes. `trust`: how far words before it on
  // the same alignment were as expected; 0 at its begin, kept up to date here.
  Cost OfWord(std::uint32_t old, std::uint64_t old_at, std::uint32_t fresh, std::uint64_t fresh_at,
              std::uint32_t& trust) const;
  Cost OfLiteralByte() const { return literal_byte_; }

 private:
  // How often a change was seen, by a part of its hash.
  struct Entry {
    std::uint16_t check = 0;
    std::uint16_t count = 0;
  };
  std::uint32_t CountOf(std::uint64_t hash) const;

  std::vector<Entry> entries_;
  std::uint32_t words_ = 0;  // learned
  Bytes literal_;            // learned, the first of it
  Cost literal_byte_ = 0;
};

}  // namespace pawl::delta
