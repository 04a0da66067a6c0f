// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/delta/delta_test_util.h"

#include <gtest/gtest.h>
#include <lzma.h>
#include <zstd.h>

#include "delta/apply/block_codec.h"
#include "delta/apply/chunks.h"

namespace pawl::delta::testing {

Status MemorySink::AddPayload(ByteView payload) {
  payloads_.insert(payloads_.end(), payload.begin(), payload.end());
  return {};
}

Status MemorySink::Finish(ByteView head) {
  head_.assign(head.begin(), head.end());
  return {};
}

Bytes MemorySink::Container() const {
  Bytes all = head_;
  all.insert(all.end(), payloads_.begin(), payloads_.end());
  return all;
}

Status CollectingSink::Take(std::uint64_t begin, ByteView data) {
  if (!begins_.empty()) {
    EXPECT_EQ(begin, begins_.front() + bytes_.size());
  }
  EXPECT_LE(data.size(), kChunkBytes);
  EXPECT_FALSE(data.empty());
  begins_.push_back(begin);
  bytes_.insert(bytes_.end(), data.begin(), data.end());
  return {};
}

Result<Bytes> MakeDelta(ByteView old_image, ByteView new_image, const GenerateOptions& options) {
  MemoryReader old_reader(old_image);
  MemoryReader new_reader(new_image);
  MemorySink sink;
  PAWL_TRY(Generate(&old_reader, new_reader, sink, options));
  return sink.Container();
}

Result<Bytes> MakeFull(ByteView new_image, const GenerateOptions& options) {
  MemoryReader new_reader(new_image);
  MemorySink sink;
  PAWL_TRY(Generate(nullptr, new_reader, sink, options));
  return sink.Container();
}

Result<Bytes> Apply(ByteView container, const Bytes* source, std::uint64_t memory_limit) {
  if (container.size() < kHeadPrefixBytes) {
    return Fail(ErrorCode::kContainerMalformed, "container ends in its head");
  }
  PAWL_ASSIGN_OR_RETURN(const std::uint64_t head_bytes,
                        PeekHeadBytes(container.first(kHeadPrefixBytes), {}));
  if (head_bytes > container.size()) {
    return Fail(ErrorCode::kContainerMalformed, "container ends in its head");
  }
  PAWL_ASSIGN_OR_RETURN(const Head head, ParseHead(container.first(head_bytes), {}));
  if (head.ContainerBytes() != container.size()) {
    return Fail(ErrorCode::kContainerMalformed, "container has another length");
  }
  MemoryReader reader(source != nullptr ? ByteView(*source) : ByteView());
  RandomReader* old_image = source != nullptr ? &reader : nullptr;
  PAWL_ASSIGN_OR_RETURN(Decoder decoder, Decoder::Create(head, old_image, memory_limit));
  CollectingSink sink;
  for (std::size_t i = 0; i < head.frames.size(); ++i) {
    const Frame& frame = head.frames[i];
    const Bytes before = sink.bytes();
    PAWL_TRY(decoder.DecodeFrame(
        i, container.subspan(frame.payload_offset, frame.payload_bytes), sink, before));
  }
  if (HashSha256(sink.bytes()) != head.target.sha256) {
    return Fail(ErrorCode::kImageDigestMismatch, "target digest");
  }
  return sink.bytes();
}

Forged Forge(Bytes payload, std::optional<std::uint64_t> source_bytes, std::uint64_t target_bytes) {
  Forged forged;
  forged.payload = std::move(payload);
  if (source_bytes) forged.head.source = ImageIdentity{*source_bytes, {}};
  forged.head.target.bytes = target_bytes;
  forged.head.memory_bytes = 8ULL << 20;
  forged.head.codecs = {{CodecId::kZstd, 1, 0}};
  Frame frame;
  frame.unit_count = static_cast<std::uint32_t>(
      (target_bytes + forged.head.UnitBytes() - 1) / forged.head.UnitBytes());
  frame.payload_bytes = static_cast<std::uint32_t>(forged.payload.size());
  frame.payload_sha256 = HashSha256(forged.payload);
  forged.head.frames = {frame};
  PlaceFrames(forged.head);
  return forged;
}

Status DecodeForged(const Forged& forged, const Bytes* source, CollectingSink& sink,
                    std::uint64_t memory_limit) {
  MemoryReader reader(source != nullptr ? ByteView(*source) : ByteView());
  PAWL_ASSIGN_OR_RETURN(
      Decoder decoder,
      Decoder::Create(forged.head, source != nullptr ? &reader : nullptr, memory_limit));
  return decoder.DecodeFrame(0, forged.payload, sink);
}

Bytes StoredPayload(ByteView control, ByteView difference, ByteView literal, ByteView recipe) {
  return JoinPayload({CodedStream{CodecId::kStored, recipe.size(), recipe},
                      CodedStream{CodecId::kStored, control.size(), control},
                      CodedStream{CodecId::kStored, difference.size(), difference},
                      CodedStream{},
                      CodedStream{CodecId::kStored, literal.size(), literal}});
}

Bytes JoinStreams(const CodedStream& control, const CodedStream& difference,
                  const CodedStream& literal, const CodedStream& mixed) {
  return JoinPayload({CodedStream{}, control, difference, mixed, literal});
}

Bytes Control(const std::vector<Operation>& operations) {
  Bytes control;
  ByteWriter out(control);
  for (const Operation& operation : operations) WriteOperation(out, operation);
  return control;
}

Bytes EncodeWith(const Transform& transform, const Bytes& plain) {
  Bytes coded(static_cast<std::size_t>(MaxCodedBytes(transform, plain.size())));
  const auto made = EncodeBlock(transform, plain, coded);
  EXPECT_TRUE(made.has_value());
  coded.resize(made->coded);
  return coded;
}

Bytes ZstdFrame(ByteView plain, int window_log, bool content_size) {
  ZSTD_CCtx* context = ZSTD_createCCtx();
  ZSTD_CCtx_setParameter(context, ZSTD_c_windowLog, window_log);
  ZSTD_CCtx_setParameter(context, ZSTD_c_contentSizeFlag, content_size ? 1 : 0);
  Bytes coded(ZSTD_compressBound(plain.size()));
  const std::size_t size =
      ZSTD_compress2(context, coded.data(), coded.size(), plain.data(), plain.size());
  ZSTD_freeCCtx(context);
  EXPECT_EQ(ZSTD_isError(size), 0U);
  coded.resize(size);
  return coded;
}

Bytes LzmaStream(ByteView plain, unsigned log) {
  lzma_options_lzma options = {};
  lzma_lzma_preset(&options, 6);
  options.dict_size = 1U << log;
  const std::array<lzma_filter, 2> filters = {
      {{LZMA_FILTER_LZMA2, &options}, {LZMA_VLI_UNKNOWN, nullptr}}};
  Bytes coded(plain.size() + 4096);
  coded[0] = static_cast<std::uint8_t>(log);
  std::size_t size = 1;
  EXPECT_EQ(lzma_raw_buffer_encode(filters.data(), nullptr, plain.data(), plain.size(),
                                   coded.data(), &size, coded.size()),
            LZMA_OK);
  coded.resize(size);
  return coded;
}

Bytes RandomContent(std::mt19937_64& random, std::size_t size) {
  Bytes bytes(size);
  for (std::uint8_t& byte : bytes) byte = static_cast<std::uint8_t>(random());
  return bytes;
}

Code MakeCode(std::mt19937_64& random, std::size_t size) {
  Code code;
  code.bytes = RandomContent(random, size);
  for (auto& byte : code.bytes) byte &= 0x7F;  // none looks like a call
  for (std::size_t at = 20; at + 20 < size; at += 9 + random() % 20) {
    code.bytes[at] = 0xE8;
    code.calls.push_back(at + 1);
  }
  return code;
}
void SetWord(Bytes& bytes, std::size_t at, std::uint32_t word) {
  for (std::size_t i = 0; i < 4; ++i) bytes[at + i] = static_cast<std::uint8_t>(word >> 8 * i);
}

MovedCode MakeMovedCode(std::mt19937_64& random, std::uint32_t size) {
  const Code code = MakeCode(random, size);
  MovedCode moved{code.bytes, code.bytes, code.calls.size()};
  for (const std::size_t call : code.calls) {
    const auto function = static_cast<std::uint32_t>(random() % 10);
    const std::uint32_t to = 2 * size + 5000U * function - static_cast<std::uint32_t>(call);
    SetWord(moved.old_image, call, to);
    SetWord(moved.new_image, call, to + 1000U + 77U * function);
  }
  return moved;
}

Bytes FromText(std::string_view text) {
  const ByteView view = AsBytes(text);
  return {view.begin(), view.end()};
}

}  // namespace pawl::delta::testing
