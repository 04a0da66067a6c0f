// SPDX-License-Identifier: Apache-2.0
#pragma once

// Inside a payload: where its five streams lie, and the operations of the control stream.
// Internal to delta/. Source: docs/container-format.md, "Payload" and "Operations".

#include <array>
#include <cstdint>
#include <optional>

#include "base/bytes.h"
#include "base/result.h"
#include "delta/apply/apply_container.h"
#include "delta/apply/head.h"

namespace pawl::delta {

struct CodedStream {
  CodecId codec = CodecId::kStored;
  std::uint64_t plain_bytes = 0;
  ByteView coded;  // borrowed from the payload
};

// By StreamKind.
using PayloadStreams = std::array<CodedStream, kStreamCount>;

constexpr std::size_t IndexOf(StreamKind kind) { return static_cast<std::size_t>(kind); }
inline const CodedStream& StreamOf(const PayloadStreams& streams, StreamKind kind) {
  return streams[IndexOf(kind)];
}

// Splits the payload of frame `index`. REQUIRES: the payload's hash has been checked.
// ERRORS: kContainerMalformed, kCodecUnsupported.
Result<PayloadStreams> SplitPayload(const Head& head, std::size_t index, ByteView payload);

// Puts a payload together. REQUIRES: lengths within the format's limits.
Bytes JoinPayload(const PayloadStreams& streams);

//= docs/container-format.md#C-19
// Nothing here reads the target: decoding writes strictly forward.
enum class OperationKind : std::uint8_t {
  kZero = 0,
  kLiteral = 1,
  kCopy = 2,
  kAdd = 3,  // the source and the difference stream
  kMix = 4   // the mixed stream, given the source
};
inline constexpr std::uint8_t kOperationKinds = 5;

constexpr bool ReadsSource(OperationKind kind) {
  return kind >= OperationKind::kCopy;
}

struct Operation {
  OperationKind kind = OperationKind::kZero;
  std::uint64_t length = 0;  // bytes of target
  // Of those that read it: how far the source position moves before reading.
  std::uint64_t distance = 0;
  bool backward = false;
};

inline constexpr std::size_t kMaxOperationBytes = 20;  // two varints

// Reads one operation. ERRORS: kContainerMalformed (also when `in` ends within it).
Result<Operation> ReadOperation(ByteReader& in);
void WriteOperation(ByteWriter& out, const Operation& operation);

// Follows the source position and checks that an operation stays inside the source.
class SourceCursor {
 public:
  // `source_bytes`: none when the container has no source.
  explicit SourceCursor(std::optional<std::uint64_t> source_bytes) : source_bytes_(source_bytes) {}

  // The source offset that `operation` reads from; the position is then behind what it reads.
  // REQUIRES: ReadsSource(operation.kind). ERRORS: kContainerMalformed.
  Result<std::uint64_t> Advance(const Operation& operation);

 private:
  std::optional<std::uint64_t> source_bytes_;
  std::uint64_t position_ = 0;
};

}  // namespace pawl::delta
