// SPDX-License-Identifier: Apache-2.0
#include "client/core/installer.h"

#include <algorithm>
#include <optional>

#include "base/format.h"
#include "base/log.h"
#include "client/core/frame_stream.h"
#include "client/core/full_writer.h"

namespace pawl::client {
namespace {

// A transfer that breaks off is taken up again at once this often without a new byte; then the caller decides when to try again.
constexpr int kFruitlessAttempts = 2;
// A frame that is not what was signed costs its chunks; so many in one run, and the rest of the delta is not worth its bytes.
constexpr int kMaxBrokenFrames = 3;

// Compares each decoded chunk with its signed digest and writes the right ones. Wrong ones are noted: their source was not what the
// delta expects (read-write root, bit rot, or somebody planted it), and nothing of them reaches the slot.
class SlotWriter : public delta::ChunkSink {
 public:
  SlotWriter(const InstallJob& job, std::vector<std::uint64_t>& wrong) : job_(job), wrong_(wrong) {}

  Status Take(std::uint64_t begin, ByteView data) override {
    const std::uint64_t chunk = begin / kChunkBytes;
    const bool fits = chunk < job_.chunks.size() && data.size() == std::min(kChunkBytes, job_.component.size - begin);
    if (!fits) return Fail(ErrorCode::kDecodeFailed, Format("chunk {} does not belong to the image", chunk));
    last_ = chunk;
    if (HashSha256(data) != job_.chunks[static_cast<std::size_t>(chunk)]) {
      wrong_.push_back(chunk);
      return {};
    }
    auto written = job_.target.WriteAt(begin, data);
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

// The chunks of a frame that its decoding did not get to.
void LeaveRest(const SlotWriter& writer, const delta::Frame& frame, std::vector<std::uint64_t>& wrong) {
  const std::uint64_t first = writer.last_chunk() ? *writer.last_chunk() + 1 : frame.first_unit;
  for (std::uint64_t chunk = first; chunk < frame.first_unit + frame.unit_count; ++chunk) wrong.push_back(chunk);
}

// What a delta has made becomes the progress of the full container: chunks below `made` lie in the slot, except those to be repaired.
WriteProgress ForFull(const InstallJob& job, const WriteProgress& delta, std::uint64_t made) {
  WriteProgress full{delta.component, job.component.full.head_sha256, delta.partition_id, made, delta.repair, false};
  std::ranges::sort(full.repair);
  const auto twice = std::ranges::unique(full.repair);
  full.repair.erase(twice.begin(), twice.end());
  std::erase_if(full.repair, [&](std::uint64_t chunk) { return chunk >= made; });
  return full;
}

Result<std::vector<bool>> ChunksToMake(const InstallJob& job, const WriteProgress& progress) {
  std::vector<bool> wanted(static_cast<std::size_t>(ChunkCount(job.component.size)));
  if (progress.next_frame > wanted.size()) {
    return Fail(ErrorCode::kStoreCorrupt, Format("progress is at chunk {} of {}", progress.next_frame, wanted.size()));
  }
  std::fill(wanted.begin() + static_cast<std::ptrdiff_t>(progress.next_frame), wanted.end(), true);
  for (const std::uint64_t chunk : progress.repair) {
    if (chunk >= wanted.size()) return Fail(ErrorCode::kStoreCorrupt, Format("chunk {} to be repaired is not in the image", chunk));
    wanted[static_cast<std::size_t>(chunk)] = true;
  }
  return wanted;
}

Status CheckRoom(const InstallJob& job) {
  if (job.target.SizeBytes() >= job.component.size) return {};
  return Fail(ErrorCode::kSlotTooSmall,
              Format("{}: expected at least {} bytes, the slot has {}", job.component.name, job.component.size, job.target.SizeBytes()));
}

}  // namespace

bool EndsDelta(ErrorCode code) {
  switch (code) {
    case ErrorCode::kNotFound:
    case ErrorCode::kTransferTooLarge:
    case ErrorCode::kBundleIncomplete:
    case ErrorCode::kManifestMismatch: return true;
    default: return ClassOf(code) == ErrorClass::kIntegrity;
  }
}

Status Installer::Checkpoint(const InstallJob& job, const WriteProgress& progress, const InstallHooks& hooks, std::uint64_t bytes) {
  since_checkpoint_ += bytes;
  if (since_checkpoint_ < settings_.checkpoint_bytes) return {};
  since_checkpoint_ = 0;
  PAWL_TRY(job.target.Sync());  // data before place: a cut may lose the place, never claim data that is not there
  return hooks.checkpoint(progress);
}

Status Installer::Finish(const InstallJob& job, WriteProgress& progress, const InstallHooks& hooks) {
  PAWL_TRY(job.target.Sync());
  progress.done = true;
  return hooks.checkpoint(progress);
}

Status Installer::WithRetries(const InstallJob& job, WriteProgress& progress, const InstallHooks& hooks,
                              const std::function<Status()>& attempt) {
  const auto place = [&] { return std::pair(progress.next_frame, progress.repair.size()); };
  for (int fruitless = 0;;) {
    const auto before = place();
    auto done = attempt();
    if (done) return {};
    const bool moved = place() != before;
    fruitless = moved ? 0 : fruitless + 1;
    // What is whole stays: a link that dies before every checkpoint would otherwise never get anywhere. O-1 holds, data first.
    if (moved && done.error().code() != ErrorCode::kPowerLost && job.target.Sync()) PAWL_TRY(hooks.checkpoint(progress));
    if (done.error().code() != ErrorCode::kTransferTruncated || fruitless >= kFruitlessAttempts) return done;
  }
}

Status Installer::InstallDelta(const InstallJob& job, const manifest::ContainerReference& container, WriteProgress& progress,
                               const InstallHooks& hooks) {
  PAWL_TRY(CheckRoom(job));
  if (progress.done) return {};
  chunks_of_delta_ = 0;
  auto streamed = StreamDelta(job, container, progress, hooks);
  if (!streamed && !EndsDelta(streamed.error().code())) return streamed;
  if (streamed && progress.repair.empty()) return Finish(job, progress, hooks);
  progress = ForFull(job, progress, chunks_of_delta_);
  return streamed;
}

Status Installer::StreamDelta(const InstallJob& job, const manifest::ContainerReference& container, WriteProgress& progress,
                              const InstallHooks& hooks) {
  PAWL_ASSIGN_OR_RETURN(const delta::Head head, FetchHead(http_, settings_.base_url, container, job.component));
  result_.bytes_fetched += container.head_length;
  if (!head.source) return Fail(ErrorCode::kManifestMismatch, Format("{}: the delta names no source", container.file.path));
  if (head.frames.size() < progress.next_frame) {
    return Fail(ErrorCode::kStoreCorrupt, Format("progress is at frame {} of {}", progress.next_frame, head.frames.size()));
  }
  const auto made = [&] {
    return progress.next_frame == head.frames.size() ? ChunkCount(job.component.size)
                                                     : head.frames[static_cast<std::size_t>(progress.next_frame)].first_unit;
  };
  auto done = WithRetries(job, progress, hooks, [&] { return StreamFrames(job, container, head, progress, hooks); });
  chunks_of_delta_ = made();
  return done;
}

Status Installer::StreamFrames(const InstallJob& job, const manifest::ContainerReference& container, const delta::Head& head,
                               WriteProgress& progress, const InstallHooks& hooks) {
  if (progress.next_frame == head.frames.size()) return {};
  PAWL_ASSIGN_OR_RETURN(auto decoder, delta::Decoder::Create(head, job.source, settings_.decoder_memory));
  const auto first = static_cast<std::size_t>(progress.next_frame);
  FrameStream stream(head, first, head.frames.size(), [&](std::size_t index, ByteView payload) -> Status {
    SlotWriter writer(job, progress.repair);
    auto decoded = decoder.DecodeFrame(index, payload, writer);
    result_.bytes_fetched += payload.size();
    if (!decoded) {
      // A source that cannot be read or holds other compressed blocks, or a frame that is not what was signed, costs its chunks
      // and not the update.
      const ErrorCode code = decoded.error().code();
      const bool source = code == ErrorCode::kIo || code == ErrorCode::kSourceBlockMismatch;
      const bool frame = ClassOf(code) == ErrorClass::kIntegrity && ++broken_frames_ < kMaxBrokenFrames;
      if (writer.write_error() || (!source && !frame)) return decoded;
      Log(LogLevel::kWarning, Format("event=frame-skipped code={} {}", CodeName(code), decoded.error().Message()));
      LeaveRest(writer, head.frames[index], progress.repair);
    }
    progress.next_frame = index + 1;
    if (hooks.report) hooks.report(head.FrameBegin(index) + head.FrameTargetBytes(index), job.component.size);
    return Checkpoint(job, progress, hooks, head.FrameTargetBytes(index));
  });
  const ByteRange range = FrameRange(head, first, head.frames.size());
  PAWL_TRY(http_.Get({settings_.base_url + container.file.path, range, range.length}, stream));
  if (!stream.complete()) {
    return Fail(ErrorCode::kTransferTruncated, Format("{}: ended at frame {} of {}", container.file.path, stream.next_frame(), head.frames.size()));
  }
  return {};
}

Status Installer::InstallFull(const InstallJob& job, const FullRoute& route, WriteProgress& progress, const InstallHooks& hooks) {
  PAWL_TRY(CheckRoom(job));
  if (progress.done) return {};
  PAWL_TRY(WithRetries(job, progress, hooks, [&] { return WriteFromFull(job, route, progress, hooks); }));
  return Finish(job, progress, hooks);
}

Status Installer::WriteFromFull(const InstallJob& job, const FullRoute& route, WriteProgress& progress, const InstallHooks& hooks) {
  PAWL_ASSIGN_OR_RETURN(std::vector<bool> wanted, ChunksToMake(job, progress));
  const std::string url = settings_.base_url + job.component.full.file.path;
  FullWriter writer(http_, {url, route.head, job.chunks, job.target, job.source, route.local ? &*route.local : nullptr, settings_.decoder_memory},
                    [&](std::uint64_t chunk) -> Status {
                      if (chunk < progress.next_frame) {
                        result_.chunks_repaired += std::erase(progress.repair, chunk);
                      } else {
                        progress.next_frame = chunk + 1;
                        if (hooks.report) hooks.report(std::min((chunk + 1) * kChunkBytes, job.component.size), job.component.size);
                      }
                      return Checkpoint(job, progress, hooks, kChunkBytes);
                    });
  auto written = writer.Run(wanted);
  result_.bytes_fetched += writer.bytes_fetched();
  result_.chunks_repaired += writer.chunks_fetched_again();
  return written;
}

}  // namespace pawl::client
