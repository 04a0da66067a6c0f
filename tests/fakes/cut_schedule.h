// SPDX-License-Identifier: Apache-2.0
#pragma once

// A power cut at the k-th effect of a run: from then on the world is dead, every fake answers kPowerLost and records nothing.

#include <cstdint>
#include <limits>

#include "base/result.h"

namespace pawl::fakes {

class CutSchedule {
 public:
  static constexpr std::uint64_t kNever = std::numeric_limits<std::uint64_t>::max();

  // The effect number `at` (from 0) is the one during which the power fails.
  void CutAt(std::uint64_t at) {
    at_ = at;
    count_ = 0;
    dead_ = false;
  }
  // What happens to the present effect?
  enum class Fate { kDone, kCutDuring, kDead };
  Fate Tick() {
    if (dead_) return Fate::kDead;
    if (count_++ == at_) {
      dead_ = true;
      return Fate::kCutDuring;
    }
    return Fate::kDone;
  }
  bool dead() const { return dead_; }
  std::uint64_t count() const { return count_; }

  static std::unexpected<Error> Lost() { return Fail(ErrorCode::kPowerLost, "the power failed"); }

 private:
  std::uint64_t at_ = kNever;
  std::uint64_t count_ = 0;
  bool dead_ = false;
};

// Small, seeded and the same on every machine (SplitMix64, Steele et al. 2014).
class Dice {
 public:
  explicit Dice(std::uint64_t seed) : state_(seed) {}
  std::uint64_t Next() {
    std::uint64_t z = (state_ += 0x9e3779b97f4a7c15ULL);
    z = (z ^ (z >> 30U)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27U)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31U);
  }
  std::uint64_t Below(std::uint64_t bound) { return Next() % bound; }

 private:
  std::uint64_t state_;
};

}  // namespace pawl::fakes
