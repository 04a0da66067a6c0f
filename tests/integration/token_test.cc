// SPDX-License-Identifier: Apache-2.0
// Keys in a real token: SoftHSM as Debian ships it, and behind a shim that has the habits of
// hardware. Tokens lie in a temporary folder.

#include <dlfcn.h>
#include <p11-kit/pkcs11.h>
#include <stdlib.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <filesystem>

#include "signer/key_source.h"
#include "signer/pkcs11_module.h"
#include "signer/pkcs11_session.h"
#include "signer/pkcs11_token.h"
#include "tests/fakes/token_shim.h"
#include "tests/unit/signer/signer_test_util.h"

// SoftHSM loses a few bytes with each key that it loads; that is not ours to judge. The slow way of
// walking the stack is the one that sees it there.
extern "C" {
__attribute__((visibility("default"))) const char* __lsan_default_suppressions();
__attribute__((visibility("default"))) const char* __asan_default_options();
const char* __lsan_default_suppressions() { return "leak:libsofthsm2.so\n"; }
const char* __asan_default_options() { return "fast_unwind_on_malloc=0"; }
}

namespace pawl::signer::testing {
namespace {

using pawl::testing::TokenShimState;

constexpr std::string_view kPin = "123456";

SecretBuffer Secret(std::string_view text) {
  SecretBuffer secret(text.size());
  std::ranges::copy(AsBytes(text), secret.span().begin());
  return secret;
}

// A pipe that --passphrase-fd could name, with these lines in it.
class Lines {
 public:
  explicit Lines(std::string_view text) {
    EXPECT_EQ(pipe(ends_.data()), 0);
    EXPECT_EQ(write(ends_[1], text.data(), text.size()), static_cast<ssize_t>(text.size()));
    close(ends_[1]);
  }
  ~Lines() { close(ends_[0]); }
  Lines(const Lines&) = delete;
  Lines& operator=(const Lines&) = delete;
  std::optional<std::uint64_t> fd() const { return static_cast<std::uint64_t>(ends_[0]); }

 private:
  std::array<int, 2> ends_{};
};

class TokenTest : public ::testing::Test {
 protected:
  TokenTest() {
    WriteText(directory_.Path("softhsm2.conf"),
              "directories.tokendir = " + directory_.Path("tokens") + "\n");
    std::filesystem::create_directory(directory_.Path("tokens"));
    setenv("SOFTHSM2_CONF", directory_.Path("softhsm2.conf").c_str(), 1);
    MakeToken("ceremony");
    void* shim = dlopen(PAWL_TOKEN_SHIM, RTLD_NOW | RTLD_LOCAL);
    state_ = static_cast<TokenShimState*>(dlsym(shim, "pawl_token_shim"));
    *state_ = TokenShimState();
  }
  static void MakeToken(const std::string& label) {
    const std::string command = "softhsm2-util --init-token --free --label '" + label +
                                "' --so-pin 87654321 --pin " + std::string(kPin) + " >/dev/null";
    ASSERT_EQ(std::system(command.c_str()), 0) << "is the package softhsm2 installed?";
  }
  static TokenUri Uri(const std::string& module = PAWL_SOFTHSM) {
    TokenUri uri;
    uri.module_path = module;
    return uri;
  }
  static std::string KeyUri(const std::string& name, const std::string& module) {
    TokenUri uri = Uri(module);
    uri.object = name;
    return FormatTokenUri(uri);
  }
  static std::shared_ptr<Token> OpenToken(const std::string& module = PAWL_SOFTHSM) {
    auto token = Token::Open(Uri(module), TokenAccess::kWrite);
    EXPECT_TRUE(token) << token.error().Message();
    const SecretBuffer pin = Secret(kPin);
    EXPECT_TRUE((*token)->Login(&pin));
    return *std::move(token);
  }
  static Result<TokenKey> Make(const std::string& name, TokenKeyType type,
                               const std::string& module = PAWL_SOFTHSM) {
    return OpenToken(module)->MakeKey(name, type);
  }
  // Finds, opens with the right PIN, signs.
  static Result<Bytes> SignWith(const std::string& uri, std::string_view lines = "123456\n") {
    const Lines pin(lines);
    PAWL_ASSIGN_OR_RETURN(const SigningKey key, OpenSigningKey(uri, pin.fd()));
    return key.Sign(AsBytes("a role"));
  }

