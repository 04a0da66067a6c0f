// SPDX-License-Identifier: Apache-2.0
#include "delta/generate/stream_encoder.h"

#include <lzma.h>
#include <zstd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <string>

#include "delta/apply/mixed_stream_reader.h"
#include "delta/apply/payload.h"
#include "delta/apply/plain_stream.h"

namespace pawl::delta {
namespace {

// Shorter streams have too little to learn from for a model of 3 MiB.
constexpr std::size_t kWorthAModel = 64;
// What LZMA2 makes longer than this, zstd makes longer still, for all content that was measured.
constexpr std::size_t kLzmaAlone = 64U << 10;
// So little difference is coded with and without the model: what it gains is a matter of bytes.
constexpr std::size_t kTryBothBytes = 1U << 20;

std::unexpected<Error> ZstdFailed(std::size_t status) {
  return Fail(ErrorCode::kInternal, std::string("zstd: ") + ZSTD_getErrorName(status));
}

}  // namespace

struct StreamEncoder::Stream {
  CodedStream header;  // its view is into `bytes` or into the plain stream
  Bytes bytes;

  void Keep(CodecId codec, Bytes coded) {
    bytes = std::move(coded);
    header.codec = codec;
    header.coded = bytes;
  }
};

StreamEncoder::StreamEncoder(const CodecChoice& choice)
    : choice_(choice), context_(ZSTD_createCCtx()) {
  ZSTD_CCtx_setParameter(context_.get(), ZSTD_c_compressionLevel, choice.zstd_level);
  ZSTD_CCtx_setParameter(context_.get(), ZSTD_c_contentSizeFlag, 1);
  ZSTD_CCtx_setParameter(context_.get(), ZSTD_c_checksumFlag, 0);
}
StreamEncoder::~StreamEncoder() = default;
void StreamEncoder::Free::operator()(ZSTD_CCtx_s* context) const { ZSTD_freeCCtx(context); }

Status StreamEncoder::TryZstd(ByteView plain, ByteView before, Stream& best) {
  // With bytes before: wide enough to reach the first of them; the frame's header still states the
  // content as its window.
  const unsigned window_log = before.empty() ? kMaxWindowLog : kMaxWindowLog + 1;
  ZSTD_CCtx_setParameter(context_.get(), ZSTD_c_windowLog, static_cast<int>(window_log));
  ZSTD_CCtx_refPrefix(context_.get(), before.data(), before.size());  // for this stream only
  Bytes coded(ZSTD_compressBound(plain.size()));
  const std::size_t size = ZSTD_compress2(context_.get(), coded.data(), coded.size(),
                                          plain.data(), plain.size());
  if (ZSTD_isError(size) != 0) return ZstdFailed(size);
  if (size >= best.header.coded.size()) return {};
  coded.resize(size);
  best.Keep(CodecId::kZstd, std::move(coded));
  return {};
}

Status StreamEncoder::TryLzma(ByteView plain, Stream& best) {
  lzma_options_lzma options = {};
  lzma_lzma_preset(&options, choice_.lzma_preset);
  const auto log = static_cast<unsigned>(
      std::clamp<std::uint64_t>(std::bit_width(plain.size()), kMinLzmaDictionaryLog,
                                kMaxWindowLog));
  options.dict_size = std::uint32_t{1} << log;
  const std::array<lzma_filter, 2> filters = {
      {{LZMA_FILTER_LZMA2, &options}, {LZMA_VLI_UNKNOWN, nullptr}}};
  // Room for what is kept only: more is no gain.
  Bytes coded(best.header.coded.size());
  coded.front() = static_cast<std::uint8_t>(log);
  std::size_t size = 1;
  const lzma_ret status =
      lzma_raw_buffer_encode(filters.data(), nullptr, plain.data(), plain.size(), coded.data(),
                             &size, coded.size());
  if (status == LZMA_BUF_ERROR) return {};
  if (status != LZMA_OK) return Fail(ErrorCode::kInternal, "liblzma fails to encode");
  if (size >= best.header.coded.size()) return {};
  coded.resize(size);
  best.Keep(CodecId::kLzma, std::move(coded));
  return {};
}

Result<StreamEncoder::Stream> StreamEncoder::EncodeStream(ByteView plain, ByteView before) {
  Stream stream;
  stream.header = {CodecId::kStored, plain.size(), plain};
  if (plain.empty()) return stream;
  if (choice_.lzma) PAWL_TRY(TryLzma(plain, stream));
  if (!choice_.lzma || stream.header.coded.size() < kLzmaAlone) {
    PAWL_TRY(TryZstd(plain, before, stream));
  }
  return stream;
}

// What add and mix operations take in a frame.
struct StreamEncoder::Changes {
  Stream control;
  Stream difference;
  CodedStream mixed;

