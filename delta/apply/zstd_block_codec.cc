// SPDX-License-Identifier: Apache-2.0
// zstd frames as blocks, by libzstd.

// Estimates and frame headers are in zstd's "static linking only" part, and it is linked
// statically.
#define ZSTD_STATIC_LINKING_ONLY
#include <zstd.h>

#include <algorithm>
#include <array>
#include <memory>
#include <string>

#include "delta/apply/block_codec.h"

namespace pawl::delta::zstd_blocks {
namespace {

constexpr std::uint64_t kChecksum = 1ULL << 8;
constexpr std::uint64_t kKnownSize = 1ULL << 9;

int Level(std::uint64_t parameters) { return static_cast<int>(parameters & 0xFF); }

// Whether a frame of RFC 8878 begins here. libzstd may be built to decode older formats as well, and
// takes skippable frames for nothing.
bool BeginsFrame(ByteView bytes) {
  constexpr std::array<std::uint8_t, 4> kMagic = {0x28, 0xB5, 0x2F, 0xFD};
  return bytes.size() >= kMagic.size() && std::ranges::equal(bytes.first(kMagic.size()), kMagic);
}

struct FreeEncoder {
  void operator()(ZSTD_CCtx* context) const { ZSTD_freeCCtx(context); }
};

}  // namespace

bool Supports(std::uint64_t parameters) {
  return (parameters & ~(0xFFULL | kChecksum | kKnownSize)) == 0 && Level(parameters) >= 1 &&
         Level(parameters) <= ZSTD_maxCLevel();
}

std::uint32_t LibraryVersion() { return ZSTD_versionNumber(); }

std::uint64_t MaxCodedBytes(std::uint64_t plain_bytes) {
  return ZSTD_compressBound(static_cast<std::size_t>(plain_bytes));
}

std::uint64_t EncoderBytes(std::uint64_t parameters, std::uint64_t plain_bytes) {
  // zstd's tables are chosen by the length of the input, in classes; the longest input of a lower
  // class may need more than one of `plain_bytes`.
  std::size_t most = 0;
  for (const std::uint64_t bytes : {std::uint64_t{16U << 10}, std::uint64_t{128U << 10},
                                    std::uint64_t{256U << 10}, plain_bytes}) {
    const std::uint64_t length = std::min(bytes, plain_bytes);
    const ZSTD_compressionParameters chosen = ZSTD_getCParams(Level(parameters), length, 0);
    most = std::max(most, ZSTD_estimateCCtxSize_usingCParams(chosen));
  }
  return most;
}

Result<BlockLengths> Encode(std::uint64_t parameters, ByteView plain, ByteSpan coded) {
  const std::unique_ptr<ZSTD_CCtx, FreeEncoder> context(ZSTD_createCCtx());
  if (context == nullptr) return Fail(ErrorCode::kInternal, "zstd has no memory");
  ZSTD_CCtx_setParameter(context.get(), ZSTD_c_compressionLevel, Level(parameters));
  ZSTD_CCtx_setParameter(context.get(), ZSTD_c_checksumFlag, (parameters & kChecksum) != 0);
  ZSTD_CCtx_setParameter(context.get(), ZSTD_c_contentSizeFlag, (parameters & kKnownSize) != 0);
  const std::size_t size =
      ZSTD_compress2(context.get(), coded.data(), coded.size(), plain.data(), plain.size());
  if (ZSTD_isError(size) != 0) {
    return Fail(ErrorCode::kEncoderDiffers, std::string("zstd: ") + ZSTD_getErrorName(size));
  }
  return BlockLengths{plain.size(), size};
}

Result<BlockLengths> Measure(ByteView bytes, ByteSpan room, std::uint64_t& work) {
  work = 0;
  if (!BeginsFrame(bytes)) return Fail(ErrorCode::kDecodeFailed, "not a zstd frame");
  // zstd does not say how far it came in vain. Looking for the end of a broken frame takes a step
  // for every three bytes; decoding makes no more than the frame's blocks can hold.
  work = room.size();
  const std::size_t frame = ZSTD_findFrameCompressedSize(bytes.data(), bytes.size());
  if (ZSTD_isError(frame) != 0) return Fail(ErrorCode::kDecodeFailed, "not a zstd frame");
  work = frame + std::min<std::uint64_t>(room.size(), ZSTD_decompressBound(bytes.data(), frame));
  PAWL_ASSIGN_OR_RETURN(const std::size_t plain, Decode(bytes.first(frame), room));
  work = frame + plain;
  return BlockLengths{plain, frame};
}

Result<std::size_t> Decode(ByteView coded, ByteSpan room) {
  if (!BeginsFrame(coded)) return Fail(ErrorCode::kDecodeFailed, "block is not a zstd frame");
  // One call into a buffer of the whole length: zstd needs no window of its own.
  const std::size_t frame = ZSTD_findFrameCompressedSize(coded.data(), coded.size());
  if (ZSTD_isError(frame) != 0 || frame != coded.size()) {
    return Fail(ErrorCode::kDecodeFailed, "block is not one zstd frame");
  }
  const std::size_t size = ZSTD_decompress(room.data(), room.size(), coded.data(), coded.size());
  if (ZSTD_isError(size) != 0) {
    return Fail(ErrorCode::kDecodeFailed, std::string("zstd block: ") + ZSTD_getErrorName(size));
  }
  return size;
}

}  // namespace pawl::delta::zstd_blocks
