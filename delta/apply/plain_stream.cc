// SPDX-License-Identifier: Apache-2.0
#include "delta/apply/plain_stream.h"

#include <algorithm>
#include <string>

namespace pawl::delta {
namespace {

std::unexpected<Error> Malformed(const std::string& what) {
  return Fail(ErrorCode::kContainerMalformed, "stream: " + what);
}

}  // namespace

Result<PlainStream> PlainStream::Open(const CodedStream& stream) {
  PlainStream plain;
  plain.stream_ = stream;
  switch (stream.codec) {
    case CodecId::kStored:
      return plain;
    case CodecId::kZstd: {
      PAWL_ASSIGN_OR_RETURN(plain.reader_, OpenZstd(stream));
      return plain;
    }
    case CodecId::kLzma: {
      PAWL_ASSIGN_OR_RETURN(plain.reader_, OpenLzma(stream));
      return plain;
    }
    case CodecId::kContextMixing:
      break;
  }
  //= docs/container-format.md#C-52
  return Malformed("only a difference stream can be context-coded");
}

Status PlainStream::Read(ByteSpan out) {
  //= docs/container-format.md#C-17
  if (out.size() > remaining()) return Malformed("an operation takes more than is left");
  if (out.empty()) return {};
  if (reader_ == nullptr) {
    const auto at = static_cast<std::size_t>(produced_);
    std::ranges::copy(stream_.coded.subspan(at, out.size()), out.begin());
  } else {
    PAWL_TRY(reader_->Read(out));
  }
  produced_ += out.size();
  return {};
}

Status PlainStream::Finish() {
  //= docs/container-format.md#C-18
  if (remaining() != 0) return Malformed("bytes are left over");
  return reader_ == nullptr ? Status() : reader_->Finish();
}

}  // namespace pawl::delta
