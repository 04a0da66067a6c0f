// SPDX-License-Identifier: Apache-2.0
#include "base/hash.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <algorithm>
#include <cstdlib>

namespace pawl {
namespace {

// libcrypto's digests fail only when it is out of memory or broken; neither leaves anything sensible to do.
void Must(int ok) {
  if (ok != 1) std::abort();
}

}  // namespace

Result<Sha256Digest> Sha256Digest::FromHex(std::string_view hex) {
  if (hex.size() != 64) {
    return Fail(ErrorCode::kInputInvalid, "expected a SHA-256 digest as 64 lower-case hex digits");
  }
  PAWL_ASSIGN_OR_RETURN(const Bytes raw, HexDecode(hex));
  Sha256Digest digest;
  std::ranges::copy(raw, digest.bytes.begin());
  return digest;
}

void Sha256::Free::operator()(evp_md_ctx_st* context) const { EVP_MD_CTX_free(context); }

Sha256::Sha256() : context_(EVP_MD_CTX_new()) {
  Must(EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr));
}
Sha256::~Sha256() = default;

void Sha256::Update(ByteView bytes) { Must(EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size())); }

Sha256Digest Sha256::Finish() {
  Sha256Digest digest;
  Must(EVP_DigestFinal_ex(context_.get(), digest.bytes.data(), nullptr));
  Must(EVP_DigestInit_ex(context_.get(), nullptr, nullptr));
  return digest;
}

Sha256Digest HashSha256(ByteView bytes) {
  Sha256 hash;
  hash.Update(bytes);
  return hash.Finish();
}

Bytes HashSha512(ByteView bytes) {
  Bytes digest(64);
  Must(EVP_Digest(bytes.data(), bytes.size(), digest.data(), nullptr, EVP_sha512(), nullptr));
  return digest;
}

Sha256Digest HmacSha256(ByteView key, ByteView message) {
  Sha256Digest mac;
  if (HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), message.data(), message.size(), mac.bytes.data(),
           nullptr) == nullptr) {
    std::abort();
  }
  return mac;
}

}  // namespace pawl
