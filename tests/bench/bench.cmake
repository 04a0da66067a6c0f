# SPDX-License-Identifier: Apache-2.0
# What tools/bench runs; not installed, and no test by itself.
add_executable(pawl-tuf-bench bench/tuf_bench.cc bench/bench_repositories.cc)
target_link_libraries(pawl-tuf-bench PRIVATE pawl::build_flags sim_tuf_repository
  pawl::client_core pawl::client_platform pawl::manifest pawl::base)
# Are the repositories made, do all clients that are here run, and do they find what was published?
# Times are not looked at. Exit status 77 without nginx; peers are not installed for it.
pawl_script_test(bench_tuf_quick LABEL cli TIMEOUT 300
  COMMAND ${PROJECT_SOURCE_DIR}/tools/bench tuf --quick --programs $<TARGET_FILE_DIR:pawl-tuf-bench>)
pawl_script_test(bench_delta_test LABEL unit
  COMMAND ${Python3_EXECUTABLE} ${PROJECT_SOURCE_DIR}/tests/bench/test_delta.py)
