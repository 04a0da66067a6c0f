// SPDX-License-Identifier: Apache-2.0
#pragma once

// A PKCS#11 module that stands between Pawl and SoftHSM and has the habits of hardware: it counts
// PINs and locks itself, is pulled out, spells public keys otherwise, hides them before the PIN,
// lacks a mechanism, or errs. Loaded with dlopen like any vendor's; the test that loads it as well
// reaches its state through the symbol `pawl_token_shim`.

namespace pawl::testing {

struct TokenShimState {
  // Habits.
  int tries = 3;                   // wrong PINs until the token locks itself
  bool raw_points = false;         // CKA_EC_POINT without the OCTET STRING
  bool hides_public_keys = false;  // before the PIN
  bool lacks_eddsa = false;
  bool flips_a_bit = false;           // in each signature
  int signatures_until_removed = -1;  // -1: stays
  bool fails_to_start = false;
  // What happened.
  int tries_left = 3;
  int pins_given = 0;
  int sessions_open = 0;
  int starts = 0;
  int finishes = 0;
};

}  // namespace pawl::testing
