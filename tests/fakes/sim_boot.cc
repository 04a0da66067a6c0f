// SPDX-License-Identifier: Apache-2.0
#include "tests/fakes/sim_boot.h"

namespace pawl::fakes {

using client::BootFacts;
using client::OtherSlot;
using client::Slot;

Result<BootFacts> SimBoot::Read() {
  if (cuts_.dead()) return CutSchedule::Lost();
  return environment_;
}

Status SimBoot::Change(const BootFacts& next) {
  switch (cuts_.Tick()) {
    case CutSchedule::Fate::kDone: environment_ = next; return {};
    case CutSchedule::Fate::kCutDuring: undecided_ = next; return CutSchedule::Lost();
    case CutSchedule::Fate::kDead: return CutSchedule::Lost();
  }
  return {};
}

void SimBoot::LosePower(Dice& dice) {
  if (undecided_ && dice.Below(2) == 1) environment_ = *undecided_;
  undecided_.reset();
}

Status SimBoot::MarkUnbootable(Slot slot) {
  if (slot == environment_.booted || slot == environment_.good) return Fail(ErrorCode::kSlotInUse, "the slot is booted or good");
  BootFacts next = environment_;
  next.bootable.at(static_cast<std::size_t>(slot)) = false;
  if (next.trying == slot) {
    next.trying.reset();
    next.tries_left = 0;
  }
  return Change(next);
}

Status SimBoot::ArmTrial(Slot slot, std::uint32_t tries, std::uint64_t transaction) {
  if (slot == environment_.booted) return Fail(ErrorCode::kSlotInUse, "the slot is booted");
  BootFacts next = environment_;
  next.bootable.at(static_cast<std::size_t>(slot)) = true;
  next.trying = slot;
  next.tries_left = tries;
  next.failed.reset();
  next.transaction = transaction;
  return Change(next);
}

Status SimBoot::Confirm(Slot slot) {
  if (slot != environment_.booted) return Fail(ErrorCode::kBootFactsConflict, "the slot is not booted");
  BootFacts next = environment_;
  next.good = slot;
  next.trying.reset();
  next.tries_left = 0;
  next.failed.reset();
  return Change(next);
}

std::optional<Slot> SimBoot::Boot() {
  BootFacts& env = environment_;
  env.booted_transaction = env.transaction;
  if (env.trying && env.Bootable(*env.trying) && env.tries_left > 0) {
    --env.tries_left;
    env.booted = *env.trying;
    return env.booted;
  }
  if (env.trying) {
    env.failed = env.trying;
    env.trying.reset();
    env.tries_left = 0;
  }
  for (const Slot slot : {env.good, OtherSlot(env.good)}) {
    if (!env.Bootable(slot)) continue;
    env.booted = slot;
    return slot;
  }
  return std::nullopt;
}

}  // namespace pawl::fakes
