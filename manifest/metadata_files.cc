// SPDX-License-Identifier: Apache-2.0
#include "manifest/metadata_files.h"

#include <algorithm>

#include "base/file.h"
#include "base/format.h"
#include "base/log.h"

namespace pawl::manifest {

std::string EncodeComponent(std::string_view component) {
  std::string out;
  for (const char c : component) {
    const bool plain = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
                       c == '_' || c == '-' || c == '~' || c == '.';
    if (plain) {
      out += c;
    } else {
      out += Format("%{:02X}", static_cast<unsigned>(static_cast<unsigned char>(c)));
    }
  }
  return out;
}

//= docs/manifest-format.md#M-23
std::string MetadataFileName(std::string_view role, std::uint64_t version, bool versioned) {
  const std::string name = EncodeComponent(role);
  return versioned ? Format("metadata/{}.{}.json", version, name)
                   : Format("metadata/{}.json", name);
}

std::string StoredRootName(std::uint64_t version) { return Format("root/{}", version); }

//= docs/manifest-format.md#M-27
Result<std::optional<Bytes>> MetadataFiles::Stored(std::string_view name) const {
  auto bytes = store_->Load(name);
  if (bytes) return bytes;
  const ErrorCode code = bytes.error().code();
  const bool unreadable = code == ErrorCode::kMetadataTooLarge ||
                          code == ErrorCode::kStoreCorrupt || code == ErrorCode::kIo;
  if (unreadable) {
    // A bad block under one file must not end updates for ever: it is fetched again and written to
    // another place.
    Log(LogLevel::kWarning, Format("event=stored-metadata-unreadable file={} code={}",
                                   EncodeFileName(name), CodeName(code)));
    return std::nullopt;
  }
  return FailIn(Format("loading the stored {}", name), std::move(bytes).error());
}

//= docs/manifest-format.md#M-25
Result<Bytes> MetadataFiles::Fetch(Fetcher& fetcher, const std::string& file, std::string_view role,
                                   std::uint64_t cap,
                                   const std::optional<std::uint64_t>& signed_length) {
  const auto too_large = [&](std::uint64_t limit, std::string_view found) {
    return Fail(ErrorCode::kMetadataTooLarge,
                Format("{}: expected at most {} bytes in {}, found {}", role, limit, file, found));
  };
  if (signed_length && *signed_length > cap) return too_large(cap, Format("{}", *signed_length));
  const std::uint64_t limit = signed_length.value_or(cap);
  auto bytes = fetcher.Fetch(file, limit);
  if (!bytes) {
    if (bytes.error().code() == ErrorCode::kTransferTooLarge) return too_large(limit, "more");
    return FailIn(Format("fetching {}", file), std::move(bytes).error());
  }
  if (bytes->size() > limit) return too_large(limit, Format("{}", bytes->size()));
  return bytes;
}

Status MetadataFiles::Keep(std::string_view name, ByteView bytes) {
  if (auto saved = store_->Save(name, bytes); !saved) {
    return FailIn(Format("keeping {}", name), std::move(saved).error());
  }
  changed_ = true;
  return {};
}

}  // namespace pawl::manifest
