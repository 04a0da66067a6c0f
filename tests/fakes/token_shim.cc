// SPDX-License-Identifier: Apache-2.0
#include "tests/fakes/token_shim.h"

#include <dlfcn.h>
#include <p11-kit/pkcs11.h>

#include <algorithm>
#include <vector>

extern "C" {
// NOLINTNEXTLINE(cppcoreguidelines-avoid-non-const-global-variables): reached by name from the test
__attribute__((visibility("default"))) pawl::testing::TokenShimState pawl_token_shim;
}

namespace {

CK_FUNCTION_LIST* real = nullptr;

bool Removed() { return pawl_token_shim.signatures_until_removed == 0; }

CK_RV Initialize(void* arguments) {
  if (pawl_token_shim.fails_to_start) return CKR_GENERAL_ERROR;
  ++pawl_token_shim.starts;
  return real->C_Initialize(arguments);
}

CK_RV Finalize(void* reserved) {
  ++pawl_token_shim.finishes;
  return real->C_Finalize(reserved);
}

CK_RV GetTokenInfo(CK_SLOT_ID slot, CK_TOKEN_INFO* info) {
  if (Removed()) return CKR_DEVICE_REMOVED;
  const CK_RV answer = real->C_GetTokenInfo(slot, info);
  if (answer != CKR_OK) return answer;
  info->flags &= ~static_cast<CK_FLAGS>(CKF_USER_PIN_COUNT_LOW);
  const int left = pawl_token_shim.tries_left;
  if (left < pawl_token_shim.tries) info->flags |= CKF_USER_PIN_COUNT_LOW;
  if (left == 1) info->flags |= CKF_USER_PIN_FINAL_TRY;
  if (left == 0) info->flags |= CKF_USER_PIN_LOCKED;
  return CKR_OK;
}

CK_RV GetMechanismInfo(CK_SLOT_ID slot, CK_MECHANISM_TYPE type, CK_MECHANISM_INFO* info) {
  const bool edwards = type == CKM_EDDSA || type == CKM_EC_EDWARDS_KEY_PAIR_GEN;
  if (edwards && pawl_token_shim.lacks_eddsa) return CKR_MECHANISM_INVALID;
  return real->C_GetMechanismInfo(slot, type, info);
}

CK_RV OpenSession(CK_SLOT_ID slot, CK_FLAGS flags, void* application, CK_NOTIFY notify,
                  CK_SESSION_HANDLE* session) {
  if (Removed()) return CKR_DEVICE_REMOVED;
  const CK_RV answer = real->C_OpenSession(slot, flags, application, notify, session);
  if (answer == CKR_OK) ++pawl_token_shim.sessions_open;
  return answer;
}

CK_RV CloseSession(CK_SESSION_HANDLE session) {
  --pawl_token_shim.sessions_open;
  return real->C_CloseSession(session);
}

CK_RV Login(CK_SESSION_HANDLE session, CK_USER_TYPE user, unsigned char* pin, CK_ULONG length) {
  if (Removed()) return CKR_DEVICE_REMOVED;
  ++pawl_token_shim.pins_given;
  if (pawl_token_shim.tries_left == 0) return CKR_PIN_LOCKED;
  const CK_RV answer = real->C_Login(session, user, pin, length);
  if (answer == CKR_PIN_INCORRECT) --pawl_token_shim.tries_left;
  if (answer == CKR_OK) pawl_token_shim.tries_left = pawl_token_shim.tries;
  return answer;
}

bool LoggedIn(CK_SESSION_HANDLE session) {
  CK_SESSION_INFO info{};
  real->C_GetSessionInfo(session, &info);
  return info.state == CKS_RO_USER_FUNCTIONS || info.state == CKS_RW_USER_FUNCTIONS;
}

CK_RV FindObjectsInit(CK_SESSION_HANDLE session, CK_ATTRIBUTE* what, CK_ULONG count) {
  if (Removed()) return CKR_SESSION_HANDLE_INVALID;
  std::vector<CK_ATTRIBUTE> wanted(what, what + count);
  CK_OBJECT_CLASS nothing = CKO_OTP_KEY;
  if (pawl_token_shim.hides_public_keys && !LoggedIn(session)) {
    std::erase_if(wanted, [](const CK_ATTRIBUTE& item) { return item.type == CKA_CLASS; });
    wanted.push_back({CKA_CLASS, &nothing, sizeof(nothing)});
  }
  return real->C_FindObjectsInit(session, wanted.data(), wanted.size());
}

CK_RV GetAttributeValue(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object, CK_ATTRIBUTE* values,
                        CK_ULONG count) {
  if (Removed()) return CKR_DEVICE_REMOVED;
  const CK_RV answer = real->C_GetAttributeValue(session, object, values, count);
  if (answer != CKR_OK || !pawl_token_shim.raw_points) return answer;
  for (CK_ULONG i = 0; i < count; ++i) {
    if (values[i].type != CKA_EC_POINT || values[i].pValue == nullptr) continue;
    auto* bytes = static_cast<unsigned char*>(values[i].pValue);
    values[i].ulValueLen -= 2;
    std::copy(bytes + 2, bytes + 2 + values[i].ulValueLen, bytes);
  }
  return CKR_OK;
}

CK_RV Sign(CK_SESSION_HANDLE session, unsigned char* data, CK_ULONG size, unsigned char* signature,
           CK_ULONG* length) {
  if (Removed()) return CKR_DEVICE_REMOVED;
  if (pawl_token_shim.signatures_until_removed > 0) --pawl_token_shim.signatures_until_removed;
  const CK_RV answer = real->C_Sign(session, data, size, signature, length);
  if (answer == CKR_OK && pawl_token_shim.flips_a_bit) signature[0] ^= 1;
  return answer;
}

}  // namespace

extern "C" __attribute__((visibility("default"))) CK_RV C_GetFunctionList(CK_FUNCTION_LIST** list) {
  static CK_FUNCTION_LIST functions;
  void* library = dlopen(PAWL_SOFTHSM, RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) return CKR_GENERAL_ERROR;
  const auto get = reinterpret_cast<CK_C_GetFunctionList>(dlsym(library, "C_GetFunctionList"));
  if (get == nullptr || get(&real) != CKR_OK) return CKR_GENERAL_ERROR;
  functions = *real;
  functions.C_Initialize = Initialize;
  functions.C_Finalize = Finalize;
  functions.C_GetTokenInfo = GetTokenInfo;
  functions.C_GetMechanismInfo = GetMechanismInfo;
  functions.C_OpenSession = OpenSession;
  functions.C_CloseSession = CloseSession;
  functions.C_Login = Login;
  functions.C_FindObjectsInit = FindObjectsInit;
  functions.C_GetAttributeValue = GetAttributeValue;
  functions.C_Sign = Sign;
  *list = &functions;
  return CKR_OK;
}
