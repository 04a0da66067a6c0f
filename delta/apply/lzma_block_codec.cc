// SPDX-License-Identifier: Apache-2.0
// .xz streams as blocks, by liblzma.

#include <lzma.h>

#include <array>
#include <string>

#include "delta/apply/block_codec.h"

namespace pawl::delta::lzma_blocks {
namespace {

constexpr std::uint64_t kOneShot = 1ULL << 24;
constexpr std::uint32_t kMaxDictionary = 4U << 20;

// The filter chain of some parameters. Filters point into the object: not to be moved.
class Chain {
 public:
  explicit Chain(std::uint64_t parameters) {
    const auto preset = static_cast<std::uint32_t>(parameters & 0x1F);
    const bool extreme = (parameters & 0x80) != 0;
    valid_ = lzma_lzma_preset(&options_, preset | (extreme ? LZMA_PRESET_EXTREME : 0)) == 0;
    options_.dict_size = static_cast<std::uint32_t>(parameters >> 32);
    const std::uint64_t bcj = parameters >> 16 & 0xFF;
    std::size_t next = 0;
    if (bcj != 0) filters_[next++] = {bcj, nullptr};
    filters_[next++] = {LZMA_FILTER_LZMA2, &options_};
    filters_[next] = {LZMA_VLI_UNKNOWN, nullptr};
    valid_ = valid_ && lzma_raw_encoder_memusage(filters_.data()) != UINT64_MAX;
  }
  Chain(const Chain&) = delete;
  Chain& operator=(const Chain&) = delete;

  bool valid() const { return valid_; }
  lzma_filter* filters() { return filters_.data(); }

 private:
  lzma_options_lzma options_ = {};
  std::array<lzma_filter, 3> filters_ = {};
  bool valid_ = false;
};

lzma_check Check(std::uint64_t parameters) {
  return static_cast<lzma_check>(parameters >> 8 & 0xFF);
}

Result<BlockLengths> EncodeStreamed(lzma_filter* filters, lzma_check check, ByteView plain,
                                    ByteSpan coded) {
  lzma_stream stream = LZMA_STREAM_INIT;
  lzma_ret status = lzma_stream_encoder(&stream, filters, check);
  stream.next_in = plain.data();
  stream.avail_in = plain.size();
  stream.next_out = coded.data();
  stream.avail_out = coded.size();
  if (status == LZMA_OK) status = lzma_code(&stream, LZMA_FINISH);
  const auto made = static_cast<std::size_t>(stream.total_out);
  lzma_end(&stream);
  if (status != LZMA_STREAM_END) return Fail(ErrorCode::kEncoderDiffers, "xz: no result");
  return BlockLengths{plain.size(), made};
}

}  // namespace

bool Supports(std::uint64_t parameters) {
  const auto dictionary = static_cast<std::uint32_t>(parameters >> 32);
  const std::uint64_t bcj = parameters >> 16 & 0xFF;
  if ((parameters & 0xFE000060ULL) != 0 || dictionary < LZMA_DICT_SIZE_MIN ||
      dictionary > kMaxDictionary || (parameters & 0x1F) > 9) {
    return false;
  }
  if (bcj != 0 && (bcj < LZMA_FILTER_X86 || bcj > LZMA_FILTER_SPARC)) return false;
  if (lzma_check_is_supported(Check(parameters)) == 0) return false;
  return Chain(parameters).valid();
}

std::uint32_t LibraryVersion() { return lzma_version_number(); }

std::uint64_t MaxCodedBytes(std::uint64_t plain_bytes) {
  return lzma_stream_buffer_bound(static_cast<std::size_t>(plain_bytes));
}

std::uint64_t EncoderBytes(std::uint64_t parameters) {
  return lzma_raw_encoder_memusage(Chain(parameters).filters()) + (64U << 10);
}

Result<BlockLengths> Encode(std::uint64_t parameters, ByteView plain, ByteSpan coded) {
  Chain chain(parameters);
  if ((parameters & kOneShot) == 0) {
    return EncodeStreamed(chain.filters(), Check(parameters), plain, coded);
  }
  std::size_t made = 0;
  const lzma_ret status =
      lzma_stream_buffer_encode(chain.filters(), Check(parameters), nullptr, plain.data(),
                                plain.size(), coded.data(), &made, coded.size());
  if (status != LZMA_OK) return Fail(ErrorCode::kEncoderDiffers, "xz: no result");
  return BlockLengths{plain.size(), made};
}

Result<BlockLengths> Measure(ByteView bytes, ByteSpan room, std::uint64_t& work) {
  // As lzma_stream_buffer_decode, which does not say how far it came in vain.
  lzma_stream stream = LZMA_STREAM_INIT;
  lzma_ret status = lzma_stream_decoder(&stream, kBlockDecoderBytes, 0);
  std::uint8_t none = 0;  // liblzma wants a place even for nothing
  stream.next_in = bytes.data();
  stream.avail_in = bytes.size();
  stream.next_out = room.empty() ? &none : room.data();
  stream.avail_out = room.size();
  if (status == LZMA_OK) status = lzma_code(&stream, LZMA_FINISH);
  const auto used = static_cast<std::size_t>(stream.total_in);
  const auto made = static_cast<std::size_t>(stream.total_out);
  work = used + made;
  lzma_end(&stream);
  if (status != LZMA_STREAM_END) return Fail(ErrorCode::kDecodeFailed, "xz block is broken");
  return BlockLengths{made, used};
}

Result<std::size_t> Decode(ByteView coded, ByteSpan room) {
  std::uint64_t work = 0;
  PAWL_ASSIGN_OR_RETURN(const BlockLengths lengths, Measure(coded, room, work));
  if (lengths.coded != coded.size()) {
    return Fail(ErrorCode::kDecodeFailed, "bytes behind an xz block");
  }
  return lengths.plain;
}

}  // namespace pawl::delta::lzma_blocks
