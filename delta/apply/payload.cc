// SPDX-License-Identifier: Apache-2.0
#include "delta/apply/payload.h"

#include <string>

namespace pawl::delta {
namespace {

std::unexpected<Error> Malformed(const std::string& what) {
  return Fail(ErrorCode::kContainerMalformed, "payload: " + what);
}

struct StreamHeader {
  std::uint8_t codec = 0;
  std::uint32_t plain_bytes = 0;
  std::uint32_t coded_bytes = 0;
};

Result<StreamHeader> ReadStreamHeader(ByteReader& in, const Head& head) {
  StreamHeader header;
  PAWL_ASSIGN_OR_RETURN(header.codec, in.U8());
  PAWL_ASSIGN_OR_RETURN(header.plain_bytes, in.U32());
  PAWL_ASSIGN_OR_RETURN(header.coded_bytes, in.U32());
  //= docs/container-format.md#C-13
  if (header.codec == static_cast<std::uint8_t>(CodecId::kStored)) {
    if (header.plain_bytes != header.coded_bytes) return Malformed("stored stream of two lengths");
    return header;
  }
  if (!head.UsesCodec(static_cast<CodecId>(header.codec))) {
    return Malformed("codec " + std::to_string(header.codec) + " is not listed in the head");
  }
  if (header.plain_bytes == 0) return Malformed("empty stream that is not stored");
  return header;
}

Status CheckPlainLengths(const std::array<StreamHeader, kStreamCount>& headers,
                         std::uint64_t target_bytes) {
  //= docs/container-format.md#C-14
  const auto plain = [&](StreamKind kind) {
    return std::uint64_t{headers[IndexOf(kind)].plain_bytes};
  };
  if (plain(StreamKind::kRecipe) > kMaxRecipeBytes) return Malformed("recipe is too long");
  if (plain(StreamKind::kControl) > kMaxControlBytes) {
    return Malformed("control stream is too long");
  }
  const std::uint64_t data =
      plain(StreamKind::kDifference) + plain(StreamKind::kMixed) + plain(StreamKind::kLiteral);
  // With a recipe the frame's plain bytes count, which only the recipe tells.
  const std::uint64_t most = plain(StreamKind::kRecipe) != 0 ? kMaxFramePlainBytes : target_bytes;
  if (data > most) return Malformed("streams are longer than what the frame makes");
  return {};
}

Result<PayloadStreams> Split(const Head& head, std::size_t index, ByteView payload) {
  ByteReader in(payload);
  std::array<StreamHeader, kStreamCount> headers;
  for (StreamHeader& header : headers) {
    PAWL_ASSIGN_OR_RETURN(header, ReadStreamHeader(in, head));
  }
  PAWL_TRY(CheckPlainLengths(headers, head.FrameTargetBytes(index)));
  PayloadStreams streams;
  for (std::size_t i = 0; i < kStreamCount; ++i) {
    streams[i].codec = static_cast<CodecId>(headers[i].codec);
    streams[i].plain_bytes = headers[i].plain_bytes;
    //= docs/container-format.md#C-52
    const bool mixed = i == IndexOf(StreamKind::kMixed) && headers[i].plain_bytes != 0;
    if ((streams[i].codec == CodecId::kContextMixing) != mixed) {
      return Malformed("the mixed stream, and no other, is context-coded");
    }
    //= docs/container-format.md#C-12
    PAWL_ASSIGN_OR_RETURN(streams[i].coded, in.Take(headers[i].coded_bytes));
  }
  //= docs/container-format.md#C-12
  if (!in.done()) return Malformed("bytes behind the last stream");
  return streams;
}

Result<Operation> ReadOneOperation(ByteReader& in) {
  Operation operation;
  //= docs/container-format.md#C-01
  PAWL_ASSIGN_OR_RETURN(const std::uint64_t first, in.Varint());
  //= docs/container-format.md#C-15
  if ((first & 7) >= kOperationKinds) return Malformed("unknown operation");
  operation.kind = static_cast<OperationKind>(first & 7);
  operation.length = first >> 3;
  //= docs/container-format.md#C-15
  if (operation.length == 0) return Malformed("operation that makes nothing");
  if (!ReadsSource(operation.kind)) return operation;
  PAWL_ASSIGN_OR_RETURN(const std::uint64_t move, in.Varint());
  operation.distance = move >> 1;
  operation.backward = (move & 1) != 0;
  //= docs/container-format.md#C-15
  if (operation.backward && operation.distance == 0) return Malformed("backward move of nothing");
  return operation;
}

}  // namespace

Result<PayloadStreams> SplitPayload(const Head& head, std::size_t index, ByteView payload) {
  auto streams = Split(head, index, payload);
  if (!streams.has_value() && streams.error().code() == ErrorCode::kInputInvalid) {
    return Malformed("ends early");
  }
  return streams;
}

Bytes JoinPayload(const PayloadStreams& streams) {
  Bytes payload;
  ByteWriter out(payload);
  for (const CodedStream& stream : streams) {
    out.U8(static_cast<std::uint8_t>(stream.codec));
    out.U32(static_cast<std::uint32_t>(stream.plain_bytes));
    out.U32(static_cast<std::uint32_t>(stream.coded.size()));
  }
  for (const CodedStream& stream : streams) out.Append(stream.coded);
  return payload;
}

Result<Operation> ReadOperation(ByteReader& in) {
  auto operation = ReadOneOperation(in);
  if (!operation.has_value() && operation.error().code() == ErrorCode::kInputInvalid) {
    return Malformed("broken operation");
  }
  return operation;
}

void WriteOperation(ByteWriter& out, const Operation& operation) {
  out.Varint(operation.length << 3 | static_cast<std::uint64_t>(operation.kind));
  if (ReadsSource(operation.kind)) {
    out.Varint(operation.distance << 1 | (operation.backward ? 1 : 0));
  }
}

Result<std::uint64_t> SourceCursor::Advance(const Operation& operation) {
  //= docs/container-format.md#C-16
  if (!source_bytes_.has_value()) return Malformed("copy, but there is no source");
  std::uint64_t from = position_;
  //= docs/container-format.md#C-02
  if (operation.backward) {
    if (operation.distance > position_) return Malformed("move to before the source");
    from -= operation.distance;
  } else {
    if (operation.distance > *source_bytes_ - position_) return Malformed("move behind the source");
    from += operation.distance;
  }
  if (!Contains(*source_bytes_, from, operation.length)) return Malformed("copy behind the source");
  position_ = from + operation.length;
  return from;
}

}  // namespace pawl::delta
