// SPDX-License-Identifier: Apache-2.0
#pragma once

// What --key names: a key file, or a key in a token by its pkcs11: URI. Shown first, opened later,
// so that a person sees what is to be signed before the secret is there.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/result.h"
#include "signer/key_file.h"
#include "signer/pkcs11_token.h"
#include "signer/signing_key.h"

namespace pawl::signer {

// A key whose secret is not open yet.
class LockedKey {
 public:
  LockedKey() = default;
  virtual ~LockedKey() = default;
  LockedKey(const LockedKey&) = delete;
  LockedKey& operator=(const LockedKey&) = delete;
  virtual const NamedKey& named() const = 0;
  // Asks for passphrase or PIN, once. ERRORS: as OpenKeyFile; as AskPin and Token::OpenKey.
  virtual Result<SigningKey> Open(std::optional<std::uint64_t> passphrase_fd) = 0;
};

// ERRORS: as ReadKeyFile and ParseKeyFile; as Token::Open and Token::FindKey. A token that shows no
// keys before its PIN asks for it here, and not again.
Result<std::unique_ptr<LockedKey>> FindSigningKey(const std::string& file_or_uri,
                                                  std::optional<std::uint64_t> passphrase_fd);

// The same for a URI alone, with the token behind it.
struct FoundTokenKey {
  std::shared_ptr<Token> token;
  TokenKey key;
  std::optional<SecretBuffer> pin;  // when it was asked for already
};
Result<FoundTokenKey> FindTokenKey(const std::string& uri,
                                   std::optional<std::uint64_t> passphrase_fd);

// Both steps. `passphrase_fd`: one line is read for each key.
Result<SigningKey> OpenSigningKey(const std::string& file_or_uri,
                                  std::optional<std::uint64_t> passphrase_fd);

// Asks for the passphrase of a key file. ERRORS: as ReadKeyFile, ReadPassphrase and OpenKey.
Result<OpenedKey> OpenKeyFile(const std::string& path, std::optional<std::uint64_t> passphrase_fd);

// Opens the token for its user, unless it is open. Warns before a try that could lock it; a
// descriptor is not trusted with the last try. The PIN comes back for keys that ask each time;
// empty when none was read. ERRORS: kTokenPinLocked; kTokenPinWrong; as ReadPassphrase.
Result<SecretBuffer> AskPin(Token& token, std::optional<std::uint64_t> passphrase_fd);

}  // namespace pawl::signer
