// SPDX-License-Identifier: Apache-2.0
#include "delta/apply/head.h"

#include <algorithm>
#include <string>

namespace pawl::delta {
namespace {

constexpr std::uint16_t kFlagSource = 1;
constexpr std::uint16_t kCodecVersion = 1;  // of every codec

std::unexpected<Error> Malformed(const std::string& what) {
  return Fail(ErrorCode::kContainerMalformed, "container head: " + what);
}

Result<Sha256Digest> ReadDigest(ByteReader& in) {
  PAWL_ASSIGN_OR_RETURN(const ByteView bytes, in.Take(Sha256Digest{}.bytes.size()));
  Sha256Digest digest;
  std::ranges::copy(bytes, digest.bytes.begin());
  return digest;
}

struct Prefix {
  std::uint16_t flags = 0;
  std::uint64_t head_bytes = 0;
};

Result<Prefix> ReadPrefix(ByteReader& in, const HeadLimits& limits) {
  //= docs/container-format.md#C-05
  PAWL_ASSIGN_OR_RETURN(const ByteView magic, in.Take(kMagic.size()));
  if (!std::ranges::equal(magic, kMagic)) return Malformed("this is not a Pawl container");
  PAWL_ASSIGN_OR_RETURN(const std::uint16_t version, in.U16());
  if (version != kFormatVersion) {
    return Fail(ErrorCode::kCodecUnsupported, "container format version " +
                                                  std::to_string(version) + ", this reader knows " +
                                                  std::to_string(kFormatVersion));
  }
  Prefix prefix;
  PAWL_ASSIGN_OR_RETURN(prefix.flags, in.U16());
  if ((prefix.flags & ~kFlagSource) != 0) return Malformed("unknown flags");
  PAWL_ASSIGN_OR_RETURN(prefix.head_bytes, in.U32());
  //= docs/container-format.md#C-07
  if (prefix.head_bytes < kHeadFixedBytes ||
      prefix.head_bytes > std::min(limits.head_bytes, kMaxHeadBytes)) {
    return Malformed("length of " + std::to_string(prefix.head_bytes) +
                     " bytes is outside the limits");
  }
  return prefix;
}

Status ReadImages(ByteReader& in, std::uint16_t flags, const HeadLimits& limits, Head& head) {
  PAWL_ASSIGN_OR_RETURN(head.target.bytes, in.U64());
  PAWL_ASSIGN_OR_RETURN(head.target.sha256, ReadDigest(in));
  ImageIdentity source;
  PAWL_ASSIGN_OR_RETURN(source.bytes, in.U64());
  PAWL_ASSIGN_OR_RETURN(source.sha256, ReadDigest(in));
  //= docs/container-format.md#C-07
  if (head.target.bytes > std::min(limits.target_bytes, kMaxImageBytes)) {
    return Malformed("target of " + std::to_string(head.target.bytes) + " bytes is over the limit");
  }
  if (source.bytes > std::min(limits.source_bytes, kMaxImageBytes)) {
    return Malformed("source of " + std::to_string(source.bytes) + " bytes is over the limit");
  }
  if ((flags & kFlagSource) != 0) {
    head.source = source;
  } else if (source != ImageIdentity{}) {
    //= docs/container-format.md#C-08
    return Malformed("source named, but the flag says there is none");
  }
  return {};
}

Status ReadCodecs(ByteReader& in, std::size_t count, Head& head) {
  //= docs/container-format.md#C-09
  std::uint16_t previous = 0;  // kStored, which is never listed
  for (std::size_t i = 0; i < count; ++i) {
    PAWL_ASSIGN_OR_RETURN(const std::uint16_t id, in.U16());
    PAWL_ASSIGN_OR_RETURN(const std::uint16_t version, in.U16());
    PAWL_ASSIGN_OR_RETURN(const std::uint32_t encoder, in.U32());
    if (id <= previous) return Malformed("codec ids are not in ascending order");
    if (id > static_cast<std::uint16_t>(CodecId::kContextMixing) || version != kCodecVersion) {
      return Fail(ErrorCode::kCodecUnsupported,
                  "codec " + std::to_string(id) + " version " + std::to_string(version));
    }
    previous = id;
    head.codecs.push_back({static_cast<CodecId>(id), version, encoder});
  }
  return {};
}

Result<TransformEntry> ReadTransform(ByteReader& in) {
  TransformEntry entry;
  PAWL_ASSIGN_OR_RETURN(const std::uint16_t id, in.U16());
  PAWL_ASSIGN_OR_RETURN(entry.transform.version, in.U16());
  PAWL_ASSIGN_OR_RETURN(entry.encoder, in.U32());
  PAWL_ASSIGN_OR_RETURN(entry.transform.parameters, in.U64());
  PAWL_ASSIGN_OR_RETURN(entry.memory_bytes, in.U32());
  PAWL_ASSIGN_OR_RETURN(entry.self_test, ReadDigest(in));
  entry.transform.id = static_cast<TransformId>(id);
  return entry;
}

Status ReadTransforms(ByteReader& in, std::size_t count, Head& head) {
  for (std::size_t i = 0; i < count; ++i) {
    PAWL_ASSIGN_OR_RETURN(const TransformEntry entry, ReadTransform(in));
    //= docs/container-format.md#C-28
    if (i != 0 && entry.transform <= head.transforms.back().transform) {
      return Malformed("transforms are not in ascending order");
    }
    if (entry.memory_bytes > kMaxMemoryBytes) return Malformed("memory is over the limit");
    //= docs/container-format.md#C-26
    if (!Supports(entry.transform)) {
      return Fail(ErrorCode::kTransformUnsupported,
                  "transform " + std::to_string(static_cast<unsigned>(entry.transform.id)) +
                      " version " + std::to_string(entry.transform.version) +
                      " with parameters " + std::to_string(entry.transform.parameters));
    }
    head.transforms.push_back(entry);
  }
  return {};
}

Status CheckFrame(const Frame& frame, bool full) {
  //= docs/container-format.md#C-10
  if (frame.unit_count == 0 || frame.unit_count > (full ? kMaxFullFrameUnits : kMaxFrameChunks)) {
    return Malformed("frame of " + std::to_string(frame.unit_count) +
                     (full ? " blocks" : " chunks"));
  }
  //= docs/container-format.md#C-07
  if (frame.payload_bytes < kPayloadHeaderBytes || frame.payload_bytes > kMaxPayloadBytes) {
    return Malformed("payload of " + std::to_string(frame.payload_bytes) + " bytes");
  }
  return {};
}

// REQUIRES: `in` holds exactly `count` entries, so that memory is bounded by the head's own length.
Status ReadFrames(ByteReader& in, std::size_t count, Head& head) {
  head.frames.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    Frame frame;
    PAWL_ASSIGN_OR_RETURN(frame.unit_count, in.U32());
    PAWL_ASSIGN_OR_RETURN(frame.payload_bytes, in.U32());
    PAWL_ASSIGN_OR_RETURN(frame.payload_sha256, ReadDigest(in));
    PAWL_TRY(CheckFrame(frame, !head.source.has_value()));
    head.frames.push_back(frame);
  }
  PlaceFrames(head);
  //= docs/container-format.md#C-11
  const bool crosses = std::ranges::any_of(head.frames, [](const Frame& frame) {
    return frame.first_unit % kMaxFullFrameUnits + frame.unit_count > kMaxFullFrameUnits;
  });
  if (!head.source && crosses) return Malformed("full container with a frame across chunks");
  //= docs/container-format.md#C-10
  const std::uint64_t covered =
      head.frames.empty() ? 0 : head.frames.back().first_unit + head.frames.back().unit_count;
  const std::uint64_t units = (head.target.bytes + head.UnitBytes() - 1) / head.UnitBytes();
  if (covered != units) {
    return Malformed("frames make " + std::to_string(covered) + " units, the target has " +
                     std::to_string(units));
  }
  return {};
}

Result<Head> ReadHead(ByteView bytes, const HeadLimits& limits) {
  ByteReader in(bytes);
  PAWL_ASSIGN_OR_RETURN(const Prefix prefix, ReadPrefix(in, limits));
  //= docs/container-format.md#C-06
  if (prefix.head_bytes != bytes.size()) {
    return Malformed("says " + std::to_string(prefix.head_bytes) + " bytes, has " +
                     std::to_string(bytes.size()));
  }
  Head head;
  PAWL_TRY(ReadImages(in, prefix.flags, limits, head));
  PAWL_ASSIGN_OR_RETURN(head.memory_bytes, in.U32());
  PAWL_ASSIGN_OR_RETURN(const std::uint16_t codec_count, in.U16());
  PAWL_ASSIGN_OR_RETURN(const std::uint16_t transform_count, in.U16());
  PAWL_ASSIGN_OR_RETURN(const std::uint32_t frame_count, in.U32());
  //= docs/container-format.md#C-07
  if (head.memory_bytes > kMaxMemoryBytes) return Malformed("memory is over the limit");
  if (codec_count > kMaxCodecs) return Malformed("too many codecs");
  //= docs/container-format.md#C-28
  if (transform_count > kMaxTransforms) return Malformed("too many transforms");
  //= docs/container-format.md#C-06
  // 32-bit counts times small constants: no overflow in 64 bits.
  const std::uint64_t tables = std::uint64_t{codec_count} * kCodecEntryBytes +
                               std::uint64_t{transform_count} * kTransformEntryBytes +
                               std::uint64_t{frame_count} * kFrameEntryBytes;
  if (tables != in.remaining()) return Malformed("length does not fit its tables");
  PAWL_TRY(ReadCodecs(in, codec_count, head));
  PAWL_TRY(ReadTransforms(in, transform_count, head));
  PAWL_TRY(ReadFrames(in, frame_count, head));
  return head;
}

}  // namespace

