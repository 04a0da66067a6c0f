// SPDX-License-Identifier: Apache-2.0
#pragma once

// The public half of a device's identity, as provisioning hands it to the fleet ("DEVICE.pub").
// Format: docs/integrity-statement.md.

#include <string>

#include "base/bytes.h"
#include "base/result.h"
#include "base/signature.h"

namespace pawl::integrity {

// UEID of RFC 9711 section 4.2.1.1, type RAND: 0x01, then 32 random bytes.
inline constexpr std::size_t kUeidBytes = 33;
inline constexpr std::uint8_t kUeidTypeRandom = 0x01;
inline constexpr std::size_t kMaxDeviceIdChars = 128;
inline constexpr std::uint64_t kMaxDeviceKeyFileBytes = 4096;

struct DeviceKey {
  std::string device;  // the name people use; SafeText
  Bytes ueid;          // kUeidBytes
  Bytes public_key;    // 32 bytes, Ed25519

  // RFC 7638 SHA-256 thumbprint in base64url: the "kid" of statements.
  std::string Thumbprint() const;
};

// The UEID of a device whose record names none: 0x01, then SHA-256 of the public key. The key is
// random, so this is too, and it needs no storage. REQUIRES: 32 bytes.
Bytes UeidOfKey(ByteView ed25519_public_key);

// JWK thumbprint of an Ed25519 key (RFC 7638, RFC 8037 appendix A.3). REQUIRES: 32 bytes.
std::string KeyThumbprint(ByteView ed25519_public_key);

// Members that are not needed here (product, hardware, protection) are left unread.
// ERRORS: kKeyInvalid naming the member.
Result<DeviceKey> ParseDeviceKey(ByteView bytes);
std::string EncodeDeviceKey(const DeviceKey& key);

}  // namespace pawl::integrity
