# SPDX-License-Identifier: Apache-2.0
# Other people's clients and model libraries (tools/peers) against ours. They start long-lived processes of
# their own, so what they share is made once: the repository by pawl-signer is a fixture.
set(interop ${PROJECT_SOURCE_DIR}/tests/interop)
set(interop_repository ${CMAKE_CURRENT_BINARY_DIR}/interop-repository)

add_executable(canonical_form interop/canonical_form.cc)
target_link_libraries(canonical_form PRIVATE pawl::build_flags pawl::base)

pawl_script_test(interop_repository LABEL integration TIMEOUT 600
  COMMAND ${Python3_EXECUTABLE} -B ${interop}/signed_repository.py ${PROJECT_BINARY_DIR} ${interop_repository})
set_tests_properties(interop_repository PROPERTIES FIXTURES_SETUP interop_repository)

pawl_script_test(interop_canonical_json LABEL integration
  COMMAND ${Python3_EXECUTABLE} -B ${interop}/canonical_json_test.py $<TARGET_FILE:canonical_form> ${interop_repository})
set_tests_properties(interop_canonical_json PROPERTIES FIXTURES_REQUIRED interop_repository)

foreach(peer tuf-js python-tuf)
  string(REPLACE "-" "_" name ${peer})
  pawl_script_test(interop_signer_${name} LABEL integration
    COMMAND ${Python3_EXECUTABLE} -B ${interop}/signed_repository_test.py ${peer} $<TARGET_FILE:pawl-tuf> ${interop_repository})
  set_tests_properties(interop_signer_${name} PROPERTIES FIXTURES_REQUIRED interop_repository)
  pawl_script_test(interop_models_${name} LABEL integration TIMEOUT 900
    COMMAND ${Python3_EXECUTABLE} -B ${interop}/model_repositories_test.py ${peer} $<TARGET_FILE:pawl-tuf>)
endforeach()
