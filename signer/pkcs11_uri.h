// SPDX-License-Identifier: Apache-2.0
#pragma once

// Names of keys in tokens, as RFC 7512 writes them:
//   pkcs11:token=ceremony;object=anna?module-path=/usr/lib/softhsm/libsofthsm2.so
// Specification: docs/key-file-format.md, "Keys in tokens".

#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"

namespace pawl::signer {

// What is absent fits anything.
struct TokenUri {
  std::optional<std::string> token;  // its label
  std::optional<std::string> manufacturer;
  std::optional<std::string> model;
  std::optional<std::string> serial;
  std::optional<std::string> object;  // label of the key
  std::optional<Bytes> id;            // CKA_ID of the key
  std::string module_path;            // absolute
};

// True for everything that is meant as such a name, right or wrong.
bool IsTokenUri(std::string_view text);

// ERRORS: kUsage: a PIN or its source (it would stand in the list of processes), no absolute
// module-path, an attribute that names nothing lasting (slot-id) or is not known, one twice.
Result<TokenUri> ParseTokenUri(std::string_view text);

// One spelling for each name; ParseTokenUri reads it back.
std::string FormatTokenUri(const TokenUri& uri);

}  // namespace pawl::signer
