// SPDX-License-Identifier: Apache-2.0
// LZ4 blocks, by liblz4.

#include <lz4.h>
#include <lz4hc.h>

#include <algorithm>
#include <memory>
#include <string>

#include "delta/apply/block_codec.h"

namespace pawl::delta::lz4_blocks {
namespace {

// Of physical clusters. In a few bytes of room an encoder starts anew for each few bytes of plain
// text, and a self-test of 256 KiB takes hours.
constexpr std::uint32_t kMinRoom = 4096;
constexpr std::uint32_t kMaxRoom = 1U << 20;  // erofs's largest physical cluster

int Level(std::uint64_t parameters) { return static_cast<int>(parameters & 0xFF); }
std::uint32_t Room(std::uint64_t parameters) {
  return static_cast<std::uint32_t>(parameters >> 32);
}

const char* Input(ByteView bytes) { return reinterpret_cast<const char*>(bytes.data()); }
char* Output(ByteSpan bytes) { return reinterpret_cast<char*>(bytes.data()); }

int EncodeInto(int level, int room, const char* plain, int* plain_bytes, char* coded,
               int coded_bytes) {
  if (level == 0) {
    if (room != 0) return LZ4_compress_destSize(plain, coded, plain_bytes, room);
    return LZ4_compress_default(plain, coded, *plain_bytes, coded_bytes);
  }
  // Of 256 KiB: on the heap, not on the stack of a small thread.
  const auto state = std::make_unique<LZ4_streamHC_t>();
  if (room != 0) {
    return LZ4_compress_HC_destSize(state.get(), plain, coded, plain_bytes, room, level);
  }
  return LZ4_compress_HC_extStateHC(state.get(), plain, coded, *plain_bytes, coded_bytes, level);
}

}  // namespace

bool Supports(std::uint64_t parameters) {
  return (parameters & 0xFFFFFF00ULL) == 0 && Level(parameters) <= LZ4HC_CLEVEL_MAX &&
         (Room(parameters) == 0 ||
          (Room(parameters) >= kMinRoom && Room(parameters) <= kMaxRoom));
}

std::uint32_t LibraryVersion() { return static_cast<std::uint32_t>(LZ4_versionNumber()); }

std::uint64_t MaxCodedBytes(std::uint64_t parameters, std::uint64_t plain_bytes) {
  const std::uint32_t room = Room(parameters);
  if (room != 0) return room;
  return static_cast<std::uint64_t>(LZ4_compressBound(
      static_cast<int>(std::min<std::uint64_t>(plain_bytes, LZ4_MAX_INPUT_SIZE))));
}

std::uint64_t EncoderBytes() { return sizeof(LZ4_streamHC_t); }

Result<BlockLengths> Encode(std::uint64_t parameters, ByteView plain, ByteSpan coded) {
  const std::uint32_t room = Room(parameters);
  if (plain.size() > LZ4_MAX_INPUT_SIZE || coded.size() < room) {
    return Fail(ErrorCode::kEncoderDiffers, "LZ4: lengths over its limits");
  }
  auto used = static_cast<int>(plain.size());
  const auto limit = static_cast<int>(std::min<std::size_t>(coded.size(), LZ4_MAX_INPUT_SIZE));
  const int made = EncodeInto(Level(parameters), static_cast<int>(room), Input(plain), &used,
                              Output(coded), limit);
  if (made <= 0 || used <= 0) return Fail(ErrorCode::kEncoderDiffers, "LZ4: no result");
  return BlockLengths{static_cast<std::size_t>(used), static_cast<std::size_t>(made)};
}

Result<std::size_t> Decode(ByteView coded, ByteSpan room) {
  if (coded.size() > LZ4_MAX_INPUT_SIZE || room.size() > LZ4_MAX_INPUT_SIZE) {
    return Fail(ErrorCode::kDecodeFailed, "LZ4 block over its limits");
  }
  const int made = LZ4_decompress_safe(Input(coded), Output(room), static_cast<int>(coded.size()),
                                       static_cast<int>(room.size()));
  if (made < 0) return Fail(ErrorCode::kDecodeFailed, "LZ4 block is broken");
  return static_cast<std::size_t>(made);
}

}  // namespace pawl::delta::lz4_blocks