std::uint64_t Head::HeadBytes() const {
  return kHeadFixedBytes + codecs.size() * kCodecEntryBytes +
         transforms.size() * kTransformEntryBytes + frames.size() * kFrameEntryBytes;
}

std::uint64_t Head::ContainerBytes() const {
  return frames.empty() ? HeadBytes() : frames.back().payload_offset + frames.back().payload_bytes;
}

std::uint64_t Head::FrameBegin(std::size_t index) const {
  return frames[index].first_unit * UnitBytes();
}

std::uint64_t Head::FrameTargetBytes(std::size_t index) const {
  const std::uint64_t made = frames[index].unit_count * UnitBytes();
  return std::min(made, target.bytes - FrameBegin(index));
}

std::uint64_t Head::LookBack(std::size_t index) const {
  return source ? 0 : std::min(kLookBackBytes, FrameBegin(index));
}

bool Head::UsesCodec(CodecId id) const {
  return std::ranges::any_of(codecs, [id](const Codec& codec) { return codec.id == id; });
}

Result<std::uint64_t> PeekHeadBytes(ByteView prefix, const HeadLimits& limits) {
  ByteReader in(prefix);
  auto read = ReadPrefix(in, limits);
  if (read.has_value()) return read->head_bytes;
  if (read.error().code() != ErrorCode::kInputInvalid) {
    return std::unexpected(std::move(read).error());
  }
  return Malformed("ends early");
}

