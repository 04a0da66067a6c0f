# SPDX-License-Identifier: Apache-2.0
# Everything from Debian packages; docs/dependencies.md says why each is here. Nothing is downloaded at configure time.

find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
find_package(OpenSSL 3 REQUIRED COMPONENTS Crypto SSL)
find_package(CURL REQUIRED)
find_package(SQLite3 REQUIRED)
find_package(nlohmann_json 3.11 REQUIRED)
find_package(CLI11 REQUIRED)
find_package(fmt 9 REQUIRED)
find_package(spdlog REQUIRED)
pkg_check_modules(sodium REQUIRED IMPORTED_TARGET libsodium)

# Compressors are linked statically: what an update makes depends on the very encoder, so that the one that runs must
# be the one that the program was tested with (docs/adr/0015), not the one that a later package brings.
function(pawl_static_library name file)
  find_library(PAWL_STATIC_${name} ${file} REQUIRED)
  add_library(pawl_${name} INTERFACE)
  target_link_libraries(pawl_${name} INTERFACE ${PAWL_STATIC_${name}})
endfunction()
pawl_static_library(zstd libzstd.a)
pawl_static_library(lzma liblzma.a)
pawl_static_library(zlib libz.a)
pawl_static_library(lz4 liblz4.a)

# Only the header of PKCS#11: the library behind it is the user's, loaded at run time (docs/adr/0010).
pkg_check_modules(p11_kit REQUIRED p11-kit-1)
add_library(pawl_pkcs11_header INTERFACE)
target_include_directories(pawl_pkcs11_header SYSTEM INTERFACE ${p11_kit_INCLUDE_DIRS})
target_link_libraries(pawl_pkcs11_header INTERFACE ${CMAKE_DL_LIBS})

find_library(PAWL_DIVSUFSORT divsufsort REQUIRED)
find_library(PAWL_DIVSUFSORT64 divsufsort64 REQUIRED)
add_library(pawl_divsufsort INTERFACE)
target_link_libraries(pawl_divsufsort INTERFACE ${PAWL_DIVSUFSORT} ${PAWL_DIVSUFSORT64})
