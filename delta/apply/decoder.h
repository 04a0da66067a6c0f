// SPDX-License-Identifier: Apache-2.0
#pragma once

// Turns one frame of a container into parts of the target image.
//
// DecodeFrame compares length and SHA-256 of the payload with the head before anything looks
// inside: there is no way to decode unauthenticated bytes. What comes out is nevertheless NOT yet
// trusted, since it also depends on the source, which nobody has authenticated: the caller compares
// each chunk with its signed digest before it counts the chunk as done.
//
// Memory: at most head.memory_bytes at a time, and what memory_limit admits for encoding several
// blocks at a time. Source reads are random, parts come in order.
// Source: docs/container-format.md.

#include <cstdint>
#include <memory>

#include "base/block_io.h"
#include "base/bytes.h"
#include "base/result.h"
#include "delta/apply/head.h"

namespace pawl::delta {

// Receives what is decoded.
class ChunkSink {
 public:
  virtual ~ChunkSink() = default;
  // `data` is the target from byte `begin` on: of a delta a whole chunk, of a full container all that
  // the frame makes (at most a chunk); the image's last part may be shorter. Valid during the call
  // only. Within a frame, parts come in ascending order without gaps. When a frame fails later on,
  // parts of it may have been delivered already. An error ends DecodeFrame and is passed on.
  virtual Status Take(std::uint64_t begin, ByteView data) = 0;
};

class Decoder {
 public:
  // `head` and `source` are borrowed and must outlive the decoder. `source` is the image that the
  // head names (it may be longer, as a partition is), null exactly when the head has no source.
  // `memory_limit`: bytes that this decoder may use. `threads`: that encode blocks, as far as
  // memory_limit goes beyond what the head asks for; 0: one per core. Every encoder that the head
  // names is tried with its self-test here, before anything can be written.
  // ERRORS: kMemoryLimit when the head asks for more; kSourceMismatch when the source is missing,
  // not expected, or shorter than the head says; kTransformUnsupported; kEncoderDiffers.
  static Result<Decoder> Create(const Head& head, RandomReader* source, std::uint64_t memory_limit,
                                unsigned threads = 0);
  static Result<Decoder> Create(Head&&, RandomReader*, std::uint64_t, unsigned = 0) = delete;

  Decoder(Decoder&&) noexcept;
  Decoder& operator=(Decoder&&) noexcept;
  ~Decoder();

  // Decodes frame `index` from its payload. Frames may be decoded in any order, again and again.
  // `before` ends with the head.LookBack(index) bytes of target before the frame; wrong ones give
  // wrong bytes or kDecodeFailed, nothing worse: they are copied from, never interpreted.
  // ERRORS: kUnknownName (no such frame); kPayloadLength; kFrameHashMismatch; kContainerMalformed
  // (structure of the payload, copies outside source or target); kDecodeFailed (a compressed stream
  // is broken or has another length than stated); kMemoryLimit (a stream needs more memory than the
  // head admits); kSourceBlockMismatch (source blocks are not those that the delta was made from,
  // or cannot be read: the chunks of this frame must come from elsewhere); kEncoderDiffers (a block
  // was encoded to another length); kInternal (fewer bytes before it than needed); kIo from the
  // source; whatever the sink returns.
  Status DecodeFrame(std::size_t index, ByteView payload, ChunkSink& sink, ByteView before = {});

 private:
  class Impl;
  explicit Decoder(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace pawl::delta
