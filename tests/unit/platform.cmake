# SPDX-License-Identifier: Apache-2.0
pawl_test(platform_test LABEL unit
  SOURCES
    unit/platform/boot_control_test.cc
    unit/platform/command_health_test.cc
    unit/platform/config_test.cc
    unit/platform/curl_http_test.cc
    unit/platform/directory_metadata_store_test.cc
    unit/platform/file_key_vault_test.cc
    unit/platform/http_fetcher_test.cc
    unit/platform/linux_slot_devices_test.cc
    unit/platform/linux_system_test.cc
    unit/platform/loopback_server.cc
    unit/platform/provision_test.cc
    unit/platform/sqlite_state_store_test.cc
    ${PROJECT_SOURCE_DIR}/client/config.cc
  USES pawl::client_platform pawl::client_core SQLite::SQLite3 Threads::Threads OpenSSL::SSL)
# GCC 12 takes libstdc++'s <regex> for using uninitialised memory when it is compiled with sanitizers.
set_source_files_properties(unit/platform/boot_control_test.cc PROPERTIES COMPILE_OPTIONS -Wno-maybe-uninitialized)
