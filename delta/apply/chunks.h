// SPDX-License-Identifier: Apache-2.0
#pragma once

// Digests of an image: of every 1 MiB chunk, which the signed manifest lists, and of the whole.

#include <functional>
#include <vector>

#include "base/block_io.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/result.h"
#include "delta/apply/head.h"

namespace pawl::delta {

// Called with bytes done and total, never from two threads at a time.
using ProgressFunction = std::function<void(std::uint64_t done, std::uint64_t total)>;

// SHA-256 of each chunk in order; the last chunk may be shorter; none for an empty image.
// ERRORS: kIo from the reader.
Result<std::vector<Sha256Digest>> ChunkDigests(RandomReader& image);

struct ImageDigests {
  ImageIdentity whole;
  std::vector<Sha256Digest> chunks;
};
// Both in one pass. ERRORS: kIo; `progress` may be empty.
Result<ImageDigests> DigestImage(RandomReader& image, const ProgressFunction& progress = {});

// A regular file as RandomReader, by pread: a file that shrinks gives kIo, never a signal.
class FileReader : public RandomReader {
 public:
  // ERRORS: as OpenFile; kInputInvalid unless `path` is a regular file or block device.
  static Result<FileReader> Open(const std::string& path);

  Status ReadAt(std::uint64_t offset, ByteSpan out) override;
  std::uint64_t SizeBytes() const override { return size_; }
  // ERRORS: kInputInvalid when size or modification time are not what they were at Open.
  Status CheckUnchanged() const;

 private:
  FileReader(UniqueFd fd, std::string path, std::uint64_t size, std::int64_t modified_ns)
      : fd_(std::move(fd)), path_(std::move(path)), size_(size), modified_ns_(modified_ns) {}
  UniqueFd fd_;
  std::string path_;
  std::uint64_t size_;
  std::int64_t modified_ns_;  // since the epoch
};

// Bytes in memory as RandomReader. The bytes are borrowed.
class MemoryReader : public RandomReader {
 public:
  explicit MemoryReader(ByteView bytes) : bytes_(bytes) {}
  Status ReadAt(std::uint64_t offset, ByteSpan out) override;
  std::uint64_t SizeBytes() const override { return bytes_.size(); }

 private:
  ByteView bytes_;
};

}  // namespace pawl::delta
