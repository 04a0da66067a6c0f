// SPDX-License-Identifier: Apache-2.0
#pragma once

// Codec 3, of mixed streams: new bytes, given the old bytes that they are laid on. One
// template serves both directions, so that they cannot drift apart. Internal to delta/.
// Source: docs/context-mixing.md.

#include <array>
#include <bit>
#include <cstdint>
#include <vector>

#include "base/bytes.h"
#include "delta/apply/address_map.h"
#include "delta/apply/byte_model.h"
#include "delta/apply/context_mixing.h"

namespace pawl::delta {

class DifferenceModel {
 public:
  // Longer mix operations are coded in segments of this length; no context looks outside its own.
  static constexpr std::size_t kSegmentBytes = 1U << 16;

  // What a model holds, rounded up. Bytes.
  static constexpr std::uint64_t kMemoryBytes = 3ULL << 20;

  explicit DifferenceModel(Machine machine)
      : addresses_(machine),
        byte_flags_(14, 1024),
        run_flags_(13, 16),
        operand_flags_(13, 64),
        guess_flags_(14, 32),
        bytes_(16, 2),
        guesses_by_word_(kGuesses),
        guesses_by_past_(kGuesses) {}

  // Codes one segment: `fresh` is laid on `old` (as long), which begins at `source` of the source
  // and becomes what begins at `target` of the target. Encoding reads `fresh`, decoding fills it.
  template <class Coder>
  void Code(Coder& coder, ByteView old, std::uint64_t source, std::uint64_t target,
            ByteSpan fresh);

 private:
  static constexpr std::size_t kGuesses = 1U << 16;
  // A change that was right before, and how often in a row (0: never).
  struct Guess {
    std::uint8_t value = 0;
    std::uint8_t trust = 0;
    bool usable() const { return trust != 0 && value != 0; }
    void Learn(std::uint8_t found) {
      if (trust != 0 && value == found) {
        trust = static_cast<std::uint8_t>(trust < 7 ? trust + 1 : trust);
      } else if (trust > 1) {
        trust = static_cast<std::uint8_t>(trust / 2);
      } else {
        *this = {found, 1};
      }
    }
  };
  using Guesses = std::array<Guess, 4>;
  // What a byte becomes if it belongs to an address, with how far such guesses are trusted.
  struct AddressGuess {
    Guess guess;
    std::uint8_t* trust = nullptr;
    void Judge(std::uint8_t found) const {
      if (!guess.usable()) return;
      *trust = static_cast<std::uint8_t>(guess.value == found ? std::min(*trust + 1, 7)
                                                              : std::max(*trust / 2, 1));
    }
  };
  struct Segment {
    ByteView old;
    ByteSpan fresh;
    std::uint64_t source;
    std::uint64_t target;
    std::uint8_t Old(std::size_t at, std::size_t back) const {
      return back <= at ? old[at - back] : std::uint8_t{0};
    }
    std::uint8_t OldAhead(std::size_t at) const {
      return at < old.size() ? old[at] : std::uint8_t{0};
    }
    std::uint32_t OldWord(std::size_t at) const {
      if (at + 4 <= old.size()) return LoadWord(old.data() + at);
      return std::uint32_t{OldAhead(at)} | std::uint32_t{OldAhead(at + 1)} << 8 |
             std::uint32_t{OldAhead(at + 2)} << 16 | std::uint32_t{OldAhead(at + 3)} << 24;
    }
    std::uint32_t Change(std::size_t at, std::size_t back) const {
      return back <= at ? static_cast<std::uint8_t>(fresh[at - back] - old[at - back]) : 0U;
    }
  };

