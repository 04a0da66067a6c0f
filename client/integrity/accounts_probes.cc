// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <ranges>

#include "base/format.h"
#include "base/hash.h"
#include "client/integrity/probes.h"

namespace pawl::integrity {
namespace {

constexpr std::uint64_t kMaxAccountBytes = 1U << 20U;

struct Account {
  std::string name;
  std::string password;
  std::string uid;  // empty for shadow
};

std::vector<Account> Accounts(std::string_view text) {
  std::vector<Account> accounts;
  for (const auto line : std::views::split(text, '\n')) {
    std::vector<std::string> fields;
    for (const auto field : std::views::split(line, ':'))
      fields.emplace_back(field.begin(), field.end());
    if (fields.size() < 3) continue;
    accounts.push_back({fields[0], fields[1], fields[2]});
  }
  return accounts;
}

// "0", "00" and "+0" are all uid 0 to the C library.
bool IsUidZero(std::string_view uid) {
  return !uid.empty() && uid.find_first_not_of("0+ ") == std::string_view::npos &&
         uid.find('0') != std::string_view::npos;
}

void CheckPasswd(const std::vector<Account>& accounts, Conditions& conditions) {
  std::string others;
  std::string empty;
  for (const Account& account : accounts) {
    if (IsUidZero(account.uid) && account.name != "root") others += " " + account.name;
    if (account.password.empty()) empty += " " + account.name;
  }
  conditions.Require(others.empty(), others.empty() ? "uid 0: root" : "uid 0 also:" + others);
  if (!empty.empty()) conditions.Require(false, "no password:" + empty);
}

void CheckShadow(const std::optional<std::string>& text, Conditions& conditions) {
  if (!text) return conditions.Require(std::nullopt, "shadow=?");
  std::string empty;
  for (const Account& account : Accounts(*text)) {
    if (account.password.empty()) empty += " " + account.name;
  }
  conditions.Require(empty.empty(), empty.empty() ? "no empty password" : "no password:" + empty);
}

void CheckKeys(const CollectInputs& in, Conditions& conditions) {
  constexpr std::string_view kPath = "/root/.ssh/authorized_keys";
  const auto keys = in.root.Read(kPath, kMaxAccountBytes);
  if (!keys) {
    const bool absent = keys.error().code() == ErrorCode::kInputMissing;
    // A profile that names keys wants them: a missing file is then no match.
    if (absent) return conditions.Require(!in.profile.authorized_keys, "no ssh keys of root");
    return conditions.Require(std::nullopt, "ssh keys of root=?");
  }
  const Sha256Digest digest = HashSha256(*keys);
  const auto& wanted = in.profile.authorized_keys;
  conditions.Require(wanted ? std::optional<bool>(*wanted == digest) : std::nullopt,
                     Format("ssh keys of root sha256:{}{}", digest.Hex().substr(0, 16),
                            wanted ? "" : " (no reference)"));
}

}  // namespace

Reading ProbeAccounts(const CollectInputs& in) {
  const auto passwd = in.root.Text("/etc/passwd", kMaxAccountBytes);
  if (!passwd) return Unknown("/etc/passwd cannot be read");
  const std::vector<Account> accounts = Accounts(*passwd);
  if (accounts.empty()) return Unknown("/etc/passwd holds no account");
  Conditions conditions;
  CheckPasswd(accounts, conditions);
  CheckShadow(in.root.Text("/etc/shadow", kMaxAccountBytes), conditions);
  CheckKeys(in, conditions);
  return conditions.Finish();
}

}  // namespace pawl::integrity
