// SPDX-License-Identifier: Apache-2.0
#pragma once

// How parts of the target come from the source, before they become operations. Internal to
// delta/generate. Offsets and lengths in bytes.

#include <cstdint>
#include <vector>

namespace pawl::delta {

enum class PieceKind : std::uint8_t {
  kZero,     // zero bytes; `source` means nothing
  kBlock,    // equal to the source, found as an aligned block
  kShifted,  // equal to the source, found by rolling hash
  kSimilar,  // like the source, found by suffix sorting
};

struct Piece {
  std::uint64_t target = 0;
  std::uint64_t length = 0;
  std::uint64_t source = 0;
  PieceKind kind = PieceKind::kZero;
};

// In ascending order of target, without overlap. What no piece covers is literal.
using Pieces = std::vector<Piece>;

struct Range {
  std::uint64_t begin = 0;
  std::uint64_t length = 0;
  std::uint64_t end() const { return begin + length; }
};

// What `pieces` leave uncovered of [0, size), in order.
inline std::vector<Range> Gaps(const Pieces& pieces, std::uint64_t size) {
  std::vector<Range> gaps;
  std::uint64_t at = 0;
  for (const Piece& piece : pieces) {
    if (piece.target > at) gaps.push_back({at, piece.target - at});
    at = piece.target + piece.length;
  }
  if (size > at) gaps.push_back({at, size - at});
  return gaps;
}

}  // namespace pawl::delta
