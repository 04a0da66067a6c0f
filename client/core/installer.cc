// SPDX-License-Identifier: Apache-2.0
#include "client/core/installer.h"

#include <algorithm>
#include <optional>

#include "base/format.h"
#include "client/core/frame_stream.h"

namespace pawl::client {
namespace {

// A transfer that breaks off is taken up again at once this often without a new byte; then the caller decides when to try again.
constexpr int kFruitlessAttempts = 2;

class CollectingSink : public ByteSink {
 public:
  explicit CollectingSink(Bytes& out) : out_(out) {}
  Status Write(ByteView bytes) override {
    out_.insert(out_.end(), bytes.begin(), bytes.end());
    return {};
  }

 private:
  Bytes& out_;
};

// Compares each decoded chunk with its signed digest and writes the right ones. Wrong ones are noted: their source was not what the
// delta expects (read-write root, bit rot, or somebody planted it), and nothing of them reaches the slot.
class SlotWriter : public delta::ChunkSink {
 public:
  SlotWriter(const InstallJob& job, std::vector<std::uint64_t>& wrong) : job_(job), wrong_(wrong) {}

  Status Accept(std::uint64_t chunk_index, ByteView data) override {
    const std::uint64_t offset = chunk_index * kChunkBytes;
    const bool fits = chunk_index < job_.chunks.size() &&
                      data.size() == std::min(kChunkBytes, job_.component.size - offset);
    if (!fits) return Fail(ErrorCode::kDecodeFailed, Format("chunk {} does not belong to the image", chunk_index));
    last_ = chunk_index;
    if (HashSha256(data) != job_.chunks[chunk_index]) {
      wrong_.push_back(chunk_index);
      return {};
    }
    auto written = job_.target.WriteAt(offset, data);
    if (!written) write_error_ = written.error();
    return written;
  }

  // Set when the target, not the source, failed.
  const std::optional<Error>& write_error() const { return write_error_; }
  std::optional<std::uint64_t> last_chunk() const { return last_; }

