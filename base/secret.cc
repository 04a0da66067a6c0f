// SPDX-License-Identifier: Apache-2.0
#include "base/secret.h"

#include <sodium.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstdlib>
#include <utility>

namespace pawl {

Status InitCrypto() {
  if (sodium_init() < 0) return Fail(ErrorCode::kEntropy, "libsodium could not be initialised");
  return {};
}

SecretBuffer::SecretBuffer(std::size_t size) : size_(size) {
  if (!InitCrypto()) std::abort();
  data_ = static_cast<std::uint8_t*>(sodium_malloc(size));
  if (data_ == nullptr) std::abort();
  sodium_memzero(data_, size);
}

SecretBuffer::~SecretBuffer() { sodium_free(data_); }

SecretBuffer::SecretBuffer(SecretBuffer&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

SecretBuffer& SecretBuffer::operator=(SecretBuffer&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

SecretBuffer SecretBuffer::Clone() const {
  SecretBuffer copy(size_);
  std::ranges::copy(view(), copy.data_);
  return copy;
}

bool SecretEqual(ByteView a, ByteView b) {
  return a.size() == b.size() && sodium_memcmp(a.data(), b.data(), a.size()) == 0;
}

void RandomBytes(ByteSpan out) {
  if (!InitCrypto()) std::abort();
  randombytes_buf(out.data(), out.size());
}

void HardenProcess() {
  umask(077);
  const rlimit none{0, 0};
  setrlimit(RLIMIT_CORE, &none);  // best effort: a refused limit must not stop a signer from working
  prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

}  // namespace pawl
