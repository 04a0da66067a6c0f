// SPDX-License-Identifier: Apache-2.0
#pragma once

// The words of RFC 9711 section 4.2.17 (measres) for our outcomes; shared by the two halves of the
// codec.

#include <optional>
#include <string_view>

#include "client/integrity/model/judgement.h"

namespace pawl::integrity {

constexpr std::string_view MeasurementWord(Outcome outcome) {
  switch (outcome) {
    case Outcome::kPass:
      return "success";
    case Outcome::kFail:
      return "fail";
    case Outcome::kUnknown:
      return "not-run";
    case Outcome::kNotApplicable:
      return "absent";
  }
  return "not-run";
}

constexpr std::optional<Outcome> OutcomeOfWord(std::string_view word) {
  for (const Outcome outcome :
       {Outcome::kPass, Outcome::kFail, Outcome::kUnknown, Outcome::kNotApplicable}) {
    if (MeasurementWord(outcome) == word) return outcome;
  }
  return std::nullopt;
}

}  // namespace pawl::integrity
