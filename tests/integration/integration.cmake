# SPDX-License-Identifier: Apache-2.0
add_library(pawl_fakes STATIC
  fakes/sim_boot.cc fakes/sim_disk.cc fakes/sim_ports.cc fakes/sim_world.cc)
target_link_libraries(pawl_fakes PUBLIC pawl::build_flags pawl::client_core pawl::delta_generate sim_tuf_repository)

pawl_test(update_flow_test LABEL integration SOURCES integration/update_flow_test.cc USES pawl_fakes)

pawl_script_test(device_story LABEL integration TIMEOUT 900
  COMMAND ${Python3_EXECUTABLE} ${PROJECT_SOURCE_DIR}/tests/integration/device_story_test.py ${PROJECT_BINARY_DIR})
