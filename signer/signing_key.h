// SPDX-License-Identifier: Apache-2.0
#pragma once

// A key that can sign, wherever its secret lives: in an opened key file or in a token.

#include <memory>

#include "base/bytes.h"
#include "base/result.h"
#include "signer/public_keys.h"

namespace pawl::signer {

// A secret that makes signatures and is never seen.
class SecretKey {
 public:
  virtual ~SecretKey() = default;
  // In the form that PublicKey::Verify takes. ERRORS: where the secret lives decides: a token may
  // have been pulled out.
  virtual Result<Bytes> Sign(ByteView message) const = 0;

 protected:
  SecretKey() = default;
  SecretKey(const SecretKey&) = default;
  SecretKey(SecretKey&&) = default;
  SecretKey& operator=(const SecretKey&) = default;
  SecretKey& operator=(SecretKey&&) = default;
};

// A secret and whose it is. Can be moved, not copied.
struct SigningKey {
  NamedKey named;
  std::unique_ptr<SecretKey> secret;

  // A signature that `named.key` has verified. ERRORS: as SecretKey::Sign; kSigningFailed when what
  // came back does not verify: a token that errs, or another key than the one that was shown.
  Result<Bytes> Sign(ByteView message) const;
};

}  // namespace pawl::signer
