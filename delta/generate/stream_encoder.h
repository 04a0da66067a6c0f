// SPDX-License-Identifier: Apache-2.0
#pragma once

// From plain streams to a payload: tries the codecs that an effort admits and keeps what is worth
// its decoding. Internal to delta/generate.

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "delta/apply/head.h"
#include "delta/generate/frame_encoder.h"
#include "delta/generate/mixed_split.h"

struct ZSTD_CCtx_s;

namespace pawl::delta {

struct EncodedFrame {
  Bytes payload;
  std::uint64_t memory_bytes = 0;  // by the formula of the format (C-24)
};

struct CodecChoice {
  int zstd_level = 1;
  bool lzma = false;
  std::uint32_t lzma_preset = 6;  // of liblzma
  bool context_mixing = false;
  // Context mixing decodes a bit in about 40 ns on a desktop core. A byte that it saves may cost so
  // many bits.
  std::uint64_t bits_per_saved_byte = 0;
};

// Compresses streams; holds one zstd context. Not for several threads at a time.
class StreamEncoder {
 public:
  explicit StreamEncoder(const CodecChoice& choice);
  ~StreamEncoder();
  StreamEncoder(const StreamEncoder&) = delete;
  StreamEncoder& operator=(const StreamEncoder&) = delete;

  // The payload of one frame. ERRORS: kInternal from a library.
  // `before`: the target before the frame that its literal bytes may refer to (C-41); zstd only.
  Result<EncodedFrame> Encode(const PlainStreams& streams, ByteView before = {});

 private:
  struct Stream;
  Result<Stream> EncodeStream(ByteView plain, ByteView before);
  Status TryZstd(ByteView plain, ByteView before, Stream& best);
  Status TryLzma(ByteView plain, Stream& best);
  struct Changes;
  Result<Changes> EncodeChanges(ByteView control, ByteView difference);
  // `split`: none for the streams as they are.
  Result<Changes> EncodeChanges(const PlainStreams& streams,
                                const std::optional<MixedSplit>& split);
  struct Free {
    void operator()(ZSTD_CCtx_s* context) const;
  };
  CodecChoice choice_;
  std::unique_ptr<ZSTD_CCtx_s, Free> context_;
};

// The codec entries for a head whose frames are encoded by `choice`.
std::vector<Codec> CodecsOf(const CodecChoice& choice);

}  // namespace pawl::delta
