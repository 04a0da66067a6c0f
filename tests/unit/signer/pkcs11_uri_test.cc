// SPDX-License-Identifier: Apache-2.0
// Names of keys in tokens (RFC 7512).

#include "signer/pkcs11_uri.h"

#include "tests/unit/signer/signer_test_util.h"

namespace pawl::signer::testing {
namespace {

constexpr std::string_view kModule = "?module-path=/usr/lib/softhsm/libsofthsm2.so";

Result<TokenUri> ParsePath(const std::string& path) {
  return ParseTokenUri("pkcs11:" + path + std::string(kModule));
}

TEST(TokenUriTest, ReadsEveryAttributeThatNamesAKey) {
  const auto uri = ParsePath(
      "token=Our%20ceremony;manufacturer=ACME;model=X1;serial=00ab;object=anna;id=%01%fF;"
      "type=private");
  ASSERT_TRUE(uri) << uri.error().Message();
  EXPECT_EQ(uri->token, "Our ceremony");
  EXPECT_EQ(uri->manufacturer, "ACME");
  EXPECT_EQ(uri->model, "X1");
  EXPECT_EQ(uri->serial, "00ab");
  EXPECT_EQ(uri->object, "anna");
  EXPECT_EQ(uri->id, (Bytes{0x01, 0xff}));
  EXPECT_EQ(uri->module_path, "/usr/lib/softhsm/libsofthsm2.so");
}

TEST(TokenUriTest, WhatIsAbsentFitsAnything) {
  const auto uri = ParsePath("");
  ASSERT_TRUE(uri) << uri.error().Message();
  EXPECT_FALSE(uri->token);
  EXPECT_FALSE(uri->object);
  EXPECT_FALSE(uri->id);
}

// What stands on a command line is seen by every user of the computer.
TEST(TokenUriTest, APinInTheUriIsRefusedAndNotRepeated) {
  for (const char* pin : {"pin-value=12345678", "pin-source=file:12345678", "pinvalue=12345678"}) {
    const auto uri = ParseTokenUri("pkcs11:token=t" + std::string(kModule) + "&" + pin);
    ASSERT_EQ(CodeOf(uri), ErrorCode::kUsage) << pin;
    EXPECT_EQ(uri.error().Message().find("12345678"), std::string::npos) << uri.error().Message();
  }
  const auto in_path = ParsePath("token=t;pin-value=12345678");
  ASSERT_EQ(CodeOf(in_path), ErrorCode::kUsage);
  EXPECT_EQ(in_path.error().Message().find("12345678"), std::string::npos);
  const auto bare = ParsePath("token=t;12345678");
  ASSERT_EQ(CodeOf(bare), ErrorCode::kUsage);
  EXPECT_EQ(bare.error().Message().find("12345678"), std::string::npos);
}

// A relative name would be looked for where the environment says.
TEST(TokenUriTest, AModuleWithoutAnAbsolutePathIsRefused) {
  for (const char* text : {"pkcs11:token=t", "pkcs11:token=t?module-path=libsofthsm2.so",
                           "pkcs11:token=t?module-path=", "pkcs11:token=t?module-name=softhsm2"}) {
    EXPECT_EQ(CodeOf(ParseTokenUri(text)), ErrorCode::kUsage) << text;
  }
}

TEST(TokenUriTest, MalformedUrisAreRefused) {
  for (const char* path : {"token=a;token=b", "token", "id=%1", "id=%", "id=%zz", "slot-id=3",
                           "library-version=2", "object=a%00b", "type=cert", "colour=red"}) {
    EXPECT_EQ(CodeOf(ParsePath(path)), ErrorCode::kUsage) << path;
  }
  EXPECT_EQ(CodeOf(ParseTokenUri("anna.key")), ErrorCode::kUsage);
  EXPECT_EQ(CodeOf(ParsePath("object=" + std::string(5000, 'a'))), ErrorCode::kUsage);
}

TEST(TokenUriTest, AFileIsNoUri) {
  EXPECT_TRUE(IsTokenUri("pkcs11:token=x"));
  EXPECT_FALSE(IsTokenUri("keys/pkcs11:x"));
  EXPECT_FALSE(IsTokenUri("anna.key"));
}

TEST(TokenUriTest, WhatIsWrittenIsReadBack) {
  TokenUri uri;
  uri.token = "Our;ceremony?&=100% \xc3\xa4";
  uri.object = "anna/2";
  uri.id = Bytes{0, 0x3b, 0xff};
  uri.module_path = "/opt/vendor's libs/p11&x.so";
  const std::string text = FormatTokenUri(uri);
  const auto read = ParseTokenUri(text);
  ASSERT_TRUE(read) << text << ": " << read.error().Message();
  EXPECT_EQ(read->token, uri.token);
  EXPECT_EQ(read->object, uri.object);
  EXPECT_EQ(read->id, uri.id);
  EXPECT_EQ(read->module_path, uri.module_path);
  EXPECT_FALSE(read->serial);
  EXPECT_EQ(FormatTokenUri(*read), text);
}

}  // namespace
}  // namespace pawl::signer::testing
