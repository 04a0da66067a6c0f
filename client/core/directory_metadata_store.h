// SPDX-License-Identifier: Apache-2.0
#pragma once

// Trusted metadata as plain files, `<percent-encoded role>.json`, byte for byte as received. After
// any crash a file is the old or the new one. Leftovers of a cut write never end in ".json" and are
// not looked at.

#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"
#include "manifest/refresh.h"

namespace pawl::client {

class DirectoryMetadataStore : public manifest::MetadataStore {
 public:
  // `directory` must exist when a method is called; it belongs to the agent alone. `max_bytes` caps
  // what is read back.
  explicit DirectoryMetadataStore(std::string directory, std::uint64_t max_bytes = 4U << 20);

  // ERRORS of all three: kPathUnsafe when the directory or the entry is a symbolic link, kIo,
  // kNoSpace, kPermission. Load: kMetadataTooLarge.
  Result<std::optional<Bytes>> Load(std::string_view name) override;
  Status Save(std::string_view name, ByteView bytes) override;
  Status Remove(std::string_view name) override;

 private:
  Result<std::string> PathOf(std::string_view name) const;
  std::string directory_;
  std::uint64_t max_bytes_;
};

}  // namespace pawl::client
