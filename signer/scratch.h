// SPDX-License-Identifier: Apache-2.0
#pragma once

// A folder for work in progress that goes away with its owner.

#include <string>

#include "base/result.h"

namespace pawl::signer {

class ScratchDirectory {
 public:
  // Makes a new folder below `parent` (made too when absent). ERRORS: storage.
  static Result<ScratchDirectory> Create(const std::string& parent);
  ScratchDirectory(ScratchDirectory&& other) noexcept;
  ScratchDirectory& operator=(ScratchDirectory&&) = delete;
  ~ScratchDirectory();  // removes it with all it holds; nothing when it was renamed away

  const std::string& path() const { return path_; }

 private:
  explicit ScratchDirectory(std::string path) : path_(std::move(path)) {}
  std::string path_;
};

}  // namespace pawl::signer
