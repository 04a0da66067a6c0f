// SPDX-License-Identifier: Apache-2.0
#pragma once

// One coded stream, read forward in fixed memory; one file per codec. Internal to delta/.

#include <cstdint>
#include <memory>
#include <string>

#include "base/bytes.h"
#include "base/result.h"
#include "delta/apply/payload.h"

namespace pawl::delta {

class CodecReader {
 public:
  virtual ~CodecReader() = default;
  // What it needs by the formula of the format (C-24), in bytes. Nothing is allocated before the
  // first Read.
  virtual std::uint64_t memory_bytes() const = 0;
  // See PlainStream::LookBack; codecs that have no such thing ignore it.
  virtual void LookBack(ByteView /*before*/) {}
  // Fills `out`. REQUIRES: that many plain bytes are left. ERRORS: kDecodeFailed.
  virtual Status Read(ByteSpan out) = 0;
  // Checks, after all plain bytes were read, that the coded bytes end here too.
  // ERRORS: kDecodeFailed.
  virtual Status Finish() = 0;
};

// `stream.coded` is borrowed for the life of the reader. ERRORS: kDecodeFailed (broken header).
Result<std::unique_ptr<CodecReader>> OpenZstd(const CodedStream& stream);
Result<std::unique_ptr<CodecReader>> OpenLzma(const CodedStream& stream);

}  // namespace pawl::delta
