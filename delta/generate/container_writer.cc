// SPDX-License-Identifier: Apache-2.0
// Containers as files.

#include <algorithm>

#include "delta/apply/chunks.h"
#include "delta/apply/container_file.h"
#include "delta/generate/generator.h"

namespace pawl::delta {
namespace {

// Payloads are collected in a file of their own: the head, which lies before them, has a length
// that is known only when all frames are made.
class FileContainerSink : public ContainerSink {
 public:
  FileContainerSink(PendingFile payloads, PendingFile container)
      : payloads_(std::move(payloads)), container_(std::move(container)) {}

  Status AddPayload(ByteView payload) override {
    PAWL_TRY(WriteExactAt(payloads_.fd(), payload_bytes_, payload, "container payloads"));
    payload_bytes_ += payload.size();
    return {};
  }

  Status Finish(ByteView head) override {
    hash_.Update(head);
    PAWL_TRY(WriteExactAt(container_.fd(), 0, head, "container"));
    Bytes buffer(1U << 20);
    for (std::uint64_t at = 0; at < payload_bytes_;) {
      const auto length =
          static_cast<std::size_t>(std::min<std::uint64_t>(buffer.size(), payload_bytes_ - at));
      const ByteSpan part = ByteSpan(buffer).first(length);
      PAWL_TRY(ReadExactAt(payloads_.fd(), at, part, "container payloads"));
      PAWL_TRY(WriteExactAt(container_.fd(), head.size() + at, part, "container"));
      hash_.Update(part);
      at += length;
    }
    return {};
  }

  Status Commit() { return container_.Commit(); }
  Sha256Digest Digest() { return hash_.Finish(); }

 private:
  PendingFile payloads_;  // never committed
  PendingFile container_;
  std::uint64_t payload_bytes_ = 0;
  Sha256 hash_;
};

Result<FileReader> OpenImage(const std::string& path) {
  PAWL_ASSIGN_OR_RETURN(FileReader reader, FileReader::Open(path));
  if (reader.SizeBytes() > kMaxImageBytes) {
    return Fail(ErrorCode::kInputInvalid, path + ": larger than the format admits");
  }
  return reader;
}

std::string DirectoryOf(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

Result<ContainerInfo> GenerateFile(FileReader* old_image, FileReader& new_image,
                                   const std::string& out_path, const GenerateOptions& options) {
  PAWL_ASSIGN_OR_RETURN(PendingFile payloads, PendingFile::Create(out_path));
  PAWL_ASSIGN_OR_RETURN(PendingFile container, PendingFile::Create(out_path));
  FileContainerSink sink(std::move(payloads), std::move(container));
  GenerateOptions placed = options;
  if (placed.scratch_directory.empty()) placed.scratch_directory = DirectoryOf(out_path);
  PAWL_ASSIGN_OR_RETURN(ContainerInfo info, Generate(old_image, new_image, sink, placed));
  info.sha256 = sink.Digest();
  if (old_image != nullptr) PAWL_TRY(old_image->CheckUnchanged());
  PAWL_TRY(new_image.CheckUnchanged());
  PAWL_TRY(sink.Commit());
  return info;
}

}  // namespace

Result<ContainerInfo> GenerateDelta(const std::string& old_path, const std::string& new_path,
                                    const std::string& out_path, const GenerateOptions& options) {
  PAWL_ASSIGN_OR_RETURN(FileReader old_image, OpenImage(old_path));
  PAWL_ASSIGN_OR_RETURN(FileReader new_image, OpenImage(new_path));
  return GenerateFile(&old_image, new_image, out_path, options);
}

Result<ContainerInfo> GenerateFull(const std::string& new_path, const std::string& out_path,
                                   const GenerateOptions& options) {
  PAWL_ASSIGN_OR_RETURN(FileReader new_image, OpenImage(new_path));
  return GenerateFile(nullptr, new_image, out_path, options);
}

}  // namespace pawl::delta
