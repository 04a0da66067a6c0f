// SPDX-License-Identifier: Apache-2.0
#pragma once

// The encoding side of the arithmetic coder of delta/apply/context_mixing.h. Internal to
// delta/generate.

#include <bit>
#include <cstdint>

#include "delta/apply/context_mixing.h"

namespace pawl::delta {

class BitEncoder {
 public:
  static constexpr bool kEncodes = true;
  // `out` is borrowed; coded bytes are appended.
  explicit BitEncoder(Bytes& out) : out_(out) {}

  // `probability`: of a 1, in sixteen bits.
  unsigned Code(std::uint32_t probability, unsigned bit) {
    const std::uint32_t middle = CutInterval(low_, high_, probability);
    (bit != 0 ? high_ : low_) = bit != 0 ? middle : middle + 1;
    while (((low_ ^ high_) >> 24) == 0) {
      out_.push_back(static_cast<std::uint8_t>(high_ >> 24));
      low_ <<= 8;
      high_ = high_ << 8 | 255;
    }
    ++bits_;
    return bit;
  }
  // Writes the four bytes that a decoder has read ahead.
  void Finish() {
    for (unsigned shift = 32; shift != 0;) {
      shift -= 8;
      out_.push_back(static_cast<std::uint8_t>(low_ >> shift));
    }
  }
  // How many bits were coded: what decoding costs.
  std::uint64_t bits() const { return bits_; }
  // How many bits the coded bytes come to: those written, and what the interval has narrowed since.
  std::uint64_t coded_bits() const {
    return out_.size() * 8 + 32 - static_cast<unsigned>(std::bit_width(high_ - low_));
  }

 private:
  Bytes& out_;
  std::uint32_t low_ = 0;
  std::uint32_t high_ = ~std::uint32_t{0};
  std::uint64_t bits_ = 0;
};

}  // namespace pawl::delta
