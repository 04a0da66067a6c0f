// SPDX-License-Identifier: Apache-2.0
#pragma once

// Public keys known by name: what keys/NAME.pub holds, and the ring of all of them.
// Specification: docs/key-file-format.md, "Public key files".

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/json.h"
#include "base/result.h"
#include "base/signature.h"

namespace pawl::signer {

inline constexpr std::string_view kPublicKeySchema = "pawl.public-key/1";
inline constexpr std::uint64_t kMaxKeyFileBytes = 16 * 1024;

// A public key with the name of the person or service that holds it. The name is for people; trust
// rests on the key alone.
struct NamedKey {
  std::string name;   // a plain name, "anna"
  Json tuf;           // the TUF key object as it stands in root and delegations
  std::string keyid;  // SHA-256 of the canonical key object, hex
  PublicKey key;
};

// SHA-256 of the canonical form of a TUF key object (TUF specification 4.2), hex.
std::string KeyIdOf(const Json& tuf_key);

// REQUIRES: `raw` is a 32-byte Ed25519 key. ERRORS: kInputInvalid for a name that is not plain.
Result<NamedKey> MakeNamedKey(std::string name, ByteView raw);

// A key on the curve P-256. REQUIRES: `point` is as P256Pem wants it. ERRORS: as MakeNamedKey;
// kKeyInvalid.
Result<NamedKey> MakeNamedP256Key(std::string name, ByteView point);

// From a TUF key object. ERRORS: kKeyFileMalformed; kKeyInvalid.
Result<NamedKey> ReadNamedKey(std::string name, const Json& tuf_key);

// "Ed25519", "P-256" or "RSA", and the raw key, point or SubjectPublicKeyInfo in hex.
std::string DescribeKey(const NamedKey& key);

// ERRORS: kKeyFileMalformed (what was expected and found), kKeyInvalid.
Result<NamedKey> ParsePublicKey(ByteView bytes, const std::string& where);
std::string EncodePublicKey(const NamedKey& key);

// The keys of a workspace.
class KeyRing {
 public:
  // Reads every *.pub in `directory`. ERRORS: as ParsePublicKey; kKeyInvalid when one key has two
  // names.
  static Result<KeyRing> Load(const std::string& directory);

  // ERRORS: kOutputExists when the name is taken by another key or the key has another name.
  Status Add(NamedKey key);
  // The name of a key, or the start of its id when nobody has named it.
  std::string NameOf(std::string_view keyid) const;
  const std::map<std::string, NamedKey, std::less<>>& by_id() const { return by_id_; }

 private:
  std::map<std::string, NamedKey, std::less<>> by_id_;
};

// "anna, ben"
std::string JoinNames(const std::vector<std::string>& names,
                      std::string_view last_separator = " or ");

}  // namespace pawl::signer
