// SPDX-License-Identifier: Apache-2.0
#pragma once

// EXPECT_THAT(result, IsOk()), EXPECT_THAT(result, IsError(ErrorCode::kFrameHashMismatch)). No bare "is an error": which one matters.

#include <gmock/gmock.h>

#include "base/result.h"

namespace pawl::testing {

MATCHER(IsOk, "") {
  if (arg.has_value()) return true;
  *result_listener << CodeName(arg.error().code()) << " " << arg.error().Message();
  return false;
}

MATCHER_P(IsError, code, "is " + CodeName(code)) {
  if (arg.has_value()) {
    *result_listener << "is a value";
    return false;
  }
  *result_listener << CodeName(arg.error().code()) << " " << arg.error().Message();
  return arg.error().code() == code;
}

}  // namespace pawl::testing
