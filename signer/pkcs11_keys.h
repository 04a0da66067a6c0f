// SPDX-License-Identifier: Apache-2.0
#pragma once

// Key objects of a token: which fit a name, how their public half is read, how a pair is made.

#include <vector>

#include "base/result.h"
#include "signer/pkcs11_session.h"
#include "signer/pkcs11_token.h"

namespace pawl::signer {

enum class KeyHalf { kPrivate, kPublic };

CK_MECHANISM_TYPE SigningMechanism(TokenKeyType type);
CK_MECHANISM_TYPE MakingMechanism(TokenKeyType type);

// What a new key signs once. No metadata has this form.
inline constexpr std::string_view kProofText = "pawl: a new key in a token signs";

// Objects with the label and id of `uri`.
Pkcs11Template TemplateOf(const TokenUri& uri, KeyHalf half);

// `token`: the URI of the token itself. ERRORS: as TokenFailure; kTokenMechanism when the object is
// no key that Pawl knows; kTokenKeyNotFound when its public half is nowhere.
Result<TokenKey> ReadKey(const Pkcs11Session& session, const TokenUri& token,
                         CK_OBJECT_HANDLE object);
// The keys that fit `wanted`; other kinds of keys are left out. ERRORS: as TokenFailure.
Result<std::vector<TokenKey>> ReadKeys(const Pkcs11Session& session, const TokenUri& token,
                                       const TokenUri& wanted, KeyHalf half);

// A pair that signs, cannot be read out, and has a random CKA_ID. ERRORS: as TokenFailure.
Result<Pkcs11Session::KeyPair> GeneratePair(const Pkcs11Session& session, const std::string& label,
                                            TokenKeyType type);

}  // namespace pawl::signer
