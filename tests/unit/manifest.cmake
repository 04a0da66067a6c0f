# SPDX-License-Identifier: Apache-2.0
# A repository in memory; agent and power-cut tests use it too.
add_library(sim_tuf_repository STATIC ${PROJECT_SOURCE_DIR}/tests/fakes/sim_tuf_repository.cc)
target_link_libraries(sim_tuf_repository PUBLIC pawl::build_flags pawl::manifest pawl::base)

pawl_test(tuf_vectors_test LABEL vectors
  SOURCES
    vectors/tuf_conformance_replay_test.cc
    vectors/tuf_repositories_test.cc
  USES sim_tuf_repository pawl::manifest pawl::base)

pawl_test(tuf_test LABEL unit
  SOURCES
    unit/manifest/tuf_advisories_test.cc
    unit/manifest/tuf_delegation_test.cc
    unit/manifest/tuf_limits_test.cc
    unit/manifest/tuf_metadata_test.cc
    unit/manifest/tuf_offline_test.cc
    unit/manifest/tuf_past_faults_test.cc
    unit/manifest/tuf_path_pattern_test.cc
    unit/manifest/tuf_refresh_test.cc
    unit/manifest/tuf_time_floor_test.cc
    unit/manifest/tuf_uptane_cases_test.cc
    unit/manifest/tuf_workflow_test.cc
  USES sim_tuf_repository pawl::manifest pawl::base)

# Counts every allocation, so it is a program of its own.
pawl_test(tuf_heap_test LABEL unit
  SOURCES unit/manifest/tuf_heap_test.cc fakes/heap_meter.cc
  USES sim_tuf_repository pawl::client_core pawl::manifest pawl::base OpenSSL::Crypto)

# The client under test of the public TUF conformance suite; not installed.
add_executable(pawl-tuf conformance/pawl_tuf.cc)
target_link_libraries(pawl-tuf PRIVATE pawl::build_flags pawl::client_platform pawl::manifest pawl::base)
pawl_script_test(pawl_tuf_replay LABEL vectors TIMEOUT 600
  COMMAND ${Python3_EXECUTABLE} ${CMAKE_CURRENT_SOURCE_DIR}/conformance/replay_recorded.py
          $<TARGET_FILE:pawl-tuf> ${PROJECT_SOURCE_DIR}/../shared/vectors)
pawl_script_test(pawl_tuf_hostile_folder LABEL vectors
  COMMAND ${Python3_EXECUTABLE} ${CMAKE_CURRENT_SOURCE_DIR}/conformance/hostile_folder_test.py
          $<TARGET_FILE:pawl-tuf> ${PROJECT_SOURCE_DIR}/../shared/vectors)

pawl_test(manifest_documents_test LABEL unit
  SOURCES unit/manifest/bundle_test.cc unit/manifest/challenge_test.cc unit/manifest/order_test.cc
    unit/manifest/release_test.cc unit/manifest/rollout_test.cc
  USES pawl::manifest pawl::base)
