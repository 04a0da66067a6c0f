// SPDX-License-Identifier: Apache-2.0
#pragma once

// A repository in a temporary folder with the nine people and services of the usual ceremony. Keys
// are made directly, without key files, so that no test waits for Argon2id.

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "base/result.h"
#include "signer/ceremony.h"
#include "signer/drafts.h"
#include "signer/key_file.h"
#include "signer/publisher.h"
#include "signer/release_builder.h"
#include "signer/workspace.h"

namespace pawl::signer::testing {

// The code of a failed result, for EXPECT_EQ; kInternal when it did not fail.
template <class T>
ErrorCode CodeOf(const Result<T>& result) {
  return result ? ErrorCode::kInternal : result.error().code();
}

class TemporaryDirectory {
 public:
  TemporaryDirectory();
  ~TemporaryDirectory();
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  std::string Path(const std::string& name) const { return path_ + "/" + name; }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

void WriteText(const std::string& path, const std::string& text);
std::string ReadText(const std::string& path);
// All files below a folder with their bytes.
std::map<std::string, std::string> ReadTree(const std::string& directory);

// Fails, like a full disk or a kill, at write number `fail_at` (from 0); before that it writes.
class FailingWriter : public TreeWriter {
 public:
  FailingWriter(std::string directory, std::size_t fail_at)
      : real_(std::move(directory)), fail_at_(fail_at) {}
  Status Write(const std::string& path, ByteView bytes) override;
  Status Copy(const std::string& source, const std::string& path,
              const manifest::FileReference& reference) override;
  std::size_t writes() const { return writes_; }

 private:
  DirectoryTreeWriter real_;
  std::size_t fail_at_;
  std::size_t writes_ = 0;
};

// A P-256 key made by libcrypto, as a token would hold it.
SigningKey MakeP256Key(const std::string& name);

class SignerTest : public ::testing::Test {
 protected:
  SignerTest();

  // The ceremony: root and targets 2 of anna, ben, chloe; releases 2 of dora, emil; rolf, olga,
  // snap, time.
  CeremonyRequest Request() const;
  void HoldUsualCeremony();
  Workspace Open() const;
  RoleKeys Keys(const std::vector<std::string>& names, std::uint64_t threshold) const;
  // A key that nobody has seen before.
  const NamedKey& NewKey(const std::string& name);

  // A key that signs, made of its seed.
  SigningKey KeyOf(const std::string& name) const;
  std::vector<SigningKey> KeysOf(const std::vector<std::string>& names) const;
  // Each name signs all that it may.
  void SignBy(const std::vector<std::string>& names);
  Result<Publication> PublishWith(TreeWriter& writer,
                                  const std::vector<std::string>& roles = {}) const;
  Result<Publication> PublishAll(const std::vector<std::string>& roles = {}) const;
  // Ceremony, all signatures, first publication.
  void StartRepository();

  // An image that differs a little from version to version, with its identity file.
  BuildRequest ImageOf(const std::string& version, std::uint64_t build, std::uint64_t epoch) const;
  void BuildAndList(const std::string& version, std::uint64_t build, std::uint64_t epoch);

  TemporaryDirectory directory_;
  std::string repo_ = directory_.Path("repo");
  std::map<std::string, OpenedKey> keys_;
  std::vector<std::string> online_{"snap", "time"};  // who publishes
  UtcTime now_{1'795'000'000};
};

}  // namespace pawl::signer::testing