  template <class Coder>
  void CodeOperand(Coder& coder, const Segment& segment, std::size_t at, const Operand& operand);
  template <class Coder>
  std::size_t CodeRun(Coder& coder, const Segment& segment, std::size_t at);
  // `state`: 0, or which byte of which operand. `known_wrong`: it cannot be as expected.
  template <class Coder>
  bool CodeByte(Coder& coder, const Segment& segment, std::size_t at, std::uint8_t expected,
                std::uint32_t state, bool known_wrong);
  template <class Coder>
  std::uint8_t CodeChange(Coder& coder, const Segment& segment, std::size_t at,
                          std::uint8_t expected, std::uint32_t state, std::uint8_t change);

  // Codes which guess is right. False: none is. Decoding sets `change` when one is.
  template <class Coder>
  bool CodeGuesses(Coder& coder, const Guesses& guesses, std::uint8_t expected,
                   std::uint32_t state, std::uint8_t& change);
  void GuessAddresses(const Segment& segment, std::size_t at, std::uint8_t expected,
                      AddressGuess& relative, AddressGuess& absolute);

  void Hit(std::uint32_t count) {
    quiet_ += count;
    history_ = count < 32 ? history_ << count : 0;
  }

  AddressMap addresses_;
  FlagModel<5> byte_flags_;
  FlagModel<3> run_flags_;
  FlagModel<3> operand_flags_;
  FlagModel<3> guess_flags_;
  ByteModel bytes_;
  std::vector<Guess> guesses_by_word_;
  std::vector<Guess> guesses_by_past_;

