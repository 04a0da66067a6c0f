// SPDX-License-Identifier: Apache-2.0
#pragma once

// Memory for secrets: guard pages, locked, zeroed on release. No copy, no stream operator, no hex.

#include <cstddef>
#include <cstdint>

#include "base/bytes.h"
#include "base/result.h"

namespace pawl {

class SecretBuffer {
 public:
  SecretBuffer() = default;
  // Zero-filled. Ends the process when the guarded heap is exhausted (a few KiB are ever asked for).
  explicit SecretBuffer(std::size_t size);
  ~SecretBuffer();
  SecretBuffer(SecretBuffer&& other) noexcept;
  SecretBuffer& operator=(SecretBuffer&& other) noexcept;
  SecretBuffer(const SecretBuffer&) = delete;
  SecretBuffer& operator=(const SecretBuffer&) = delete;

  ByteSpan span() { return {data_, size_}; }
  ByteView view() const { return {data_, size_}; }
  std::size_t size() const { return size_; }
  SecretBuffer Clone() const;

 private:
  std::uint8_t* data_ = nullptr;
  std::size_t size_ = 0;
};

// Constant-time comparison; false when sizes differ.
bool SecretEqual(ByteView a, ByteView b);

// Fills `out` from the system's random source.
void RandomBytes(ByteSpan out);

// libsodium's start-up, safe to call often. ERRORS: kEntropy.
Status InitCrypto();

// For programs that hold secrets: umask 077, no core dumps, not traceable. Call first in main().
void HardenProcess();

}  // namespace pawl
