// SPDX-License-Identifier: Apache-2.0
#pragma once

// The arithmetic of codec 3: adaptive binary probabilities, mixed, drive a binary arithmetic coder.
// Integers only, so that every machine makes the same bits. Internal to delta/.
// Source: docs/context-mixing.md. Method: Mahoney, "Adaptive Weighing of
// Context Models for Lossless Data Compression" (2005); Martin, "Range encoding" (1979).

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/bytes.h"

namespace pawl::delta {

// 65536 / (n + 1.6), rounded down: the share of the way that a probability moves after n bits.
inline constexpr std::array<std::int32_t, 64> kStep = [] {
  std::array<std::int32_t, 64> steps{};
  for (std::size_t i = 0; i < steps.size(); ++i) {
    steps[i] = 655360 / (static_cast<std::int32_t>(i) * 10 + 16);
  }
  return steps;
}();

// How likely a 1 is, in one context: 18 bits of probability, 6 bits of how often it was asked, and
// 8 bits that tell contexts apart which share the slot.
class Slot {
 public:
  // Twelve bits of the probability.
  std::uint32_t Coarse() const { return value_ >> 20; }
  // Starts afresh when the slot was another context's.
  void Claim(std::uint32_t check) {
    if ((value_ & 255) != check) value_ = kFresh | check;
  }
  // Moves towards `bit`, the faster the fewer bits have been seen.
  void Update(unsigned bit) {
    const std::uint32_t count = value_ >> 8 & 63;
    const auto probability = static_cast<std::int64_t>(value_ >> 14);
    const std::int64_t aim = bit != 0 ? (1 << 18) - 1 : 0;
    const std::int64_t moved = probability + (((aim - probability) * kStep[count]) >> 16);
    value_ = static_cast<std::uint32_t>(moved) << 14 | std::min(count + 1, 63U) << 8 |
             (value_ & 255);
  }

 private:
  static constexpr std::uint32_t kFresh = 1U << 31;
  std::uint32_t value_ = kFresh;
};

// The same in two bytes, for the many contexts of whole bytes: 12 bits of probability, 4 of count.
class SmallSlot {
 public:
  std::uint32_t Coarse() const { return value_ >> 4U; }
  void Update(unsigned bit) {
    const std::uint32_t count = value_ & 15U;
    const std::int32_t probability = value_ >> 4U;
    const std::int32_t aim = bit != 0 ? 4095 : 0;
    const std::int32_t moved = probability + (((aim - probability) * kStep[count]) >> 16);
    const auto counted = static_cast<std::int32_t>(std::min(count + 1, kLimit));
    value_ = static_cast<std::uint16_t>(moved << 4 | counted);
  }
  // The first of a line of slots is none itself but says whose line it is.
  std::uint16_t& raw() { return value_; }
  static constexpr std::uint16_t kFresh = 2048U << 4U;

 private:
  static constexpr std::uint32_t kLimit = 15;
  std::uint16_t value_ = kFresh;
};

// The logistic function on logits in units of 1/256, and its inverse.
class Logistic {
 public:
  static constexpr int kLimit = 2047;
  // Sixteen bits of probability, 32 … 65504.
  static std::uint32_t Squash(std::int32_t logit) {
    return kSquash[static_cast<std::size_t>(std::clamp(logit, -kLimit, kLimit) + kLimit)];
  }
  // REQUIRES: coarse < 4096.
  static std::int32_t Stretch(std::uint32_t coarse) { return kStretch[coarse]; }

