// SPDX-License-Identifier: Apache-2.0
// Our canonical form for comparison with other people's: one JSON text in hex a line in, its
// canonical form in hex out, or the error. Not installed. canonical_json_test.py drives it.

#include <iostream>
#include <string>

#include "base/bytes.h"
#include "base/json.h"

int main() {
  std::string line;
  while (std::getline(std::cin, line)) {
    const auto text = pawl::HexDecode(line);
    const auto document = pawl::ParseJson(text.value());
    if (document) {
      std::cout << pawl::HexEncode(pawl::AsBytes(pawl::CanonicalJson(*document))) << std::endl;
    } else {
      std::cout << document.error().Message() << std::endl;
    }
  }
  return 0;
}
