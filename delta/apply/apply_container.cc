// SPDX-License-Identifier: Apache-2.0
#include "delta/apply/apply_container.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "base/file.h"
#include "delta/apply/container_file.h"
#include "delta/apply/decoder.h"
#include "delta/apply/target_tail.h"

namespace pawl::delta {
namespace {

// Writes parts to their places and hashes them on the way; frames come in order.
class FileSink : public ChunkSink {
 public:
  FileSink(int fd, const Head& head, const ProgressFunction& progress)
      : fd_(fd), head_(head), progress_(progress) {}

  Status Take(std::uint64_t begin, ByteView data) override {
    PAWL_TRY(WriteExactAt(fd_, begin, data, "target image"));
    hash_.Update(data);
    if (!head_.source) tail_.Append(data);
    if (progress_) progress_(begin + data.size(), head_.target.bytes);
    return {};
  }
  ByteView before() { return tail_.View(); }
  Sha256Digest Finish() { return hash_.Finish(); }

 private:
  int fd_;
  const Head& head_;
  const ProgressFunction& progress_;
  Sha256 hash_;
  TargetTail tail_;
};

Result<std::optional<FileReader>> OpenSource(const std::optional<std::string>& path,
                                             const Head& head) {
  if (path.has_value() != head.source.has_value()) {
    return Fail(ErrorCode::kSourceMismatch, head.source ? "this delta needs its source image"
                                                        : "a full container takes no source");
  }
  if (!path.has_value()) return std::optional<FileReader>();
  PAWL_ASSIGN_OR_RETURN(FileReader reader, FileReader::Open(*path));
  PAWL_ASSIGN_OR_RETURN(const ImageDigests found, DigestImage(reader));
  if (found.whole != *head.source) {
    return Fail(ErrorCode::kSourceMismatch, *path + ": expected sha256 " +
                                                head.source->sha256.Hex() + ", found " +
                                                found.whole.sha256.Hex());
  }
  return std::optional<FileReader>(std::move(reader));
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
    // Said before the source is hashed, which takes a while.
    return Fail(ErrorCode::kMemoryLimit, "the container needs " +
                                             std::to_string(read.head.memory_bytes) +
                                             " bytes of memory");
  }
  PAWL_ASSIGN_OR_RETURN(std::optional<FileReader> source, OpenSource(source_path, read.head));
  PAWL_ASSIGN_OR_RETURN(PendingFile target, PendingFile::Create(target_path));
  FileSink sink(target.fd(), read.head, options.progress);
  PAWL_TRY(DecodeAll(container, read.head, source ? &*source : nullptr, options, sink));
  return target.Commit();
}

}  // namespace pawl::delta
