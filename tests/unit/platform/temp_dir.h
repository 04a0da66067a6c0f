// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <stdlib.h>

#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>

#include "base/file.h"

namespace pawl::client {

// A folder of its own for one test, gone at the end.
class TempDir {
 public:
  TempDir() {
    std::string path = "/tmp/pawl-test.XXXXXX";
    if (mkdtemp(path.data()) == nullptr) abort();
    path_ = path;
  }
  ~TempDir() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;

  const std::string& path() const { return path_; }
  std::string Of(std::string_view name) const { return JoinPath(path_, name); }
  // Writes a file, with its folders, and returns its path.
  std::string Put(std::string_view name, std::string_view text, mode_t mode = 0644) const {
    const std::string path = Of(name);
    std::filesystem::create_directories(std::filesystem::path(path).parent_path());
    if (!AtomicWriteFile(path, AsBytes(text), mode)) abort();
    return path;
  }
  std::string Get(std::string_view name) const {
    const auto bytes = ReadFile(Of(name), 64U << 20);
    return bytes ? std::string(AsText(*bytes)) : std::string("(unreadable)");
  }

 private:
  std::string path_;
};

}  // namespace pawl::client
