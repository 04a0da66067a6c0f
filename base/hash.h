// SPDX-License-Identifier: Apache-2.0
#pragma once

// SHA-2 by libcrypto, which uses the CPU's SHA instructions; hashing dominates applying an update.

#include <array>
#include <compare>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"

struct evp_md_ctx_st;

namespace pawl {

struct Sha256Digest {
  std::array<std::uint8_t, 32> bytes{};
  auto operator<=>(const Sha256Digest&) const = default;
  std::string Hex() const { return HexEncode(bytes); }
  // ERRORS: kInputInvalid unless `hex` is exactly 64 lower-case hexadecimal digits.
  static Result<Sha256Digest> FromHex(std::string_view hex);
};

// Incremental SHA-256.
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(const Sha256&) = delete;
  Sha256& operator=(const Sha256&) = delete;

  void Update(ByteView bytes);
  // Returns the digest and starts afresh.
  Sha256Digest Finish();

 private:
  struct Free {
    void operator()(evp_md_ctx_st* context) const;
  };
  std::unique_ptr<evp_md_ctx_st, Free> context_;
};

Sha256Digest HashSha256(ByteView bytes);

// 64 bytes. TUF metadata may name it beside SHA-256.
Bytes HashSha512(ByteView bytes);

// HMAC-SHA-256 (RFC 2104).
Sha256Digest HmacSha256(ByteView key, ByteView message);

}  // namespace pawl
