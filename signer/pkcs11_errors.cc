// SPDX-License-Identifier: Apache-2.0
#include "signer/pkcs11_errors.h"

#include <p11-kit/pkcs11.h>

#include <algorithm>
#include <array>

#include "base/format.h"

namespace pawl::signer {
namespace {

struct Row {
  unsigned long answer;
  std::string_view name;
  ErrorCode code;
  std::string_view meaning;
};

constexpr ErrorCode kFailed = ErrorCode::kSigningFailed;
constexpr ErrorCode kMechanism = ErrorCode::kTokenMechanism;
constexpr ErrorCode kPin = ErrorCode::kTokenPinWrong;

constexpr auto kRows = std::to_array<Row>({
    {CKR_HOST_MEMORY, "CKR_HOST_MEMORY", kFailed, "this computer is short of memory"},
    {CKR_SLOT_ID_INVALID, "CKR_SLOT_ID_INVALID", kFailed, "the token is gone"},
    {CKR_GENERAL_ERROR, "CKR_GENERAL_ERROR", kFailed, "the token's library failed"},
    {CKR_FUNCTION_FAILED, "CKR_FUNCTION_FAILED", kFailed, "the token failed"},
    {CKR_ATTRIBUTE_VALUE_INVALID, "CKR_ATTRIBUTE_VALUE_INVALID", kMechanism,
     "the token does not make such keys"},
    {CKR_DATA_LEN_RANGE, "CKR_DATA_LEN_RANGE", kMechanism,
     "the file is longer than what the token signs"},
    {CKR_DEVICE_ERROR, "CKR_DEVICE_ERROR", kFailed, "the token failed"},
    {CKR_DEVICE_MEMORY, "CKR_DEVICE_MEMORY", kFailed, "the token is full"},
    {CKR_DEVICE_REMOVED, "CKR_DEVICE_REMOVED", kFailed, "the token was removed"},
    {CKR_FUNCTION_CANCELED, "CKR_FUNCTION_CANCELED", kFailed, "it was cancelled at the token"},
    {CKR_FUNCTION_NOT_SUPPORTED, "CKR_FUNCTION_NOT_SUPPORTED", kMechanism,
     "the token cannot do this"},
    {CKR_KEY_HANDLE_INVALID, "CKR_KEY_HANDLE_INVALID", kFailed, "the key is gone"},
    {CKR_KEY_SIZE_RANGE, "CKR_KEY_SIZE_RANGE", kMechanism, "the token does not take such keys"},
    {CKR_KEY_TYPE_INCONSISTENT, "CKR_KEY_TYPE_INCONSISTENT", kMechanism,
     "the key is not of the kind that it seems"},
    {CKR_KEY_FUNCTION_NOT_PERMITTED, "CKR_KEY_FUNCTION_NOT_PERMITTED", kMechanism,
     "this key may not sign"},
    {CKR_MECHANISM_INVALID, "CKR_MECHANISM_INVALID", kMechanism,
     "the token does not know the mechanism"},
    {CKR_MECHANISM_PARAM_INVALID, "CKR_MECHANISM_PARAM_INVALID", kMechanism,
     "the token wants parameters that the standard does not ask for"},
    {CKR_OBJECT_HANDLE_INVALID, "CKR_OBJECT_HANDLE_INVALID", kFailed, "the key is gone"},
    {CKR_PIN_INCORRECT, "CKR_PIN_INCORRECT", kPin, "the PIN is wrong"},
    {CKR_PIN_INVALID, "CKR_PIN_INVALID", kPin, "the PIN has characters that it must not have"},
    {CKR_PIN_LEN_RANGE, "CKR_PIN_LEN_RANGE", kPin, "the PIN is too short or too long"},
    {CKR_PIN_EXPIRED, "CKR_PIN_EXPIRED", kPin,
     "the PIN has expired; set a new one with the vendor's tool"},
    {CKR_PIN_LOCKED, "CKR_PIN_LOCKED", ErrorCode::kTokenPinLocked,
     "too many wrong PINs have locked the token"},
    {CKR_SESSION_CLOSED, "CKR_SESSION_CLOSED", kFailed, "the token was removed"},
    {CKR_SESSION_COUNT, "CKR_SESSION_COUNT", kFailed, "other programs use the token"},
    {CKR_SESSION_HANDLE_INVALID, "CKR_SESSION_HANDLE_INVALID", kFailed, "the token was removed"},
    {CKR_SESSION_READ_ONLY, "CKR_SESSION_READ_ONLY", kMechanism, "the token cannot be written"},
    {CKR_TEMPLATE_INCONSISTENT, "CKR_TEMPLATE_INCONSISTENT", kMechanism,
     "the token does not make such keys"},
    {CKR_TOKEN_NOT_PRESENT, "CKR_TOKEN_NOT_PRESENT", kFailed, "the token was removed"},
    {CKR_TOKEN_NOT_RECOGNIZED, "CKR_TOKEN_NOT_RECOGNIZED", kFailed, "the token is not recognised"},
    {CKR_TOKEN_WRITE_PROTECTED, "CKR_TOKEN_WRITE_PROTECTED", kMechanism,
     "the token cannot be written"},
    {CKR_USER_NOT_LOGGED_IN, "CKR_USER_NOT_LOGGED_IN", kFailed, "the token wants its PIN again"},
    {CKR_USER_PIN_NOT_INITIALIZED, "CKR_USER_PIN_NOT_INITIALIZED", kPin,
     "the token has no user PIN yet; set one with the vendor's tool"},
    {CKR_USER_TYPE_INVALID, "CKR_USER_TYPE_INVALID", kMechanism, "the token has no such user"},
    {CKR_USER_ANOTHER_ALREADY_LOGGED_IN, "CKR_USER_ANOTHER_ALREADY_LOGGED_IN", kFailed,
     "the token is open for its security officer"},
    {CKR_DOMAIN_PARAMS_INVALID, "CKR_DOMAIN_PARAMS_INVALID", kMechanism,
     "the token does not know the curve"},
    {CKR_CURVE_NOT_SUPPORTED, "CKR_CURVE_NOT_SUPPORTED", kMechanism,
     "the token does not know the curve"},
    {CKR_BUFFER_TOO_SMALL, "CKR_BUFFER_TOO_SMALL", kFailed,
     "the token's signature is longer than it can be"},
    {CKR_CRYPTOKI_NOT_INITIALIZED, "CKR_CRYPTOKI_NOT_INITIALIZED", kFailed,
     "the token's library was shut down"},
});

const Row* Find(unsigned long answer) {
  const auto* row = std::ranges::find(kRows, answer, &Row::answer);
  return row == kRows.end() ? nullptr : row;
}

}  // namespace

std::string TokenAnswerName(unsigned long answer) {
  const Row* row = Find(answer);
  return row != nullptr ? std::string(row->name) : Format("0x{:08x}", answer);
}

std::unexpected<Error> TokenFailure(std::string_view doing, unsigned long answer) {
  const Row* row = Find(answer);
  return Fail(row != nullptr ? row->code : kFailed,
              Format("{}: {} ({})", doing,
                     row != nullptr ? row->meaning : "the token gave an answer of its own",
                     TokenAnswerName(answer)));
}

}  // namespace pawl::signer
