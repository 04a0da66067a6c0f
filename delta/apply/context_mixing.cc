// SPDX-License-Identifier: Apache-2.0
#include "delta/apply/context_mixing.h"

namespace pawl::delta {
namespace {

// 65536 / (1 + e^(-x)) at x = -8, -7.5, …, 8; between them straight lines.
constexpr std::array<std::int32_t, 33> kKnots = {
    22,    36,    60,    98,    162,   267,   439,   720,   1179,  1921,  3108,
    4971,  7812,  11955, 17625, 24743, 32768, 40793, 47911, 53581, 57724, 60565,
    62428, 63615, 64357, 64816, 65097, 65269, 65374, 65438, 65476, 65500, 65514};

}  // namespace

constexpr std::array<std::uint16_t, Logistic::kLogits> Logistic::MakeSquash() {
  std::array<std::uint16_t, kLogits> table{};
  for (int logit = -kLimit; logit <= kLimit; ++logit) {
    const int shifted = logit + 2048;  // 1 … 4095
    const auto knot = static_cast<std::size_t>(shifted / 128);
    const int part = shifted % 128;
    const std::int32_t value = (kKnots[knot] * (128 - part) + kKnots[knot + 1] * part + 64) / 128;
    table[static_cast<std::size_t>(logit + kLimit)] =
        static_cast<std::uint16_t>(std::clamp(value, 32, 65504));
  }
  return table;
}

constexpr std::array<std::int16_t, 4096> Logistic::MakeStretch() {
  // The lowest logit whose probability reaches that of the middle of the step.
  constexpr std::array<std::uint16_t, kLogits> squash = MakeSquash();
  std::array<std::int16_t, 4096> table{};
  std::size_t at = 0;
  for (std::size_t coarse = 0; coarse < table.size(); ++coarse) {
    while (at + 1 < kLogits && squash[at] < coarse * 16 + 8) ++at;
    table[coarse] = static_cast<std::int16_t>(static_cast<int>(at) - kLimit);
  }
  return table;
}

constinit const std::array<std::uint16_t, Logistic::kLogits> Logistic::kSquash = MakeSquash();
constinit const std::array<std::int16_t, 4096> Logistic::kStretch = MakeStretch();

}  // namespace pawl::delta
