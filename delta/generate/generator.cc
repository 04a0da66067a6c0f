// SPDX-License-Identifier: Apache-2.0
#include "delta/generate/generator.h"

#include <lzma.h>

#include <algorithm>
#include <memory>
#include <vector>

#include "delta/generate/block_match.h"
#include "delta/generate/frame_encoder.h"
#include "delta/generate/frame_plan.h"
#include "delta/generate/parallel.h"
#include "delta/generate/recode_plan.h"
#include "delta/generate/similar_match.h"
#include "delta/generate/stream_encoder.h"

namespace pawl::delta {
namespace {

// A bit takes a desktop core about 40 ns: with `best`, decoding takes up to 1 µs for a byte that is
// not transferred, what a link of 8 Mbit/s does; with `fast`, 0.6 µs.
constexpr CodecChoice kBest = {.zstd_level = 19,
                               .lzma = true,
                               .lzma_preset = 9 | LZMA_PRESET_EXTREME,
                               .context_mixing = true,
                               .bits_per_saved_byte = 24};
constexpr CodecChoice kFast = {.zstd_level = 12,
                               .lzma = true,
                               .lzma_preset = 6,
                               .context_mixing = true,
                               .bits_per_saved_byte = 16};

CodecChoice ChooseCodecs(const GenerateOptions& options, bool full) {
  CodecChoice choice = options.effort == Effort::kFast ? kFast : kBest;
  // A full container is for devices without any source: what decodes fast.
  if (full || options.without.contains(Layer::kLzma)) choice.lzma = false;
  if (full || options.without.contains(Layer::kContextMixing)) choice.context_mixing = false;
  return choice;
}

// Frames that wait to be written, per batch. Not a function of the number of threads: nothing that
// shapes the result is.
constexpr std::size_t kFramesPerBatch = 16;
// Those of full containers are small: more of them, so that threads are not started all the time.
constexpr std::size_t kFullFramesPerBatch = 256;

void CountPieces(const Pieces& pieces, std::uint64_t target_bytes, GenerateStatistics& counted) {
  counted.literal_bytes = target_bytes;
  for (const Piece& piece : pieces) {
    counted.literal_bytes -= piece.length;
    switch (piece.kind) {
      case PieceKind::kZero:
        counted.zero_bytes += piece.length;
        break;
      case PieceKind::kBlock:
        counted.block_match_bytes += piece.length;
        break;
      case PieceKind::kShifted:
        counted.shifted_match_bytes += piece.length;
        break;
      case PieceKind::kSimilar:
        counted.suffix_match_bytes += piece.length;
        break;
    }
  }
}

// As if no block of the source had been found.
void ForgetBlocks(BlockMatches& matches, std::uint64_t old_bytes) {
  std::erase_if(matches.pieces,
                [](const Piece& piece) { return piece.kind == PieceKind::kBlock; });
  matches.old_unmatched = {{0, old_bytes}};
}

Status CheckInputs(const RandomReader* old_image, const RandomReader& new_image,
                   const GenerateOptions& options) {
  if (options.memory_bytes < kMinGenerateMemory) {
    return Fail(ErrorCode::kMemoryLimit, "generating needs at least " +
                                             std::to_string(kMinGenerateMemory >> 20) + " MiB");
  }
  if (new_image.SizeBytes() > kMaxImageBytes ||
      (old_image != nullptr && old_image->SizeBytes() > kMaxImageBytes)) {
    return Fail(ErrorCode::kInputInvalid, "image is larger than the format admits");
  }
  return {};
}

// What one thread needs while it encodes: plain streams, their bound when compressed, the
// compressor's tables at its highest level.
constexpr std::uint64_t kEncoderBytes = 128ULL << 20;

unsigned EncoderThreads(const GenerateOptions& options) {
  const std::uint64_t fitting = std::max<std::uint64_t>(1, options.memory_bytes / kEncoderBytes);
  return static_cast<unsigned>(std::min<std::uint64_t>(ThreadCount(options.threads), fitting));
}

// Encodes the planned frames in parallel batches and passes them on in order.
class FrameWriter {
 public:
  FrameWriter(const StreamBuilder& builder, const CodecChoice& codecs,
              const GenerateOptions& options, ContainerSink& sink, ProgressCounter& progress)
      : builder_(builder),
        codecs_(codecs),
        threads_(EncoderThreads(options)),
        decoder_memory_bytes_(options.decoder_memory_bytes),
        sink_(sink),
        progress_(progress) {}

