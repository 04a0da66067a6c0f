// SPDX-License-Identifier: Apache-2.0
#pragma once

// The commands about keys, where the key is in a token.

#include <cstdint>
#include <optional>
#include <string>

#include "base/command_line.h"
#include "base/result.h"

namespace pawl::signer {

struct TokenKeyOptions {
  std::string uri;
  std::optional<std::string> name;  // whose key it is
  std::optional<std::string> out;   // the .pub file
  std::optional<std::string> type;  // "ed25519", "p256"
  std::optional<std::uint64_t> passphrase_fd;
};

// key new --token. REQUIRES: name. ERRORS: kUsage; kOutputExists; as Token::Open, AskPin and
// Token::MakeKey.
Result<Answer> NewTokenKey(const TokenKeyOptions& options);

// key show URI. ERRORS: as FindSigningKey; kOutputExists.
Result<Answer> ShowTokenKey(const TokenKeyOptions& options);

// key list.
Command ListTokensCommand();

}  // namespace pawl::signer
