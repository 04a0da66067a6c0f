// SPDX-License-Identifier: Apache-2.0
#pragma once

// Compressed blocks inside images: decoding with exact lengths and bounded memory, encoding exactly
// as the tool that made the image did. Pure functions: every call starts from fresh state, so that
// results depend on nothing but the arguments. Internal to delta/.
//
// Encoding is what must be equal on every machine; each library has one file that names it.

#include <cstdint>

#include "base/bytes.h"
#include "base/result.h"
#include "delta/apply/transform.h"

namespace pawl::delta {

// How a block of the source is decoded. Numbers of the format.
enum class BlockCoding : std::uint8_t {
  kZstd = 1,        // exactly one zstd frame
  kXz = 2,          // exactly one .xz stream
  kZlib = 3,        // exactly one zlib stream (RFC 1950)
  kRawDeflate = 4,  // exactly one deflate stream (RFC 1951)
  kLz4 = 5,         // one LZ4 block
};
inline constexpr std::uint8_t kMaxBlockCoding = 5;

// Decodes `coded` into exactly `plain.size()` bytes, using all of `coded`.
// ERRORS: kDecodeFailed.
Status DecodeBlock(BlockCoding coding, ByteView coded, ByteSpan plain);
// The same into at most `room.size()` bytes; returns how many. For generators, which find blocks.
Result<std::size_t> DecodeBlockUpTo(BlockCoding coding, ByteView coded, ByteSpan room);

// Where a block ends that begins at the first of `bytes`; its plain bytes go to `room`. Not for LZ4
// blocks, which do not say. For generators. ERRORS: kDecodeFailed, also when `room` is too small.
// `work`: set to the bytes that were read and made, or a few more; also when it fails.
struct BlockLengths {
  std::size_t plain = 0;
  std::size_t coded = 0;
};
Result<BlockLengths> MeasureBlock(BlockCoding coding, ByteView bytes, ByteSpan room,
                                  std::uint64_t& work);
// Longest dictionary of an .xz stream that its decoder takes.
inline constexpr std::uint64_t kMaxXzDictionary = 3ULL << 19;

// What DecodeBlock may use besides its arguments.
inline constexpr std::uint64_t kBlockDecoderBytes = 2ULL << 20;

// Longest result of encoding `plain_bytes`.
std::uint64_t MaxCodedBytes(const Transform& transform, std::uint64_t plain_bytes);
// What encoding needs besides input and output, for inputs of up to `plain_bytes`.
std::uint64_t EncoderBytes(const Transform& transform, std::uint64_t plain_bytes);

// Encodes `plain` into `coded`; the lengths are how much of the input was encoded, and to what.
// Transforms with a room stop where that is full, and the bytes behind what they encode may shape
// the result. ERRORS: kTransformUnsupported; kEncoderDiffers when `coded` is too small; kInternal.
Result<BlockLengths> EncodeBlock(const Transform& transform, ByteView plain, ByteSpan coded);

// One set of these per library; block_codec.cc chooses.
namespace zstd_blocks {
Result<BlockLengths> Measure(ByteView bytes, ByteSpan room, std::uint64_t& work);
bool Supports(std::uint64_t parameters);
std::uint32_t LibraryVersion();
std::uint64_t MaxCodedBytes(std::uint64_t plain_bytes);
std::uint64_t EncoderBytes(std::uint64_t parameters, std::uint64_t plain_bytes);
Result<BlockLengths> Encode(std::uint64_t parameters, ByteView plain, ByteSpan coded);
Result<std::size_t> Decode(ByteView coded, ByteSpan room);
}  // namespace zstd_blocks

namespace lzma_blocks {
Result<BlockLengths> Measure(ByteView bytes, ByteSpan room, std::uint64_t& work);
bool Supports(std::uint64_t parameters);
std::uint32_t LibraryVersion();
std::uint64_t MaxCodedBytes(std::uint64_t plain_bytes);
std::uint64_t EncoderBytes(std::uint64_t parameters);
Result<BlockLengths> Encode(std::uint64_t parameters, ByteView plain, ByteSpan coded);
Result<std::size_t> Decode(ByteView coded, ByteSpan room);
}  // namespace lzma_blocks

namespace zlib_blocks {
Result<BlockLengths> Measure(bool zlib_header, ByteView bytes, ByteSpan room, std::uint64_t& work);
bool Supports(std::uint64_t parameters);
std::uint32_t LibraryVersion();
std::uint64_t MaxCodedBytes(std::uint64_t plain_bytes);
std::uint64_t EncoderBytes(std::uint64_t parameters);
Result<BlockLengths> Encode(std::uint64_t parameters, ByteView plain, ByteSpan coded);
// `zlib_header`: else bare deflate.
Result<std::size_t> Decode(bool zlib_header, ByteView coded, ByteSpan room);
}  // namespace zlib_blocks

namespace lz4_blocks {
bool Supports(std::uint64_t parameters);
std::uint32_t LibraryVersion();
std::uint64_t MaxCodedBytes(std::uint64_t parameters, std::uint64_t plain_bytes);
std::uint64_t EncoderBytes();
Result<BlockLengths> Encode(std::uint64_t parameters, ByteView plain, ByteSpan coded);
Result<std::size_t> Decode(ByteView coded, ByteSpan room);
}  // namespace lz4_blocks

}  // namespace pawl::delta
