// SPDX-License-Identifier: Apache-2.0
#pragma once

// A vendor's PKCS#11 library, loaded for as long as somebody uses one of its tokens.
// Decision: docs/adr/0010-tokens-by-dlopen.md.

#include <p11-kit/pkcs11.h>

#include <memory>
#include <string>
#include <vector>

#include "base/result.h"

namespace pawl::signer {

class Pkcs11Module {
 public:
  // One for each library in a process, however often it is named. `path` is absolute. Code of the
  // library runs with all that this process knows: it must be a file that only root or the caller
  // can change. ERRORS: kTokenModule.
  static Result<std::shared_ptr<Pkcs11Module>> Load(const std::string& path);
  ~Pkcs11Module();
  Pkcs11Module(const Pkcs11Module&) = delete;
  Pkcs11Module& operator=(const Pkcs11Module&) = delete;

  const CK_FUNCTION_LIST& call() const { return *functions_; }
  const std::string& path() const { return path_; }
  // Slots in which there is a token. ERRORS: kTokenModule.
  Result<std::vector<CK_SLOT_ID>> SlotsWithTokens() const;

 private:
  Pkcs11Module(std::string path, const CK_FUNCTION_LIST* functions, bool finalize)
      : path_(std::move(path)), functions_(functions), finalize_(finalize) {}
  std::string path_;
  const CK_FUNCTION_LIST* functions_;
  bool finalize_;  // false when something else in this process has started the library
};

}  // namespace pawl::signer
