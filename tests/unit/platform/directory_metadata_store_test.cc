// SPDX-License-Identifier: Apache-2.0
#include "client/core/directory_metadata_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/platform/temp_dir.h"

namespace pawl::client {
namespace {

Bytes B(std::string_view text) {
  const ByteView view = AsBytes(text);
  return {view.begin(), view.end()};
}

TEST(DirectoryMetadataStoreTest, GivesBackTheBytesThatWereSaved) {
  TempDir dir;
  DirectoryMetadataStore store(dir.path());
  EXPECT_FALSE(store.Load("root")->has_value());
  const Bytes odd = {0, 255, '\n', 'x'};
  ASSERT_TRUE(store.Save("root", odd));
  EXPECT_EQ(**store.Load("root"), odd);
  ASSERT_TRUE(store.Save("root", B("{}")));
  EXPECT_EQ(dir.Get("root.json"), "{}");
  ASSERT_TRUE(store.Remove("root"));
  ASSERT_TRUE(store.Remove("root"));
  EXPECT_FALSE(store.Load("root")->has_value());
}

TEST(DirectoryMetadataStoreTest, RoleNamesCannotLeaveTheFolder) {
  TempDir dir;
  DirectoryMetadataStore store(dir.path());
  for (const char* name : {"../escape", "/etc/x", "..", ".", "a/b", "rôle", "a%2e"}) {
    ASSERT_TRUE(store.Save(name, B("1"))) << name;
    EXPECT_EQ(**store.Load(name), B("1")) << name;
  }
  EXPECT_EQ(ListDirectory(dir.path())->size(), 7U);
  EXPECT_TRUE(PathExists(dir.Of("%2E%2E%2Fescape.json")) ||
              PathExists(dir.Of("%2E.%2Fescape.json")));
}

// docs/manifest-format.md, M-12: the longest name that may be delegated, in a file and its
// temporary one.
TEST(DirectoryMetadataStoreTest, LongestRoleNameFitsAFile) {
  TempDir dir;
  DirectoryMetadataStore store(dir.path());
  std::string name(8, 'n');
  for (int i = 0; i < 32; ++i) name += "\xc3\xb6";  // six bytes each when encoded
  ASSERT_EQ(EncodeFileName(name).size(), 200U);
  ASSERT_TRUE(store.Save(name, B("{}")));
  EXPECT_EQ(**store.Load(name), B("{}"));
}

TEST(DirectoryMetadataStoreTest, LeftoversOfACutWriteAreNotMetadata) {
  TempDir dir;
  dir.Put("root.json.0011223344556677.tmp", "torn");
  DirectoryMetadataStore store(dir.path());
  EXPECT_FALSE(store.Load("root")->has_value());
}

TEST(DirectoryMetadataStoreTest, CVE_2026_6968_SymbolicLinksAreRefused) {
  TempDir dir;
  dir.Put("target", "secret");
  ASSERT_EQ(symlink("target", dir.Of("root.json").c_str()), 0);
  DirectoryMetadataStore store(dir.path());
  EXPECT_EQ(store.Load("root").error().code(), ErrorCode::kPathUnsafe);
  EXPECT_EQ(store.Save("root", B("x")).error().code(), ErrorCode::kPathUnsafe);
  EXPECT_EQ(dir.Get("target"), "secret");
  ASSERT_EQ(symlink(dir.path().c_str(), dir.Of("link").c_str()), 0);
  DirectoryMetadataStore linked(dir.Of("link"));
  EXPECT_EQ(linked.Save("root", B("x")).error().code(), ErrorCode::kPathUnsafe);
}

TEST(DirectoryMetadataStoreTest, LargerFilesThanTheCapAreRefused) {
  TempDir dir;
  const manifest::MetadataLimits limits;
  dir.Put("root.json", std::string(limits.targets_bytes + 1, 'x'));
  DirectoryMetadataStore store(dir.path());
  EXPECT_EQ(store.Load("root").error().code(), ErrorCode::kMetadataTooLarge);
}

// docs/manifest-format.md, M-29. A file that may be fetched and cannot be read back would be no
// floor against rollback.
TEST(DirectoryMetadataStoreTest, WhateverMayBeFetchedCanBeReadBack) {
  TempDir dir;
  manifest::MetadataLimits limits;
  limits.snapshot_bytes = 6U << 20U;
  DirectoryMetadataStore store(dir.path(), limits);
  const Bytes large(6U << 20U, ' ');
  ASSERT_TRUE(store.Save("snapshot", large));
  EXPECT_EQ(**store.Load("snapshot"), large);
}

// Another name of a file outside: replaced, never written through.
TEST(DirectoryMetadataStoreTest, HardLinksAreReplacedNotWrittenThrough) {
  TempDir dir;
  dir.Put("outside", "precious");
  ASSERT_EQ(link(dir.Of("outside").c_str(), dir.Of("timestamp.json").c_str()), 0);
  DirectoryMetadataStore store(dir.path());
  ASSERT_TRUE(store.Save("timestamp", B("{}")));
  EXPECT_EQ(dir.Get("outside"), "precious");
  EXPECT_EQ(dir.Get("timestamp.json"), "{}");
}

// A pipe would make a reader wait for ever; a folder cannot be replaced by a file.
TEST(DirectoryMetadataStoreTest, WhatIsNoFileIsNotReadAndEndsNothing) {
  TempDir dir;
  ASSERT_EQ(mkfifo(dir.Of("timestamp.json").c_str(), 0600), 0);
  ASSERT_EQ(mkdir(dir.Of("snapshot.json").c_str(), 0700), 0);
  DirectoryMetadataStore store(dir.path());
  EXPECT_FALSE(store.Load("timestamp"));
  EXPECT_FALSE(store.Load("snapshot"));
  ASSERT_TRUE(store.Save("timestamp", B("{}")));
  EXPECT_EQ(**store.Load("timestamp"), B("{}"));
  EXPECT_FALSE(store.Save("snapshot", B("{}")));
}

TEST(DirectoryMetadataStoreTest, MissingFolderIsAnErrorOnSaveAndAbsentOnLoad) {
  TempDir dir;
  DirectoryMetadataStore store(dir.Of("absent"));
  EXPECT_FALSE(store.Load("root")->has_value());
  EXPECT_FALSE(store.Save("root", B("x")));
}

}  // namespace
}  // namespace pawl::client
