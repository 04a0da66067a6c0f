# SPDX-License-Identifier: Apache-2.0
# What does a user see?
set(programs $<TARGET_FILE:pawl-agent> $<TARGET_FILE:pawl-signer> $<TARGET_FILE:pawl-fleet>)

pawl_script_test(program_test LABEL cli
  COMMAND ${Python3_EXECUTABLE} ${CMAKE_CURRENT_SOURCE_DIR}/cli/program_test.py ${programs})

file(GLOB transcripts CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/cli/transcripts/*.txt)
foreach(transcript IN LISTS transcripts)
  get_filename_component(name ${transcript} NAME_WE)
  pawl_script_test(transcript_${name} LABEL cli
    COMMAND ${Python3_EXECUTABLE} ${CMAKE_CURRENT_SOURCE_DIR}/cli/transcript_test.py ${transcript} ${programs})
endforeach()
