// SPDX-License-Identifier: Apache-2.0 Writes the seeds of the delta fuzzers into two folders: seeds
// are made by code, so that they follow the format. usage: delta_seeds HEAD_FOLDER FRAME_FOLDER

#include <cstdio>
#include <filesystem>
#include <string>

#include "base/file.h"
#include "delta/apply/recipe.h"
#include "delta/generate/mixed_encoder.h"
#include "tests/fuzz/delta_fuzz_source.h"
#include "tests/unit/delta/delta_test_util.h"

namespace pawl::delta::testing {
namespace {

// A frame that decodes the blocks of the fuzzer's source and encodes them again with both of its
// transforms; cut so that the target has one of the fuzzer's lengths.
Bytes RecipePayload(std::uint64_t target_bytes) {
  const Bytes source = testing_source::Make();
  Recipe recipe;
  std::uint64_t plain = 0;
  for (std::uint32_t i = 0; i < testing_source::kBlocks; ++i) {
    const auto block = testing_source::Block(i);
    recipe.extents.push_back({block.offset, block.coded,
                              HashSha256(ByteView(source).subspan(block.offset, block.coded))});
    recipe.blocks.push_back({block.offset, block.coded, testing_source::kPlainBytes, 0, plain, i,
                             BlockCoding::kLz4});
    plain += testing_source::kPlainBytes;
  }
  const std::uint32_t coded = testing_source::Block(0).coded;
  const std::uint32_t take = coded - 20;
  recipe.segments = {{SegmentKind::kBlock, 0, testing_source::kPlainBytes, 0, 7, coded, 7, take},
                     {SegmentKind::kRaw, 0, target_bytes - take, 0, 0, 0, 0, 0}};
  return StoredPayload(Control({{OperationKind::kCopy, testing_source::kPlainBytes, source.size()},
                                {OperationKind::kZero, target_bytes - take}}),
                       {}, {}, EncodeRecipe(recipe));
}

// A frame with a mixed stream over the fuzzer's source, and a literal stream in LZMA2.
Result<Bytes> MixedPayload(std::size_t target_bytes) {
  constexpr std::size_t kMixed = 2000;
  const Bytes source = testing_source::Make();
  const std::size_t begin = source.size() - kMixed;
  const Operation mix{OperationKind::kMix, kMixed, begin, false};
  PlainStreams streams;
  streams.control = Control({{OperationKind::kAdd, kMixed, begin, false}});
  streams.old.assign(source.begin() + static_cast<std::ptrdiff_t>(begin), source.end());
  for (std::size_t i = 0; i < kMixed; ++i) {
    streams.difference.push_back(static_cast<std::uint8_t>(i % 17 == 0 ? i % 5 : 0));
  }
  PAWL_ASSIGN_OR_RETURN(const std::vector<Addition> additions, AdditionsOf(streams));
  const Bytes mixed = EncodeMixed(streams, additions, Machine::kX86).coded;
  const std::size_t literal_bytes = target_bytes - kMixed;
  const Bytes literal = LzmaStream(Bytes(literal_bytes, 'l'), 12);
  const Bytes control = Control({mix, {OperationKind::kLiteral, literal_bytes}});
  return JoinStreams({CodecId::kStored, control.size(), control}, {},
                     {CodecId::kLzma, literal_bytes, literal},
                     {CodecId::kContextMixing, kMixed, mixed});
}

Status WriteSeeds(const std::string& heads, const std::string& frames) {
  for (const std::string& folder : {heads, frames}) PAWL_TRY(MakeDirectories(folder));
  std::mt19937_64 random(5);
  int number = 0;
  for (const std::size_t size : {0U, 1U, 5000U, 20000U}) {
    Bytes old_image = RandomContent(random, size);
    Bytes new_image = old_image;
    for (std::size_t i = 10; i < size; i += 100) new_image[i] ^= 7;
    new_image.insert(new_image.end(), 4096, 0);
    new_image.insert(new_image.end(), 300, 'x');
    for (const bool full : {false, true}) {
      PAWL_ASSIGN_OR_RETURN(const Bytes container,
                            full ? MakeFull(new_image) : MakeDelta(old_image, new_image));
      PAWL_ASSIGN_OR_RETURN(const std::uint64_t head_bytes,
                            PeekHeadBytes(ByteView(container).first(kHeadPrefixBytes), {}));
      const std::string name = "seed-" + std::to_string(number++);
      PAWL_TRY(AtomicWriteFile(JoinPath(heads, name), ByteView(container).first(head_bytes)));
      // The frame fuzzer takes one byte of choice, then a payload.
      Bytes frame = {static_cast<std::uint8_t>(full ? 0 : 1)};
      frame.insert(frame.end(), container.begin() + static_cast<std::ptrdiff_t>(head_bytes),
                   container.end());
      PAWL_TRY(AtomicWriteFile(JoinPath(frames, name), frame));
    }
  }
  Bytes recoded = {1};
  const Bytes payload = RecipePayload(4396);  // the fuzzer's first length
  recoded.insert(recoded.end(), payload.begin(), payload.end());
  PAWL_TRY(AtomicWriteFile(JoinPath(frames, "seed-recipe"), recoded));
  Bytes mixed = {1};
  PAWL_ASSIGN_OR_RETURN(const Bytes mixed_payload, MixedPayload(4396));
  mixed.insert(mixed.end(), mixed_payload.begin(), mixed_payload.end());
  return AtomicWriteFile(JoinPath(frames, "seed-mixed"), mixed);
}

}  // namespace
}  // namespace pawl::delta::testing

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  const pawl::Status status = pawl::delta::testing::WriteSeeds(argv[1], argv[2]);
  if (status.has_value()) return 0;
  std::fprintf(stderr, "%s\n", status.error().Message().c_str());
  return 1;
}
