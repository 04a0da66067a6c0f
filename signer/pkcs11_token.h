// SPDX-License-Identifier: Apache-2.0
#pragma once

// A token and the signing keys in it. A PIN is tried once and never again; it is kept only for keys
// that want it before each signature. Source: PKCS#11 3.0; specification: docs/key-file-format.md,
// "Keys in tokens".

#include <memory>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "base/secret.h"
#include "signer/pkcs11_encoding.h"
#include "signer/pkcs11_uri.h"
#include "signer/signing_key.h"

namespace pawl::signer {

class Pkcs11Module;
class Pkcs11Session;

// What a token says of itself, as of now.
struct TokenFacts {
  TokenUri uri;       // leads to this token alone, if its vendor numbers tokens
  std::string label;  // in printable ASCII, to show
  bool needs_pin = true;
  bool has_keypad = false;  // the PIN is typed there, not here
  bool pin_low = false;     // a wrong PIN was given since the last right one
  bool pin_final_try = false;
  bool pin_locked = false;
  bool pin_set = true;
  std::uint64_t min_pin_bytes = 0;
  std::uint64_t max_pin_bytes = 0;
  std::vector<TokenKeyType> makes;  // kinds of keys that it can make and sign with, best first
};

struct TokenKey {
  TokenUri uri;  // leads to this key alone
  TokenKeyType type = TokenKeyType::kEd25519;
  Bytes point;  // as PublicPoint

  // The label when that is a plain name, else one made of the key.
  std::string SuggestedName() const;
  // ERRORS: as MakeNamedKey.
  Result<NamedKey> Named(const std::string& name) const;
};

enum class TokenAccess { kRead, kWrite };

class Token : public std::enable_shared_from_this<Token> {
 public:
  // The one token that fits. ERRORS: kTokenModule; kTokenNotFound (none, or several, naming them).
  static Result<std::shared_ptr<Token>> Open(const TokenUri& uri, TokenAccess access);
  ~Token();
  Token(const Token&) = delete;
  Token& operator=(const Token&) = delete;

  // ERRORS: kSigningFailed when the token is gone.
  Result<TokenFacts> Facts() const;
  // True when no PIN is wanted (any more): this process has given it, or the token has none.
  Result<bool> IsOpen() const;
  // One try. `pin` null: typed on the token's keypad. ERRORS: kTokenPinWrong (also without a try,
  // when the length cannot be right), kTokenPinLocked, kSigningFailed.
  Status Login(const SecretBuffer* pin);

  // The keys that fit `uri` and are of a kind that Pawl knows. What a token shows before its PIN is
  // the vendor's choice.
  Result<std::vector<TokenKey>> Keys(const TokenUri& uri) const;
  // ERRORS: kTokenKeyNotFound (none, or several, naming them).
  Result<TokenKey> FindKey(const TokenUri& uri) const;

  // True for keys that want the PIN before each signature. REQUIRES: IsOpen. ERRORS:
  // kTokenKeyNotFound when there is only the public half.
  Result<bool> AsksEachTime(const TokenKey& key) const;
  // `pin`: for keys that ask each time. REQUIRES: IsOpen. ERRORS: kTokenKeyNotFound;
  // kTokenMechanism.
  Result<std::unique_ptr<SecretKey>> OpenKey(const TokenKey& key, SecretBuffer pin) const;
  // Makes a key pair that cannot leave the token, and lets it sign once. REQUIRES: IsOpen, kWrite.
  // ERRORS: kOutputExists (the label is taken); kTokenMechanism; kSigningFailed: then there is no
  // new key.
  Result<TokenKey> MakeKey(const std::string& name, TokenKeyType type) const;

 private:
  Token(std::shared_ptr<Pkcs11Module> module, unsigned long slot,
        std::unique_ptr<Pkcs11Session> session);
  Result<unsigned long> PrivateHandle(const TokenKey& key) const;

  std::shared_ptr<Pkcs11Module> module_;
  unsigned long slot_;
  std::unique_ptr<Pkcs11Session> session_;
};

// All tokens of a library. ERRORS: kTokenModule.
Result<std::vector<TokenFacts>> ListTokens(const std::string& module_path);

}  // namespace pawl::signer
