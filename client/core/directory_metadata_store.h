// SPDX-License-Identifier: Apache-2.0
#pragma once

// Trusted metadata as plain files, `<percent-encoded role>.json`, byte for byte as received. After
// any crash a file is the old or the new one. Leftovers of a cut write never end in ".json" and are
// not looked at.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"
#include "manifest/refresh.h"

namespace pawl::client {

class DirectoryMetadataStore : public manifest::MetadataStore {
 public:
  // `directory` must exist when a method is called; it belongs to the agent alone. What may be
  // fetched can be read back: a stored file that counts as absent is no floor against rollback.
  explicit DirectoryMetadataStore(std::string directory,
                                  const manifest::MetadataLimits& limits = {});

  // ERRORS of all three: kPathUnsafe when the directory or the entry is a symbolic link, kIo,
  // kNoSpace, kPermission. Load: kMetadataTooLarge.
  Result<std::optional<Bytes>> Load(std::string_view name) override;
  Status Save(std::string_view name, ByteView bytes) override;
  Status Remove(std::string_view name) override;

 private:
  Result<std::string> PathOf(std::string_view name) const;
  std::string directory_;
  std::uint64_t max_bytes_;  // the largest of the caps
};

}  // namespace pawl::client
