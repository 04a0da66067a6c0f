# SPDX-License-Identifier: Apache-2.0
pawl_test(integrity_test LABEL unit
  SOURCES
    unit/integrity/catalogue_test.cc
    unit/integrity/collector_test.cc
    unit/integrity/device_files_test.cc
    unit/integrity/integrity_test_util.cc
    unit/integrity/judgement_test.cc
    unit/integrity/safe_text_test.cc
    unit/integrity/slot_measurement_test.cc
    unit/integrity/statement_builder_test.cc
    unit/integrity/update_probes_test.cc
    unit/integrity/verify_test.cc
  USES pawl::client_integrity pawl::integrity_model pawl::base)

pawl_test(fleet_test LABEL unit
  SOURCES
    unit/integrity/fleet_store_test.cc
    unit/integrity/integrity_test_util.cc
    unit/integrity/verify_command_test.cc
  USES pawl::fleet pawl::client_integrity pawl::integrity_model pawl::base)
