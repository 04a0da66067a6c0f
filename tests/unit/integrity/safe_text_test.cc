// SPDX-License-Identifier: Apache-2.0
#include "client/integrity/model/safe_text.h"

#include <gtest/gtest.h>

#include <random>

#include "base/hash.h"

namespace pawl::integrity {
namespace {

TEST(SafeTextTest, KeepsPrintableAscii) {
  EXPECT_EQ(SafeText("ro,nosuid \"x\" ~"), "ro,nosuid \"x\" ~");
}

TEST(SafeTextTest, EscapesControlsBackslashAndForeignBytes) {
  EXPECT_EQ(SafeText("a\x1b[31m\n\\\xff"), "a\\x1b[31m\\x0a\\x5c\\xff");
}

TEST(SafeTextTest, CutsLongTextAndNamesItsHash) {
  const std::string text(4096, 'x');
  const std::string safe = SafeText(text);
  EXPECT_LE(safe.size(), kMaxValueChars);
  EXPECT_TRUE(safe.ends_with("..sha256:" + HashSha256(AsBytes(text)).Hex().substr(0, 16)));
  EXPECT_NE(safe, SafeText(std::string(4097, 'x')));
}

TEST(SafeTextTest, EveryOutputIsSafeWhateverTheBytes) {
  std::mt19937 random(1);
  for (int round = 0; round < 2000; ++round) {
    Bytes bytes(random() % 400);
    for (auto& byte : bytes) byte = static_cast<std::uint8_t>(random());
    const std::size_t cap = 64 + random() % 300;
    EXPECT_TRUE(IsSafeText(SafeText(bytes, cap), cap));
  }
}

}  // namespace
}  // namespace pawl::integrity
