// SPDX-License-Identifier: Apache-2.0
#include "delta/apply/block_codec.h"

#include <string>

namespace pawl::delta {

Result<std::size_t> DecodeBlockUpTo(BlockCoding coding, ByteView coded, ByteSpan room) {
  switch (coding) {
    case BlockCoding::kZstd:
      return zstd_blocks::Decode(coded, room);
    case BlockCoding::kXz:
      return lzma_blocks::Decode(coded, room);
    case BlockCoding::kZlib:
      return zlib_blocks::Decode(true, coded, room);
    case BlockCoding::kRawDeflate:
      return zlib_blocks::Decode(false, coded, room);
    case BlockCoding::kLz4:
      return lz4_blocks::Decode(coded, room);
  }
  return Fail(ErrorCode::kDecodeFailed, "unknown coding of a block");
}

Result<BlockLengths> MeasureBlock(BlockCoding coding, ByteView bytes, ByteSpan room,
                                  std::uint64_t& work) {
  work = 0;
  switch (coding) {
    case BlockCoding::kZstd:
      return zstd_blocks::Measure(bytes, room, work);
    case BlockCoding::kXz:
      return lzma_blocks::Measure(bytes, room, work);
    case BlockCoding::kZlib:
      return zlib_blocks::Measure(true, bytes, room, work);
    case BlockCoding::kRawDeflate:
      return zlib_blocks::Measure(false, bytes, room, work);
    case BlockCoding::kLz4:
      break;
  }
  return Fail(ErrorCode::kDecodeFailed, "a block of this coding does not say where it ends");
}

Status DecodeBlock(BlockCoding coding, ByteView coded, ByteSpan plain) {
  PAWL_ASSIGN_OR_RETURN(const std::size_t made, DecodeBlockUpTo(coding, coded, plain));
  if (made != plain.size()) {
    return Fail(ErrorCode::kDecodeFailed, "block of " + std::to_string(made) + " bytes, expected " +
                                              std::to_string(plain.size()));
  }
  return {};
}

bool Supports(const Transform& transform) {
  if (transform.version != 1) return false;
  switch (transform.id) {
    case TransformId::kZstd:
      return zstd_blocks::Supports(transform.parameters);
    case TransformId::kXz:
      return lzma_blocks::Supports(transform.parameters);
    case TransformId::kDeflate:
      return zlib_blocks::Supports(transform.parameters);
    case TransformId::kLz4:
      return lz4_blocks::Supports(transform.parameters);
  }
  return false;
}

std::uint64_t MaxCodedBytes(const Transform& transform, std::uint64_t plain_bytes) {
  switch (transform.id) {
    case TransformId::kZstd:
      return zstd_blocks::MaxCodedBytes(plain_bytes);
    case TransformId::kXz:
      return lzma_blocks::MaxCodedBytes(plain_bytes);
    case TransformId::kDeflate:
      return zlib_blocks::MaxCodedBytes(plain_bytes);
    case TransformId::kLz4:
      return lz4_blocks::MaxCodedBytes(transform.parameters, plain_bytes);
  }
  return 0;
}

std::uint64_t EncoderBytes(const Transform& transform, std::uint64_t plain_bytes) {
  switch (transform.id) {
    case TransformId::kZstd:
      return zstd_blocks::EncoderBytes(transform.parameters, plain_bytes);
    case TransformId::kXz:
      return lzma_blocks::EncoderBytes(transform.parameters);
    case TransformId::kDeflate:
      return zlib_blocks::EncoderBytes(transform.parameters);
    case TransformId::kLz4:
      return lz4_blocks::EncoderBytes();
  }
  return 0;
}

Result<BlockLengths> EncodeBlock(const Transform& transform, ByteView plain, ByteSpan coded) {
  if (!Supports(transform)) {
    return Fail(ErrorCode::kTransformUnsupported,
                "transform " + std::to_string(static_cast<unsigned>(transform.id)) + " version " +
                    std::to_string(transform.version) + " with parameters " +
                    std::to_string(transform.parameters));
  }
  switch (transform.id) {
    case TransformId::kZstd:
      return zstd_blocks::Encode(transform.parameters, plain, coded);
    case TransformId::kXz:
      return lzma_blocks::Encode(transform.parameters, plain, coded);
    case TransformId::kDeflate:
      return zlib_blocks::Encode(transform.parameters, plain, coded);
    case TransformId::kLz4:
      return lz4_blocks::Encode(transform.parameters, plain, coded);
  }
  return Fail(ErrorCode::kInternal, "transform without an encoder");
}

}  // namespace pawl::delta
