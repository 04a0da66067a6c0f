// SPDX-License-Identifier: Apache-2.0
#pragma once

// Transforms: the ways in which a decoder makes compressed blocks of the target from their plain
// bytes. The result must be exact to the byte, so that a container names, for every transform, what
// its encoder makes of a fixed text; a program whose own encoder makes anything else refuses before
// it writes. Source: docs/container-format.md, "Transforms".

#include <cstdint>
#include <vector>

#include "base/bytes.h"
#include "base/hash.h"
#include "base/result.h"

namespace pawl::delta {

enum class TransformId : std::uint16_t {
  kZstd = 1,     // one zstd frame (RFC 8878)
  kXz = 2,       // one .xz stream
  kDeflate = 3,  // zlib (RFC 1950) or bare deflate (RFC 1951)
  kLz4 = 4,      // one LZ4 block
};

// What is encoded how. `parameters` by the tables of the format page; the makers below pack them.
struct Transform {
  TransformId id = TransformId::kZstd;
  std::uint16_t version = 1;  // of the use here: what a decoder must understand
  std::uint64_t parameters = 0;
  auto operator<=>(const Transform&) const = default;
};

// `checksum`: the frame ends with one. `known_size`: its header states the plain length.
Transform ZstdTransform(int level, bool checksum, bool known_size);
// `check`: as in the .xz header. `one_shot`: as lzma_stream_buffer_encode makes it (sizes in the
// block header), else as lzma_stream_encoder does. `bcj`: liblzma's filter number, 0 for none.
Transform XzTransform(unsigned preset, std::uint32_t dictionary_bytes, unsigned check,
                      bool one_shot, unsigned bcj = 0);
Transform DeflateTransform(int level, unsigned window_log, unsigned memory_level, bool zlib_header);
// `level` 0: LZ4_compress_default; 1 … 12: LZ4HC. `room`: 0 encodes all of the plain bytes; else
// as many as fit into so many coded bytes (erofs).
Transform Lz4Transform(unsigned level, std::uint32_t room);

// A transform as a head lists it.
struct TransformEntry {
  Transform transform;
  std::uint32_t encoder = 0;       // version number of the library; informative
  std::uint32_t memory_bytes = 0;  // what one encoding needs besides its input and output
  Sha256Digest self_test;
  bool operator==(const TransformEntry&) const = default;
};

// True when this build has the transform's id and version and its parameters have a meaning.
bool Supports(const Transform& transform);

// Of the library that this build encodes with, as the library counts; 0: none.
std::uint32_t LibraryVersion(TransformId id);

// SHA-256 of what this build's encoder makes of the self-test text.
// ERRORS: kTransformUnsupported; kInternal from the library.
Result<Sha256Digest> SelfTest(const Transform& transform);

// The text that every self-test encodes: 256 KiB.
Bytes SelfTestText();

// The entry of this build for blocks of up to `block_bytes` plain bytes. ERRORS: as SelfTest.
Result<TransformEntry> DescribeTransform(const Transform& transform, std::uint64_t block_bytes);

// What this build has: each id with the parameters that file systems use by default. For an agent
// to declare, and for a signer to compare. ERRORS: kInternal from a library.
Result<std::vector<TransformEntry>> AvailableTransforms();

// ERRORS: kTransformUnsupported; kEncoderDiffers; kMemoryLimit when the entry says less than this
// build's encoder needs, before anything is encoded.
Status CheckEncoder(const TransformEntry& entry);

}  // namespace pawl::delta
