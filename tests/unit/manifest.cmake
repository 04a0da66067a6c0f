# SPDX-License-Identifier: Apache-2.0
# A repository in memory; agent and power-cut tests use it too.
add_library(sim_tuf_repository STATIC ${PROJECT_SOURCE_DIR}/tests/fakes/sim_tuf_repository.cc)
target_link_libraries(sim_tuf_repository PUBLIC pawl::build_flags pawl::manifest pawl::base)

pawl_test(tuf_vectors_test LABEL vectors
  SOURCES
    vectors/tuf_conformance_replay_test.cc
    vectors/tuf_repositories_test.cc
  USES sim_tuf_repository pawl::manifest pawl::base)