  std::uint64_t coded_bytes() const {
    return control.header.coded.size() + difference.header.coded.size() + mixed.coded.size();
  }
};

Result<StreamEncoder::Changes> StreamEncoder::EncodeChanges(ByteView control, ByteView difference) {
  Changes changes;
  PAWL_ASSIGN_OR_RETURN(changes.control, EncodeStream(control, {}));
  PAWL_ASSIGN_OR_RETURN(changes.difference, EncodeStream(difference, {}));
  return changes;
}

// `split` is borrowed.
Result<StreamEncoder::Changes> StreamEncoder::EncodeChanges(
    const PlainStreams& streams, const std::optional<MixedSplit>& split) {
  if (!split) return EncodeChanges(streams.control, streams.difference);
  PAWL_ASSIGN_OR_RETURN(Changes mixed, EncodeChanges(split->control, split->difference));
  mixed.mixed = {CodecId::kContextMixing, split->mixed_plain_bytes, split->mixed};
  if (streams.difference.size() > kTryBothBytes) return mixed;
  PAWL_ASSIGN_OR_RETURN(Changes plain, EncodeChanges(streams.control, streams.difference));
  const bool worth =
      mixed.coded_bytes() < plain.coded_bytes() &&
      split->decoded_bits <=
          (plain.coded_bytes() - mixed.coded_bytes()) * choice_.bits_per_saved_byte;
  return worth ? std::move(mixed) : std::move(plain);
}

Result<EncodedFrame> StreamEncoder::Encode(const PlainStreams& streams, ByteView before) {
  std::optional<MixedSplit> split;
  if (choice_.context_mixing && streams.difference.size() >= kWorthAModel) {
    PAWL_ASSIGN_OR_RETURN(split, SplitDifference(streams, choice_.bits_per_saved_byte));
  }
  PAWL_ASSIGN_OR_RETURN(const Changes changes, EncodeChanges(streams, split));
  PAWL_ASSIGN_OR_RETURN(const Stream recipe, EncodeStream(streams.recipe, {}));
  PAWL_ASSIGN_OR_RETURN(const Stream literal, EncodeStream(streams.literal, before));
  EncodedFrame frame;
  frame.memory_bytes = kDecoderBaseBytes + streams.recipe_memory_bytes;
  if (changes.mixed.plain_bytes != 0) frame.memory_bytes += MixedStreamReader::kMemoryBytes;
  // The recipe is decoded before the others are, and what that takes is free again then: less than
  // what its tables take.
  for (const Stream* part : {&changes.control, &changes.difference, &literal}) {
    // The decoder's own reckoning, so that the two cannot drift apart.
    PAWL_ASSIGN_OR_RETURN(const PlainStream plain, PlainStream::Open(part->header));
    frame.memory_bytes += plain.memory_bytes();
  }
  frame.payload = JoinPayload({recipe.header, changes.control.header, changes.difference.header,
                               changes.mixed, literal.header});
  return frame;
}

std::vector<Codec> CodecsOf(const CodecChoice& choice) {
  std::vector<Codec> codecs = {{CodecId::kZstd, 1, ZSTD_versionNumber()}};
  if (choice.lzma) codecs.push_back({CodecId::kLzma, 1, lzma_version_number()});
  if (choice.context_mixing) codecs.push_back({CodecId::kContextMixing, 1, 0});
  return codecs;
}

}  // namespace pawl::delta
