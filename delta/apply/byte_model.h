// SPDX-License-Identifier: Apache-2.0
#pragma once

// Bytes and single bits by mixed contexts. Internal to delta/.
// Source: docs/context-mixing.md.

#include <algorithm>
#include <array>
#include <cstdint>
#include <vector>

#include "delta/apply/context_mixing.h"

namespace pawl::delta {

// Six contexts for whole bytes: each byte is eight bits, each nibble has one cache line of slots.
class ByteModel {
 public:
  static constexpr std::size_t kContexts = 6;
  using Contexts = std::array<std::uint32_t, kContexts>;

  // `slot_bits`: log2 of the slots of each context. `selectors`: sets of weights.
  ByteModel(unsigned slot_bits, std::size_t selectors)
      : mask_((1U << (slot_bits - 4)) - 1), mixer_(selectors * 256, kRate) {
    for (auto& table : tables_) table.resize(std::size_t{1} << slot_bits);
  }

  template <class Coder>
  std::uint8_t Code(Coder& coder, const Contexts& contexts, std::size_t selector,
                    std::uint8_t byte) {
    unsigned node = 1;
    for (unsigned half = 0; half < 2; ++half) {
      std::array<SmallSlot*, kContexts> lines;
      for (std::size_t i = 0; i < kContexts; ++i) {
        lines[i] = Line(tables_[i], HashContext(contexts[i], half == 0 ? 0 : node));
      }
      unsigned within = 1;
      for (unsigned i = 0; i < 4; ++i) {
        std::array<SmallSlot*, kContexts> slots;
        for (std::size_t c = 0; c < kContexts; ++c) slots[c] = lines[c] + within;
        const unsigned bit = mixer_.Code(coder, slots, selector * 256 + node,
                                         static_cast<unsigned>(byte) >> (7 - half * 4 - i) & 1U);
        within = within << 1 | bit;
        node = node << 1 | bit;
      }
    }
    return static_cast<std::uint8_t>(node);
  }

 private:
  static constexpr std::int32_t kRate = 6;

  // The line of a context; cleared when it was another's.
  SmallSlot* Line(std::vector<SmallSlot>& table, std::uint32_t hash) {
    SmallSlot* const line = table.data() + (hash & mask_) * std::size_t{16};
    const auto check = static_cast<std::uint16_t>(hash >> 16);
    if (line->raw() != check) {
      std::fill_n(line, 16, SmallSlot());
      line->raw() = check;
    }
    return line;
  }

  std::array<std::vector<SmallSlot>, kContexts> tables_;
  std::uint32_t mask_;
  Mixer<kContexts> mixer_;
};

// N contexts for single bits.
template <std::size_t N>
class FlagModel {
 public:
  FlagModel(unsigned slot_bits, std::size_t selectors)
      : mask_((1U << slot_bits) - 1), mixer_(selectors, kRate) {
    for (auto& table : tables_) table.resize(std::size_t{1} << slot_bits);
  }
  template <class Coder>
  bool Code(Coder& coder, const std::array<std::uint32_t, N>& contexts, std::size_t selector,
            bool flag) {
    std::array<Slot*, N> slots;
    for (std::size_t i = 0; i < N; ++i) {
      slots[i] = &tables_[i][contexts[i] & mask_];
      slots[i]->Claim(contexts[i] >> 24);
    }
    return mixer_.Code(coder, slots, selector, flag ? 1U : 0U) != 0;
  }

 private:
  static constexpr std::int32_t kRate = 6;
  std::array<std::vector<Slot>, N> tables_;
  std::uint32_t mask_;
  Mixer<N> mixer_;
};

}  // namespace pawl::delta
