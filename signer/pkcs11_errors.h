// SPDX-License-Identifier: Apache-2.0
#pragma once

// What a token answered, as an error that says what to do. Source: PKCS#11 3.0, section 5.1.

#include <string>
#include <string_view>

#include "base/result.h"

namespace pawl::signer {

// "CKR_PIN_INCORRECT", or the number of what has no name here.
std::string TokenAnswerName(unsigned long answer);

// `doing`: "signing with 'anna'". The code follows from the answer: kTokenPinWrong,
// kTokenPinLocked, kTokenMechanism, kSigningFailed for all that is left.
std::unexpected<Error> TokenFailure(std::string_view doing, unsigned long answer);

}  // namespace pawl::signer
