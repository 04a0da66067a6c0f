// SPDX-License-Identifier: Apache-2.0
#pragma once

// Result<T>: a value, or the reason why there is none. Pawl does not throw (docs/adr/0001).

#include <expected>
#include <utility>

#include "base/error.h"

namespace pawl {

template <class T>
using Result = std::expected<T, Error>;
using Status = Result<void>;

inline std::unexpected<Error> Fail(ErrorCode code, std::string message) {
  return std::unexpected<Error>(Error(code, std::move(message)));
}

// Passes an error on with one more word on what was being done.
inline std::unexpected<Error> FailIn(std::string what, Error error) {
  return std::unexpected<Error>(std::move(error).Context(std::move(what)));
}

}  // namespace pawl

#define PAWL_CONCAT_INNER_(a, b) a##b
#define PAWL_CONCAT_(a, b) PAWL_CONCAT_INNER_(a, b)

// PAWL_TRY(Sync(fd)): returns the error from the enclosing function, if there is one.
#define PAWL_TRY(expression)                                              \
  do {                                                                    \
    if (auto pawl_status_ = (expression); !pawl_status_.has_value()) {    \
      return std::unexpected<::pawl::Error>(std::move(pawl_status_).error()); \
    }                                                                     \
  } while (false)

// PAWL_ASSIGN_OR_RETURN(auto head, ParseHead(bytes)): declares or assigns the value, or returns the error.
#define PAWL_ASSIGN_OR_RETURN(target, expression) \
  PAWL_ASSIGN_OR_RETURN_(PAWL_CONCAT_(pawl_result_, __LINE__), target, expression)
#define PAWL_ASSIGN_OR_RETURN_(holder, target, expression)                \
  auto holder = (expression);                                             \
  if (!holder.has_value()) {                                              \
    return std::unexpected<::pawl::Error>(std::move(holder).error());     \
  }                                                                       \
  target = *std::move(holder)