  TemporaryDirectory directory_;
  TokenShimState* state_ = nullptr;
};

TEST_F(TokenTest, MakesAndUsesBothKindsOfKeys) {
  for (const TokenKeyType type : {TokenKeyType::kEd25519, TokenKeyType::kP256}) {
    const std::string name = type == TokenKeyType::kEd25519 ? "anna" : "ben";
    const auto made = Make(name, type);
    ASSERT_TRUE(made) << made.error().Message();
    const NamedKey shown = made->Named(name).value();
    // The URI that names the new key leads to it in another process.
    const Lines pin("123456\n");
    const auto key = OpenSigningKey(FormatTokenUri(made->uri), pin.fd());
    ASSERT_TRUE(key) << key.error().Message();
    EXPECT_EQ(key->named.keyid, shown.keyid);
    EXPECT_EQ(key->named.name, name);
    const auto signature = key->Sign(AsBytes("a role"));
    ASSERT_TRUE(signature) << signature.error().Message();
    EXPECT_TRUE(shown.key.Verify(AsBytes("a role"), *signature));
  }
}

TEST_F(TokenTest, ANewKeyCannotBeReadOut) {
  ASSERT_TRUE(Make("anna", TokenKeyType::kEd25519));
  const auto module = Pkcs11Module::Load(PAWL_SOFTHSM).value();
  const auto session =
      Pkcs11Session::Open(module, module->SlotsWithTokens()->front(), false).value();
  const SecretBuffer pin = Secret(kPin);
  ASSERT_EQ(session->Login(CKU_USER, &pin), CKR_OK);
  const auto keys = session->Find(Pkcs11Template().Number(CKA_CLASS, CKO_PRIVATE_KEY));
  ASSERT_TRUE(keys);
  ASSERT_EQ(keys->size(), 1U);
  EXPECT_TRUE(session->Flag(keys->front(), CKA_SENSITIVE, false).value());
  EXPECT_FALSE(session->Flag(keys->front(), CKA_EXTRACTABLE, true).value());
  EXPECT_EQ(session->Attribute(keys->front(), CKA_VALUE).value(), std::nullopt);
}

TEST_F(TokenTest, ATakenNameIsRefused) {
  ASSERT_TRUE(Make("anna", TokenKeyType::kEd25519));
  EXPECT_EQ(CodeOf(Make("anna", TokenKeyType::kP256)), ErrorCode::kOutputExists);
}

// The file that was named is the one that was checked.
TEST_F(TokenTest, ALibraryThatMerelyLinksAModuleIsNone) {
  void* library = dlopen("libcurl.so.4", RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr || dlsym(library, "C_GetFunctionList") == nullptr) {
    GTEST_SKIP() << "no libcurl here, or one that links no PKCS#11 library";
  }
  Dl_info place{};
  ASSERT_NE(dladdr(dlsym(library, "curl_easy_init"), &place), 0);
  EXPECT_EQ(CodeOf(Pkcs11Module::Load(place.dli_fname)), ErrorCode::kTokenModule);
}

TEST_F(TokenTest, AModuleThatIsNoneIsRefused) {
  WriteText(directory_.Path("text.so"), "not a library");
  for (const std::string& path :
       {directory_.Path("missing.so"), directory_.Path("text.so"), std::string(PAWL_NO_MODULE)}) {
    EXPECT_EQ(CodeOf(Token::Open(Uri(path), TokenAccess::kRead)), ErrorCode::kTokenModule) << path;
  }
}

// Its code would be handed the PIN.
TEST_F(TokenTest, AModuleThatOthersCanChangeIsRefused) {
  const std::string copy = directory_.Path("module.so");
  std::filesystem::copy_file(PAWL_TOKEN_SHIM, copy);
  std::filesystem::permissions(copy, std::filesystem::perms(0666));
  const auto token = Token::Open(Uri(copy), TokenAccess::kRead);
  ASSERT_EQ(CodeOf(token), ErrorCode::kTokenModule);
  EXPECT_NE(token.error().Message().find("0666"), std::string::npos) << token.error().Message();
}

TEST_F(TokenTest, AModuleThatDoesNotStartIsRefused) {
  state_->fails_to_start = true;
  EXPECT_EQ(CodeOf(Token::Open(Uri(PAWL_TOKEN_SHIM), TokenAccess::kRead)), ErrorCode::kTokenModule);
}

TEST_F(TokenTest, ATokenThatIsNotThereIsNamedWithThoseThatAre) {
  TokenUri uri = Uri();
  uri.token = "holiday";
  const auto token = Token::Open(uri, TokenAccess::kRead);
  ASSERT_EQ(CodeOf(token), ErrorCode::kTokenNotFound);
  EXPECT_NE(token.error().Message().find("token=ceremony"), std::string::npos)
      << token.error().Message();
}

TEST_F(TokenTest, OfTwoTokensWithOneLabelTheSerialChooses) {
  MakeToken("ceremony");
  TokenUri uri = Uri();
  uri.token = "ceremony";
  const auto either = Token::Open(uri, TokenAccess::kRead);
  ASSERT_EQ(CodeOf(either), ErrorCode::kTokenNotFound);
  EXPECT_NE(either.error().Message().find("serial="), std::string::npos);
  const auto tokens = ListTokens(PAWL_SOFTHSM);
  ASSERT_TRUE(tokens);
  ASSERT_EQ(tokens->size(), 2U);
  uri.serial = tokens->back().uri.serial;
  EXPECT_TRUE(Token::Open(uri, TokenAccess::kRead));
}

TEST_F(TokenTest, AKeyThatIsNotThereOrNotAloneIsRefused) {
  ASSERT_TRUE(Make("anna", TokenKeyType::kEd25519));
  ASSERT_TRUE(Make("ben", TokenKeyType::kP256));
  EXPECT_EQ(CodeOf(SignWith(KeyUri("chloe", PAWL_SOFTHSM))), ErrorCode::kTokenKeyNotFound);
  const auto any = SignWith(FormatTokenUri(Uri()));
  ASSERT_EQ(CodeOf(any), ErrorCode::kTokenKeyNotFound);
  EXPECT_NE(any.error().Message().find("object=anna"), std::string::npos);
  EXPECT_NE(any.error().Message().find("object=ben"), std::string::npos);
}

TEST_F(TokenTest, AWrongPinIsTriedOnceAndTheNextTryIsWarnedOf) {
  ASSERT_TRUE(Make("anna", TokenKeyType::kEd25519, PAWL_TOKEN_SHIM));
  const std::string uri = KeyUri("anna", PAWL_TOKEN_SHIM);
  state_->pins_given = 0;
  EXPECT_EQ(CodeOf(SignWith(uri, "654321\n123456\n")), ErrorCode::kTokenPinWrong);
  EXPECT_EQ(state_->pins_given, 1);
  ::testing::internal::CaptureStderr();
  EXPECT_TRUE(SignWith(uri));
  EXPECT_NE(::testing::internal::GetCapturedStderr().find("warning: the last PIN"),
            std::string::npos);
}

TEST_F(TokenTest, APinOfImpossibleLengthIsNotTried) {
  ASSERT_TRUE(Make("anna", TokenKeyType::kEd25519, PAWL_TOKEN_SHIM));
  state_->pins_given = 0;
  EXPECT_EQ(CodeOf(SignWith(KeyUri("anna", PAWL_TOKEN_SHIM), "1\n")), ErrorCode::kTokenPinWrong);
  EXPECT_EQ(state_->pins_given, 0);
}

// A script with an old PIN must not lock the token that a ceremony needs.
TEST_F(TokenTest, TheLastTryIsNotSpentOnADescriptor) {
  ASSERT_TRUE(Make("anna", TokenKeyType::kEd25519, PAWL_TOKEN_SHIM));
  const std::string uri = KeyUri("anna", PAWL_TOKEN_SHIM);
  EXPECT_EQ(CodeOf(SignWith(uri, "654321\n")), ErrorCode::kTokenPinWrong);
  const auto second = SignWith(uri, "654321\n");
  ASSERT_EQ(CodeOf(second), ErrorCode::kTokenPinWrong);
  EXPECT_NE(second.error().Message().find("ONE TRY IS LEFT"), std::string::npos)
      << second.error().Message();
  state_->pins_given = 0;
  EXPECT_EQ(CodeOf(SignWith(uri)), ErrorCode::kTokenPinWrong);
  EXPECT_EQ(state_->pins_given, 0);
}

TEST_F(TokenTest, ALockedTokenIsNotAsked) {
  ASSERT_TRUE(Make("anna", TokenKeyType::kEd25519, PAWL_TOKEN_SHIM));
  state_->tries_left = 1;
  const auto token = Token::Open(Uri(PAWL_TOKEN_SHIM), TokenAccess::kRead).value();
  const SecretBuffer wrong = Secret("654321");
  EXPECT_EQ(CodeOf(token->Login(&wrong)), ErrorCode::kTokenPinLocked);
  state_->pins_given = 0;
  EXPECT_EQ(CodeOf(SignWith(KeyUri("anna", PAWL_TOKEN_SHIM))), ErrorCode::kTokenPinLocked);
  EXPECT_EQ(state_->pins_given, 0);
}

TEST_F(TokenTest, RawPublicKeysAreReadLikeWrappedOnes) {
  const auto wrapped = Make("anna", TokenKeyType::kEd25519, PAWL_TOKEN_SHIM);
  ASSERT_TRUE(wrapped);
  state_->raw_points = true;
  EXPECT_TRUE(SignWith(KeyUri("anna", PAWL_TOKEN_SHIM)));
  const auto key = OpenToken(PAWL_TOKEN_SHIM)->FindKey(Uri(PAWL_TOKEN_SHIM));
  ASSERT_TRUE(key) << key.error().Message();
  EXPECT_EQ(key->point, wrapped->point);
}

TEST_F(TokenTest, AKeyThatShowsOnlyAfterThePinIsFoundWithOnePin) {
  ASSERT_TRUE(Make("anna", TokenKeyType::kP256, PAWL_TOKEN_SHIM));
  state_->hides_public_keys = true;
  state_->pins_given = 0;
  const auto signature = SignWith(KeyUri("anna", PAWL_TOKEN_SHIM));
  EXPECT_TRUE(signature) << signature.error().Message();
  EXPECT_EQ(state_->pins_given, 1);
}

TEST_F(TokenTest, WithoutEdDsaNewKeysAreP256AndOldOnesAreRefused) {
  ASSERT_TRUE(Make("anna", TokenKeyType::kEd25519, PAWL_TOKEN_SHIM));
  state_->lacks_eddsa = true;
  const auto facts = OpenToken(PAWL_TOKEN_SHIM)->Facts();
  ASSERT_TRUE(facts);
  EXPECT_EQ(facts->makes, std::vector{TokenKeyType::kP256});
  const auto signature = SignWith(KeyUri("anna", PAWL_TOKEN_SHIM));
  ASSERT_EQ(CodeOf(signature), ErrorCode::kTokenMechanism);
  EXPECT_NE(signature.error().Message().find("CKM_EDDSA"), std::string::npos);
}

TEST_F(TokenTest, ASignatureThatTheTokenGotWrongNeverLeaves) {
  for (const TokenKeyType type : {TokenKeyType::kEd25519, TokenKeyType::kP256}) {
    state_->flips_a_bit = false;
    const std::string name = type == TokenKeyType::kEd25519 ? "anna" : "ben";
    ASSERT_TRUE(Make(name, type, PAWL_TOKEN_SHIM));
    state_->flips_a_bit = true;
    EXPECT_EQ(CodeOf(SignWith(KeyUri(name, PAWL_TOKEN_SHIM))), ErrorCode::kSigningFailed);
  }
}

TEST_F(TokenTest, AKeyThatCannotSignIsNotLeftInTheToken) {
  state_->flips_a_bit = true;
  EXPECT_EQ(CodeOf(Make("anna", TokenKeyType::kEd25519, PAWL_TOKEN_SHIM)),
            ErrorCode::kSigningFailed);
  EXPECT_TRUE(OpenToken(PAWL_TOKEN_SHIM)->Keys(Uri(PAWL_TOKEN_SHIM))->empty());
}

TEST_F(TokenTest, ATokenThatIsPulledOutBetweenSignaturesIsSaidToBe) {
  ASSERT_TRUE(Make("anna", TokenKeyType::kEd25519, PAWL_TOKEN_SHIM));
  const Lines pin("123456\n");
  const auto key = OpenSigningKey(KeyUri("anna", PAWL_TOKEN_SHIM), pin.fd());
  ASSERT_TRUE(key);
  state_->signatures_until_removed = 1;
  EXPECT_TRUE(key->Sign(AsBytes("one")));
  const auto second = key->Sign(AsBytes("two"));
  ASSERT_EQ(CodeOf(second), ErrorCode::kSigningFailed);
  EXPECT_NE(second.error().Message().find("removed"), std::string::npos);
}

// What a script writes must not depend on which keys share a token.
TEST_F(TokenTest, TwoKeysOfOneTokenTakeTwoLinesAndOneLogin) {
  ASSERT_TRUE(Make("anna", TokenKeyType::kEd25519, PAWL_TOKEN_SHIM));
  ASSERT_TRUE(Make("ben", TokenKeyType::kP256, PAWL_TOKEN_SHIM));
  state_->pins_given = 0;
  const Lines pins("123456\n123456\nrest\n");
  const auto anna = OpenSigningKey(KeyUri("anna", PAWL_TOKEN_SHIM), pins.fd());
  const auto ben = OpenSigningKey(KeyUri("ben", PAWL_TOKEN_SHIM), pins.fd());
  ASSERT_TRUE(anna);
  ASSERT_TRUE(ben) << ben.error().Message();
  EXPECT_EQ(state_->pins_given, 1);
  EXPECT_TRUE(anna->Sign(AsBytes("x")));
  EXPECT_TRUE(ben->Sign(AsBytes("x")));
  std::array<char, 16> rest{};
  EXPECT_EQ(read(static_cast<int>(*pins.fd()), rest.data(), rest.size()), 5);
}

TEST_F(TokenTest, SessionsAreClosedAndTheModuleIsShutDown) {
  ASSERT_TRUE(Make("anna", TokenKeyType::kEd25519, PAWL_TOKEN_SHIM));
  EXPECT_TRUE(SignWith(KeyUri("anna", PAWL_TOKEN_SHIM)));
  EXPECT_FALSE(SignWith(KeyUri("anna", PAWL_TOKEN_SHIM), "654321\n"));
  EXPECT_FALSE(SignWith(KeyUri("ben", PAWL_TOKEN_SHIM)));
  EXPECT_EQ(state_->sessions_open, 0);
  EXPECT_GT(state_->starts, 0);
  EXPECT_EQ(state_->starts, state_->finishes);
}

// As smart cards have them for qualified signatures.
TEST_F(TokenTest, AKeyThatWantsThePinEachTimeGetsIt) {
  const auto module = Pkcs11Module::Load(PAWL_TOKEN_SHIM).value();
  const auto session =
      Pkcs11Session::Open(module, module->SlotsWithTokens()->front(), true).value();
  const SecretBuffer pin = Secret(kPin);
  ASSERT_EQ(session->Login(CKU_USER, &pin), CKR_OK);
  const Bytes id{1};
  Pkcs11Template public_half;
  public_half.Flag(CKA_TOKEN, true).Flag(CKA_PRIVATE, false).Blob(CKA_ID, id);
  public_half.Blob(CKA_EC_PARAMS, CurveParameters(TokenKeyType::kP256).front());
  Pkcs11Template private_half;
  private_half.Flag(CKA_TOKEN, true).Flag(CKA_SIGN, true).Flag(CKA_ALWAYS_AUTHENTICATE, true);
  private_half.Blob(CKA_ID, id);
  ASSERT_TRUE(session->Generate(CKM_EC_KEY_PAIR_GEN, public_half, private_half));
  state_->pins_given = 0;
  const Lines pins("123456\n");
  const auto key = OpenSigningKey(FormatTokenUri(Uri(PAWL_TOKEN_SHIM)), pins.fd());
  ASSERT_TRUE(key) << key.error().Message();
  for (int i = 1; i <= 2; ++i) {
    const auto signature = key->Sign(AsBytes("x"));
    EXPECT_TRUE(signature) << signature.error().Message();
    EXPECT_EQ(state_->pins_given, i);  // the session above has opened the token
  }
}

}  // namespace
}  // namespace pawl::signer::testing
