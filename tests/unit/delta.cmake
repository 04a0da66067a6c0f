# SPDX-License-Identifier: Apache-2.0
add_library(delta_test_util STATIC unit/delta/delta_test_util.cc)
target_link_libraries(delta_test_util
  PUBLIC pawl::delta_generate pawl::delta_apply pawl::base
  PRIVATE pawl::build_flags GTest::gtest pawl_zstd)

pawl_test(delta_apply_test LABEL unit
  SOURCES
    unit/delta/block_codec_test.cc
    unit/delta/decoder_test.cc
    unit/delta/encoder_names_test.cc
    unit/delta/head_test.cc
    unit/delta/recipe_test.cc
  USES delta_test_util)

pawl_test(delta_generate_test LABEL unit
  SOURCES
    unit/delta/alignment_choice_test.cc
    unit/delta/any_base_test.cc
    unit/delta/codec_test.cc
    unit/delta/container_file_test.cc
    unit/delta/corruption_test.cc
    unit/delta/generator_test.cc
    unit/delta/hostile_image_test.cc
    unit/delta/recode_test.cc
    unit/delta/reference_reader_test.cc
  USES delta_test_util pawl_lzma)
