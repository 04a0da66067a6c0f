// SPDX-License-Identifier: Apache-2.0
#pragma once

// From pieces to payloads: operations, streams, compression. Internal to delta/generate.

#include <memory>
#include <optional>

#include "base/block_io.h"
#include "base/bytes.h"
#include "base/result.h"
#include "delta/apply/head.h"
#include "delta/generate/piece.h"

struct ZSTD_CCtx_s;

namespace pawl::delta {

// The plain streams of some target bytes.
struct PlainStreams {
  Bytes control;
  Bytes difference;
  Bytes literal;
};

// Turns target ranges into plain streams. Several threads may use one.
class StreamBuilder {
 public:
  // All borrowed. `old_image` may be null when no piece reads the source.
  StreamBuilder(RandomReader* old_image, RandomReader& new_image, const Pieces& pieces)
      : old_(old_image), new_(new_image), pieces_(pieces) {}

  // ERRORS: kIo.
  Result<PlainStreams> Build(const Range& target) const;
  // The same without any use of the source: for ranges whose operations would not pay.
  Result<PlainStreams> BuildLiteral(const Range& target) const;
  // The target's bytes themselves. ERRORS: kIo.
  Result<Bytes> Target(const Range& target) const;

 private:
  RandomReader* old_;
  RandomReader& new_;
  const Pieces& pieces_;
};

struct EncodedFrame {
  Bytes payload;
  std::uint64_t memory_bytes = 0;  // by the formula of the format (C-24)
};

// Compresses streams; holds one zstd context. Not for several threads at a time.
class StreamEncoder {
 public:
  explicit StreamEncoder(int level);
  ~StreamEncoder();
  StreamEncoder(const StreamEncoder&) = delete;
  StreamEncoder& operator=(const StreamEncoder&) = delete;

  // The payload of one frame. ERRORS: kInternal from the library.
  // `before`: the target before the frame that its literal bytes may refer to (C-41).
  Result<EncodedFrame> Encode(const PlainStreams& streams, ByteView before = {});

 private:
  struct Stream;
  Result<Stream> EncodeStream(ByteView plain, ByteView before = {});
  struct Free {
    void operator()(ZSTD_CCtx_s* context) const;
  };
  std::unique_ptr<ZSTD_CCtx_s, Free> context_;
};

// The codec entry for a head.
Codec ZstdCodec();

}  // namespace pawl::delta
