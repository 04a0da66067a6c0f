# SPDX-License-Identifier: Apache-2.0
# The house itself: layers, documentation, scripts, boot rules, the virtual device.

# Who links whom, for check_layers.
set(links "")
foreach(folder base manifest delta client signer tools/fleet)
  get_property(targets DIRECTORY ${PROJECT_SOURCE_DIR}/${folder} PROPERTY BUILDSYSTEM_TARGETS)
  foreach(target IN LISTS targets)
    get_target_property(used ${target} LINK_LIBRARIES)
    list(JOIN used " " used)
    string(APPEND links "${target}: ${used}\n")
  endforeach()
endforeach()
file(CONFIGURE OUTPUT ${CMAKE_CURRENT_BINARY_DIR}/links.txt CONTENT "${links}" @ONLY)

pawl_script_test(check_layers LABEL unit
  COMMAND ${Python3_EXECUTABLE} ${PROJECT_SOURCE_DIR}/tools/check_layers
    --links ${CMAKE_CURRENT_BINARY_DIR}/links.txt)
pawl_script_test(check_docs LABEL unit
  COMMAND ${Python3_EXECUTABLE} ${PROJECT_SOURCE_DIR}/tools/check_docs
    --programs $<TARGET_FILE:pawl-agent> $<TARGET_FILE:pawl-signer> $<TARGET_FILE:pawl-fleet>)
pawl_script_test(check_scripts LABEL unit
  COMMAND ${PROJECT_SOURCE_DIR}/tests/tools/lint_scripts)

# Every header compiles alone. One with a source file beside it does so in that file, which includes
# it first (check_layers); the others get a file of one line here.
set(units "")
foreach(folder base manifest delta client signer tools/fleet)
  file(GLOB_RECURSE headers RELATIVE ${PROJECT_SOURCE_DIR} CONFIGURE_DEPENDS
    ${PROJECT_SOURCE_DIR}/${folder}/*.h)
  foreach(header IN LISTS headers)
    string(REGEX REPLACE "\\.h$" ".cc" source ${header})
    if(NOT EXISTS ${PROJECT_SOURCE_DIR}/${source})
      set(unit ${CMAKE_CURRENT_BINARY_DIR}/headers/${source})
      file(CONFIGURE OUTPUT ${unit} CONTENT "#include \"${header}\"\n" @ONLY)
      list(APPEND units ${unit})
    endif()
  endforeach()
endforeach()
add_library(headers_alone OBJECT ${units})
target_link_libraries(headers_alone PRIVATE pawl::build_flags pawl::base)

pawl_script_test(boot_rules_test LABEL unit
  COMMAND ${Python3_EXECUTABLE} ${PROJECT_SOURCE_DIR}/tests/tools/test_boot_rules.py)
pawl_script_test(peers_test LABEL unit
  COMMAND ${Python3_EXECUTABLE} ${PROJECT_SOURCE_DIR}/tests/tools/test_peers.py)
pawl_script_test(grub_cfg_is_generated LABEL unit
  COMMAND ${Python3_EXECUTABLE} ${PROJECT_SOURCE_DIR}/packaging/grub/make_grub_cfg --check)
pawl_script_test(vdevice_test LABEL integration TIMEOUT 900
  COMMAND ${Python3_EXECUTABLE} ${PROJECT_SOURCE_DIR}/tests/tools/test_vdevice.py)
pawl_script_test(vdevice_plain_test LABEL integration TIMEOUT 900
  COMMAND ${Python3_EXECUTABLE} ${PROJECT_SOURCE_DIR}/tests/tools/test_vdevice_plain.py)
