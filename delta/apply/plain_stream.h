// SPDX-License-Identifier: Apache-2.0
#pragma once

// Decodes one coded stream piece by piece in fixed memory. Internal to delta/.

#include <cstdint>
#include <memory>

#include "base/bytes.h"
#include "base/result.h"
#include "delta/apply/codec_reader.h"
#include "delta/apply/payload.h"

namespace pawl::delta {

class PlainStream {
 public:
  // `stream.coded` is borrowed for the life of the object. ERRORS: kDecodeFailed,
  // kContainerMalformed.
  static Result<PlainStream> Open(const CodedStream& stream);

  // Makes the stream decode as if `before` had come before it (C-41). Borrowed for the life of the
  // object. REQUIRES: nothing has been read yet.
  void LookBack(ByteView before) {
    if (reader_ != nullptr) reader_->LookBack(before);
  }

  // What this stream needs by the formula of the format (C-24). Bytes; 0 when stored. Nothing is
  // allocated before the first Read.
  std::uint64_t memory_bytes() const { return reader_ != nullptr ? reader_->memory_bytes() : 0; }
  std::uint64_t remaining() const { return stream_.plain_bytes - produced_; }

  // Fills `out`. ERRORS: kContainerMalformed when fewer plain bytes are left; kDecodeFailed.
  Status Read(ByteSpan out);
  // Checks that all was read and that the coded bytes end here too.
  // ERRORS: kContainerMalformed, kDecodeFailed.
  Status Finish();

 private:
  PlainStream() = default;

  CodedStream stream_;
  std::uint64_t produced_ = 0;
  std::unique_ptr<CodecReader> reader_;  // null: stored
};

}  // namespace pawl::delta
