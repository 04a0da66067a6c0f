// SPDX-License-Identifier: Apache-2.0
#pragma once

// A device in good order: a key, a tree of files as its kernel would show them, facts of its update
// subsystem, its statement.

#include <memory>
#include <string>
#include <string_view>

#include "base/file.h"
#include "base/json.h"
#include "base/signature.h"
#include "client/integrity/collector.h"
#include "client/integrity/model/device_key.h"
#include "client/integrity/model/verify.h"
#include "client/integrity/statement_builder.h"
#include "client/ports/key_vault.h"

namespace pawl::integrity {

inline constexpr UtcTime kNow{1'790'000'000};

// Holds a real key; its floor only rises, as a burned one does.
class TestVault : public client::KeyVault {
 public:
  TestVault() : key_(*Ed25519Key::Generate()) {}
  Result<Bytes> Sign(ByteView message) override { return key_.Sign(message); }
  Result<Bytes> PublicKey() override { return key_.public_key(); }
  std::string Protection() const override { return "software"; }
  Result<std::uint64_t> ReadFloor() override { return floor_; }
  Status RaiseFloor(std::uint64_t epoch) override {
    floor_ = std::max(floor_, epoch);
    return {};
  }

 private:
  Ed25519Key key_;
  std::uint64_t floor_ = 0;
};

// A directory that lives as long as the object.
class TempTree {
 public:
  TempTree();
  ~TempTree();
  TempTree(const TempTree&) = delete;
  TempTree& operator=(const TempTree&) = delete;

  const std::string& path() const { return path_; }
  std::string Of(std::string_view name) const { return path_ + std::string(name); }
  // Writes a file below the tree, with the folders above it.
  void Put(std::string_view name, std::string_view text, mode_t mode = 0644) const;
  void Remove(std::string_view name) const;

 private:
  std::string path_;
};

// The files of a device on which every probe that reads files passes with GoodProfile().
void FillGoodTree(const TempTree& tree);
DeviceProfile GoodProfile(const TempTree& tree);
UpdateFacts GoodUpdateFacts();
CollectInputs GoodInputs(const TempTree& tree);

// Every row of the catalogue with one outcome.
std::vector<Finding> AllFindings(Outcome outcome);
Outcome OutcomeOf(const std::vector<Finding>& findings, std::string_view id);
const Finding& FindingOf(const std::vector<Finding>& findings, std::string_view id);

DeviceKey KeyOf(TestVault& vault, std::string name = "gw-0001");
DeviceFacts GoodDevice(TestVault& vault);
// A statement of all-pass findings from a real root, made at `now`.
SignedStatement GoodStatement(TestVault& vault, const StatementRequest& request);
StatementRequest FirstRequest(UtcTime now = kNow);

// Signs any header and payload: what an attacker with the key could send.
std::string SignRaw(TestVault& vault, std::string_view header, std::string_view payload);
std::string PayloadOf(const std::string& compact);
std::string GoodHeader(TestVault& vault);

}  // namespace pawl::integrity
