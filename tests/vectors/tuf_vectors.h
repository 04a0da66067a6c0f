// SPDX-License-Identifier: Apache-2.0
#pragma once

// Recorded and real TUF repositories beside the checkout (or where PAWL_VECTORS says). They are
// data of other projects and not part of this one; without them the tests are skipped and say so.

#include <cstdlib>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/file.h"
#include "base/json.h"

namespace pawl::vectors {

// A file that a test cannot do without. Empty bytes when it is not there, which no check accepts.
inline Bytes ReadVector(const std::filesystem::path& path) {
  return ReadFile(path.string(), 64U << 20U).value_or(Bytes{});
}

inline Json ReadVectorJson(const std::filesystem::path& path) {
  return ParseJson(ReadVector(path)).value_or(Json());
}

// "<folder>/tuf", or an empty path when there are no vectors.
inline std::filesystem::path TufVectors() {
  const char* const named = std::getenv("PAWL_VECTORS");
  const std::filesystem::path root =
      named != nullptr ? std::filesystem::path(named)
                       : std::filesystem::path(PAWL_SOURCE_DIR) / ".." / "shared" / "vectors";
  const std::filesystem::path tuf = root / "tuf";
  return std::filesystem::is_directory(tuf) ? tuf : std::filesystem::path();
}

// All files below `folder`, by relative name, with `prefix` put before it.
inline std::map<std::string, Bytes, std::less<>> LoadTree(const std::filesystem::path& folder,
                                                          const std::string& prefix) {
  std::map<std::string, Bytes, std::less<>> files;
  if (!std::filesystem::is_directory(folder)) return files;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    if (!entry.is_regular_file()) continue;
    files[prefix + std::filesystem::relative(entry.path(), folder).string()] =
        ReadVector(entry.path());
  }
  return files;
}

}  // namespace pawl::vectors

#define PAWL_REQUIRE_TUF_VECTORS(folder)                              \
  const std::filesystem::path folder = ::pawl::vectors::TufVectors(); \
  if (folder.empty()) GTEST_SKIP() << "no vectors: set PAWL_VECTORS to the folder that holds tuf/"
