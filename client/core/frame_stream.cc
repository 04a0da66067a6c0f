// SPDX-License-Identifier: Apache-2.0
#include "client/core/frame_stream.h"

#include <algorithm>

#include "base/format.h"

namespace pawl::client {

Status FrameStream::Write(ByteView bytes) {
  while (!bytes.empty()) {
    if (complete()) {
      return Fail(ErrorCode::kTransferTooLarge, Format("{} bytes follow the last expected frame", bytes.size()));
    }
    const std::size_t missing = head_.frames[next_].payload_bytes - payload_.size();
    const std::size_t taken = std::min(missing, bytes.size());
    payload_.insert(payload_.end(), bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(taken));
    bytes = bytes.subspan(taken);
    PAWL_TRY(FinishFrames());
  }
  return {};
}

Status FrameStream::FinishFrames() {
  if (payload_.size() < head_.frames[next_].payload_bytes) return {};
  PAWL_TRY(on_frame_(next_, payload_));
  payload_.clear();  // keeps its capacity: the next payload is of the same order
  ++next_;
  return {};
}

ByteRange FrameRange(const delta::Head& head, std::size_t first, std::size_t end) {
  const std::uint64_t offset = head.frames[first].payload_offset;
  const delta::Frame& last = head.frames[end - 1];
  return {offset, last.payload_offset + last.payload_bytes - offset};
}

}  // namespace pawl::client
