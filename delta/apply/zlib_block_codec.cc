// SPDX-License-Identifier: Apache-2.0
// zlib and bare deflate streams as blocks, by zlib.

#include <zlib.h>

#include <string>

#include "delta/apply/block_codec.h"

namespace pawl::delta::zlib_blocks {
namespace {

constexpr std::uint64_t kZlibHeader = 1ULL << 24;
constexpr int kMaxWindowBits = 15;

int Level(std::uint64_t parameters) { return static_cast<int>(parameters & 0xFF); }
int WindowBits(std::uint64_t parameters) { return static_cast<int>(parameters >> 8 & 0xFF); }
int MemoryLevel(std::uint64_t parameters) { return static_cast<int>(parameters >> 16 & 0xFF); }

// zlib's interface has no const and counts in 32 bits; blocks are far shorter.
Bytef* Input(ByteView bytes) { return const_cast<Bytef*>(bytes.data()); }

}  // namespace

bool Supports(std::uint64_t parameters) {
  return (parameters & ~(0xFFFFFFULL | kZlibHeader)) == 0 && Level(parameters) >= 1 &&
         Level(parameters) <= 9 && WindowBits(parameters) >= 9 &&
         WindowBits(parameters) <= kMaxWindowBits && MemoryLevel(parameters) >= 1 &&
         MemoryLevel(parameters) <= 9;
}

std::uint32_t LibraryVersion() { return ZLIB_VERNUM; }

std::uint64_t MaxCodedBytes(std::uint64_t plain_bytes) {
  // The bound for the smallest memory level, which compressBound does not cover.
  return plain_bytes + plain_bytes / 4 + 64;
}

std::uint64_t EncoderBytes(std::uint64_t parameters) {
  // zconf.h: (1 << (windowBits+2)) + (1 << (memLevel+9)), and a few KiB.
  return (1ULL << (WindowBits(parameters) + 2)) + (1ULL << (MemoryLevel(parameters) + 9)) +
         (16U << 10);
}

Result<BlockLengths> Encode(std::uint64_t parameters, ByteView plain, ByteSpan coded) {
  z_stream stream = {};
  const int window = WindowBits(parameters);
  if (deflateInit2(&stream, Level(parameters), Z_DEFLATED,
                   (parameters & kZlibHeader) != 0 ? window : -window, MemoryLevel(parameters),
                   Z_DEFAULT_STRATEGY) != Z_OK) {
    return Fail(ErrorCode::kInternal, "zlib does not start");
  }
  stream.next_in = Input(plain);
  stream.avail_in = static_cast<uInt>(plain.size());
  stream.next_out = coded.data();
  stream.avail_out = static_cast<uInt>(coded.size());
  const int status = deflate(&stream, Z_FINISH);
  const std::size_t made = stream.total_out;
  deflateEnd(&stream);
  if (status != Z_STREAM_END) return Fail(ErrorCode::kEncoderDiffers, "zlib: no result");
  return BlockLengths{plain.size(), made};
}

Result<BlockLengths> Measure(bool zlib_header, ByteView bytes, ByteSpan room,
                             std::uint64_t& work) {
  z_stream stream = {};
  if (inflateInit2(&stream, zlib_header ? kMaxWindowBits : -kMaxWindowBits) != Z_OK) {
    return Fail(ErrorCode::kInternal, "zlib does not start");
  }
  std::uint8_t none = 0;  // zlib wants a place even for nothing
  stream.next_in = Input(bytes);
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = room.empty() ? &none : room.data();
  stream.avail_out = static_cast<uInt>(room.size());
  const int status = inflate(&stream, Z_FINISH);
  const BlockLengths lengths{stream.total_out, stream.total_in};
  work = lengths.plain + lengths.coded;
  inflateEnd(&stream);
  if (status != Z_STREAM_END) return Fail(ErrorCode::kDecodeFailed, "zlib block is broken");
  return lengths;
}

Result<std::size_t> Decode(bool zlib_header, ByteView coded, ByteSpan room) {
  std::uint64_t work = 0;
  PAWL_ASSIGN_OR_RETURN(const BlockLengths lengths, Measure(zlib_header, coded, room, work));
  if (lengths.coded != coded.size()) {
    return Fail(ErrorCode::kDecodeFailed, "bytes behind a zlib block");
  }
  return lengths.plain;
}

}  // namespace pawl::delta::zlib_blocks
