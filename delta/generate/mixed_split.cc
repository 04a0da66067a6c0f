// SPDX-License-Identifier: Apache-2.0
#include "delta/generate/mixed_split.h"

#include <zstd.h>

#include <algorithm>
#include <memory>
#include <vector>

#include "delta/apply/payload.h"
#include "delta/generate/mixed_encoder.h"

namespace pawl::delta {
namespace {

// What is decided at once: long enough that its costs are more than noise.
constexpr std::size_t kUnitBytes = 4096;
// What another operation takes in the control stream, about, where a decision changes inside one.
constexpr std::int64_t kSwitchBits = 24;
// zstd tells what so many bytes of difference take. The shares within follow from their changes.
constexpr std::size_t kWindowBytes = 64U << 10;
constexpr int kCostLevel = 4;

struct Unit {
  Addition addition;
  std::int64_t plain_bits = 0;  // what its difference takes in the other codecs, about
  bool first = false;           // of its operation
  bool mixed = false;
};

// Operations in parts of kUnitBytes.
std::vector<Unit> CutIntoUnits(const std::vector<Addition>& additions) {
  std::vector<Unit> units;
  for (const Addition& addition : additions) {
    for (std::size_t done = 0; done < addition.length; done += kUnitBytes) {
      const Addition part{addition.source + done, addition.target + done, addition.begin + done,
                          std::min(kUnitBytes, addition.length - done)};
      units.push_back({part, 0, done == 0, false});
    }
  }
  return units;
}

// How much of a window's bytes a part of it makes, in no particular unit: every change, and every
// run of changes, which takes a sequence of its own.
std::uint64_t Weight(ByteView difference) {
  std::uint64_t weight = 0;
  bool in_run = false;
  for (const std::uint8_t byte : difference) {
    weight += byte != 0 ? (in_run ? 1U : 2U) : 0U;
    in_run = byte != 0;
  }
  return weight;
}

// Compresses a difference window by window and says what each has taken.
class WindowCosts {
 public:
  WindowCosts() : context_(ZSTD_createCCtx()), room_(ZSTD_compressBound(kWindowBytes) + 64) {
    ZSTD_CCtx_setParameter(context_.get(), ZSTD_c_compressionLevel, kCostLevel);
    ZSTD_CCtx_setParameter(context_.get(), ZSTD_c_windowLog, kMaxWindowLog);
  }
  // In bits. `window`: stays where it is until the last call. ERRORS: kInternal.
  Result<std::int64_t> Next(ByteView window) {
    ZSTD_inBuffer in{window.data(), window.size(), 0};
    ZSTD_outBuffer out{room_.data(), room_.size(), 0};
    const std::size_t left = ZSTD_compressStream2(context_.get(), &out, &in, ZSTD_e_flush);
    if (ZSTD_isError(left) != 0 || left != 0) return Fail(ErrorCode::kInternal, "zstd fails");
    return static_cast<std::int64_t>(out.pos) * 8;
  }

