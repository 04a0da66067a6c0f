// SPDX-License-Identifier: Apache-2.0
// Key files: only the right passphrase opens an untouched file of an acceptable cost that nobody
// else can read.

#include "signer/key_file.h"

#include <sys/stat.h>

#include <algorithm>
#include <string>

#include "tests/unit/signer/signer_test_util.h"

namespace pawl::signer::testing {
namespace {

constexpr KeyCost kCheap{64 * 1024, 1};
constexpr KeyCostLimits kCheapLimits{8 * 1024, 1 << 20, 1, 4};

SecretBuffer Secret(std::string_view text) {
  SecretBuffer secret(text.size());
  std::ranges::copy(text, secret.span().begin());
  return secret;
}

class KeyFileTest : public ::testing::Test {
 protected:
  std::string Sealed() const {
    return SealKey("anna", key_, Secret("correct horse"), kCheap, kCheapLimits).value();
  }
  Result<OpenedKey> OpenWith(const std::string& text, std::string_view passphrase) const {
    return OpenKey(AsBytes(text), "anna.key", Secret(passphrase), kCheapLimits);
  }
  Ed25519Key key_ = Ed25519Key::Generate().value();
};

TEST_F(KeyFileTest, RoundTripGivesTheSameKeyAndName) {
  const auto opened = OpenWith(Sealed(), "correct horse");
  ASSERT_TRUE(opened) << opened.error().Message();
  EXPECT_EQ(opened->named.name, "anna");
  EXPECT_EQ(opened->key.public_key(), key_.public_key());
  EXPECT_EQ(opened->key.Sign(AsBytes("x")), key_.Sign(AsBytes("x")));
}

TEST_F(KeyFileTest, WrongPassphraseIsRefused) {
  EXPECT_EQ(CodeOf(OpenWith(Sealed(), "correct horsE")), ErrorCode::kPassphraseWrong);
  EXPECT_EQ(CodeOf(OpenWith(Sealed(), "correct hors")), ErrorCode::kPassphraseWrong);
}

TEST_F(KeyFileTest, EveryFlippedByteIsRefused) {
  const std::string good = Sealed();
  for (std::size_t i = 0; i < good.size(); ++i) {
    for (const char mask : {'\x01', '\x20'}) {
      std::string bad = good;
      bad[i] = static_cast<char>(bad[i] ^ mask);
      EXPECT_FALSE(OpenWith(bad, "correct horse")) << "byte " << i;
    }
  }
}

TEST_F(KeyFileTest, EveryTruncationIsRefused) {
  const std::string good = Sealed();
  for (std::size_t length = 0; length < good.size(); ++length) {
    EXPECT_FALSE(OpenWith(good.substr(0, length), "correct horse"));
  }
}

TEST_F(KeyFileTest, ExchangedNameIsNoticed) {
  std::string file = Sealed();
  file.replace(file.find("anna"), 4, "otto");
  EXPECT_EQ(CodeOf(OpenWith(file, "correct horse")), ErrorCode::kPassphraseWrong);
}

TEST_F(KeyFileTest, CostOutsideTheLimitsIsRefusedBeforeItIsPaid) {
  const std::string file = Sealed();
  // The product's limits: 64 MiB to 1 GiB.
  EXPECT_EQ(CodeOf(OpenKey(AsBytes(file), "anna.key", Secret("correct horse"))),
            ErrorCode::kKeyFileCost);
  for (const char* memory : {"67108863", "1073741825", "9223372036854775807"}) {
    std::string costly = file;
    costly.replace(costly.find("65536"), 5, memory);
    EXPECT_EQ(CodeOf(ParseKeyFile(AsBytes(costly), "anna.key")), ErrorCode::kKeyFileCost) << memory;
  }
  std::string slow = file;
  slow.replace(slow.find("65536"), 5, "268435456");
  slow.replace(slow.find("\"passes\": 1"), 11, "\"passes\": 17");
  EXPECT_EQ(CodeOf(ParseKeyFile(AsBytes(slow), "anna.key")), ErrorCode::kKeyFileCost);
}

TEST_F(KeyFileTest, SealingBelowTheLimitsIsRefused) {
  EXPECT_EQ(CodeOf(SealKey("anna", key_, Secret("correct horse"), kCheap)),
            ErrorCode::kKeyFileCost);
}

TEST_F(KeyFileTest, ShortPassphraseIsRefused) {
  EXPECT_EQ(CodeOf(SealKey("anna", key_, Secret("1234567"), kCheap, kCheapLimits)),
            ErrorCode::kInputInvalid);
}

TEST_F(KeyFileTest, TwoSealingsShareNothingButThePublicPart) {
  const std::string a = Sealed();
  const std::string b = Sealed();
  const Json first = ParseJson(a).value();
  const Json second = ParseJson(b).value();
  for (const char* member : {"nonce", "sealed"}) EXPECT_NE(first[member], second[member]);
  EXPECT_NE(first["kdf"]["salt"], second["kdf"]["salt"]);
}

TEST_F(KeyFileTest, TheSeedDoesNotStandInTheFile) {
  EXPECT_EQ(Sealed().find(HexEncode(key_.Seed().view())), std::string::npos);
}

TEST_F(KeyFileTest, FilesThatOthersCanReadAreRefused) {
  const TemporaryDirectory directory;
  const std::string path = directory.Path("anna.key");
  WriteText(path, Sealed());
  for (const mode_t mode : {0640U, 0604U, 0660U, 0610U}) {
    ASSERT_EQ(chmod(path.c_str(), mode), 0);
    EXPECT_EQ(CodeOf(ReadKeyFile(path)), ErrorCode::kKeyFilePermissions) << mode;
  }
  ASSERT_EQ(chmod(path.c_str(), 0600), 0);
  EXPECT_TRUE(ReadKeyFile(path));
}

TEST_F(KeyFileTest, LinksAndFoldersAreNoKeyFiles) {
  const TemporaryDirectory directory;
  WriteText(directory.Path("anna.key"), Sealed());
  ASSERT_EQ(symlink(directory.Path("anna.key").c_str(), directory.Path("link").c_str()), 0);
  EXPECT_EQ(CodeOf(ReadKeyFile(directory.Path("link"))), ErrorCode::kPathUnsafe);
  EXPECT_FALSE(ReadKeyFile(directory.path()));
  EXPECT_EQ(CodeOf(ReadKeyFile(directory.Path("none"))), ErrorCode::kInputMissing);
}

TEST(PublicKeyFileTest, RoundTrip) {
  const NamedKey key = MakeNamedKey("anna", Ed25519Key::Generate()->public_key()).value();
  const auto read = ParsePublicKey(AsBytes(EncodePublicKey(key)), "anna.pub");
  ASSERT_TRUE(read) << read.error().Message();
  EXPECT_EQ(read->keyid, key.keyid);
  EXPECT_EQ(read->name, "anna");
}

TEST(PublicKeyFileTest, KeyIdOfAnotherKeyIsRefused) {
  NamedKey key = MakeNamedKey("anna", Ed25519Key::Generate()->public_key()).value();
  key.keyid = std::string(64, '0');
  EXPECT_EQ(CodeOf(ParsePublicKey(AsBytes(EncodePublicKey(key)), "anna.pub")),
            ErrorCode::kKeyFileMalformed);
}

TEST(KeyRingTest, OneNameForOneKey) {
  KeyRing ring;
  const NamedKey anna = MakeNamedKey("anna", Ed25519Key::Generate()->public_key()).value();
  ASSERT_TRUE(ring.Add(anna));
  EXPECT_TRUE(ring.Add(anna));
  EXPECT_EQ(CodeOf(ring.Add(MakeNamedKey("anna", Ed25519Key::Generate()->public_key()).value())),
            ErrorCode::kOutputExists);
  NamedKey alias = anna;
  alias.name = "annette";
  EXPECT_EQ(CodeOf(ring.Add(alias)), ErrorCode::kOutputExists);
  EXPECT_EQ(ring.NameOf(anna.keyid), "anna");
}

}  // namespace
}  // namespace pawl::signer::testing