 private:
  static constexpr std::size_t kLogits = 2 * kLimit + 1;
  static constexpr std::array<std::uint16_t, kLogits> MakeSquash();
  static constexpr std::array<std::int16_t, 4096> MakeStretch();
  static const std::array<std::uint16_t, kLogits> kSquash;
  static const std::array<std::int16_t, 4096> kStretch;
};

// Where an interval of 32-bit numbers is cut: up to the middle a 1, above it a 0.
constexpr std::uint32_t CutInterval(std::uint32_t low, std::uint32_t high,
                                    std::uint32_t probability) {
  return low + static_cast<std::uint32_t>((std::uint64_t{high - low} * probability) >> 16);
}

// Decodes bits by the probability of a 1, in sixteen bits. Never reads behind its bytes; says
// afterwards whether it wanted to.
class BitDecoder {
 public:
  static constexpr bool kEncodes = false;
  // `coded` is borrowed.
  explicit BitDecoder(ByteView coded) : coded_(coded) {
    for (int i = 0; i < 4; ++i) value_ = value_ << 8 | Next();
  }

  unsigned Code(std::uint32_t probability, unsigned /*bit*/) {
    const std::uint32_t middle = CutInterval(low_, high_, probability);
    const unsigned bit = value_ <= middle ? 1 : 0;
    (bit != 0 ? high_ : low_) = bit != 0 ? middle : middle + 1;
    while (((low_ ^ high_) >> 24) == 0) {
      low_ <<= 8;
      high_ = high_ << 8 | 255;
      value_ = value_ << 8 | Next();
    }
    return bit;
  }
  // More bytes were asked for than there are: what was decoded means nothing.
  bool overrun() const { return overrun_; }
  bool at_end() const { return at_ == coded_.size() && !overrun_; }

 private:
  std::uint32_t Next() {
    if (at_ < coded_.size()) return coded_[at_++];
    overrun_ = true;
    return 0;
  }
  ByteView coded_;
  std::size_t at_ = 0;
  std::uint32_t low_ = 0;
  std::uint32_t high_ = ~std::uint32_t{0};
  std::uint32_t value_ = 0;
  bool overrun_ = false;
};

// Weighs the opinions of up to N slots. One set of weights per `selector`.
template <std::size_t N>
class Mixer {
 public:
  explicit Mixer(std::size_t selectors, std::int32_t rate)
      : weights_(selectors * N, kFirstWeight), rate_(rate) {}

  // Codes one bit with the slots' mixed opinion and teaches slots and weights.
  template <class Coder, class AnySlot>
  unsigned Code(Coder& coder, const std::array<AnySlot*, N>& slots, std::size_t selector,
                unsigned bit) {
    std::int32_t* const weights = weights_.data() + selector * N;
    std::array<std::int32_t, N> opinions;
    std::int64_t sum = 0;
    for (std::size_t i = 0; i < N; ++i) {
      opinions[i] = Logistic::Stretch(slots[i]->Coarse());
      sum += std::int64_t{opinions[i]} * weights[i];
    }
    const auto logit = static_cast<std::int32_t>(
        std::clamp<std::int64_t>(sum >> 16, -Logistic::kLimit, Logistic::kLimit));
    const std::uint32_t probability = Logistic::Squash(logit);
    bit = coder.Code(probability, bit);
    const std::int32_t error =
        (static_cast<std::int32_t>(bit << 16) - static_cast<std::int32_t>(probability)) * rate_;
    for (std::size_t i = 0; i < N; ++i) {
      weights[i] += static_cast<std::int32_t>((std::int64_t{opinions[i]} * error + (1 << 17)) >> 18);
      weights[i] = std::clamp(weights[i], -kWeightLimit, kWeightLimit);
      slots[i]->Update(bit);
    }
    return bit;
  }

 private:
  static constexpr std::int32_t kFirstWeight = 65536 * 14 / 10 / static_cast<std::int32_t>(N);
  static constexpr std::int32_t kWeightLimit = 1 << 22;
  std::vector<std::int32_t> weights_;
  std::int32_t rate_;
};

// Mixes a context into 32 bits.
constexpr std::uint32_t HashContext(std::uint32_t a, std::uint32_t b) {
  std::uint32_t h = a * 0x9E3779B1U ^ (b * 0x85EBCA6BU + 0x27D4EB2FU);
  h ^= h >> 15;
  h *= 0x2C1B3C6DU;
  return h ^ h >> 13;
}

}  // namespace pawl::delta
