// SPDX-License-Identifier: Apache-2.0
#pragma once

// Encrypted Ed25519 key files. The passphrase becomes a key by Argon2id, whose cost stands in the
// file; XChaCha20-Poly1305 seals the seed and authenticates everything else in the file with it.
// Specification: docs/key-file-format.md.

#include <cstdint>
#include <string>

#include "base/bytes.h"
#include "base/result.h"
#include "base/secret.h"
#include "base/signature.h"
#include "signer/public_keys.h"
#include "signer/signing_key.h"

namespace pawl::signer {

inline constexpr std::string_view kKeyFileSchema = "pawl.key/1";
inline constexpr std::size_t kMinPassphraseBytes = 8;

// What one guess at a passphrase costs.
struct KeyCost {
  std::uint64_t memory_bytes = 256ULL << 20;
  std::uint64_t passes = 3;
};

// What is accepted in a file. Too low: somebody made guessing cheap. Too high: opening the file
// would take the machine down. Only tests use other limits, through this interface.
struct KeyCostLimits {
  std::uint64_t min_memory_bytes = 64ULL << 20;
  std::uint64_t max_memory_bytes = 1ULL << 30;
  std::uint64_t min_passes = 1;
  std::uint64_t max_passes = 16;
};

// The text of a key file. ERRORS: kInputInvalid (name not plain, passphrase under 8 bytes);
// kKeyFileCost.
Result<std::string> SealKey(const std::string& name, const Ed25519Key& key,
                            const SecretBuffer& passphrase, const KeyCost& cost = {},
                            const KeyCostLimits& limits = {});

// What a key file shows without its passphrase. Unauthenticated until OpenKey has succeeded.
struct SealedKey {
  NamedKey named;
  KeyCost cost;
};
// ERRORS: kKeyFileMalformed; kKeyFileCost.
Result<SealedKey> ParseKeyFile(ByteView bytes, const std::string& where,
                               const KeyCostLimits& limits = {});

// What a key file holds, in the open. Only sealing and signing need it.
struct OpenedKey {
  NamedKey named;
  Ed25519Key key;
};
// ERRORS: as ParseKeyFile; kPassphraseWrong (also for a damaged file: nothing tells the two apart).
Result<OpenedKey> OpenKey(ByteView bytes, const std::string& where, const SecretBuffer& passphrase,
                          const KeyCostLimits& limits = {});
SigningKey ToSigningKey(OpenedKey key);

// The bytes of a key file that only its owner can read. ERRORS: kKeyFilePermissions (group or
// others may read it, or it belongs to another user), kInputMissing, kKeyFileMalformed.
Result<Bytes> ReadKeyFile(const std::string& path);

}  // namespace pawl::signer
