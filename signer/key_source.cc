// SPDX-License-Identifier: Apache-2.0
#include "signer/key_source.h"

#include <iostream>

#include "base/command_line.h"
#include "base/format.h"

namespace pawl::signer {
namespace {

class LockedKeyFile : public LockedKey {
 public:
  LockedKeyFile(std::string path, NamedKey named)
      : path_(std::move(path)), named_(std::move(named)) {}
  const NamedKey& named() const override { return named_; }
  Result<SigningKey> Open(std::optional<std::uint64_t> passphrase_fd) override {
    PAWL_ASSIGN_OR_RETURN(OpenedKey opened, OpenKeyFile(path_, passphrase_fd));
    return ToSigningKey(std::move(opened));
  }

 private:
  std::string path_;
  NamedKey named_;
};

class LockedTokenKey : public LockedKey {
 public:
  LockedTokenKey(FoundTokenKey found, NamedKey named)
      : token_(std::move(found.token)),
        key_(std::move(found.key)),
        named_(std::move(named)),
        pin_(std::move(found.pin)) {}
  const NamedKey& named() const override { return named_; }
  Result<SigningKey> Open(std::optional<std::uint64_t> passphrase_fd) override {
    if (!pin_) {
      PAWL_ASSIGN_OR_RETURN(pin_, AskPin(*token_, passphrase_fd));
    }
    SecretBuffer pin = *std::exchange(pin_, std::nullopt);
    PAWL_ASSIGN_OR_RETURN(const bool each_time, token_->AsksEachTime(key_));
    PAWL_ASSIGN_OR_RETURN(const TokenFacts facts, token_->Facts());
    if (each_time && pin.size() == 0 && !facts.has_keypad) {  // another key has opened the token
      PAWL_ASSIGN_OR_RETURN(pin, ReadPassphrase({}, Format("PIN of token {}", facts.label)));
    }
    PAWL_ASSIGN_OR_RETURN(auto secret, token_->OpenKey(key_, std::move(pin)));
    return SigningKey{named_, std::move(secret)};
  }

 private:
  std::shared_ptr<Token> token_;
  TokenKey key_;
  NamedKey named_;
  std::optional<SecretBuffer> pin_;  // when it was asked for already
};

// What the token says of its PIN, before a try. ERRORS: where no try may be made.
Result<std::string> PinWarning(const TokenFacts& facts, bool from_descriptor) {
  if (facts.pin_locked) {
    return Fail(ErrorCode::kTokenPinLocked, Format("the token '{}'", facts.label));
  }
  if (!facts.pin_set) {
    return Fail(
        ErrorCode::kTokenPinWrong,
        Format("the token '{}' has no user PIN yet; set one with the vendor's tool", facts.label));
  }
  if (facts.pin_final_try && from_descriptor) {
    return Fail(ErrorCode::kTokenPinWrong,
                Format("the token '{}' has one try left, which is not spent on a PIN from a "
                       "descriptor: type it on a terminal",
                       facts.label));
  }
  if (facts.pin_final_try) {
    return Format("warning: the token '{}' locks itself if the next PIN is wrong\n", facts.label);
  }
  if (facts.pin_low) {
    return Format("warning: the last PIN given to the token '{}' was wrong\n", facts.label);
  }
  return std::string();
}

}  // namespace

Result<SecretBuffer> AskPin(Token& token, std::optional<std::uint64_t> passphrase_fd) {
  PAWL_ASSIGN_OR_RETURN(const TokenFacts facts, token.Facts());
  PAWL_ASSIGN_OR_RETURN(const bool open, token.IsOpen());
  if (!open) {
    PAWL_ASSIGN_OR_RETURN(const std::string warning,
                          PinWarning(facts, passphrase_fd.has_value() && !facts.has_keypad));
    std::cerr << warning;
  }
  SecretBuffer pin;
  // From a descriptor always one line for each key: what a script has to write must not depend on
  // which keys share a token.
  if (passphrase_fd || (!open && !facts.has_keypad)) {
    PAWL_ASSIGN_OR_RETURN(pin,
                          ReadPassphrase(passphrase_fd, Format("PIN of token {}", facts.label)));
  }
  if (open) return pin;
  if (facts.has_keypad) {
    std::cerr << Format("type the PIN on the token '{}'\n", facts.label);
    PAWL_TRY(token.Login(nullptr));
    return SecretBuffer();
  }
  PAWL_TRY(token.Login(&pin));
  return pin;
}

Result<FoundTokenKey> FindTokenKey(const std::string& text,
                                   std::optional<std::uint64_t> passphrase_fd) {
  PAWL_ASSIGN_OR_RETURN(const TokenUri uri, ParseTokenUri(text));
  PAWL_ASSIGN_OR_RETURN(auto token, Token::Open(uri, TokenAccess::kRead));
  std::optional<SecretBuffer> pin;
  auto key = token->FindKey(uri);
  PAWL_ASSIGN_OR_RETURN(const bool open, token->IsOpen());
  if (!key && key.error().code() == ErrorCode::kTokenKeyNotFound && !open) {
    PAWL_ASSIGN_OR_RETURN(pin, AskPin(*token, passphrase_fd));
    key = token->FindKey(uri);
  }
  if (!key) return std::unexpected(std::move(key).error());
  return FoundTokenKey{std::move(token), *std::move(key), std::move(pin)};
}

Result<std::unique_ptr<LockedKey>> FindSigningKey(const std::string& file_or_uri,
                                                  std::optional<std::uint64_t> passphrase_fd) {
  if (IsTokenUri(file_or_uri)) {
    PAWL_ASSIGN_OR_RETURN(FoundTokenKey found, FindTokenKey(file_or_uri, passphrase_fd));
    PAWL_ASSIGN_OR_RETURN(NamedKey named, found.key.Named(found.key.SuggestedName()));
    return std::make_unique<LockedTokenKey>(std::move(found), std::move(named));
  }
  PAWL_ASSIGN_OR_RETURN(const Bytes bytes, ReadKeyFile(file_or_uri));
  PAWL_ASSIGN_OR_RETURN(SealedKey sealed, ParseKeyFile(bytes, file_or_uri));
  return std::make_unique<LockedKeyFile>(file_or_uri, std::move(sealed.named));
}

Result<SigningKey> OpenSigningKey(const std::string& file_or_uri,
                                  std::optional<std::uint64_t> passphrase_fd) {
  PAWL_ASSIGN_OR_RETURN(const auto locked, FindSigningKey(file_or_uri, passphrase_fd));
  return locked->Open(passphrase_fd);
}

Result<OpenedKey> OpenKeyFile(const std::string& path, std::optional<std::uint64_t> passphrase_fd) {
  PAWL_ASSIGN_OR_RETURN(const Bytes bytes, ReadKeyFile(path));
  PAWL_ASSIGN_OR_RETURN(const SealedKey sealed, ParseKeyFile(bytes, path));
  PAWL_ASSIGN_OR_RETURN(
      const SecretBuffer passphrase,
      ReadPassphrase(passphrase_fd, Format("passphrase of {} ({})", sealed.named.name, path)));
  return OpenKey(bytes, path, passphrase);
}

}  // namespace pawl::signer