 private:
  struct Free {
    void operator()(ZSTD_CCtx_s* context) const { ZSTD_freeCCtx(context); }
  };
  std::unique_ptr<ZSTD_CCtx_s, Free> context_;
  Bytes room_;
};

Status FindPlainCosts(ByteView difference, std::vector<Unit>& units) {
  WindowCosts costs;
  std::size_t next = 0;  // unit that the window begins in
  std::vector<std::pair<std::size_t, std::uint64_t>> shares;
  for (std::size_t begin = 0; begin < difference.size(); begin += kWindowBytes) {
    const std::size_t end = std::min(begin + kWindowBytes, difference.size());
    PAWL_ASSIGN_OR_RETURN(const std::int64_t bits,
                          costs.Next(difference.subspan(begin, end - begin)));
    shares.clear();
    std::uint64_t sum = 0;
    for (std::size_t i = next; i < units.size() && units[i].addition.begin < end; ++i) {
      const std::size_t unit_end = units[i].addition.begin + units[i].addition.length;
      const std::size_t from = std::max(begin, units[i].addition.begin);
      shares.emplace_back(i, Weight(difference.subspan(from, std::min(end, unit_end) - from)));
      sum += shares.back().second;
      if (unit_end <= end) next = i + 1;
    }
    for (const auto& [unit, weight] : shares) {
      if (sum != 0) units[unit].plain_bits += bits * static_cast<std::int64_t>(weight) /
                                              static_cast<std::int64_t>(sum);
    }
  }
  return {};
}

// Chooses for units [begin, end) of one operation: the path through them that gains most, where
// each change of the choice costs an operation.
void ChooseInOperation(std::vector<Unit>& units, std::size_t begin, std::size_t end,
                       const std::vector<std::int64_t>& gains) {
  // Best sums that end plain and mixed, and whether the unit before was mixed in them.
  std::int64_t plain = 0;
  std::int64_t mixed = 0;
  std::vector<std::pair<bool, bool>> before(end - begin);
  for (std::size_t i = begin; i < end; ++i) {
    const std::int64_t to_plain = i == begin ? plain : mixed - kSwitchBits;
    const std::int64_t to_mixed = i == begin ? mixed : plain - kSwitchBits;
    before[i - begin] = {to_plain > plain, to_mixed <= mixed};
    const std::int64_t next_plain = std::max(plain, to_plain);
    mixed = std::max(mixed, to_mixed) + gains[i];
    plain = next_plain;
  }
  bool choice = mixed > plain;
  for (std::size_t i = end; i-- > begin;) {
    units[i].mixed = choice;
    choice = choice ? before[i - begin].second : before[i - begin].first;
  }
}

void Choose(std::vector<Unit>& units, const std::vector<MixedCost>& costs,
            std::uint64_t bits_per_saved_byte) {
  std::vector<std::int64_t> gains(units.size());
  for (std::size_t i = 0; i < units.size(); ++i) {
    const std::uint64_t decoding = costs[i].decoded_bits * 8 / bits_per_saved_byte;
    gains[i] = units[i].plain_bits - static_cast<std::int64_t>(costs[i].coded_bits + decoding);
  }
  for (std::size_t begin = 0; begin < units.size();) {
    std::size_t end = begin + 1;
    while (end < units.size() && !units[end].first) ++end;
    ChooseInOperation(units, begin, end, gains);
    begin = end;
  }
}

// Neighbours of one choice inside an operation, as one.
struct Run {
  Addition addition;
  bool mixed = false;
  bool first = false;
};

std::vector<Run> Join(const std::vector<Unit>& units) {
  std::vector<Run> runs;
  for (const Unit& unit : units) {
    if (!unit.first && runs.back().mixed == unit.mixed) {
      runs.back().addition.length += unit.addition.length;
    } else {
      runs.push_back({unit.addition, unit.mixed, unit.first});
    }
  }
  return runs;
}

// The control stream with add operations as in `runs`.
Result<Bytes> Rewrite(ByteView control, const std::vector<Run>& runs) {
  Bytes rewritten;
  ByteReader in(control);
  ByteWriter out(rewritten);
  auto run = runs.begin();
  while (!in.done()) {
    PAWL_ASSIGN_OR_RETURN(Operation operation, ReadOperation(in));
    if (operation.kind != OperationKind::kAdd) {
      WriteOperation(out, operation);
      continue;
    }
    do {
      operation.kind = run->mixed ? OperationKind::kMix : OperationKind::kAdd;
      operation.length = run->addition.length;
      WriteOperation(out, operation);
      operation.distance = 0;
      operation.backward = false;
      ++run;
    } while (run != runs.end() && !run->first);
  }
  return rewritten;
}

}  // namespace

Result<std::optional<MixedSplit>> SplitDifference(const PlainStreams& streams,
                                                  std::uint64_t bits_per_saved_byte) {
  PAWL_ASSIGN_OR_RETURN(const std::vector<Addition> additions, AdditionsOf(streams));
  std::vector<Unit> units = CutIntoUnits(additions);
  const Machine machine = ChooseMachine(streams, additions);
  {
    std::vector<Addition> parts;
    parts.reserve(units.size());
    for (const Unit& unit : units) parts.push_back(unit.addition);
    const MixedStream all = EncodeMixed(streams, parts, machine);
    PAWL_TRY(FindPlainCosts(streams.difference, units));
    Choose(units, all.costs, bits_per_saved_byte);
  }
  const std::vector<Run> runs = Join(units);
  MixedSplit split;
  PAWL_ASSIGN_OR_RETURN(split.control, Rewrite(streams.control, runs));
  std::vector<Addition> chosen;
  for (const Run& run : runs) {
    if (run.mixed) {
      chosen.push_back(run.addition);
      split.mixed_plain_bytes += run.addition.length;
    } else {
      const ByteView part =
          ByteView(streams.difference).subspan(run.addition.begin, run.addition.length);
      split.difference.insert(split.difference.end(), part.begin(), part.end());
    }
  }
  if (chosen.empty() || split.control.size() > kMaxControlBytes) return std::nullopt;
  MixedStream mixed = EncodeMixed(streams, chosen, machine);
  split.mixed = std::move(mixed.coded);
  for (const MixedCost& cost : mixed.costs) split.decoded_bits += cost.decoded_bits;
  return split;
}

}  // namespace pawl::delta
