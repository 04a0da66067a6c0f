// SPDX-License-Identifier: Apache-2.0
#pragma once

// Container files: reading the head of one, and writing a file that appears only when complete.
// ReadContainerHead apart, internal to delta/.

#include <string>

#include "base/block_io.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/result.h"
#include "delta/apply/head.h"

namespace pawl::delta {

struct ContainerHead {
  Head head;
  Sha256Digest sha256;  // of the encoded head
};

// Reads the head and checks that the container is as long as the head says.
// ERRORS: as ParseHead; kContainerMalformed; kIo.
Result<ContainerHead> ReadContainerHead(RandomReader& container);

// A temporary file beside `path` that takes its name on Commit and is removed otherwise.
class PendingFile {
 public:
  // ERRORS: as OpenFile.
  static Result<PendingFile> Create(const std::string& path);
  PendingFile(PendingFile&& other) noexcept;
  PendingFile& operator=(PendingFile&&) = delete;
  ~PendingFile();

  int fd() const { return fd_.get(); }
  // Makes the bytes durable, then the name. ERRORS: kIo, kNoSpace.
  Status Commit();

 private:
  PendingFile(UniqueFd fd, std::string temporary, std::string path)
      : fd_(std::move(fd)), temporary_(std::move(temporary)), path_(std::move(path)) {}
  UniqueFd fd_;
  std::string temporary_;  // empty once committed or moved from
  std::string path_;
};

}  // namespace pawl::delta
