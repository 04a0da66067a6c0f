// SPDX-License-Identifier: Apache-2.0
#include "client/platform/file_key_vault.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/platform/temp_dir.h"

namespace pawl::client {
namespace {

class FileKeyVaultTest : public testing::Test {
 protected:
  FileKeyVaultTest() { dir_.Put("key", std::string(32, '\x07'), 0600); }
  TempDir dir_;
  FileKeyVault vault_{dir_.Of("key"), dir_.Of("floor")};
};

TEST_F(FileKeyVaultTest, SignsWithTheKeyThatItShows) {
  const auto signature = vault_.Sign(AsBytes("hello"));
  ASSERT_TRUE(signature);
  const auto key = PublicKey::FromEd25519(*vault_.PublicKey());
  EXPECT_TRUE(key->Verify(AsBytes("hello"), *signature));
  EXPECT_FALSE(key->Verify(AsBytes("hallo"), *signature));
  EXPECT_EQ(vault_.Protection(), "software");
}

TEST_F(FileKeyVaultTest, RefusesAKeyThatOthersMayRead) {
  for (const mode_t mode : {0640U, 0604U, 0644U, 0700U, 0660U}) {
    ASSERT_EQ(chmod(dir_.Of("key").c_str(), mode), 0);
    EXPECT_EQ(vault_.PublicKey().error().code(), ErrorCode::kKeyFilePermissions) << mode;
  }
  ASSERT_EQ(chmod(dir_.Of("key").c_str(), 0400), 0);
  EXPECT_TRUE(vault_.PublicKey());
}

TEST_F(FileKeyVaultTest, RefusesAKeyOfAnotherOwner) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root to give a file away";
  ASSERT_EQ(chown(dir_.Of("key").c_str(), 1234, 1234), 0);
  EXPECT_EQ(vault_.PublicKey().error().code(), ErrorCode::kKeyFilePermissions);
}

TEST_F(FileKeyVaultTest, RefusesLinksWrongLengthsAndAbsence) {
  FileKeyVault absent(dir_.Of("none"), dir_.Of("floor"));
  EXPECT_EQ(absent.Sign(AsBytes("x")).error().code(), ErrorCode::kDeviceKeyMissing);
  dir_.Put("short", std::string(31, 'x'), 0600);
  EXPECT_EQ(FileKeyVault(dir_.Of("short"), "").PublicKey().error().code(),
            ErrorCode::kKeyFileMalformed);
  ASSERT_EQ(symlink("key", dir_.Of("link").c_str()), 0);
  EXPECT_EQ(FileKeyVault(dir_.Of("link"), "").PublicKey().error().code(),
            ErrorCode::kKeyFilePermissions);
}

TEST_F(FileKeyVaultTest, FloorOnlyRises) {
  EXPECT_EQ(*vault_.ReadFloor(), 0U);
  ASSERT_TRUE(vault_.RaiseFloor(5));
  ASSERT_TRUE(vault_.RaiseFloor(3));
  EXPECT_EQ(*vault_.ReadFloor(), 5U);
  ASSERT_TRUE(vault_.RaiseFloor(6));
  EXPECT_EQ(*vault_.ReadFloor(), 6U);
}

TEST_F(FileKeyVaultTest, DamagedFloorIsNoFloorOfZero) {
  for (const char* text : {"", "x", "5x", "-1", "5\n6", "99999999999999999999999"}) {
    dir_.Put("floor", text);
    EXPECT_EQ(vault_.ReadFloor().error().code(), ErrorCode::kStoreCorrupt) << text;
    EXPECT_FALSE(vault_.RaiseFloor(9)) << text;
  }
}

}  // namespace
}  // namespace pawl::client
