// SPDX-License-Identifier: Apache-2.0
#pragma once

// EXPECT_THAT(reader.U8(), IsOkAndHolds(7)): the value of a result, beside the matchers of
// tests/matchers.h.

#include "tests/matchers.h"

namespace pawl::testing {

MATCHER_P(IsOkAndHolds, value, "") {
  if (!arg.has_value()) {
    *result_listener << CodeName(arg.error().code()) << " " << arg.error().Message();
    return false;
  }
  return ::testing::ExplainMatchResult(::testing::Eq(value), *arg, result_listener);
}

}  // namespace pawl::testing
