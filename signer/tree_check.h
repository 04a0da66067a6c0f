// SPDX-License-Identifier: Apache-2.0
#pragma once

// Judges a tree of served files as a device would: with the device's own TUF client and codecs,
// from the first root on. Used on the tree that is about to be published, on the one that was just
// written, and by `verify`.

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "manifest/refresh.h"
#include "manifest/release.h"
#include "signer/release_files.h"

namespace pawl::signer {

// Trusted metadata in memory, for the length of one check.
class MemoryMetadataStore : public manifest::MetadataStore {
 public:
  Result<std::optional<Bytes>> Load(std::string_view name) override;
  Status Save(std::string_view name, ByteView bytes) override;
  Status Remove(std::string_view name) override;

 private:
  std::map<std::string, Bytes, std::less<>> files_;
};

// Serves a folder like a web server would, with files laid over it that are not there yet.
class TreeFetcher : public manifest::Fetcher {
 public:
  explicit TreeFetcher(std::string directory, std::map<std::string, Bytes> overlay = {})
      : directory_(std::move(directory)), overlay_(std::move(overlay)) {}
  Result<Bytes> Fetch(std::string_view name, std::uint64_t max_bytes) override;

 private:
  std::string directory_;
  std::map<std::string, Bytes> overlay_;  // by path, not percent-encoded
};

struct TreeCheckOptions {
  UtcTime now;
  Locator payloads;  // where payloads lie
  // Releases whose payloads are hashed in full, by target path; of the others only lengths and
  // heads. Empty optional: all.
  std::optional<std::set<std::string>> hash_releases;
  // Given: looks at the payloads of a release instead, for trees that are no folder.
  std::function<Status(const manifest::ReleaseManifest&)> payload_check;
  // Roles that must be right in every respect. Of rollout and orders roles not among them, what a
  // device would pass over (expiry, a release that was taken back) is a note.
  std::set<std::string> strict_roles;
};

struct TreeReport {
  manifest::RefreshResult versions;
  std::vector<manifest::ReleaseManifest> releases;
  std::size_t rollouts = 0;
  std::size_t orders = 0;
  std::uint64_t payload_bytes = 0;
  std::vector<std::string> notes;
};

// `store` may hold what a device has seen before. ERRORS: E02xx as on a device, E03xx and E07xx for
// payloads and manifests.
Result<TreeReport> CheckTree(manifest::Fetcher& tree, ByteView first_root,
                             manifest::MetadataStore& store, const TreeCheckOptions& options);

}  // namespace pawl::signer
