// SPDX-License-Identifier: Apache-2.0
#include "signer/pkcs11_module.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <map>

#include "base/format.h"
#include "signer/pkcs11_errors.h"

namespace pawl::signer {
namespace {

constexpr ErrorCode kModule = ErrorCode::kTokenModule;
constexpr unsigned char kMajorVersion = 2;  // version 3 libraries give this list as well

// The file that `path` leads to. ERRORS: kTokenModule.
Result<std::string> RealPath(const std::string& path) {
  const std::unique_ptr<char, decltype(&free)> real(realpath(path.c_str(), nullptr), free);
  if (!real) {
    return Fail(kModule, Format("expected a PKCS#11 library, found no file {}", path));
  }
  return std::string(real.get());
}

Status CheckFile(const std::string& path) {
  struct stat info{};
  if (stat(path.c_str(), &info) != 0 || !S_ISREG(info.st_mode)) {
    return Fail(kModule, Format("{}: expected a regular file", path));
  }
  if ((info.st_mode & (S_IWGRP | S_IWOTH)) != 0 || (info.st_uid != 0 && info.st_uid != geteuid())) {
    return Fail(kModule,
                Format("{}: expected a library that only root or user {} can change, found one of "
                       "user {} with mode {:04o}; it would learn the PIN",
                       path, geteuid(), info.st_uid, info.st_mode & 07777U));
  }
  return {};
}

// dlsym(3) also looks into what a library links: some builds of libcurl lead to p11-kit. Only the
// file that was named has been checked, and only it is used.
Status CheckOwner(const void* symbol, const std::string& path) {
  Dl_info info{};
  if (dladdr(symbol, &info) == 0 || info.dli_fname == nullptr) {
    return Fail(kModule, Format("{}: it cannot be told which file its functions are in", path));
  }
  PAWL_ASSIGN_OR_RETURN(const std::string owner, RealPath(info.dli_fname));
  if (owner == path) return {};
  return Fail(kModule,
              Format("{}: expected a PKCS#11 library, found one only in {}, which it links", path,
                     owner));
}

Result<CK_FUNCTION_LIST*> Functions(const std::string& path) {
  // Never unloaded: libraries of vendors leave threads and exit handlers behind.
  void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    const char* why = dlerror();  // NOLINT(concurrency-mt-unsafe): one thread loads modules
    return Fail(kModule, Format("cannot load it: {}", why == nullptr ? path.c_str() : why));
  }
  const auto get = reinterpret_cast<CK_C_GetFunctionList>(dlsym(library, "C_GetFunctionList"));
  if (get != nullptr) PAWL_TRY(CheckOwner(reinterpret_cast<const void*>(get), path));
  CK_FUNCTION_LIST* functions = nullptr;
  if (get == nullptr || get(&functions) != CKR_OK || functions == nullptr) {
    return Fail(kModule,
                Format("{}: expected a PKCS#11 library, found no C_GetFunctionList in it", path));
  }
  if (functions->version.major != kMajorVersion) {
    return Fail(kModule, Format("{}: expected PKCS#11 version {}.x, found {}.{}", path,
                                kMajorVersion, functions->version.major, functions->version.minor));
  }
  return functions;
}

}  // namespace

Result<std::shared_ptr<Pkcs11Module>> Pkcs11Module::Load(const std::string& path) {
  static std::map<std::string, std::weak_ptr<Pkcs11Module>> loaded;
  PAWL_ASSIGN_OR_RETURN(const std::string real, RealPath(path));
  if (auto known = loaded[real].lock()) return known;
  PAWL_TRY(CheckFile(real));
  PAWL_ASSIGN_OR_RETURN(const CK_FUNCTION_LIST* functions, Functions(real));
  CK_C_INITIALIZE_ARGS arguments{};
  arguments.flags = CKF_OS_LOCKING_OK;
  CK_RV answer = functions->C_Initialize(&arguments);
  if (answer == CKR_CANT_LOCK) answer = functions->C_Initialize(nullptr);
  if (answer != CKR_OK && answer != CKR_CRYPTOKI_ALREADY_INITIALIZED) {
    return Fail(kModule,
                Format("{}: the library does not start ({})", path, TokenAnswerName(answer)));
  }
  std::shared_ptr<Pkcs11Module> module(new Pkcs11Module(path, functions, answer == CKR_OK));
  loaded[real] = module;
  return module;
}

Pkcs11Module::~Pkcs11Module() {
  if (finalize_) functions_->C_Finalize(nullptr);
}

Result<std::vector<CK_SLOT_ID>> Pkcs11Module::SlotsWithTokens() const {
  // A token can come between the two calls; then the second finds too little room.
  for (int attempt = 0; attempt < 3; ++attempt) {
    CK_ULONG count = 0;
    CK_RV answer = call().C_GetSlotList(CK_TRUE, nullptr, &count);
    if (answer == CKR_OK) {
      std::vector<CK_SLOT_ID> slots(count);
      if (count == 0) return slots;
      answer = call().C_GetSlotList(CK_TRUE, slots.data(), &count);
      if (answer == CKR_OK) {
        slots.resize(std::min<std::size_t>(slots.size(), count));
        return slots;
      }
    }
    if (answer != CKR_BUFFER_TOO_SMALL) {
      return Fail(kModule, Format("{}: the library does not list its tokens ({})", path_,
                                  TokenAnswerName(answer)));
    }
  }
  return Fail(kModule, Format("{}: the list of tokens changes all the time", path_));
}

}  // namespace pawl::signer
