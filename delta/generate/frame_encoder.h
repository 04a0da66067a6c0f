// SPDX-License-Identifier: Apache-2.0
#pragma once

// From pieces to operations and plain streams. Internal to delta/generate.

#include <cstdint>
#include <vector>

#include "base/block_io.h"
#include "base/bytes.h"
#include "base/result.h"
#include "delta/generate/piece.h"
#include "delta/generate/recode_plan.h"

namespace pawl::delta {

// The plain streams of some target bytes.
struct PlainStreams {
  Bytes recipe;  // empty when nothing is transformed
  std::uint64_t recipe_memory_bytes = 0;
  bool within_limits = true;  // false: the recipe is over a limit of the format
  Bytes control;
  Bytes difference;
  Bytes literal;
  Bytes old;                 // source bytes that the difference is added to, as many
  std::vector<Leap> leaps;   // of positions in the plain bytes
  std::uint64_t target = 0;  // where the first byte that they make lies in the target
};

// Turns target ranges into plain streams. Several threads may use one.
class StreamBuilder {
 public:
  // All borrowed. `old_image` may be null when no piece reads the source.
  StreamBuilder(RandomReader* old_image, RandomReader& new_image, const Pieces& pieces)
      : old_(old_image), new_(new_image), pieces_(pieces) {}

  // The same over the views of `plan`, in which the pieces are.
  StreamBuilder(RecodePlan& plan, const Pieces& pieces)
      : old_(&plan.old_view()), new_(plan.new_view()), pieces_(pieces), plan_(&plan) {}

  // ERRORS: kIo.
  Result<PlainStreams> Build(const Range& target) const;
  // The same without any use of the source: for ranges whose operations would not pay.
  Result<PlainStreams> BuildLiteral(const Range& target) const;
  // The target's bytes themselves. ERRORS: kIo.
  Result<Bytes> Target(const Range& target) const;

 private:
  Result<PlainStreams> BuildRecoded(const Range& target) const;

  RandomReader* old_;
  RandomReader& new_;
  const Pieces& pieces_;
  const RecodePlan* plan_ = nullptr;
};

}  // namespace pawl::delta
