// SPDX-License-Identifier: Apache-2.0
// Any bytes as a head: refused, or read and written back as the same bytes.

#include <algorithm>
#include <cstdlib>

#include "delta/apply/head.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const pawl::ByteView bytes(data, size);
  const auto head = pawl::delta::ParseHead(bytes, {});
  if (!head.has_value()) return 0;
  const pawl::Bytes again = pawl::delta::EncodeHead(*head);
  if (!std::ranges::equal(again, bytes)) std::abort();
  return 0;
}
