// SPDX-License-Identifier: Apache-2.0
#pragma once

// How metadata files are named, fetched under their caps and kept. Decides nothing. Internal to the
// refresh walk.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"
#include "manifest/refresh.h"

namespace pawl::manifest {

// Percent-encodes one path component for a URL: everything but A-Z a-z 0-9 _ - ~ and '.'.
std::string EncodeComponent(std::string_view component);

// "metadata/7.snapshot.json"; without the version when the repository keeps one file per role.
std::string MetadataFileName(std::string_view role, std::uint64_t version, bool versioned);

// Where the store keeps the root of one version, beside "root", the newest.
std::string StoredRootName(std::uint64_t version);

class MetadataFiles {
 public:
  explicit MetadataFiles(MetadataStore& store) : store_(&store) {}

  // A stored file that cannot be read back (torn, too large, on a bad block) counts as absent: it
  // can be had again. ERRORS: others of E05xx.
  Result<std::optional<Bytes>> Stored(std::string_view name) const;

  // Fetches `file` of `role`. `signed_length` is what a trusted file says of it.
  // ERRORS: kMetadataTooLarge above `cap` or the signed length, what the fetcher says.
  static Result<Bytes> Fetch(Fetcher& fetcher, const std::string& file, std::string_view role,
                             std::uint64_t cap, const std::optional<std::uint64_t>& signed_length);

  // Keeps a file that has passed every check.
  Status Keep(std::string_view name, ByteView bytes);
  bool changed() const { return changed_; }  // something was kept since the last ForgetChanges
  void ForgetChanges() { changed_ = false; }

 private:
  MetadataStore* store_;  // borrowed; outlives this
  bool changed_ = false;
};

}  // namespace pawl::manifest
