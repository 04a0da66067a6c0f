// SPDX-License-Identifier: Apache-2.0
#pragma once

// Constants of the container format, as docs/container-format.md names them. Sizes in bytes.

#include <array>
#include <cstddef>
#include <cstdint>

#include "base/block_io.h"


namespace pawl::delta {

inline constexpr std::array<std::uint8_t, 8> kMagic = {'P', 'A', 'W', 'L', 'C', 'T', 'R', '\n'};
inline constexpr std::uint16_t kFormatVersion = 4;

// What precedes the codec table, and the sizes of table entries.
inline constexpr std::size_t kHeadPrefixBytes = 16;  // magic, version, flags, head length
inline constexpr std::size_t kHeadFixedBytes = 108;
inline constexpr std::size_t kCodecEntryBytes = 8;
inline constexpr std::size_t kTransformEntryBytes = 52;
inline constexpr std::size_t kFrameEntryBytes = 40;

inline constexpr std::uint64_t kMaxHeadBytes = 4ULL << 20;   // about 100,000 frames
inline constexpr std::uint64_t kMaxImageBytes = 1ULL << 40;  // 1 TiB: beyond any root image
inline constexpr std::uint32_t kMaxCodecs = 8;
inline constexpr std::uint32_t kMaxTransforms = 16;
inline constexpr std::uint32_t kMaxFrameChunks = 64;         // 64 MiB of target per frame
inline constexpr std::uint64_t kMaxPayloadBytes = 2ULL << 20;  // the device holds one payload
inline constexpr std::uint64_t kMaxControlBytes = 4ULL << 20;  // plain; bounds the work of a frame
inline constexpr std::uint64_t kMaxMemoryBytes = 64ULL << 20;

// Frames are counted in units of target: chunks in a delta; in a full container blocks, so that
// scattered changes do not fetch everything.
inline constexpr std::uint64_t kFullUnitBytes = 4096;
inline constexpr std::uint32_t kMaxFullFrameUnits = kChunkBytes / kFullUnitBytes;
// How much of the target before a frame of a full container its literal bytes may refer to.
inline constexpr std::uint64_t kLookBackBytes = 128ULL << 10;

inline constexpr std::size_t kStreamCount = 5;
inline constexpr std::size_t kStreamHeaderBytes = 9;
inline constexpr std::size_t kPayloadHeaderBytes = kStreamCount * kStreamHeaderBytes;

// Limits of a recipe: its tables stay below kRecipeTableBytes, and the work of a frame bounded.
inline constexpr std::uint64_t kMaxRecipeBytes = 512ULL << 10;  // plain
inline constexpr std::uint64_t kMaxRecipeExtents = 4096;
inline constexpr std::uint64_t kMaxRecipeBlocks = 16384;    // of the source
inline constexpr std::uint64_t kMaxRecipeSegments = 16384;
inline constexpr std::uint64_t kMaxBlockBytes = 4ULL << 20;   // plain, with what lies ahead
inline constexpr std::uint64_t kMaxExtentBytes = 4ULL << 20;
inline constexpr std::uint64_t kMaxLeadingZeros = 64ULL << 10;
inline constexpr std::uint64_t kMaxAdvance = 1ULL << 20;
inline constexpr std::uint64_t kMaxFramePlainBytes = 128ULL << 20;
inline constexpr std::uint64_t kMaxFrameEncodedBytes = 256ULL << 20;  // what encoders look at
inline constexpr std::uint64_t kMaxFrameSourceWork = 1ULL << 30;  // bytes read, decoded and made

inline constexpr unsigned kMaxWindowLog = 20;  // zstd window of at most 1 MiB
inline constexpr std::uint64_t kMaxWindowBytes = 1ULL << kMaxWindowLog;

// The decoder's memory by formula, the same on every build: one chunk, its small buffers, and per
// zstd stream the window plus the codec's tables and input block.
inline constexpr std::uint64_t kDecoderBaseBytes = kChunkBytes + (256ULL << 10);
inline constexpr std::uint64_t kZstdOverheadBytes = 512ULL << 10;
inline constexpr std::uint64_t kLzmaOverheadBytes = 256ULL << 10;
inline constexpr unsigned kMinLzmaDictionaryLog = 12;
// A recipe with its tables; decoded blocks that are held.
inline constexpr std::uint64_t kRecipeTableBytes = 2ULL << 20;
inline constexpr std::uint64_t kDecodedCacheBytes = 4ULL << 20;

}  // namespace pawl::delta
