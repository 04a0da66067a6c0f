// SPDX-License-Identifier: Apache-2.0
#include "delta/generate/coding_costs.h"

#include <zstd.h>

#include <algorithm>
#include <bit>
#include <limits>

#include "delta/apply/address_map.h"
#include "delta/generate/fast_hash.h"

namespace pawl::delta {
namespace {

constexpr unsigned kEntriesLog = 20;
// Values and places are near when they are equal but for so many lowest bits.
constexpr unsigned kNearBits = 8;

// The constants below were fitted to the sizes of whole containers (docs/delta-engine.md).

// Of a word that changes as no other does, and more for each byte of it that changes.
constexpr Cost kNewWord = 4 * kBit;
constexpr Cost kNewByte = 7 * kBit;
// Of one that changes as others did. Halved with each kTrustStep such words in a row.
constexpr Cost kExpectedWord = 3 * kBit;
constexpr std::uint32_t kTrustStep = 4;
constexpr std::uint32_t kMaxTrust = 4 * kTrustStep - 1;
// Of one whose change alone is known, beside what its frequency tells.
constexpr Cost kKnownChange = 2 * kBit;

// The literal bytes of a first scan are compressed to see what one costs. LZMA2 makes three
// quarters of it.
constexpr std::size_t kLiteralSample = 1U << 20;
constexpr int kLiteralLevel = 3;
constexpr std::uint64_t kLiteralPercent = 75;
// Weighs like so many bytes at so many bits when there are few.
constexpr std::uint64_t kPriorBytes = 4096;
constexpr Cost kPriorLiteral = 7 * kBit / 2;

// All hashes of one changed word. Each stands for a change and for what it was seen of.
struct Change {
  Change(std::uint32_t old, std::uint64_t old_at, std::uint32_t fresh, std::uint64_t fresh_at) {
    // Of the words as addresses relative to themselves: the places that they name.
    const auto old_place = static_cast<std::uint32_t>(old_at) + old;
    const auto shift = static_cast<std::uint32_t>(fresh_at) + fresh - old_place;
    by = fresh - old;
    alone = Hash(1, 0, by);
    expected = {Hash(2, old_place, shift), Hash(3, old, by), Hash(4, old_place >> kNearBits, shift),
                Hash(5, old >> kNearBits, by)};
  }

  std::uint32_t by = 0;
  std::uint64_t alone = 0;
  std::array<std::uint64_t, 4> expected = {};

 private:
  static std::uint64_t Hash(std::uint64_t kind, std::uint32_t what, std::uint32_t change) {
    return Mix((std::uint64_t{what} << 32 | change) + kind * 0xD6E8FEB86659FD93ULL);
  }
};

std::uint16_t CheckOf(std::uint64_t hash) { return static_cast<std::uint16_t>(hash >> 48); }
std::size_t EntryOf(std::uint64_t hash) { return hash & ((std::size_t{1} << kEntriesLog) - 1); }

// The binary logarithm of `n`, by straight lines between powers of two. REQUIRES: n > 0.
Cost BitsOf(std::uint32_t n) {
  const auto whole = static_cast<unsigned>(std::bit_width(n)) - 1;
  return whole * kBit + static_cast<Cost>((std::uint64_t{n} * kBit >> whole) - kBit);
}

Cost NewWord(std::uint32_t differing) {
  Cost cost = kNewWord;
  for (; differing != 0; differing >>= 8) cost += (differing & 0xFF) != 0 ? kNewByte : 0;
  return cost;
}

}  // namespace

CodingCosts::CodingCosts() : entries_(std::size_t{1} << kEntriesLog) {}

void CodingCosts::LearnDifference(ByteView old, std::uint64_t old_at, ByteView fresh,
                                  std::uint64_t fresh_at) {
  const auto learn = [this](std::uint64_t hash) {
    Entry& entry = entries_[EntryOf(hash)];
    if (entry.check == CheckOf(hash)) {
      if (entry.count != std::numeric_limits<std::uint16_t>::max()) ++entry.count;
    } else if (entry.count < 2) {
      entry = {CheckOf(hash), 1};
    } else {
      --entry.count;  // what was seen often stays for some time
    }
  };
  for (std::size_t i = 0; i + 4 <= old.size();) {
    if (old[i] == fresh[i]) {
      ++i;
      continue;
    }
    const Change change(LoadWord(&old[i]), old_at + i, LoadWord(&fresh[i]), fresh_at + i);
    learn(change.alone);
    for (const std::uint64_t hash : change.expected) learn(hash);
    ++words_;
    i += 4;
  }
}

void CodingCosts::LearnLiteral(ByteView bytes) {
  const std::size_t room = kLiteralSample - literal_.size();
  const ByteView part = bytes.first(std::min(room, bytes.size()));
  literal_.insert(literal_.end(), part.begin(), part.end());
}

void CodingCosts::FinishLearning() {
  std::uint64_t coded_bytes = 0;
  if (!literal_.empty()) {
    Bytes coded(ZSTD_compressBound(literal_.size()));
    const std::size_t size = ZSTD_compress(coded.data(), coded.size(), literal_.data(),
                                           literal_.size(), kLiteralLevel);
    coded_bytes = ZSTD_isError(size) != 0 ? literal_.size() : size;
  }
  const std::uint64_t cost =
      coded_bytes * 8 * kBit * kLiteralPercent / 100 + kPriorBytes * kPriorLiteral;
  literal_byte_ = static_cast<Cost>(cost / (literal_.size() + kPriorBytes));
  literal_ = {};
}

std::uint32_t CodingCosts::CountOf(std::uint64_t hash) const {
  const Entry& entry = entries_[EntryOf(hash)];
  return entry.check == CheckOf(hash) ? entry.count : 0;
}

Cost CodingCosts::OfWord(std::uint32_t old, std::uint64_t old_at, std::uint32_t fresh,
                         std::uint64_t fresh_at, std::uint32_t& trust) const {
  const Change change(old, old_at, fresh, fresh_at);
  // Seen twice: the first scan may have laid this very word here.
  const auto seen = [this](std::uint64_t hash) { return CountOf(hash) > 1; };
  if (std::ranges::any_of(change.expected, seen)) {
    const Cost cost = kExpectedWord >> (trust / kTrustStep);
    trust = std::min(trust + 1, kMaxTrust);
    return cost;
  }
  const Cost anew = NewWord(old ^ fresh);
  const std::uint32_t count = CountOf(change.alone);
  if (count < 2) {
    trust = 0;
    return anew;
  }
  trust /= 2;
  // Counts of what shares an entry may add up to more than there are words.
  return std::min(anew, kKnownChange + BitsOf(words_ / count + 1));
}

}  // namespace pawl::delta