Result<Head> ParseHead(ByteView bytes, const HeadLimits& limits) {
  auto head = ReadHead(bytes, limits);
  // The byte cursor knows only that its input ended; here that means a malformed head.
  if (!head.has_value() && head.error().code() == ErrorCode::kInputInvalid) {
    return Malformed("ends early");
  }
  return head;
}

Bytes EncodeHead(const Head& head) {
  Bytes bytes;
  ByteWriter out(bytes);
  const ImageIdentity source = head.source.value_or(ImageIdentity{});
  out.Append(kMagic);
  out.U16(kFormatVersion);
  out.U16(head.source.has_value() ? kFlagSource : 0);
  out.U32(static_cast<std::uint32_t>(head.HeadBytes()));
  out.U64(head.target.bytes);
  out.Append(head.target.sha256.bytes);
  out.U64(source.bytes);
  out.Append(source.sha256.bytes);
  out.U32(static_cast<std::uint32_t>(head.memory_bytes));
  out.U16(static_cast<std::uint16_t>(head.codecs.size()));
  out.U16(static_cast<std::uint16_t>(head.transforms.size()));
  out.U32(static_cast<std::uint32_t>(head.frames.size()));
  for (const Codec& codec : head.codecs) {
    out.U16(static_cast<std::uint16_t>(codec.id));
    out.U16(codec.version);
    out.U32(codec.encoder);
  }
  for (const TransformEntry& entry : head.transforms) {
    out.U16(static_cast<std::uint16_t>(entry.transform.id));
    out.U16(entry.transform.version);
    out.U32(entry.encoder);
    out.U64(entry.transform.parameters);
    out.U32(entry.memory_bytes);
    out.Append(entry.self_test.bytes);
  }
  for (const Frame& frame : head.frames) {
    out.U32(frame.unit_count);
    out.U32(frame.payload_bytes);
    out.Append(frame.payload_sha256.bytes);
  }
  return bytes;
}

void PlaceFrames(Head& head) {
  //= docs/container-format.md#C-03
  // At most about 100,000 frames of at most 64 chunks and 2 MiB: no overflow.
  std::uint64_t unit = 0;
  std::uint64_t offset = head.HeadBytes();
  for (Frame& frame : head.frames) {
    frame.first_unit = unit;
    frame.payload_offset = offset;
    unit += frame.unit_count;
    offset += frame.payload_bytes;
  }
}

}  // namespace pawl::delta
