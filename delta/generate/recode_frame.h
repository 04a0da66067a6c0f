// SPDX-License-Identifier: Apache-2.0
#pragma once

// The recipe of a frame, and the pieces that make its plain bytes, by a RecodePlan.
// Internal to delta/generate.

#include <cstdint>
#include <vector>

#include "base/result.h"
#include "delta/apply/recipe.h"
#include "delta/generate/piece.h"
#include "delta/generate/recode_plan.h"

namespace pawl::delta {

// A piece inside one part of the old view, and what the frame's operations call its source.
struct AddressedPiece {
  Piece piece;
  std::uint64_t address = 0;
};

// Plain bytes of a frame: a range of the new view with the pieces in it, in order.
struct PlainRun {
  Range view;
  std::vector<AddressedPiece> pieces;
};

struct RecodedFrame {
  std::vector<PlainRun> runs;
  Recipe recipe;
  bool within_limits = true;  // of the format
};

// For target bytes `target`. Several threads may call it. ERRORS: kIo.
Result<RecodedFrame> RecodeFrame(const RecodePlan& plan, const Pieces& pieces, const Range& target);

}  // namespace pawl::delta
