// SPDX-License-Identifier: Apache-2.0 Any bytes as an authentic payload (the head is made to fit
// its hash): refused, or decoded to exactly the target bytes of the frame. First byte: bit 0 = with
// a source, the rest varies the target's length. The source has compressed blocks that recipes may
// name.

#include <cstdlib>

#include "delta/apply/chunks.h"
#include "delta/apply/decoder.h"
#include "tests/fuzz/delta_fuzz_source.h"

namespace {

using namespace pawl::delta;  // NOLINT: one short program about one namespace

class CountingSink : public ChunkSink {
 public:
  pawl::Status Take(std::uint64_t, pawl::ByteView data) override {
    bytes += data.size();
    return {};
  }
  std::uint64_t bytes = 0;
};

constexpr std::uint64_t kTargets[] = {4396, 9396, 24396, 1, 1U << 20, (1U << 20) + 1, 3U << 20, 77};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 1 + kPayloadHeaderBytes || size > kMaxPayloadBytes) return 0;
  const bool with_source = (data[0] & 1) != 0;
  const pawl::ByteView payload(data + 1, size - 1);
  static const pawl::Bytes source = testing_source::Make();
  static const std::vector<TransformEntry> transforms = testing_source::Transforms();
  Head head;
  if (with_source) head.source = ImageIdentity{source.size(), {}};
  head.target.bytes = kTargets[data[0] >> 1 & 7];
  head.memory_bytes = 32U << 20;
  head.codecs = {
      {CodecId::kZstd, 1, 0}, {CodecId::kLzma, 1, 0}, {CodecId::kContextMixing, 1, 0}};
  head.transforms = transforms;
  Frame frame;
  frame.unit_count = static_cast<std::uint32_t>((head.target.bytes + head.UnitBytes() - 1) /
                                                head.UnitBytes());
  frame.payload_bytes = static_cast<std::uint32_t>(payload.size());
  frame.payload_sha256 = pawl::HashSha256(payload);
  head.frames = {frame};
  PlaceFrames(head);

  MemoryReader reader(source);
  auto decoder = Decoder::Create(head, with_source ? &reader : nullptr, 32U << 20, 1);
  if (!decoder.has_value()) std::abort();
  CountingSink sink;
  const pawl::Status status = decoder->DecodeFrame(0, payload, sink);
  if (sink.bytes > head.target.bytes) std::abort();
  if (status.has_value() && sink.bytes != head.target.bytes) std::abort();
  return 0;
}
