// SPDX-License-Identifier: Apache-2.0
#pragma once

// The file in which a release or an order travels where no network reaches: served files, one after
// another, as an uncompressed ustar archive of which only one spelling is allowed. Nothing in it is
// believed for being in it; all of it goes the way of bytes from a server.
//
// Strict and small instead of a library for archives: a device reads this as root, from a stick
// that somebody brought. Specification: docs/manifest-format.md, part 5.

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/block_io.h"
#include "base/bytes.h"
#include "base/result.h"
#include "manifest/refresh.h"

namespace pawl::manifest {

inline constexpr std::uint64_t kBundleBlockBytes = 512;
inline constexpr std::uint64_t kMaxBundleEntryBytes = (1ULL << 33) - 1;  // eleven octal digits
// Roots of one run, roles, and the payloads of 16 components with 32 deltas each.
inline constexpr std::size_t kMaxBundleEntries = 4096;
// All names together: the index of an unsigned file is held in memory.
inline constexpr std::size_t kMaxBundleNameBytes = 384 * 1024;

// The order, and the role file that lists it: not among the published metadata.
inline constexpr std::string_view kOfflineOrder = "offline/order.json";
inline constexpr std::string_view kOfflineOrdersRole = "offline/orders.json";
// One entry and its signatures; parsed whole before anybody has vouched for it.
//= docs/manifest-format.md#M-76
inline constexpr std::uint64_t kMaxOfflineOrdersBytes = 64 * 1024;

// Where a name stands in a bundle: keys rise strictly from entry to entry, so that nothing comes
// twice and metadata comes first.
struct BundleKey {
  int part = 0;
  std::string within;
  auto operator<=>(const BundleKey&) const = default;
};
// ERRORS: kBundleMalformed for a name that a bundle does not have: absolute, with "..", of another
// folder, with characters outside of [A-Za-z0-9._+%~-].
Result<BundleKey> KeyOfBundleName(std::string_view name);

using BundleBlock = std::array<std::uint8_t, kBundleBlockBytes>;
// The one header that an entry may have. ERRORS: kBundleMalformed for a name above 255 bytes or
// without a place to cut it, and for a size above kMaxBundleEntryBytes.
Result<BundleBlock> EncodeBundleHeader(std::string_view name, std::uint64_t size);
// Zero bytes between the end of an entry's content and the next block.
constexpr std::uint64_t BundlePadding(std::uint64_t size) {
  return (kBundleBlockBytes - size % kBundleBlockBytes) % kBundleBlockBytes;
}

class Bundle {
 public:
  struct Entry {
    std::string name;          // as below public/
    std::uint64_t offset = 0;  // of the content, from the start of the file
    std::uint64_t size = 0;    // bytes
  };

  // Reads headers and padding, no content. `file` is borrowed and read from again later, so it is
  // no proof that it was whole once. ERRORS: kBundleMalformed; those of the reader.
  static Result<Bundle> Open(RandomReader& file);

  // By the name that a device asks a server for, percent-encoded where needed (M-23, M-24, M-43).
  const Entry* Find(std::string_view name) const;
  // ERRORS: kNotFound for a root, since that is how the walk through the roots ends;
  // kBundleIncomplete for anything else.
  Result<const Entry*> Require(std::string_view name) const;
  // out.size() bytes of the entry's content from `offset` on. ERRORS: kPayloadLength when the entry
  // is shorter; those of the reader.
  Status Read(const Entry& entry, std::uint64_t offset, ByteSpan out) const;

  const std::vector<Entry>& entries() const { return entries_; }
  // The TUF path of the release whose manifest is in it.
  const std::optional<std::string>& release_path() const { return release_path_; }

 private:
  explicit Bundle(RandomReader& file) : file_(&file) {}
  Result<std::uint64_t> ReadEntry(std::uint64_t offset, BundleKey& last);
  Status CheckZeros(std::uint64_t offset, std::uint64_t length, std::string_view what) const;
  void Index(Entry entry);

  RandomReader* file_;  // borrowed; outlives this
  std::vector<Entry> entries_;
  std::size_t name_bytes_ = 0;  // of all entries
  std::map<std::string, std::size_t, std::less<>> by_name_;  // percent-encoded
  std::optional<std::string> release_path_;
};

// A bundle as the source of metadata and targets. `bundle` is borrowed.
class BundleFetcher : public Fetcher {
 public:
  explicit BundleFetcher(const Bundle& bundle) : bundle_(bundle) {}
  // ERRORS: as Bundle::Require and Bundle::Read; kTransferTooLarge.
  Result<Bytes> Fetch(std::string_view name, std::uint64_t max_bytes) override;

 private:
  const Bundle& bundle_;
};

}  // namespace pawl::manifest
