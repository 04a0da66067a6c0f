// SPDX-License-Identifier: Apache-2.0
#pragma once

// Where machine code names another place relative to its own, and what that becomes when code has
// moved. Learned while coding: the map holds how far each target that was seen has moved, so that
// nothing about addresses is carried. Internal to delta/.
// Source: docs/context-mixing.md, "Operands".

#include <array>
#include <cstdint>
#include <vector>

#include "base/bytes.h"

namespace pawl::delta {

// Whose operands are looked for.
enum class Machine : std::uint8_t { kNone = 0, kX86 = 1, kArm64 = 2 };
inline constexpr std::uint8_t kMachineCount = 3;

inline constexpr std::size_t kOperandBytes = 4;

// Four bytes, least significant first.
inline std::uint32_t LoadWord(const std::uint8_t* at) {
  return std::uint32_t{at[0]} | std::uint32_t{at[1]} << 8 | std::uint32_t{at[2]} << 16 |
         std::uint32_t{at[3]} << 24;
}

// How well the place that an operand names is known.
enum class Familiarity : std::uint8_t { kUnknown = 0, kNear = 1, kExact = 2 };

struct Operand {
  std::uint8_t form = 0;  // 1 … kOperandForms: which kind of instruction; 0: a word of data
  Familiarity familiarity = Familiarity::kUnknown;
  std::array<std::uint8_t, kOperandBytes> expected{};
  std::uint32_t place = 0;  // that the old bytes name, modulo 2^32
  std::uint32_t site_shift = 0;
  std::uint32_t old_word = 0;
};
inline constexpr std::uint8_t kOperandForms = 5;

class AddressMap {
 public:
  explicit AddressMap(Machine machine);

  // Whether an operand begins at `at` of `old`, whose byte 0 lies at `source`.
  bool BeginsAt(ByteView old, std::size_t at, std::uint64_t source) const;
  // Learns from an aligned word that may be an absolute address.
  void LearnValue(ByteView old, ByteView fresh, std::size_t at);
  // What the aligned word at `at` becomes if it is an address, relative to itself or absolute.
  // kUnknown: nothing is known of the place that it would name.
  Operand IfRelative(ByteView old, std::size_t at, std::uint64_t source,
                     std::uint64_t target) const;
  Operand IfAbsolute(ByteView old, std::size_t at) const;
  // REQUIRES: BeginsAt. The same bytes lie at target + at in the new image.
  Operand Expect(ByteView old, std::size_t at, std::uint64_t source, std::uint64_t target) const;
  // Learns from the new bytes of an operand. `bytes`: kOperandBytes.
  void Learn(const Operand& operand, const std::uint8_t* bytes);

 private:
  struct Entry {
    std::uint32_t place = 0;
    std::uint32_t shift = 0;
  };
  struct Known {
    std::uint32_t shift = 0;
    Familiarity familiarity = Familiarity::kUnknown;
  };
  Known Find(std::uint32_t place, unsigned region_bits, std::uint32_t otherwise) const;
  Operand ExpectX86(ByteView old, std::size_t at, std::uint64_t source, std::uint64_t target) const;
  Operand ExpectArm64(ByteView old, std::size_t at, std::uint64_t source,
                      std::uint64_t target) const;

  Machine machine_;
  std::vector<Entry> exact_;
  std::vector<Entry> regions_;
  std::vector<Entry> values_;
};

}  // namespace pawl::delta
