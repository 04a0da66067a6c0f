// SPDX-License-Identifier: Apache-2.0
#include "delta/apply/address_map.h"

#include <algorithm>

#include "delta/apply/context_mixing.h"

namespace pawl::delta {
namespace {

constexpr std::size_t kExactEntries = std::size_t{1} << 16;
constexpr std::size_t kRegionEntries = std::size_t{1} << 13;  // fewer: each speaks for many places
constexpr std::size_t kValueEntries = std::size_t{1} << 13;
// Targets this near to each other usually move together.
constexpr unsigned kX86RegionBits = 8;
constexpr unsigned kBranchRegionBits = 10;
constexpr unsigned kPageRegionBits = 4;  // of pages
// A longer way is no branch but data that looks like one.
constexpr std::int32_t kFarthest = 1 << 28;
constexpr std::uint32_t kPagePlaces = 1U << 30;  // keeps pages apart from byte addresses

enum Form : std::uint8_t { kCall = 1, kJump = 2, kData = 3, kBranch = 4, kPage = 5 };

void StoreWord(std::array<std::uint8_t, kOperandBytes>& to, std::uint32_t word) {
  for (std::size_t i = 0; i < kOperandBytes; ++i) to[i] = static_cast<std::uint8_t>(word >> 8 * i);
}

// Opcodes that are often followed by a ModRM byte with an address relative to the next instruction.
constexpr std::array<bool, 256> kBeforeModRm = [] {
  std::array<bool, 256> table{};
  for (const int opcode : {0x03, 0x0D, 0x10, 0x11, 0x28, 0x29, 0x2B, 0x38, 0x39, 0x3B, 0x3D, 0x63,
                           0x6F, 0x7E, 0x7F, 0x80, 0x83, 0x84, 0x85, 0x88, 0x89, 0x8A, 0x8B, 0x8D,
                           0xB6, 0xB7, 0xBE, 0xBF, 0xC6, 0xC7, 0xD6, 0xF6, 0xFF}) {
    table[static_cast<std::size_t>(opcode)] = true;
  }
  return table;
}();

// The form of an x86-64 operand behind these two bytes; 0 when it is none.
std::uint8_t X86Form(std::uint8_t before_last, std::uint8_t last) {
  if (last == 0xE8 || last == 0xE9) return kCall;
  if (before_last == 0x0F && (last & 0xF0) == 0x80) return kJump;
  if ((last & 0xC7) == 0x05 && kBeforeModRm[before_last]) return kData;
  return 0;
}

bool IsBranch(std::uint32_t word) { return (word & 0x7C000000) == 0x14000000; }
bool IsPage(std::uint32_t word) { return (word & 0x9F000000) == 0x90000000; }
// How far a branch goes, in words; an ADRP, in pages: signed, modulo 2^32.
std::uint32_t BranchWay(std::uint32_t word) {
  return static_cast<std::uint32_t>(static_cast<std::int32_t>(word << 6) >> 6);
}
std::uint32_t PageWay(std::uint32_t word) {
  const std::uint32_t bits = (word >> 5 & 0x7FFFF) << 2 | (word >> 29 & 3);
  return static_cast<std::uint32_t>(static_cast<std::int32_t>(bits << 11) >> 11);
}

}  // namespace

AddressMap::AddressMap(Machine machine)
    : machine_(machine),
      exact_(kExactEntries),
      regions_(kRegionEntries),
      values_(kValueEntries) {}

bool AddressMap::BeginsAt(ByteView old, std::size_t at, std::uint64_t source) const {
  if (machine_ == Machine::kNone || at + kOperandBytes > old.size()) return false;
  if (machine_ == Machine::kArm64) {
    if (((source + at) & 3) != 0) return false;
    const std::uint32_t word = LoadWord(old.data() + at);
    return IsBranch(word) || IsPage(word);
  }
  if (at == 0) return false;
  if (X86Form(at > 1 ? old[at - 2] : std::uint8_t{0}, old[at - 1]) == 0) return false;
  const auto way = static_cast<std::int32_t>(LoadWord(old.data() + at));
  return way > -kFarthest && way < kFarthest;
}

Operand AddressMap::Expect(ByteView old, std::size_t at, std::uint64_t source,
                           std::uint64_t target) const {
  return machine_ == Machine::kArm64 ? ExpectArm64(old, at, source, target)
                                     : ExpectX86(old, at, source, target);
}

Operand AddressMap::IfRelative(ByteView old, std::size_t at, std::uint64_t source,
                               std::uint64_t target) const {
  Operand operand;
  operand.old_word = LoadWord(old.data() + at);
  operand.site_shift = static_cast<std::uint32_t>(target - source);
  operand.place = static_cast<std::uint32_t>(source + at) + operand.old_word;
  const Known known = Find(operand.place, kX86RegionBits, operand.site_shift);
  operand.familiarity = known.familiarity;
  StoreWord(operand.expected, operand.old_word + known.shift - operand.site_shift);
  return operand;
}

Operand AddressMap::IfAbsolute(ByteView old, std::size_t at) const {
  Operand operand;
  operand.old_word = LoadWord(old.data() + at);
  operand.place = operand.old_word;
  const std::uint32_t region = operand.place >> kX86RegionBits;
  const Entry& near = values_[HashContext(region, 3) % kValueEntries];
  if (near.place != region) return operand;
  operand.familiarity = Familiarity::kNear;
  StoreWord(operand.expected, operand.old_word + near.shift);
  return operand;
}

void AddressMap::LearnValue(ByteView old, ByteView fresh, std::size_t at) {
  const std::uint32_t old_word = LoadWord(old.data() + at);
  const std::uint32_t moved = LoadWord(fresh.data() + at) - old_word;
  if (moved == 0) return;
  const std::uint32_t region = old_word >> kX86RegionBits;
  values_[HashContext(region, 3) % kValueEntries] = {region, moved};
}

AddressMap::Known AddressMap::Find(std::uint32_t place, unsigned region_bits,
                                   std::uint32_t otherwise) const {
  const Entry& exact = exact_[HashContext(place, 1) % kExactEntries];
  if (exact.place == place) return {exact.shift, Familiarity::kExact};
  const std::uint32_t region = place >> region_bits;
  const Entry& near = regions_[HashContext(region, 2) % kRegionEntries];
  if (near.place == region) return {near.shift, Familiarity::kNear};
  return {otherwise, Familiarity::kUnknown};
}

Operand AddressMap::ExpectX86(ByteView old, std::size_t at, std::uint64_t source,
                              std::uint64_t target) const {
  Operand operand;
  operand.form = X86Form(at > 1 ? old[at - 2] : std::uint8_t{0}, old[at - 1]);
  operand.old_word = LoadWord(old.data() + at);
  operand.place = static_cast<std::uint32_t>(source + at) + operand.old_word;
  operand.site_shift = static_cast<std::uint32_t>(target - source);
  const Known known = Find(operand.place, kX86RegionBits, operand.site_shift);
  operand.familiarity = known.familiarity;
  StoreWord(operand.expected, operand.old_word + known.shift - operand.site_shift);
  return operand;
}

Operand AddressMap::ExpectArm64(ByteView old, std::size_t at, std::uint64_t source,
                                std::uint64_t target) const {
  Operand operand;
  const std::uint32_t word = LoadWord(old.data() + at);
  operand.old_word = word;
  if (IsBranch(word)) {
    operand.form = kBranch;
    const std::uint32_t way = BranchWay(word) * 4;
    operand.place = static_cast<std::uint32_t>(source + at) + way;
    operand.site_shift = static_cast<std::uint32_t>(target - source);
    const Known known = Find(operand.place, kBranchRegionBits, operand.site_shift);
    operand.familiarity = known.familiarity;
    const std::uint32_t moved = way + known.shift - operand.site_shift;
    StoreWord(operand.expected, (word & 0xFC000000) | (moved >> 2 & 0x03FFFFFF));
    return operand;
  }
  operand.form = kPage;
  const auto old_page = static_cast<std::uint32_t>((source + at) >> 12);
  const auto new_page = static_cast<std::uint32_t>((target + at) >> 12);
  operand.place = old_page + PageWay(word) + kPagePlaces;
  operand.site_shift = new_page - old_page;
  const Known known = Find(operand.place, kPageRegionBits, 0);
  operand.familiarity = known.familiarity;
  const std::uint32_t way = PageWay(word) + known.shift - operand.site_shift;
  StoreWord(operand.expected, (word & 0x9F00001F) | (way >> 2 & 0x7FFFF) << 5 | (way & 3) << 29);
  return operand;
}

void AddressMap::Learn(const Operand& operand, const std::uint8_t* bytes) {
  const std::uint32_t word = LoadWord(bytes);
  std::uint32_t moved = 0;  // of the way
  unsigned region_bits = kX86RegionBits;
  if (operand.form == kBranch) {
    if (!IsBranch(word)) return;
    moved = (BranchWay(word) - BranchWay(operand.old_word)) * 4;
    region_bits = kBranchRegionBits;
  } else if (operand.form == kPage) {
    if (!IsPage(word)) return;
    moved = PageWay(word) - PageWay(operand.old_word);
    region_bits = kPageRegionBits;
  } else {
    moved = word - operand.old_word;
    const auto way = static_cast<std::int32_t>(moved);
    if (way <= -(1 << 24) || way >= 1 << 24) return;
  }
  const std::uint32_t shift = moved + operand.site_shift;
  exact_[HashContext(operand.place, 1) % kExactEntries] = {operand.place, shift};
  const std::uint32_t region = operand.place >> region_bits;
  regions_[HashContext(region, 2) % kRegionEntries] = {region, shift};
}

}  // namespace pawl::delta