 private:
  const InstallJob& job_;
  std::vector<std::uint64_t>& wrong_;
  std::optional<Error> write_error_;
  std::optional<std::uint64_t> last_;
};

// Decodes one frame of a delta. A source that cannot be read makes the frame's remaining chunks wrong, not the update fail.
Status DecodeTolerantly(delta::Decoder& decoder, const delta::Frame& frame, std::size_t index, ByteView payload, const InstallJob& job,
                        std::vector<std::uint64_t>& wrong) {
  SlotWriter writer(job, wrong);
  auto decoded = decoder.DecodeFrame(index, payload, writer);
  if (decoded || writer.write_error() || decoded.error().code() != ErrorCode::kIo) return decoded;
  const std::uint64_t first = writer.last_chunk() ? *writer.last_chunk() + 1 : frame.first_chunk;
  for (std::uint64_t chunk = first; chunk < frame.first_chunk + frame.chunk_count; ++chunk) wrong.push_back(chunk);
  return {};
}

std::size_t FrameOfChunk(const delta::Head& head, std::uint64_t chunk) {
  const auto after = std::ranges::upper_bound(head.frames, chunk, {}, &delta::Frame::first_chunk);
  return static_cast<std::size_t>(std::distance(head.frames.begin(), after)) - 1;  // frames cover the target from chunk 0
}

}  // namespace

Result<delta::Head> Installer::FetchHead(const manifest::ContainerReference& container, const manifest::Component& component) {
  Bytes bytes;
  CollectingSink sink(bytes);
  PAWL_TRY(http_.Get({settings_.base_url + container.file.path, ByteRange{0, container.head_length}, container.head_length}, sink));
  result_.bytes_fetched += bytes.size();
  //= docs/threat-model.md#T-BOUNDARY-3: the head is authenticated before it is parsed.
  if (bytes.size() != container.head_length || HashSha256(bytes) != container.head_sha256) {
    return Fail(ErrorCode::kContainerHeadMismatch,
                Format("{}: expected {} bytes with SHA-256 {}, found {} bytes with {}", container.file.path, container.head_length,
                       container.head_sha256.Hex(), bytes.size(), HashSha256(bytes).Hex()));
  }
  delta::HeadLimits limits;
  limits.target_bytes = component.size;
  PAWL_ASSIGN_OR_RETURN(delta::Head head, delta::ParseHead(bytes, limits));
  if (head.target.bytes != component.size || head.target.sha256 != component.sha256 ||
      head.ContainerBytes() != container.file.length) {
    return Fail(ErrorCode::kManifestMismatch, Format("{}: the container makes another image than the release has", container.file.path));
  }
  return head;
}

Result<InstallResult> Installer::Install(const InstallJob& job, WriteProgress& progress, const InstallHooks& hooks) {
  result_ = {};
  if (job.target.SizeBytes() < job.component.size) {
    return Fail(ErrorCode::kSlotTooSmall,
                Format("{}: expected at least {} bytes, the slot has {}", job.component.name, job.component.size, job.target.SizeBytes()));
  }
  if (progress.done) return result_;
  PAWL_ASSIGN_OR_RETURN(const delta::Head head, FetchHead(job.container, job.component));
  if (head.frames.size() < progress.next_frame) {
    return Fail(ErrorCode::kStoreCorrupt, Format("progress is at frame {} of {}", progress.next_frame, head.frames.size()));
  }
  int fruitless = 0;
  while (progress.next_frame < head.frames.size()) {
    const std::uint64_t before = progress.next_frame;
    auto streamed = StreamFrames(job, head, progress, hooks);
    if (streamed) break;
    fruitless = progress.next_frame > before ? 0 : fruitless + 1;
    // What is whole stays: a link that dies before every checkpoint would otherwise never get anywhere. O-1 holds, data first.
    if (progress.next_frame > before && streamed.error().code() != ErrorCode::kPowerLost && job.target.Sync()) {
      PAWL_TRY(hooks.checkpoint(progress));
    }
    const bool broken_off = streamed.error().code() == ErrorCode::kTransferTruncated;
    if (!broken_off || fruitless >= kFruitlessAttempts) return std::unexpected(std::move(streamed).error());
  }
  PAWL_TRY(RepairChunks(job, progress, hooks));
  PAWL_TRY(job.target.Sync());
  progress.done = true;
  PAWL_TRY(hooks.checkpoint(progress));
  return result_;
}

Status Installer::StreamFrames(const InstallJob& job, const delta::Head& head, WriteProgress& progress, const InstallHooks& hooks) {
  PAWL_ASSIGN_OR_RETURN(auto decoder, delta::Decoder::Create(head, head.source ? job.source : nullptr, settings_.decoder_memory));
  std::uint64_t since_checkpoint = 0;
  const auto first = static_cast<std::size_t>(progress.next_frame);
  FrameStream stream(head, first, head.frames.size(), [&](std::size_t index, ByteView payload) -> Status {
    PAWL_TRY(DecodeTolerantly(decoder, head.frames[index], index, payload, job, progress.repair));
    progress.next_frame = index + 1;
    result_.bytes_fetched += payload.size();
    since_checkpoint += head.FrameTargetBytes(index);
    if (hooks.report) {
      const delta::Frame& frame = head.frames[index];
      hooks.report(std::min((frame.first_chunk + frame.chunk_count) * kChunkBytes, job.component.size), job.component.size);
    }
    if (since_checkpoint < settings_.checkpoint_bytes) return {};
    since_checkpoint = 0;
    PAWL_TRY(job.target.Sync());  // data before place: a cut may lose the place, never claim data that is not there
    return hooks.checkpoint(progress);
  });
  const ByteRange range = FrameRange(head, first, head.frames.size());
  PAWL_TRY(http_.Get({settings_.base_url + job.container.file.path, range, range.length}, stream));
  if (!stream.complete()) {
    return Fail(ErrorCode::kTransferTruncated, Format("{}: ended at frame {} of {}", job.container.file.path, stream.next_frame(),
                                                      head.frames.size()));
  }
  return {};
}

Status Installer::RepairChunks(const InstallJob& job, WriteProgress& progress, const InstallHooks& hooks) {
  if (progress.repair.empty()) return {};
  PAWL_ASSIGN_OR_RETURN(const delta::Head head, FetchHead(job.component.full, job.component));
  if (head.source) return Fail(ErrorCode::kManifestMismatch, "the full container names a source");
  PAWL_ASSIGN_OR_RETURN(auto decoder, delta::Decoder::Create(head, nullptr, settings_.decoder_memory));
  std::uint64_t since_checkpoint = 0;
  while (!progress.repair.empty()) {
    const std::size_t frame = FrameOfChunk(head, progress.repair.front());
    std::vector<std::uint64_t> wrong;
    FrameStream stream(head, frame, frame + 1, [&](std::size_t index, ByteView payload) -> Status {
      SlotWriter writer(job, wrong);
      result_.bytes_fetched += payload.size();
      return decoder.DecodeFrame(index, payload, writer);
    });
    const ByteRange range = FrameRange(head, frame, frame + 1);
    PAWL_TRY(http_.Get({settings_.base_url + job.component.full.file.path, range, range.length}, stream));
    if (!stream.complete()) return Fail(ErrorCode::kTransferTruncated, Format("{}: frame {} is incomplete", job.component.full.file.path, frame));
    if (!wrong.empty()) {
      return Fail(ErrorCode::kChunkDigestMismatch, Format("chunk {} of {} is not as signed, even from the full image", wrong.front(), job.component.name));
    }
    const std::uint64_t end = head.frames[frame].first_chunk + head.frames[frame].chunk_count;
    const auto repaired = std::erase_if(progress.repair, [&](std::uint64_t chunk) {
      return chunk >= head.frames[frame].first_chunk && chunk < end;
    });
    if (repaired == 0) {
      return Fail(ErrorCode::kStoreCorrupt, Format("chunk {} to be repaired is not in the image", progress.repair.front()));
    }
    result_.chunks_repaired += repaired;
    since_checkpoint += head.FrameTargetBytes(frame);
    if (since_checkpoint < settings_.checkpoint_bytes) continue;
    since_checkpoint = 0;
    PAWL_TRY(job.target.Sync());
    PAWL_TRY(hooks.checkpoint(progress));
  }
  return {};
}

}  // namespace pawl::client
