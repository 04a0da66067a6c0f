// SPDX-License-Identifier: Apache-2.0
#pragma once

// JWS compact serialisation (RFC 7515) with one algorithm, EdDSA over Ed25519 (RFC 8037), and one
// header shape. No library in Debian 12 signs EdDSA; what is needed is three base64url parts.

#include <cstdint>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"
#include "base/signature.h"

namespace pawl::integrity {

inline constexpr std::size_t kMaxStatementBytes = 64 * 1024;   // of the compact form
inline constexpr std::string_view kStatementType = "eat+jwt";  // RFC 9782

// base64url(header) "." base64url(payload): what gets signed.
std::string JwsSigningInput(std::string_view kid, std::string_view payload);
std::string JwsCompact(std::string_view signing_input, ByteView signature);

// The three parts; nothing in them is authentic yet.
struct JwsParts {
  std::string kid;            // from the header, to look up the key
  std::string signing_input;  // the exact bytes received
  Bytes payload;
  Bytes signature;
};

// Splits and checks the header. ERRORS: kStatementMalformed: size, not three canonical base64url
// parts, a header with another alg or typ, with other or doubled members.
Result<JwsParts> SplitJws(std::string_view compact);

}  // namespace pawl::integrity
