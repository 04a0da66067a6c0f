// SPDX-License-Identifier: Apache-2.0
#include "base/hash.h"

#include "tests/matchers.h"

namespace pawl {
namespace {

using testing::IsError;

// FIPS 180-4 examples.
TEST(Sha256Test, MatchesFips180) {
  EXPECT_EQ(HashSha256(AsBytes("abc")).Hex(),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(HashSha256({}).Hex(),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

TEST(Sha256Test, PiecesGiveTheSameAndFinishStartsAfresh) {
  Sha256 hash;
  hash.Update(AsBytes("a"));
  hash.Update({});
  hash.Update(AsBytes("bc"));
  EXPECT_EQ(hash.Finish(), HashSha256(AsBytes("abc")));
  EXPECT_EQ(hash.Finish(), HashSha256({}));
}

TEST(Sha512Test, MatchesFips180) {
  EXPECT_EQ(HexEncode(HashSha512(AsBytes("abc"))),
            "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
            "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f");
}

// RFC 4231, test case 2.
TEST(HmacTest, MatchesRfc4231) {
  EXPECT_EQ(HmacSha256(AsBytes("Jefe"), AsBytes("what do ya want for nothing?")).Hex(),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
}

TEST(Sha256DigestTest, ReadsOneSpelling) {
  const std::string hex(64, 'a');
  EXPECT_EQ(Sha256Digest::FromHex(hex)->Hex(), hex);
  for (const std::string& text :
       {std::string(), hex + "aa", hex.substr(2), std::string(64, 'A'), std::string(64, 'g')}) {
    EXPECT_THAT(Sha256Digest::FromHex(text), IsError(ErrorCode::kInputInvalid)) << text;
  }
}

}  // namespace
}  // namespace pawl