  Status Write(const std::vector<Range>& frames, Head& head) {
    const std::size_t batch = head.source ? kFramesPerBatch : kFullFramesPerBatch;
    for (std::size_t first = 0; first < frames.size(); first += batch) {
      const std::size_t count = std::min(batch, frames.size() - first);
      std::vector<std::vector<Part>> parts(count);
      PAWL_TRY(ParallelFor(threads_, count, [&](std::size_t i) {
        return head.source ? EncodeRange(frames[first + i], parts[i])
                           : EncodeFull(frames[first + i], parts[i]);
      }));
      for (const std::vector<Part>& range : parts) {
        for (const Part& part : range) PAWL_TRY(Append(part, head));
      }
    }
    return {};
  }

 private:
  struct Part {
    std::uint64_t bytes = 0;  // of target
    EncodedFrame frame;
  };

  // Without context mixing where that and the frame's blocks together would ask too much of a device:
  // the blocks gain more.
  Result<EncodedFrame> EncodeStreams(Result<PlainStreams> streams) const {
    if (!streams.has_value()) return std::unexpected(std::move(streams).error());
    PAWL_ASSIGN_OR_RETURN(EncodedFrame frame, StreamEncoder(codecs_).Encode(*streams));
    if (!codecs_.context_mixing || frame.memory_bytes <= decoder_memory_bytes_) return frame;
    CodecChoice small = codecs_;
    small.context_mixing = false;
    return StreamEncoder(small).Encode(*streams);
  }

  // A frame of a full container, whose literal bytes may refer to the target before it.
  Status EncodeFull(const Range& range, std::vector<Part>& parts) {
    PAWL_ASSIGN_OR_RETURN(const PlainStreams streams, builder_.Build(range));
    const std::uint64_t back = std::min(kLookBackBytes, range.begin);
    Bytes before;
    if (!streams.literal.empty()) {
      PAWL_ASSIGN_OR_RETURN(before, builder_.Target({range.begin - back, back}));
    }
    PAWL_ASSIGN_OR_RETURN(EncodedFrame frame, StreamEncoder(codecs_).Encode(streams, before));
    parts.push_back({range.length, std::move(frame)});
    progress_.Add(range.length);
    return {};
  }

  // One frame, or several where one would be over the limits of the format.
  Status EncodeRange(const Range& range, std::vector<Part>& parts) {
    PAWL_ASSIGN_OR_RETURN(PlainStreams streams, builder_.Build(range));
    const bool streams_fit = streams.control.size() <= kMaxControlBytes && streams.within_limits;
    if (streams_fit) {
      PAWL_ASSIGN_OR_RETURN(EncodedFrame frame, EncodeStreams(std::move(streams)));
      if (frame.payload.size() <= kMaxPayloadBytes) {
        parts.push_back({range.length, std::move(frame)});
        progress_.Add(range.length);
        return {};
      }
    }
    if (range.length <= kChunkBytes) {
      PAWL_ASSIGN_OR_RETURN(EncodedFrame frame, EncodeStreams(builder_.BuildLiteral(range)));
      parts.push_back({range.length, std::move(frame)});
      progress_.Add(range.length);
      return {};
    }
    const std::uint64_t half = ChunkCount(range.length) / 2 * kChunkBytes;
    PAWL_TRY(EncodeRange({range.begin, half}, parts));
    return EncodeRange({range.begin + half, range.length - half}, parts);
  }

  Status Append(const Part& part, Head& head) {
    Frame frame;
    frame.unit_count =
        static_cast<std::uint32_t>((part.bytes + head.UnitBytes() - 1) / head.UnitBytes());
    frame.payload_bytes = static_cast<std::uint32_t>(part.frame.payload.size());
    frame.payload_sha256 = HashSha256(part.frame.payload);
    head.frames.push_back(frame);
    head.memory_bytes = std::max(head.memory_bytes, part.frame.memory_bytes);
    return sink_.AddPayload(part.frame.payload);
  }

