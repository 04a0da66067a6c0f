// SPDX-License-Identifier: Apache-2.0
#pragma once

// The device's own key and the highest security floor it has burned.

#include <cstdint>
#include <string>

#include "base/bytes.h"
#include "base/result.h"

namespace pawl::client {

class KeyVault {
 public:
  virtual ~KeyVault() = default;
  // Ed25519 over `message`. ERRORS: kDeviceKeyMissing.
  virtual Result<Bytes> Sign(ByteView message) = 0;
  virtual Result<Bytes> PublicKey() = 0;  // 32 bytes
  // "software", "tpm-sealed"
  virtual std::string Protection() const = 0;
  // The floor that is kept outside of the store. 0 when none was burned.
  virtual Result<std::uint64_t> ReadFloor() = 0;
  // Never lowers; durable when it returns.
  virtual Status RaiseFloor(std::uint64_t epoch) = 0;
};

}  // namespace pawl::client
