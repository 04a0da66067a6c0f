// SPDX-License-Identifier: Apache-2.0
#pragma once

// An image seen with other bytes in places: parts of several readers laid end to end. Between parts
// there are zero bytes. Internal to delta/generate.

#include <cstdint>
#include <string>
#include <vector>

#include "base/block_io.h"
#include "base/file.h"
#include "base/result.h"
#include "delta/generate/piece.h"

namespace pawl::delta {

class SpliceView : public RandomReader {
 public:
  // Parts come in ascending order. `reader` is borrowed. REQUIRES: begin ≥ SizeBytes().
  void Add(std::uint64_t begin, std::uint64_t length, RandomReader& reader, std::uint64_t offset);

  Status ReadAt(std::uint64_t offset, ByteSpan out) override;
  std::uint64_t SizeBytes() const override { return size_; }

 private:
  struct Part {
    std::uint64_t begin;
    std::uint64_t length;
    RandomReader* reader;
    std::uint64_t offset;
  };
  std::vector<Part> parts_;
  std::uint64_t size_ = 0;
};

// Bytes that do not fit into memory: a file without a name, gone with the object.
class ScratchFile : public RandomReader {
 public:
  // In `directory`; empty: $TMPDIR, or else /tmp. ERRORS: as OpenFile.
  static Result<ScratchFile> Create(const std::string& directory);

  // Returns where the bytes begin. One thread at a time. ERRORS: kIo, kNoSpace.
  Result<std::uint64_t> Append(ByteView bytes);
  Status ReadAt(std::uint64_t offset, ByteSpan out) override;
  std::uint64_t SizeBytes() const override { return size_; }

 private:
  explicit ScratchFile(UniqueFd fd) : fd_(std::move(fd)) {}
  UniqueFd fd_;
  std::uint64_t size_ = 0;
};

}  // namespace pawl::delta
