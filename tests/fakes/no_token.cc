// SPDX-License-Identifier: Apache-2.0
// A library that is no PKCS#11 module.
extern "C" __attribute__((visibility("default"))) int pawl_no_token() { return 0; }
