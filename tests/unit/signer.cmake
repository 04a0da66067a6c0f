# SPDX-License-Identifier: Apache-2.0
pawl_test(signer_test LABEL unit
  SOURCES
    unit/signer/carried_draft_test.cc
    unit/signer/ceremony_test.cc
    unit/signer/curl_probe_test.cc
    unit/signer/describe_test.cc
    unit/signer/encoders_test.cc
    unit/signer/fake_web.cc
    unit/signer/key_file_test.cc
    unit/signer/offline_test.cc
    unit/signer/pkcs11_encoding_test.cc
    unit/signer/pkcs11_uri_test.cc
    unit/signer/prune_test.cc
    unit/signer/publish_test.cc
    unit/signer/recovery_test.cc
    unit/signer/refresh_test.cc
    unit/signer/release_test.cc
    unit/signer/repo_doctor_test.cc
    unit/signer/retire_test.cc
    unit/signer/role_changes_test.cc
    unit/signer/signer_test_util.cc
    unit/signer/signing_key_test.cc
  USES pawl::signer pawl::manifest pawl::delta_generate pawl::delta_apply pawl::base OpenSSL::Crypto)
