// SPDX-License-Identifier: Apache-2.0
#include "signer/signing_key.h"

#include "base/format.h"

namespace pawl::signer {

Result<Bytes> SigningKey::Sign(ByteView message) const {
  PAWL_ASSIGN_OR_RETURN(Bytes signature, secret->Sign(message));
  if (named.key.Verify(message, signature)) return signature;
  return Fail(ErrorCode::kSigningFailed,
              Format("'{}': expected a signature that its public key {} verifies, found {} bytes "
                     "that it does not",
                     named.name, named.keyid.substr(0, 8), signature.size()));
}

}  // namespace pawl::signer
