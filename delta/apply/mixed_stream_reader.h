// SPDX-License-Identifier: Apache-2.0
#pragma once

// The mixed stream: new bytes, decoded together with the old ones. Internal to delta/.

#include <cstdint>
#include <memory>

#include "base/bytes.h"
#include "base/result.h"
#include "delta/apply/context_mixing.h"
#include "delta/apply/difference_model.h"
#include "delta/apply/payload.h"

namespace pawl::delta {

class MixedStreamReader {
 public:
  // `stream.coded` is borrowed. The model is made by the first Read. ERRORS: kDecodeFailed.
  static Result<MixedStreamReader> Open(const CodedStream& stream);

  // By the formula of the format (C-24). Bytes.
  static constexpr std::uint64_t kMemoryBytes =
      DifferenceModel::kMemoryBytes + 2 * DifferenceModel::kSegmentBytes;

  // The new bytes of one segment; see DifferenceModel::Code.
  // ERRORS: kContainerMalformed when fewer bytes are left; kDecodeFailed.
  Status Read(ByteView old, std::uint64_t source, std::uint64_t target, ByteSpan fresh);
  // ERRORS: kContainerMalformed, kDecodeFailed.
  Status Finish() const;

 private:
  MixedStreamReader(Machine machine, ByteView coded, std::uint64_t plain_bytes)
      : machine_(machine), decoder_(coded), left_(plain_bytes) {}

  Machine machine_;
  BitDecoder decoder_;
  std::uint64_t left_;
  std::unique_ptr<DifferenceModel> model_;
};

}  // namespace pawl::delta
