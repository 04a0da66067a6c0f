# SPDX-License-Identifier: Apache-2.0
# pawl_fuzzer(NAME SOURCES … USES … CORPUS folder …): with PAWL_FUZZ a libFuzzer program; otherwise a test
# that replays the folders of its corpus (label fuzz-replay). FIXTURE names a test that makes a folder.
function(pawl_fuzzer name)
  cmake_parse_arguments(arg "" "FIXTURE" "SOURCES;USES;CORPUS" ${ARGN})
  if(PAWL_FUZZ)
    add_executable(${name} ${arg_SOURCES})
    target_link_options(${name} PRIVATE -fsanitize=fuzzer)
  else()
    add_executable(${name} ${arg_SOURCES} fuzz/replay_main.cc)
  endif()
  target_link_libraries(${name} PRIVATE pawl::build_flags ${arg_USES})
  if(NOT PAWL_FUZZ)
    add_test(NAME ${name} COMMAND ${name} ${arg_CORPUS})
    set_tests_properties(${name} PROPERTIES LABELS fuzz-replay TIMEOUT 300)
    if(arg_FIXTURE)
      set_tests_properties(${name} PROPERTIES FIXTURES_REQUIRED ${arg_FIXTURE})
    endif()
  endif()
endfunction()

# Containers. The seeds are made by code, so that they follow the format.
set(delta_corpus ${CMAKE_CURRENT_BINARY_DIR}/delta_corpus)
add_executable(delta_seeds fuzz/delta_seeds.cc)
target_link_libraries(delta_seeds PRIVATE pawl::build_flags delta_test_util GTest::gtest)
add_test(NAME delta_seeds COMMAND delta_seeds ${delta_corpus}/head ${delta_corpus}/frame)
set_tests_properties(delta_seeds PROPERTIES LABELS fuzz-replay FIXTURES_SETUP delta_seeds)
pawl_fuzzer(delta_head_fuzzer SOURCES fuzz/delta_head_fuzzer.cc USES pawl::delta_apply
  CORPUS ${delta_corpus}/head FIXTURE delta_seeds)
pawl_fuzzer(delta_frame_fuzzer SOURCES fuzz/delta_frame_fuzzer.cc USES pawl::delta_apply
  CORPUS ${delta_corpus}/frame FIXTURE delta_seeds)

# TUF metadata.
set(metadata_corpus ${CMAKE_CURRENT_BINARY_DIR}/metadata_corpus)
add_executable(metadata_seeds fuzz/metadata_seeds.cc)
target_link_libraries(metadata_seeds PRIVATE pawl::build_flags sim_tuf_repository)
set(tuf_text_corpus ${CMAKE_CURRENT_BINARY_DIR}/tuf_text_corpus)
add_test(NAME metadata_seeds COMMAND metadata_seeds ${metadata_corpus} ${tuf_text_corpus})
set_tests_properties(metadata_seeds PROPERTIES LABELS fuzz-replay FIXTURES_SETUP metadata_seeds)
pawl_fuzzer(metadata_fuzzer SOURCES fuzz/metadata_fuzzer.cc USES pawl::manifest pawl::base
  CORPUS ${metadata_corpus} FIXTURE metadata_seeds)
pawl_fuzzer(tuf_text_fuzzer SOURCES fuzz/tuf_text_fuzzer.cc USES pawl::manifest pawl::base
  CORPUS ${tuf_text_corpus} FIXTURE metadata_seeds)

# Offline bundles: archive and challenge.
set(bundle_corpus ${CMAKE_CURRENT_BINARY_DIR}/bundle_corpus)
add_executable(bundle_seeds fuzz/bundle_seeds.cc)
target_link_libraries(bundle_seeds PRIVATE pawl::build_flags pawl::manifest pawl::base)
add_test(NAME bundle_seeds COMMAND bundle_seeds ${bundle_corpus})
set_tests_properties(bundle_seeds PROPERTIES LABELS fuzz-replay FIXTURES_SETUP bundle_seeds)
pawl_fuzzer(bundle_fuzzer SOURCES fuzz/bundle_fuzzer.cc USES pawl::manifest pawl::base
  CORPUS ${bundle_corpus} FIXTURE bundle_seeds)
