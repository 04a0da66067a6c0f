// SPDX-License-Identifier: Apache-2.0
#pragma once

// Decodes one coded stream piece by piece in fixed memory. Internal to delta/.
// zstd gets one workspace of a size known beforehand (ZSTD_initStaticDStream): it cannot allocate.

#include <cstdint>
#include <memory>
#include <optional>

#include "base/bytes.h"
#include "base/result.h"
#include "delta/apply/payload.h"

struct ZSTD_DCtx_s;

namespace pawl::delta {

class PlainStream {
 public:
  // `stream.coded` is borrowed for the life of the object. ERRORS: kDecodeFailed,
  // kContainerMalformed.
  static Result<PlainStream> Open(const CodedStream& stream);

  // Makes the stream decode as if `before` had come before it (C-41). Borrowed for the life of the
  // object. REQUIRES: nothing has been read yet.
  void LookBack(ByteView before) { before_ = before; }

  // What this stream needs by the formula of the format (C-24). Bytes; 0 when stored. Nothing is
  // allocated before the first Read.
  std::uint64_t memory_bytes() const { return memory_bytes_; }
  std::uint64_t remaining() const { return plain_bytes_ - produced_; }

  // Fills `out`. ERRORS: kContainerMalformed when fewer plain bytes are left; kDecodeFailed.
  Status Read(ByteSpan out);
  // Checks that all was read and that the coded bytes end here too.
  // ERRORS: kContainerMalformed, kDecodeFailed.
  Status Finish();

 private:
  PlainStream() = default;
  Status Start();
  Status ReadZstd(ByteSpan out);

  Status UseLookBack();

  CodedStream stream_;
  ByteView before_;
  std::uint64_t plain_bytes_ = 0;
  std::uint64_t produced_ = 0;
  std::uint64_t memory_bytes_ = 0;
  std::size_t consumed_ = 0;         // of stream_.coded
  bool frame_ended_ = false;         // zstd has seen the end of its frame
  std::size_t workspace_bytes_ = 0;  // what zstd asks for
  std::unique_ptr<std::uint64_t[]> workspace_;
  ZSTD_DCtx_s* context_ = nullptr;  // lies in workspace_
  std::unique_ptr<std::uint64_t[]> dictionary_;  // zstd's view of before_, a few KiB
};

}  // namespace pawl::delta
