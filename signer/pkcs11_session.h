// SPDX-License-Identifier: Apache-2.0
#pragma once

// One session with one token: the calls of PKCS#11 that Pawl needs, with sizes and answers checked.
// What a token answers is input from outside: no length it names is believed beyond a limit.

#include <p11-kit/pkcs11.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "base/secret.h"
#include "signer/pkcs11_module.h"

namespace pawl::signer {

// Attributes to look for or to give, with their values. Owns the bytes.
class Pkcs11Template {
 public:
  Pkcs11Template& Number(CK_ATTRIBUTE_TYPE type, CK_ULONG value);
  Pkcs11Template& Flag(CK_ATTRIBUTE_TYPE type, bool value);
  Pkcs11Template& Blob(CK_ATTRIBUTE_TYPE type, ByteView value);
  // Valid until the next change.
  std::vector<CK_ATTRIBUTE> View();

 private:
  struct Entry {
    CK_ATTRIBUTE_TYPE type;
    Bytes value;
  };
  std::vector<Entry> entries_;
};

// Whether a key wants the PIN before each signature, and that PIN; null: typed on a keypad.
struct EachTime {
  bool asked = false;
  const SecretBuffer* pin = nullptr;
};

class Pkcs11Session {
 public:
  // ERRORS: as TokenFailure.
  static Result<std::unique_ptr<Pkcs11Session>> Open(std::shared_ptr<Pkcs11Module> module,
                                                     CK_SLOT_ID slot, bool writable);
  ~Pkcs11Session();
  Pkcs11Session(const Pkcs11Session&) = delete;
  Pkcs11Session& operator=(const Pkcs11Session&) = delete;

  // ERRORS of all: as TokenFailure.
  Result<std::vector<CK_OBJECT_HANDLE>> Find(Pkcs11Template what) const;
  // nullopt when the object has no such attribute or does not show it.
  Result<std::optional<Bytes>> Attribute(CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type) const;
  Result<bool> Flag(CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type, bool when_absent) const;
  // The raw answer, since a wrong PIN wants more words than other failures. `pin` null: the token
  // has a keypad of its own.
  CK_RV Login(CK_USER_TYPE user, const SecretBuffer* pin) const;
  Result<bool> IsLoggedIn() const;
  Result<Bytes> Sign(CK_MECHANISM_TYPE mechanism, CK_OBJECT_HANDLE key, ByteView data,
                     const EachTime& each) const;
  struct KeyPair {
    CK_OBJECT_HANDLE public_key = 0;
    CK_OBJECT_HANDLE private_key = 0;
  };
  Result<KeyPair> Generate(CK_MECHANISM_TYPE mechanism, Pkcs11Template public_key,
                           Pkcs11Template private_key) const;
  Status Destroy(CK_OBJECT_HANDLE object) const;

 private:
  Pkcs11Session(std::shared_ptr<Pkcs11Module> module, CK_SESSION_HANDLE session)
      : module_(std::move(module)), session_(session) {}
  const CK_FUNCTION_LIST& call() const { return module_->call(); }

  std::shared_ptr<Pkcs11Module> module_;
  CK_SESSION_HANDLE session_;
};

}  // namespace pawl::signer