  const StreamBuilder& builder_;
  CodecChoice codecs_;
  unsigned threads_;
  std::uint64_t decoder_memory_bytes_;
  ContainerSink& sink_;
  ProgressCounter& progress_;
};

Result<std::vector<Range>> ChooseFrames(const StreamBuilder& builder,
                                        const GenerateOptions& options, const Head& head,
                                        ProgressCounter& progress) {
  if (!head.source) return PlanFullFrames(builder, head.target.bytes, progress);
  return PlanFrames(builder, head.target.bytes, EncoderThreads(options), progress);
}

// What the layers found, over the images or over the views of a plan.
struct Matches {
  std::unique_ptr<RecodePlan> plan;  // null: over the images
  BlockMatches matches;              // identities and digests are always those of the images
};

Result<Matches> FindMatches(RandomReader* old_image, RandomReader& new_image,
                            const GenerateOptions& options, ProgressCounter& progress,
                            GenerateStatistics& statistics) {
  Matches found;
  RandomReader* old_view = old_image;
  RandomReader* new_view = &new_image;
  if (old_image != nullptr && !options.without.contains(Layer::kRecode)) {
    PAWL_ASSIGN_OR_RETURN(found.plan,
                          RecodePlan::Make(*old_image, new_image, options, statistics));
  }
  if (found.plan != nullptr) {
    old_view = &found.plan->old_view();
    new_view = &found.plan->new_view();
  }
  PAWL_ASSIGN_OR_RETURN(found.matches, MatchBlocks(old_view, *new_view, progress));
  if (old_view != nullptr && options.without.contains(Layer::kBlocks)) {
    ForgetBlocks(found.matches, old_view->SizeBytes());
  }
  if (found.plan != nullptr) {
    found.plan->AddKept(found.matches.pieces);
    found.matches.old_unmatched = found.plan->WorthSorting(found.matches.old_unmatched);
  }
  if (old_image != nullptr) {
    PAWL_TRY(MatchSimilar(*old_view, *new_view, found.matches, options, progress));
  }
  CountPieces(found.matches.pieces, new_view->SizeBytes(), statistics);
  if (found.plan != nullptr) {
    PAWL_ASSIGN_OR_RETURN(const ImageDigests source, DigestImage(*old_image));
    PAWL_ASSIGN_OR_RETURN(found.matches.target, DigestImage(new_image));
    found.matches.source = source.whole;
  }
  return found;
}

}  // namespace

Result<ContainerInfo> Generate(RandomReader* old_image, RandomReader& new_image,
                               ContainerSink& sink, const GenerateOptions& options) {
  PAWL_TRY(CheckInputs(old_image, new_image, options));
  const std::uint64_t old_bytes = old_image != nullptr ? old_image->SizeBytes() : 0;
  // Every phase passes once over the images: blocks, similar bytes, plan, frames.
  ProgressCounter progress(options.progress, old_bytes + 4 * new_image.SizeBytes());

  ContainerInfo info;
  PAWL_ASSIGN_OR_RETURN(Matches found, FindMatches(old_image, new_image, options, progress,
                                                   info.statistics));
  if (old_image != nullptr) info.head.source = found.matches.source;
  info.head.target = found.matches.target.whole;
  info.head.memory_bytes = kDecoderBaseBytes;
  const CodecChoice codecs = ChooseCodecs(options, old_image == nullptr);
  info.head.codecs = CodecsOf(codecs);
  if (found.plan != nullptr) info.head.transforms = found.plan->transforms();
  // Of each transform's self-test; its frames may do without it where they are over other limits.
  for (const TransformEntry& entry : info.head.transforms) {
    info.head.memory_bytes =
        std::max(info.head.memory_bytes, kDecoderBaseBytes + entry.memory_bytes);
  }
  info.target_chunks = std::move(found.matches.target.chunks);

  const Pieces& pieces = found.matches.pieces;
  const StreamBuilder builder = found.plan != nullptr
                                    ? StreamBuilder(*found.plan, pieces)
                                    : StreamBuilder(old_image, new_image, pieces);
  PAWL_ASSIGN_OR_RETURN(const std::vector<Range> frames,
                        ChooseFrames(builder, options, info.head, progress));
  FrameWriter writer(builder, codecs, options, sink, progress);
  PAWL_TRY(writer.Write(frames, info.head));
  PlaceFrames(info.head);
  if (info.head.HeadBytes() > kMaxHeadBytes) {
    return Fail(ErrorCode::kInputInvalid, "the image needs more frames than the format admits");
  }
  const Bytes head = EncodeHead(info.head);
  info.head_bytes = head.size();
  info.head_sha256 = HashSha256(head);
  info.file_bytes = info.head.ContainerBytes();
  PAWL_TRY(sink.Finish(head));
  return info;
}

}  // namespace pawl::delta