  // By Familiarity less one and byte of the word; by byte of the word.
  std::array<std::uint8_t, 2 * kOperandBytes> relative_trust_{1, 1, 1, 1, 1, 1, 1, 1};
  std::array<std::uint8_t, kOperandBytes> absolute_trust_{1, 1, 1, 1};
  std::uint32_t quiet_ = 0;         // bytes since the last that was not as expected
  std::uint32_t history_ = 0;       // of expectations: a 1 for each that failed, newest lowest
  std::uint32_t run_history_ = 0;   // the same for runs
  std::uint32_t last_change_ = 0;
  std::uint32_t change_before_ = 0;
};

template <class Coder>
void DifferenceModel::Code(Coder& coder, ByteView old, std::uint64_t source, std::uint64_t target,
                           ByteSpan fresh) {
  const Segment segment{old, fresh, source, target};
  std::size_t word = (0 - source) & 3;  // the first that is aligned and not yet looked at
  for (std::size_t at = 0; at < old.size();) {
    if (addresses_.BeginsAt(old, at, source)) {
      CodeOperand(coder, segment, at, addresses_.Expect(old, at, source, target));
      at += kOperandBytes;
    } else {
      at += CodeRun(coder, segment, at);
    }
    for (; word + 4 <= at; word += 4) addresses_.LearnValue(old, fresh, word);
  }
}

inline void DifferenceModel::GuessAddresses(const Segment& segment, std::size_t at,
                                            std::uint8_t expected, AddressGuess& relative,
                                            AddressGuess& absolute) {
  const std::size_t byte = (segment.source + at) & 3;
  if (byte > at || at - byte + kOperandBytes > segment.old.size()) return;
  const std::size_t begin = at - byte;
  const auto set = [&](AddressGuess& to, const Operand& operand, std::uint8_t& trust) {
    to.guess = {static_cast<std::uint8_t>(operand.expected[byte] - expected), trust};
    to.trust = &trust;
  };
  const Operand by_site =
      addresses_.IfRelative(segment.old, begin, segment.source, segment.target);
  if (by_site.familiarity != Familiarity::kUnknown) {
    const std::size_t row = by_site.familiarity == Familiarity::kExact ? 1 : 0;
    set(relative, by_site, relative_trust_[row * kOperandBytes + byte]);
  }
  const Operand by_value = addresses_.IfAbsolute(segment.old, begin);
  if (by_value.familiarity != Familiarity::kUnknown) {
    set(absolute, by_value, absolute_trust_[byte]);
  }
}

template <class Coder>
void DifferenceModel::CodeOperand(Coder& coder, const Segment& segment, std::size_t at,
                                  const Operand& operand) {
  const ByteSpan fresh = segment.fresh.subspan(at, kOperandBytes);
  const std::uint32_t kind = operand.form * 3U + static_cast<std::uint32_t>(operand.familiarity);
  bool wrong = false;
  if constexpr (Coder::kEncodes) wrong = !std::ranges::equal(operand.expected, fresh);
  wrong = operand_flags_.Code(
      coder,
      {HashContext(kind | (history_ & 0xFF) << 8, 11), HashContext(operand.place, 12),
       HashContext(kind | std::uint32_t{segment.Old(at, 1)} << 8 |
                       std::uint32_t{segment.Old(at, 2)} << 16,
                   13)},
      kind, wrong);
  if (!wrong) {
    if constexpr (!Coder::kEncodes) std::ranges::copy(operand.expected, fresh.begin());
    Hit(1);
  } else {
    bool all_right = true;
    for (std::size_t i = 0; i < kOperandBytes; ++i) {
      const std::uint32_t state = kind * 4 + static_cast<std::uint32_t>(i) + 1;
      const bool known_wrong = all_right && i + 1 == kOperandBytes;
      if (CodeByte(coder, segment, at + i, operand.expected[i], state, known_wrong)) {
        all_right = false;
      }
    }
  }
  addresses_.Learn(operand, fresh.data());
}

template <class Coder>
std::size_t DifferenceModel::CodeRun(Coder& coder, const Segment& segment, std::size_t at) {
  std::size_t run = quiet_ < 4 ? 1 : quiet_ < 16 ? 4 : quiet_ < 32 ? 16 : 64;
  run = std::min(run, segment.old.size() - at);
  for (std::size_t i = 1; i < run; ++i) {
    if (addresses_.BeginsAt(segment.old, at + i, segment.source)) run = i;
  }
  if (run == 1) {
    CodeByte(coder, segment, at, segment.old[at], 0, false);
    return 1;
  }
  const ByteView old = segment.old.subspan(at, run);
  const ByteSpan fresh = segment.fresh.subspan(at, run);
  const auto length = static_cast<std::uint32_t>(run);
  const std::uint32_t calm = std::min<std::uint32_t>(
      15, static_cast<std::uint32_t>(std::bit_width(quiet_)));
  bool wrong = false;
  if constexpr (Coder::kEncodes) wrong = !std::ranges::equal(old, fresh);
  wrong = run_flags_.Code(coder,
                          {HashContext(calm | (run_history_ & 15) << 4 | length << 8, 21),
                           HashContext(segment.OldWord(at), 22),
                           HashContext(segment.Old(at, 1) | std::uint32_t{segment.Old(at, 2)} << 8 |
                                           length << 16,
                                       23)},
                          calm, wrong);
  run_history_ = run_history_ << 1 | (wrong ? 1 : 0);
  if (!wrong) {
    if constexpr (!Coder::kEncodes) std::ranges::copy(old, fresh.begin());
    Hit(length);
    return run;
  }
  bool all_right = true;
  for (std::size_t i = 0; i < run; ++i) {
    const bool known_wrong = all_right && i + 1 == run;
    if (CodeByte(coder, segment, at + i, old[i], 0, known_wrong)) all_right = false;
  }
  return run;
}

template <class Coder>
bool DifferenceModel::CodeByte(Coder& coder, const Segment& segment, std::size_t at,
                               std::uint8_t expected, std::uint32_t state, bool known_wrong) {
  std::uint8_t& fresh = segment.fresh[at];
  bool wrong = true;
  if (!known_wrong) {
    if constexpr (Coder::kEncodes) wrong = fresh != expected;
    const std::uint32_t near = std::min(quiet_, 31U);
    const std::uint32_t behind = segment.Old(at, 1) | std::uint32_t{segment.Old(at, 2)} << 8;
    wrong = byte_flags_.Code(
        coder,
        {HashContext(expected | (history_ & 255) << 8 | state << 16, 31),
         HashContext(behind | std::uint32_t{segment.Old(at, 3)} << 16 | (history_ & 1) << 24,
                     1000 + near),
         HashContext(state | (history_ & 0xFFF) << 8, 33),
         HashContext(last_change_ | change_before_ << 8 | near << 16, 34),
         HashContext(segment.OldWord(at), 35 + (history_ & 1))},
        (state % 64) * 16 + (history_ & 15), wrong);
  }
  if (!wrong) {
    if constexpr (!Coder::kEncodes) fresh = expected;
    Hit(1);
    return false;
  }
  std::uint8_t change = 0;
  if constexpr (Coder::kEncodes) change = static_cast<std::uint8_t>(fresh - expected);
  change = CodeChange(coder, segment, at, expected, state, change);
  if constexpr (!Coder::kEncodes) fresh = static_cast<std::uint8_t>(expected + change);
  change_before_ = last_change_;
  last_change_ = change;
  quiet_ = 0;
  history_ = history_ << 1 | 1;
  return true;
}

template <class Coder>
std::uint8_t DifferenceModel::CodeChange(Coder& coder, const Segment& segment, std::size_t at,
                                         std::uint8_t expected, std::uint32_t state,
                                         std::uint8_t change) {
  const std::uint32_t word = segment.OldWord(at);
  const std::uint32_t by8 = segment.Change(at, 8);
  Guess& by_word = guesses_by_word_[HashContext(word, state) % kGuesses];
  Guess& by_past =
      guesses_by_past_[HashContext(last_change_ | by8 << 8 | state << 16, 42) % kGuesses];
  AddressGuess relative;
  AddressGuess absolute;
  if (state == 0) GuessAddresses(segment, at, expected, relative, absolute);
  const Guesses guesses = {relative.guess, absolute.guess, by_word, by_past};
  if (!CodeGuesses(coder, guesses, expected, state, change)) {
    const std::uint32_t by4 = segment.Change(at, 4);
    const std::uint32_t behind = segment.Old(at, 1) | std::uint32_t{segment.Old(at, 2)} << 8;
    const auto place = static_cast<std::uint32_t>((segment.target + at) & 3);
    change = bytes_.Code(
        coder,
        {HashContext(by8 | segment.Change(at, 24) << 8 | segment.Change(at, 16) << 16, 51),
         HashContext(by4 | by8 << 8 | place << 16, 52),
         HashContext(last_change_ | (history_ & 7) << 8 | state << 16, 53),
         HashContext(segment.old[at] | std::uint32_t{expected} << 8 | change_before_ << 16, 54),
         HashContext(word, 55), HashContext(behind | state << 16, 56)},
        state != 0 ? 1 : 0, change);
  }
  relative.Judge(change);
  absolute.Judge(change);
  by_word.Learn(change);
  by_past.Learn(change);
  return change;
}

template <class Coder>
bool DifferenceModel::CodeGuesses(Coder& coder, const Guesses& guesses, std::uint8_t expected,
                                  std::uint32_t state, std::uint8_t& change) {
  for (std::uint32_t i = 0; i < guesses.size(); ++i) {
    const Guess& guess = guesses[i];
    if (!guess.usable()) continue;
    const auto same = [&](const Guess& other) {
      return other.usable() && other.value == guess.value;
    };
    if (std::any_of(guesses.begin(), guesses.begin() + i, same)) continue;
    const std::uint32_t trust = i << 4 | guess.trust;
    const bool wrong = guess_flags_.Code(
        coder,
        {HashContext(trust | state << 8 | (history_ & 3) << 16, 43),
         HashContext(trust | std::uint32_t{guess.value} << 8 | std::uint32_t{expected} << 16, 44),
         HashContext(trust | std::uint32_t{guess.value} << 8 | last_change_ << 16, 45)},
        i * 8 + guess.trust, change != guess.value);
    if (!wrong) {
      change = guess.value;
      return true;
    }
  }
  return false;
}

}  // namespace pawl::delta
