// SPDX-License-Identifier: Apache-2.0
#pragma once

// How tokens write curves and public keys. The standard changed its mind, and vendors differ: every
// form in use is read, and the length and first bytes tell them apart without doubt.
// Source: PKCS#11 3.0, sections 2.3.3, 2.3.5 and 2.3.10 (EC and Edwards keys).

#include <optional>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"

namespace pawl::signer {

enum class TokenKeyType : std::uint8_t { kEd25519, kP256 };

// "Ed25519", "P-256"
std::string_view NameOf(TokenKeyType type);

// From CKA_EC_PARAMS: an object identifier or the curve's name. nullopt: another curve.
std::optional<TokenKeyType> CurveOf(ByteView ec_params);

// The forms of CKA_EC_PARAMS for making a key, the usual one first.
std::vector<Bytes> CurveParameters(TokenKeyType type);

// From CKA_EC_POINT, raw or in a DER OCTET STRING: the 32 bytes of an Ed25519 key, or the 65 bytes
// of an uncompressed point. ERRORS: kTokenMechanism for any other form.
Result<Bytes> PublicPoint(TokenKeyType type, ByteView ec_point);

}  // namespace pawl::signer
