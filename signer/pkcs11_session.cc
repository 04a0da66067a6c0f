// SPDX-License-Identifier: Apache-2.0
#include "signer/pkcs11_session.h"

#include <algorithm>
#include <array>

#include "base/format.h"
#include "signer/pkcs11_errors.h"

namespace pawl::signer {
namespace {

// Limits of what a token may say. Reason: more than a ceremony ever has, and small in memory.
constexpr std::size_t kMaxObjects = 1024;
constexpr std::size_t kMaxAttributeBytes = 4096;
constexpr std::size_t kMaxSignatureBytes = 128;  // Ed25519 and P-256 have 64

// The interface of C is without const; no module writes into what is given to it.
unsigned char* Unconst(ByteView view) { return const_cast<unsigned char*>(view.data()); }

Bytes ValueOf(const auto& value) {
  const auto* raw = reinterpret_cast<const std::uint8_t*>(&value);
  return {raw, raw + sizeof(value)};
}

}  // namespace

Pkcs11Template& Pkcs11Template::Number(CK_ATTRIBUTE_TYPE type, CK_ULONG value) {
  entries_.push_back({type, ValueOf(value)});
  return *this;
}

Pkcs11Template& Pkcs11Template::Flag(CK_ATTRIBUTE_TYPE type, bool value) {
  const CK_BBOOL flag = value ? CK_TRUE : CK_FALSE;
  entries_.push_back({type, ValueOf(flag)});
  return *this;
}

Pkcs11Template& Pkcs11Template::Blob(CK_ATTRIBUTE_TYPE type, ByteView value) {
  entries_.push_back({type, Bytes(value.begin(), value.end())});
  return *this;
}

std::vector<CK_ATTRIBUTE> Pkcs11Template::View() {
  std::vector<CK_ATTRIBUTE> view;
  for (Entry& entry : entries_) {
    view.push_back({entry.type, entry.value.data(), entry.value.size()});
  }
  return view;
}

Result<std::unique_ptr<Pkcs11Session>> Pkcs11Session::Open(std::shared_ptr<Pkcs11Module> module,
                                                           CK_SLOT_ID slot, bool writable) {
  CK_SESSION_HANDLE session = 0;
  const CK_FLAGS flags = CKF_SERIAL_SESSION | (writable ? CKF_RW_SESSION : 0);
  const CK_RV answer = module->call().C_OpenSession(slot, flags, nullptr, nullptr, &session);
  if (answer != CKR_OK) return TokenFailure("opening a session with the token", answer);
  return std::unique_ptr<Pkcs11Session>(new Pkcs11Session(std::move(module), session));
}

Pkcs11Session::~Pkcs11Session() { call().C_CloseSession(session_); }

Result<std::vector<CK_OBJECT_HANDLE>> Pkcs11Session::Find(Pkcs11Template what) const {
  std::vector<CK_ATTRIBUTE> view = what.View();
  CK_RV answer = call().C_FindObjectsInit(session_, view.data(), view.size());
  std::vector<CK_OBJECT_HANDLE> found;
  std::array<CK_OBJECT_HANDLE, 16> some{};
  CK_ULONG count = some.size();
  while (answer == CKR_OK && count > 0 && found.size() < kMaxObjects) {
    count = 0;
    answer = call().C_FindObjects(session_, some.data(), some.size(), &count);
    count = std::min<CK_ULONG>(count, some.size());
    if (answer == CKR_OK) found.insert(found.end(), some.begin(), some.begin() + count);
  }
  call().C_FindObjectsFinal(session_);
  if (answer != CKR_OK) return TokenFailure("looking for keys in the token", answer);
  return found;
}

Result<std::optional<Bytes>> Pkcs11Session::Attribute(CK_OBJECT_HANDLE object,
                                                      CK_ATTRIBUTE_TYPE type) const {
  Bytes value(kMaxAttributeBytes);
  CK_ATTRIBUTE attribute{type, value.data(), value.size()};
  const CK_RV answer = call().C_GetAttributeValue(session_, object, &attribute, 1);
  if (answer == CKR_ATTRIBUTE_TYPE_INVALID || answer == CKR_ATTRIBUTE_SENSITIVE) {
    return std::nullopt;
  }
  if (answer != CKR_OK) {
    return TokenFailure(Format("reading attribute 0x{:x} in the token", type), answer);
  }
  if (attribute.ulValueLen > value.size()) return std::nullopt;  // also CK_UNAVAILABLE_INFORMATION
  value.resize(attribute.ulValueLen);
  return value;
}

Result<bool> Pkcs11Session::Flag(CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type,
                                 bool when_absent) const {
  PAWL_ASSIGN_OR_RETURN(const std::optional<Bytes> value, Attribute(object, type));
  return value && value->size() == 1 ? value->front() != CK_FALSE : when_absent;
}

CK_RV Pkcs11Session::Login(CK_USER_TYPE user, const SecretBuffer* pin) const {
  return call().C_Login(session_, user, pin == nullptr ? nullptr : Unconst(pin->view()),
                        pin == nullptr ? 0 : pin->size());
}

Result<bool> Pkcs11Session::IsLoggedIn() const {
  CK_SESSION_INFO info{};
  const CK_RV answer = call().C_GetSessionInfo(session_, &info);
  if (answer != CKR_OK) return TokenFailure("asking the token about itself", answer);
  return info.state == CKS_RO_USER_FUNCTIONS || info.state == CKS_RW_USER_FUNCTIONS;
}

Result<Bytes> Pkcs11Session::Sign(CK_MECHANISM_TYPE mechanism, CK_OBJECT_HANDLE key, ByteView data,
                                  const EachTime& each) const {
  CK_MECHANISM how{mechanism, nullptr, 0};
  CK_RV answer = call().C_SignInit(session_, &how, key);
  if (answer != CKR_OK) return TokenFailure("starting a signature", answer);
  if (each.asked) {
    answer = Login(CKU_CONTEXT_SPECIFIC, each.pin);
    if (answer != CKR_OK) return TokenFailure("allowing one signature", answer);
  }
  Bytes signature(kMaxSignatureBytes);
  CK_ULONG length = signature.size();
  answer = call().C_Sign(session_, Unconst(data), data.size(), signature.data(), &length);
  if (answer != CKR_OK) return TokenFailure("signing", answer);
  signature.resize(std::min<std::size_t>(length, signature.size()));
  return signature;
}

Result<Pkcs11Session::KeyPair> Pkcs11Session::Generate(CK_MECHANISM_TYPE mechanism,
                                                       Pkcs11Template public_key,
                                                       Pkcs11Template private_key) const {
  CK_MECHANISM how{mechanism, nullptr, 0};
  std::vector<CK_ATTRIBUTE> public_view = public_key.View();
  std::vector<CK_ATTRIBUTE> private_view = private_key.View();
  KeyPair pair;
  const CK_RV answer = call().C_GenerateKeyPair(
      session_, &how, public_view.data(), public_view.size(), private_view.data(),
      private_view.size(), &pair.public_key, &pair.private_key);
  if (answer != CKR_OK) return TokenFailure("making a key in the token", answer);
  return pair;
}

Status Pkcs11Session::Destroy(CK_OBJECT_HANDLE object) const {
  const CK_RV answer = call().C_DestroyObject(session_, object);
  if (answer != CKR_OK) return TokenFailure("removing an object from the token", answer);
  return {};
}

}  // namespace pawl::signer
