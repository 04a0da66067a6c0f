// SPDX-License-Identifier: Apache-2.0
#include "delta/apply/mixed_stream_reader.h"

namespace pawl::delta {
namespace {

std::unexpected<Error> Broken(const char* what) {
  return Fail(ErrorCode::kDecodeFailed, std::string("context-coded stream: ") + what);
}

}  // namespace

Result<MixedStreamReader> MixedStreamReader::Open(const CodedStream& stream) {
  //= docs/container-format.md#C-53
  if (stream.coded.empty()) return Broken("ends within its header");
  const std::uint8_t machine = stream.coded.front();
  if (machine >= kMachineCount) return Broken("unknown machine");
  return MixedStreamReader(static_cast<Machine>(machine), stream.coded.subspan(1),
                         stream.plain_bytes);
}

Status MixedStreamReader::Read(ByteView old, std::uint64_t source, std::uint64_t target,
                               ByteSpan fresh) {
  //= docs/container-format.md#C-17
  if (fresh.size() > left_) {
    return Fail(ErrorCode::kContainerMalformed, "stream: an operation takes more than is left");
  }
  if (model_ == nullptr) model_ = std::make_unique<DifferenceModel>(machine_);
  model_->Code(decoder_, old, source, target, fresh);
  left_ -= fresh.size();
  //= docs/container-format.md#C-54
  if (decoder_.overrun()) return Broken("ends early");
  return {};
}

Status MixedStreamReader::Finish() const {
  //= docs/container-format.md#C-18
  if (left_ != 0) return Fail(ErrorCode::kContainerMalformed, "stream: bytes are left over");
  //= docs/container-format.md#C-54
  if (!decoder_.at_end()) return Broken("bytes behind its end");
  return {};
}

}  // namespace pawl::delta
