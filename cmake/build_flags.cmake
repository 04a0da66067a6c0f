# SPDX-License-Identifier: Apache-2.0
# The one place for language level, warnings, hardening and sanitizers. Targets link pawl::build_flags.

add_library(pawl_build_flags INTERFACE)
add_library(pawl::build_flags ALIAS pawl_build_flags)

target_compile_features(pawl_build_flags INTERFACE cxx_std_23)
target_include_directories(pawl_build_flags INTERFACE ${PROJECT_SOURCE_DIR})
target_compile_options(pawl_build_flags INTERFACE
  -Wall -Wextra -Wconversion -Wsign-conversion -Wshadow -Wnon-virtual-dtor -Woverloaded-virtual -Werror
  -fvisibility=hidden
  -ffile-prefix-map=${PROJECT_SOURCE_DIR}=.)

if(PAWL_SANITIZE)
  list(JOIN PAWL_SANITIZE "," sanitizers)
  target_compile_options(pawl_build_flags INTERFACE
    -fsanitize=${sanitizers} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  target_link_options(pawl_build_flags INTERFACE -fsanitize=${sanitizers})
endif()

if(PAWL_FUZZ)
  target_compile_options(pawl_build_flags INTERFACE -fsanitize=fuzzer-no-link -ftrivial-auto-var-init=pattern)
endif()

if(PAWL_COVERAGE)
  target_compile_options(pawl_build_flags INTERFACE --coverage)
  target_link_options(pawl_build_flags INTERFACE --coverage)
endif()

# Hardening belongs to what is shipped; tests/cli/hardening_test.py reads the result from the ELF files.
target_compile_options(pawl_build_flags INTERFACE $<$<CONFIG:Release>:
  -D_FORTIFY_SOURCE=3 -D_GLIBCXX_ASSERTIONS -fstack-protector-strong -fstack-clash-protection
  -ftrivial-auto-var-init=zero -fcf-protection=full -fPIE -fno-plt -ffunction-sections -fdata-sections>)
target_link_options(pawl_build_flags INTERFACE $<$<CONFIG:Release>:
  -pie -Wl,-z,relro,-z,now,-z,noexecstack,-z,separate-code,--as-needed,--gc-sections>)
# At -O2 GCC 12 warns falsely about overlapping copies inside std::string (GCC bug 105651, fixed in GCC 13), and takes
# the string inside a std::expected for uninitialised where it was moved out of it. What really is uninitialised is zero
# here, and an error in the sanitizer build.
target_compile_options(pawl_build_flags INTERFACE
  "$<$<AND:$<CONFIG:Release>,$<CXX_COMPILER_ID:GNU>,$<VERSION_LESS:$<CXX_COMPILER_VERSION>,13>>:-Wno-restrict;-Wno-maybe-uninitialized>")
target_compile_definitions(pawl_build_flags INTERFACE $<$<CONFIG:Debug>:_GLIBCXX_ASSERTIONS>)

# pawl_library(NAME SOURCES … USES …): a static library of one module.
function(pawl_library name)
  cmake_parse_arguments(arg "" "" "SOURCES;USES;PRIVATE_USES" ${ARGN})
  add_library(pawl_${name} STATIC ${arg_SOURCES})
  add_library(pawl::${name} ALIAS pawl_${name})
  target_link_libraries(pawl_${name} PUBLIC pawl::build_flags ${arg_USES} PRIVATE ${arg_PRIVATE_USES})
endfunction()
