# SPDX-License-Identifier: Apache-2.0
pawl_test(base_test LABEL unit
  SOURCES
    unit/base/bytes_test.cc
    unit/base/command_line_test.cc
    unit/base/error_test.cc
    unit/base/file_test.cc
    unit/base/hash_test.cc
    unit/base/json_document_test.cc
    unit/base/json_test.cc
    unit/base/progress_test.cc
    unit/base/secret_test.cc
    unit/base/signature_test.cc
    unit/base/time_test.cc
  USES pawl::base OpenSSL::Crypto)
