// SPDX-License-Identifier: Apache-2.0
#include <lzma.h>

#include <algorithm>
#include <array>

#include "delta/apply/codec_reader.h"

namespace pawl::delta {
namespace {

std::unexpected<Error> Broken(const std::string& what) {
  return Fail(ErrorCode::kDecodeFailed, "lzma stream: " + what);
}

// liblzma's decoder on the raw stream. Its memory is known before: the dictionary and fixed tables.
class LzmaReader : public CodecReader {
 public:
  LzmaReader(ByteView coded, std::uint32_t dictionary_bytes, std::uint64_t memory_bytes)
      : coded_(coded), dictionary_bytes_(dictionary_bytes), memory_bytes_(memory_bytes) {}
  ~LzmaReader() override { lzma_end(&lzma_); }
  LzmaReader(const LzmaReader&) = delete;
  LzmaReader& operator=(const LzmaReader&) = delete;

  std::uint64_t memory_bytes() const override { return memory_bytes_; }

  Status Read(ByteSpan out) override {
    if (!started_) PAWL_TRY(Start());
    lzma_.next_out = out.data();
    lzma_.avail_out = out.size();
    while (lzma_.avail_out != 0) {
      if (ended_) return Broken("ends early");
      const lzma_ret status = lzma_code(&lzma_, LZMA_RUN);
      if (status == LZMA_STREAM_END) {
        ended_ = true;
      } else if (status == LZMA_BUF_ERROR) {
        return Broken("ends early");
      } else if (status != LZMA_OK) {
        return Broken("not LZMA2");
      }
    }
    return {};
  }

  Status Finish() override {
    //= docs/container-format.md#C-51
    if (!started_) PAWL_TRY(Start());
    std::uint8_t none = 0;
    lzma_.next_out = &none;
    lzma_.avail_out = 0;
    if (!ended_) ended_ = lzma_code(&lzma_, LZMA_RUN) == LZMA_STREAM_END;
    if (!ended_) return Broken("goes on behind its length");
    if (lzma_.avail_in != 0) return Broken("bytes behind its end");
    return {};
  }

 private:
  Status Start() {
    lzma_options_lzma options = {};
    options.dict_size = dictionary_bytes_;
    const std::array<lzma_filter, 2> filters = {
        {{LZMA_FILTER_LZMA2, &options}, {LZMA_VLI_UNKNOWN, nullptr}}};
    if (lzma_raw_decoder(&lzma_, filters.data()) != LZMA_OK) {
      return Fail(ErrorCode::kInternal, "liblzma refuses a raw decoder");
    }
    lzma_.next_in = coded_.data();
    lzma_.avail_in = coded_.size();
    started_ = true;
    return {};
  }

  ByteView coded_;  // without the dictionary byte
  std::uint32_t dictionary_bytes_;
  std::uint64_t memory_bytes_;
  lzma_stream lzma_ = LZMA_STREAM_INIT;
  bool started_ = false;
  bool ended_ = false;
};

}  // namespace

Result<std::unique_ptr<CodecReader>> OpenLzma(const CodedStream& stream) {
  //= docs/container-format.md#C-50
  if (stream.coded.empty()) return Broken("ends within its header");
  const unsigned log = stream.coded.front();
  if (log < kMinLzmaDictionaryLog || log > kMaxWindowLog) return Broken("dictionary is too large");
  const std::uint32_t dictionary = std::uint32_t{1} << log;
  //= docs/container-format.md#C-24
  const std::uint64_t memory = dictionary + kLzmaOverheadBytes;
  lzma_options_lzma options = {};
  options.dict_size = dictionary;
  const std::array<lzma_filter, 2> filters = {
      {{LZMA_FILTER_LZMA2, &options}, {LZMA_VLI_UNKNOWN, nullptr}}};
  if (lzma_raw_decoder_memusage(filters.data()) > memory) {
    return Fail(ErrorCode::kInternal,
                "this liblzma needs more memory than the format reckons with");
  }
  return std::make_unique<LzmaReader>(stream.coded.subspan(1), dictionary, memory);
}

}  // namespace pawl::delta
