// SPDX-License-Identifier: Apache-2.0
#include "delta/apply/apply_container.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>

#include "base/file.h"
#include "delta/apply/container_file.h"
#include "delta/apply/decoder.h"
#include "delta/apply/target_tail.h"

namespace pawl::delta {
namespace {

constexpr std::size_t kHoleBytes = std::size_t{64} << 10;

// Writes parts to their places and hashes them on the way; frames come in order.
class FileSink : public ChunkSink {
 public:
  FileSink(int fd, const Head& head, const ProgressFunction& progress)
      : fd_(fd), head_(head), progress_(progress) {}

  Status Take(std::uint64_t begin, ByteView data) override {
    PAWL_TRY(Write(begin, data));
    hash_.Update(data);
    if (!head_.source) tail_.Append(data);
    if (progress_) progress_(begin + data.size(), head_.target.bytes);
    return {};
  }
  ByteView before() { return tail_.View(); }
  Sha256Digest Finish() { return hash_.Finish(); }

 private:
  // Zeros stay holes of the new file, which has its full length from the start.
  Status Write(std::uint64_t begin, ByteView data) {
    for (std::size_t at = 0; at < data.size(); at += kHoleBytes) {
      const ByteView part = data.subspan(at, std::min(kHoleBytes, data.size() - at));
      if (IsAllZero(part)) continue;
      PAWL_TRY(WriteExactAt(fd_, begin + at, part, "target image"));
    }
    return {};
  }

  int fd_;
  const Head& head_;
  const ProgressFunction& progress_;
  Sha256 hash_;
  TargetTail tail_;
};

Error WrongSource(const std::string& path, const std::string& expected,
                  const std::string& found) {
  return Error(ErrorCode::kSourceMismatch, path + ": expected " + expected + ", found " + found);
}

Result<std::optional<FileReader>> OpenSource(const std::optional<std::string>& path,
                                             const Head& head) {
  if (path.has_value() != head.source.has_value()) {
    return Fail(ErrorCode::kSourceMismatch, head.source ? "this delta needs its source image"
                                                        : "a full container takes no source");
  }
  if (!path.has_value()) return std::optional<FileReader>();
  PAWL_ASSIGN_OR_RETURN(FileReader reader, FileReader::Open(*path));
  if (reader.SizeBytes() != head.source->bytes) {
    return std::unexpected(WrongSource(*path, std::to_string(head.source->bytes) + " bytes",
                                       std::to_string(reader.SizeBytes())));
  }
  return std::optional<FileReader>(std::move(reader));
}

// Why decoding failed, in the user's terms: another source than the head names can be the cause of
// these. It is hashed only now: whatever it holds, the target's own digest decides what is kept, and
// reading all of it would double the work.
Error Explain(Error error, const std::string& path, RandomReader& source, const Head& head) {
  const ErrorCode code = error.code();
  if (code != ErrorCode::kImageDigestMismatch && code != ErrorCode::kSourceBlockMismatch &&
      code != ErrorCode::kDecodeFailed) {
    return error;
  }
  const auto found = DigestImage(source);
  if (!found.has_value() || found->whole == *head.source) return error;
  return WrongSource(path, "sha256 " + head.source->sha256.Hex(),
                     "sha256 " + found->whole.sha256.Hex());
}

Status DecodeAll(RandomReader& container, const Head& head, RandomReader* source,
                 const ApplyOptions& options, FileSink& sink) {
  PAWL_ASSIGN_OR_RETURN(Decoder decoder, Decoder::Create(head, source, options.memory_limit,
                                                         options.threads));
  Bytes payload;
  for (std::size_t i = 0; i < head.frames.size(); ++i) {
    payload.resize(head.frames[i].payload_bytes);
    PAWL_TRY(container.ReadAt(head.frames[i].payload_offset, payload));
    PAWL_TRY(decoder.DecodeFrame(i, payload, sink, sink.before()));
  }
  //= docs/container-format.md#C-25
  if (const Sha256Digest made = sink.Finish(); made != head.target.sha256) {
    return Fail(ErrorCode::kImageDigestMismatch,
                "expected sha256 " + head.target.sha256.Hex() + ", made " + made.Hex());
  }
  return {};
}

}  // namespace

Status ApplyContainer(const std::optional<std::string>& source_path,
                      const std::string& container_path, const std::string& target_path,
                      const ApplyOptions& options) {
  PAWL_ASSIGN_OR_RETURN(FileReader container, FileReader::Open(container_path));
  PAWL_ASSIGN_OR_RETURN(const ContainerHead read, ReadContainerHead(container));
  if (read.head.memory_bytes > options.memory_limit) {
    return Fail(ErrorCode::kMemoryLimit, "the container needs " +
                                             std::to_string(read.head.memory_bytes) +
                                             " bytes of memory");
  }
  PAWL_ASSIGN_OR_RETURN(std::optional<FileReader> source, OpenSource(source_path, read.head));
  PAWL_ASSIGN_OR_RETURN(PendingFile target, PendingFile::Create(target_path));
  if (ftruncate(target.fd(), static_cast<off_t>(read.head.target.bytes)) != 0) {
    return std::unexpected(ErrnoError(errno, target_path));
  }
  FileSink sink(target.fd(), read.head, options.progress);
  Status made = DecodeAll(container, read.head, source ? &*source : nullptr, options, sink);
  if (!made.has_value() && source.has_value()) {
    return std::unexpected(Explain(made.error(), *source_path, *source, read.head));
  }
  PAWL_TRY(made);
  return target.Commit();
}

}  // namespace pawl::delta
