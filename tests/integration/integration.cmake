# SPDX-License-Identifier: Apache-2.0
add_library(pawl_fakes STATIC
  fakes/sim_boot.cc fakes/sim_disk.cc fakes/sim_ports.cc fakes/sim_world.cc)
target_link_libraries(pawl_fakes PUBLIC pawl::build_flags pawl::client_core pawl::delta_generate sim_tuf_repository)

pawl_test(update_flow_test LABEL integration SOURCES integration/update_flow_test.cc USES pawl_fakes)
pawl_test(any_base_flow_test LABEL integration SOURCES integration/any_base_flow_test.cc USES pawl_fakes)
pawl_test(tuf_time_flow_test LABEL integration SOURCES integration/tuf_time_flow_test.cc USES pawl_fakes)

# Metadata over real HTTP and TLS, kept in real files.
pawl_test(tuf_transport_test LABEL integration
  SOURCES integration/tuf_transport_test.cc unit/platform/loopback_server.cc ${PROJECT_SOURCE_DIR}/client/config.cc
  USES sim_tuf_repository pawl::client_platform pawl::client_core Threads::Threads OpenSSL::SSL)

pawl_test(recovery_rehearsal_test LABEL integration
  SOURCES
    integration/recovery_rehearsal_test.cc
    integration/rehearsal.cc
    unit/signer/signer_test_util.cc
  USES pawl_fakes pawl::signer)
pawl_test(offline_flow_test LABEL integration SOURCES integration/offline_flow_test.cc USES pawl_fakes)

pawl_script_test(device_story LABEL integration TIMEOUT 900
  COMMAND ${Python3_EXECUTABLE} ${PROJECT_SOURCE_DIR}/tests/integration/device_story_test.py ${PROJECT_BINARY_DIR})

# Keys in tokens: SoftHSM, alone and behind a shim with the habits of hardware.
set(PAWL_SOFTHSM /usr/lib/softhsm/libsofthsm2.so)
add_library(pawl_token_shim MODULE fakes/token_shim.cc)
target_link_libraries(pawl_token_shim PRIVATE pawl::build_flags pawl_pkcs11_header)
target_compile_definitions(pawl_token_shim PRIVATE PAWL_SOFTHSM="${PAWL_SOFTHSM}")
# Whatever the umask: the signer refuses a module that others can change.
add_custom_command(TARGET pawl_token_shim POST_BUILD COMMAND chmod go-w $<TARGET_FILE:pawl_token_shim>)
add_library(pawl_no_token MODULE fakes/no_token.cc)
pawl_test(token_test LABEL integration
  SOURCES integration/token_test.cc unit/signer/signer_test_util.cc
  USES pawl::signer pawl::manifest pawl::base pawl_pkcs11_header OpenSSL::Crypto)
target_compile_definitions(token_test PRIVATE PAWL_SOFTHSM="${PAWL_SOFTHSM}"
  PAWL_TOKEN_SHIM="$<TARGET_FILE:pawl_token_shim>" PAWL_NO_MODULE="$<TARGET_FILE:pawl_no_token>")
add_dependencies(token_test pawl_token_shim pawl_no_token)
pawl_script_test(token_ceremony LABEL integration
  COMMAND ${Python3_EXECUTABLE} ${PROJECT_SOURCE_DIR}/tests/integration/token_ceremony_test.py
          $<TARGET_FILE:pawl-signer> $<TARGET_FILE:pawl-tuf> ${PAWL_SOFTHSM})

pawl_script_test(key_ceremony LABEL integration TIMEOUT 900
  COMMAND ${Python3_EXECUTABLE} ${PROJECT_SOURCE_DIR}/tests/integration/key_ceremony_test.py
          --signer $<TARGET_FILE:pawl-signer>)

pawl_script_test(repo_doctor LABEL integration TIMEOUT 900
  COMMAND ${Python3_EXECUTABLE} ${PROJECT_SOURCE_DIR}/tests/integration/repo_doctor_test.py $<TARGET_FILE:pawl-signer>)
pawl_script_test(refresh_unit LABEL integration TIMEOUT 900
  COMMAND ${Python3_EXECUTABLE} ${PROJECT_SOURCE_DIR}/tests/integration/refresh_unit_test.py $<TARGET_FILE:pawl-signer>)

pawl_script_test(offline_story LABEL integration TIMEOUT 900
  COMMAND ${Python3_EXECUTABLE} ${PROJECT_SOURCE_DIR}/tests/integration/offline_story_test.py ${PROJECT_BINARY_DIR})
