// SPDX-License-Identifier: Apache-2.0
// Static contexts and frame headers are in zstd's "static linking only" part; Debian exports them.
#define ZSTD_STATIC_LINKING_ONLY
#include <zstd.h>

#include <algorithm>

#include "delta/apply/codec_reader.h"

namespace pawl::delta {
namespace {

std::unexpected<Error> Broken(const std::string& what) {
  return Fail(ErrorCode::kDecodeFailed, "zstd stream: " + what);
}

// zstd reckons with no smaller window (its ZSTD_WINDOWLOG_ABSOLUTEMIN).
constexpr std::uint64_t kMinZstdWindow = 1024;

// The window that a zstd frame needs, after all checks of its header.
Result<std::uint64_t> CheckFrameHeader(const CodedStream& stream) {
  ZSTD_frameHeader header = {};
  const std::size_t status =
      ZSTD_getFrameHeader(&header, stream.coded.data(), stream.coded.size());
  if (ZSTD_isError(status) != 0) return Broken(ZSTD_getErrorName(status));
  if (status != 0) return Broken("ends within its header");
  //= docs/container-format.md#C-20
  if (header.frameType != ZSTD_frame) return Broken("skippable frame");
  //= docs/container-format.md#C-21
  if (header.frameContentSize != stream.plain_bytes) return Broken("states another length");
  if (header.dictID != 0) return Broken("names a dictionary");
  //= docs/container-format.md#C-22
  if (header.windowSize > kMaxWindowBytes) return Broken("window is too large");
  return header.windowSize;
}


// zstd gets one workspace of a size known beforehand (ZSTD_initStaticDStream): it cannot allocate.
class ZstdReader : public CodecReader {
 public:
  ZstdReader(ByteView coded, std::uint64_t memory_bytes, std::size_t workspace_bytes)
      : coded_(coded), memory_bytes_(memory_bytes), workspace_bytes_(workspace_bytes) {}

  std::uint64_t memory_bytes() const override { return memory_bytes_; }

  void LookBack(ByteView before) override { before_ = before; }

  Status Read(ByteSpan out) override {
    if (context_ == nullptr) PAWL_TRY(Start());
    ZSTD_inBuffer in = {coded_.data(), coded_.size(), consumed_};
    ZSTD_outBuffer to = {out.data(), out.size(), 0};
    while (to.pos < to.size) {
      const std::size_t in_before = in.pos;
      const std::size_t out_before = to.pos;
      if (frame_ended_) return Broken("ends early");
      const std::size_t status = ZSTD_decompressStream(context_, &to, &in);
      if (ZSTD_isError(status) != 0) return Broken(ZSTD_getErrorName(status));
      if (status == 0) frame_ended_ = true;
      if (in.pos == in_before && to.pos == out_before && !frame_ended_) {
        return Broken("ends early");
      }
    }
    consumed_ = in.pos;
    return {};
  }

  Status Finish() override {
    //= docs/container-format.md#C-23
    // The last bytes may all have been made while zstd has not yet read its end mark: one step with
    // no room for output makes it do so, and shows any byte too many.
    if (context_ == nullptr) PAWL_TRY(Start());
    ZSTD_inBuffer in = {coded_.data(), coded_.size(), consumed_};
    std::uint8_t none = 0;
    for (bool moved = true; !frame_ended_ && moved;) {
      ZSTD_outBuffer to = {&none, 0, 0};
      const std::size_t in_before = in.pos;
      const std::size_t status = ZSTD_decompressStream(context_, &to, &in);
      if (ZSTD_isError(status) != 0) return Broken(ZSTD_getErrorName(status));
      frame_ended_ = status == 0;
      moved = in.pos != in_before;
    }
    consumed_ = in.pos;
    if (!frame_ended_) return Broken("goes on behind its length");
    //= docs/container-format.md#C-20
    if (consumed_ != coded_.size()) return Broken("bytes behind its end");
    return {};
  }

 private:
  Status Start() {
    workspace_ = std::make_unique_for_overwrite<std::uint64_t[]>(
        (workspace_bytes_ + sizeof(std::uint64_t) - 1) / sizeof(std::uint64_t));
    context_ = ZSTD_initStaticDStream(workspace_.get(), workspace_bytes_);
    if (context_ == nullptr) return Fail(ErrorCode::kInternal, "zstd refuses its workspace");
    const std::size_t status = ZSTD_DCtx_setParameter(context_, ZSTD_d_windowLogMax, kMaxWindowLog);
    if (ZSTD_isError(status) != 0) return Broken(ZSTD_getErrorName(status));
    return before_.empty() ? Status() : UseLookBack();
  }

  //= docs/container-format.md#C-41
  // Raw content: zstd copies from it and looks at nothing in it.
  Status UseLookBack() {
    const std::size_t bytes = ZSTD_estimateDDictSize(before_.size(), ZSTD_dlm_byRef);
    dictionary_ = std::make_unique_for_overwrite<std::uint64_t[]>(
        (bytes + sizeof(std::uint64_t) - 1) / sizeof(std::uint64_t));
    const ZSTD_DDict* dictionary =
        ZSTD_initStaticDDict(dictionary_.get(), bytes, before_.data(), before_.size(),
                             ZSTD_dlm_byRef, ZSTD_dct_rawContent);
    if (dictionary == nullptr) return Fail(ErrorCode::kInternal, "zstd refuses its workspace");
    const std::size_t status = ZSTD_DCtx_refDDict(context_, dictionary);
    if (ZSTD_isError(status) != 0) return Broken(ZSTD_getErrorName(status));
    return {};
  }

  ByteView coded_;
  ByteView before_;
  std::uint64_t memory_bytes_;
  std::size_t workspace_bytes_;      // what zstd asks for
  std::size_t consumed_ = 0;         // of coded_
  bool frame_ended_ = false;         // zstd has seen the end of its frame
  std::unique_ptr<std::uint64_t[]> workspace_;
  ZSTD_DCtx* context_ = nullptr;  // lies in workspace_
  std::unique_ptr<std::uint64_t[]> dictionary_;  // zstd's view of before_, a few KiB
};

}  // namespace

Result<std::unique_ptr<CodecReader>> OpenZstd(const CodedStream& stream) {
  PAWL_ASSIGN_OR_RETURN(const std::uint64_t window, CheckFrameHeader(stream));
  //= docs/container-format.md#C-24
  const std::uint64_t memory = window + kZstdOverheadBytes;
  const std::size_t workspace =
      ZSTD_estimateDStreamSize(static_cast<std::size_t>(std::max(window, kMinZstdWindow)));
  if (workspace > memory) {
    return Fail(ErrorCode::kInternal,
                "this libzstd needs more memory than the format reckons with");
  }
  return std::make_unique<ZstdReader>(stream.coded, memory, workspace);
}

}  // namespace pawl::delta
