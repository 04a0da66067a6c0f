// SPDX-License-Identifier: Apache-2.0
#pragma once

// Writes offline bundles from what is published: the chain of metadata, and one release with as
// much of its content as is wanted. Judged as a device would before it is written, and read back
// from the file before it gets its name. The same input gives the same bytes. Format:
// docs/manifest-format.md, part 5.

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "manifest/bundle.h"
#include "manifest/release.h"
#include "signer/workspace.h"

namespace pawl::signer {

// Content of an entry: bytes, or a file of the published tree with the digest that it must have.
struct BundleItem {
  Bytes bytes;
  std::string source;  // empty: `bytes`
  manifest::FileReference reference;
  std::uint64_t size() const { return source.empty() ? bytes.size() : reference.length; }
};
using BundleItems = std::map<manifest::BundleKey, std::pair<std::string, BundleItem>>;

struct BundleRelease {
  std::string version;
  std::vector<std::string> from;  // versions whose deltas come along
  bool full = true;               // the full image comes along
  bool payloads = true;           // false: the manifest alone
};

// An order and the role file that lists it: part of no publication.
struct BundleOrder {
  Bytes role_file;
  Bytes order;
};

struct BundleRequest {
  std::string product;
  std::optional<BundleRelease> release;
  std::optional<BundleOrder> order;
  std::string out;
  UtcTime now;
  // What else must hold before it is written, and of the file when it is read back. May be empty.
  std::function<Status(manifest::TufClient&, manifest::Fetcher&)> judge;
};

struct BundleReport {
  std::uint64_t bytes = 0;  // of the file
  std::size_t entries = 0;
  UtcTime usable_until;             // the first expiry that counts in a bundle
  std::vector<std::string> images;  // "rootfs: full image, delta from 1.0"
  std::vector<std::string> notes;
};

// ERRORS: kOutputExists; kUnknownName (release not published, no such delta); kMetadataMissing when
// nothing is published; kReleaseFileMismatch; kBundleMalformed for a payload above 8 GiB; what a
// device would say of it.
Result<BundleReport> MakeBundle(const Workspace& workspace, const BundleRequest& request);

// The published manifest of a release. ERRORS: kUnknownName listing the published ones.
struct PublishedRelease {
  std::string path;
  Sha256Digest sha256;
  Bytes bytes;
  manifest::ReleaseManifest manifest;
};
Result<PublishedRelease> ReadPublishedRelease(const Workspace& workspace,
                                              const std::string& product,
                                              const std::string& version);

}  // namespace pawl::signer
