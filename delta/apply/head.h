// SPDX-License-Identifier: Apache-2.0
#pragma once

// The head of a container: what it makes, from what, and where each frame lies.
// Source: docs/container-format.md. A head is authenticated by its length and SHA-256 in the signed
// manifest; check those before ParseHead.

#include <cstdint>
#include <optional>
#include <vector>

#include "base/bytes.h"
#include "base/hash.h"
#include "base/result.h"
#include "delta/apply/format.h"
#include "delta/apply/transform.h"

namespace pawl::delta {

// What the caller accepts, each at most the format's own limit. Bytes.
struct HeadLimits {
  std::uint64_t head_bytes = kMaxHeadBytes;
  std::uint64_t source_bytes = kMaxImageBytes;
  std::uint64_t target_bytes = kMaxImageBytes;  // a device gives the size of its slot
};

struct ImageIdentity {
  std::uint64_t bytes = 0;
  Sha256Digest sha256;
  bool operator==(const ImageIdentity&) const = default;
};

enum class CodecId : std::uint16_t {
  kStored = 0,  // always available, never listed in a head
  kZstd = 1,    // RFC 8878
  kLzma = 2,    // LZMA2, raw
  kContextMixing = 3,  // difference streams only
};

struct Codec {
  CodecId id = CodecId::kStored;
  std::uint16_t version = 0;  // of the codec's use here: what a decoder must understand
  std::uint32_t encoder = 0;  // version of the library that encoded (such as ZSTD_versionNumber), to
                              // explain why another build makes other bytes; decoders ignore it
  bool operator==(const Codec&) const = default;
};

struct Frame {
  std::uint64_t first_unit = 0;      // implied by the order of frames
  std::uint32_t unit_count = 0;      // Head::UnitBytes of target each; the last may be shorter
  std::uint64_t payload_offset = 0;  // from the start of the container; implied
  std::uint32_t payload_bytes = 0;
  Sha256Digest payload_sha256;
  bool operator==(const Frame&) const = default;
};

struct Head {
  std::optional<ImageIdentity> source;  // none: a full container
  ImageIdentity target;
  std::uint64_t memory_bytes = 0;  // private memory of a decoder, without head and payload
  std::vector<Codec> codecs;       // in ascending order of id
  std::vector<TransformEntry> transforms;  // in ascending order of Transform
  std::vector<Frame> frames;       // cover the target exactly

  // Length of the encoded head, and of the whole container.
  std::uint64_t HeadBytes() const;
  std::uint64_t ContainerBytes() const;
  // What frames are counted in. Bytes of target.
  std::uint64_t UnitBytes() const { return source ? kChunkBytes : kFullUnitBytes; }
  // The first byte of target that frame `index` makes, and how many. REQUIRES: index < frames.size().
  std::uint64_t FrameBegin(std::size_t index) const;
  std::uint64_t FrameTargetBytes(std::size_t index) const;
  // How many bytes of target before frame `index` its decoding needs: only in full containers.
  std::uint64_t LookBack(std::size_t index) const;
  bool UsesCodec(CodecId id) const;
  bool operator==(const Head&) const = default;
};

// The length of the head, from the first kHeadPrefixBytes of a container: for readers of whole
// files. A device takes the length from its manifest instead. ERRORS: kContainerMalformed.
Result<std::uint64_t> PeekHeadBytes(ByteView prefix, const HeadLimits& limits);

// Reads a head that ends exactly where `bytes` ends.
// ERRORS: kContainerMalformed; kCodecUnsupported (unknown format version or codec);
// kTransformUnsupported. Whether encoders make the same bytes is for CheckEncoder to say.
Result<Head> ParseHead(ByteView bytes, const HeadLimits& limits);

// The one encoding of a head. `first_unit` and `payload_offset` of frames are not written.
// REQUIRES: frames, codecs and sizes within the limits of the format.
Bytes EncodeHead(const Head& head);

// Fills in what the order of frames implies: first_unit and payload_offset of every frame.
void PlaceFrames(Head& head);

}  // namespace pawl::delta
