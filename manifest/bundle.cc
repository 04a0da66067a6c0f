// SPDX-License-Identifier: Apache-2.0
#include "manifest/bundle.h"

#include <algorithm>
#include <charconv>

#include "base/format.h"
#include "manifest/metadata_files.h"

namespace pawl::manifest {
namespace {

// Offsets and widths of the ustar header (POSIX.1-2017, pax, "ustar Interchange Format").
constexpr std::size_t kNameBytes = 100;
constexpr std::size_t kModeAt = 100;
constexpr std::size_t kUidAt = 108;
constexpr std::size_t kGidAt = 116;
constexpr std::size_t kSizeAt = 124;
constexpr std::size_t kSizeDigits = 11;
constexpr std::size_t kTimeAt = 136;
constexpr std::size_t kChecksumAt = 148;
constexpr std::size_t kChecksumBytes = 8;
constexpr std::size_t kTypeAt = 156;
constexpr std::size_t kMagicAt = 257;
constexpr std::size_t kDevMajorAt = 329;
constexpr std::size_t kDevMinorAt = 337;
constexpr std::size_t kPrefixAt = 345;
constexpr std::size_t kPrefixBytes = 155;
constexpr std::size_t kMaxNameBytes = 255;  // of a path as a whole

// Parts of a bundle, in their order.
enum Part : int { kRoots, kTimestamp, kSnapshot, kTargets, kRoles, kOffline, kRelease, kPayloads };

std::unexpected<Error> Malformed(std::string_view what) {
  return Fail(ErrorCode::kBundleMalformed, std::string(what));
}

bool IsPlainCharacter(char c) {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' ||
         c == '_' || c == '+' || c == '%' || c == '~' || c == '-';
}

// Splits at '/'; empty when a component is empty, "." or "..", or has another character.
std::vector<std::string_view> PlainComponents(std::string_view name) {
  std::vector<std::string_view> components;
  while (true) {
    const std::size_t slash = name.find('/');
    const std::string_view part = name.substr(0, slash);
    const bool plain =
        !part.empty() && part != "." && part != ".." && std::ranges::all_of(part, IsPlainCharacter);
    if (!plain) return {};
    components.push_back(part);
    if (slash == std::string_view::npos) return components;
    name.remove_prefix(slash + 1);
  }
}

// "12" → 12; only the shortest spelling of 1 … 2^63-1.
std::optional<std::uint64_t> ParseVersion(std::string_view text) {
  std::uint64_t number = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
  const bool whole = failure == std::errc() && end == text.data() + text.size();
  if (!whole || number == 0 || number > INT64_MAX || text.front() == '0') return std::nullopt;
  return number;
}

// "<n>.<role>.json" or "timestamp.json".
std::optional<BundleKey> MetadataKey(std::string_view file) {
  if (file == "timestamp.json") return BundleKey{kTimestamp, ""};
  constexpr std::string_view kEnding = ".json";
  const std::size_t dot = file.find('.');
  if (dot == std::string_view::npos || !file.ends_with(kEnding)) return std::nullopt;
  const auto version = ParseVersion(file.substr(0, dot));
  if (!version || file.size() <= dot + 1 + kEnding.size()) return std::nullopt;
  const std::string_view role = file.substr(dot + 1, file.size() - dot - 1 - kEnding.size());
  if (role == "root") return BundleKey{kRoots, Format("{:020}", *version)};
  if (role == "timestamp") return std::nullopt;
  if (role == "snapshot") return BundleKey{kSnapshot, ""};
  if (role == "targets") return BundleKey{kTargets, ""};
  return BundleKey{kRoles, std::string(role)};
}

// "releases/<product>/<version>/<sha256>.manifest.json"
bool IsReleaseManifest(const std::vector<std::string_view>& parts) {
  constexpr std::string_view kEnding = ".manifest.json";
  if (parts.size() != 5 || parts[1] != "releases" || !parts[4].ends_with(kEnding)) return false;
  return Sha256Digest::FromHex(parts[4].substr(0, parts[4].size() - kEnding.size())).has_value();
}

void PutText(BundleBlock& block, std::size_t at, std::string_view text) {
  std::ranges::copy(AsBytes(text), block.begin() + static_cast<std::ptrdiff_t>(at));
}

std::string TextAt(const BundleBlock& block, std::size_t at, std::size_t width) {
  const std::string_view field = AsText(ByteView(block).subspan(at, width));
  return std::string(field.substr(0, field.find('\0')));
}

// As EncodeComponent, but for a whole path.
std::string EncodePath(std::string_view name) {
  std::string out;
  while (true) {
    const std::size_t slash = name.find('/');
    out += EncodeComponent(name.substr(0, slash));
    if (slash == std::string_view::npos) return out;
    out += '/';
    name.remove_prefix(slash + 1);
  }
}

struct Claim {
  std::string name;
  std::uint64_t size = 0;
};

// Reads name and size, and takes the header only if it is the one that these two give: mode, owner,
// time, type, checksum and unused bytes have no other spelling. Links, folders, devices, extended
// headers and sizes in binary fall out here.
Result<Claim> DecodeHeader(const BundleBlock& block) {
  Claim claim;
  const std::string prefix = TextAt(block, kPrefixAt, kPrefixBytes);
  claim.name = prefix.empty() ? "" : prefix + "/";
  claim.name += TextAt(block, 0, kNameBytes);
  const std::string_view digits = AsText(ByteView(block).subspan(kSizeAt, kSizeDigits));
  const auto [end, failure] =
      std::from_chars(digits.data(), digits.data() + digits.size(), claim.size, 8);
  if (failure != std::errc() || end != digits.data() + digits.size()) {
    return Malformed("expected a size of eleven octal digits");
  }
  PAWL_ASSIGN_OR_RETURN(const BundleBlock expected, EncodeBundleHeader(claim.name, claim.size));
  if (expected != block) {
    return Malformed("expected the plain header of a regular file as pawl-signer writes it");
  }
  return claim;
}

}  // namespace

//= docs/manifest-format.md#M-71
Result<BundleKey> KeyOfBundleName(std::string_view name) {
  const std::vector<std::string_view> parts = PlainComponents(name);
  std::optional<BundleKey> key;
  if (parts.size() == 2 && parts[0] == "metadata") key = MetadataKey(parts[1]);
  if (name == kOfflineOrder || name == kOfflineOrdersRole) key = {kOffline, std::string(name)};
  if (!parts.empty() && parts[0] == "targets" && IsReleaseManifest(parts)) key = {kRelease, ""};
  if (parts.size() > 1 && parts[0] == "payloads") key = {kPayloads, std::string(name)};
  if (key) return *std::move(key);
  return Malformed(Format("expected a served file as name of an entry, found \"{}\"",
                          EncodeComponent(name.substr(0, kMaxNameBytes))));
}

//= docs/manifest-format.md#M-70
Result<BundleBlock> EncodeBundleHeader(std::string_view name, std::uint64_t size) {
  if (size > kMaxBundleEntryBytes) {
    return Malformed(
        Format("{}: expected at most {} bytes, found {}", name, kMaxBundleEntryBytes, size));
  }
  std::size_t cut = 0;  // length of the prefix: none, or up to the first '/' that leaves enough
  if (name.size() > kNameBytes) {
    cut = name.find('/', name.size() - kNameBytes - 1);
  }
  if (name.empty() || name.front() == '/' || name.size() > kMaxNameBytes ||
      cut == std::string_view::npos || cut > kPrefixBytes) {
    return Malformed("expected a name that fits a header");
  }
  BundleBlock block{};
  PutText(block, 0, cut == 0 ? name : name.substr(cut + 1));
  PutText(block, kModeAt, "0000644");
  PutText(block, kUidAt, "0000000");
  PutText(block, kGidAt, "0000000");
  PutText(block, kSizeAt, Format("{:011o}", size));
  PutText(block, kTimeAt, "00000000000");
  PutText(block, kChecksumAt, "        ");
  block[kTypeAt] = '0';
  PutText(block, kMagicAt, std::string_view("ustar\00000", 8));
  PutText(block, kDevMajorAt, "0000000");
  PutText(block, kDevMinorAt, "0000000");
  PutText(block, kPrefixAt, name.substr(0, cut));
  unsigned sum = 0;
  for (const std::uint8_t byte : block) sum += byte;
  static_assert(kChecksumBytes == 8);
  PutText(block, kChecksumAt, Format("{:06o}", sum) + std::string("\0 ", 2));
  return block;
}

Status Bundle::CheckZeros(std::uint64_t offset, std::uint64_t length, std::string_view what) const {
  BundleBlock block{};
  const ByteSpan part = ByteSpan(block).first(static_cast<std::size_t>(length));
  PAWL_TRY(file_->ReadAt(offset, part));
  if (std::ranges::all_of(part, [](std::uint8_t byte) { return byte == 0; })) return {};
  return Malformed(Format("expected zeros {} at byte {}", what, offset));
}

void Bundle::Index(Entry entry) {
  const std::vector<std::string_view> parts = PlainComponents(entry.name);
  if (IsReleaseManifest(parts)) {
    release_path_ = Format("releases/{}/{}/manifest.json", parts[2], parts[3]);
  }
  // Metadata lies under its percent-encoded name, the others are asked for by theirs.
  const bool metadata = entry.name.starts_with("metadata/");
  by_name_.emplace(metadata ? entry.name : EncodePath(entry.name), entries_.size());
  entries_.push_back(std::move(entry));
}

// Returns where the next header is.
Result<std::uint64_t> Bundle::ReadEntry(std::uint64_t offset, BundleKey& last) {
  BundleBlock block{};
  PAWL_TRY(file_->ReadAt(offset, block));
  auto claim = DecodeHeader(block);
  if (!claim) return FailIn(Format("entry at byte {}", offset), std::move(claim).error());
  PAWL_ASSIGN_OR_RETURN(BundleKey key, KeyOfBundleName(claim->name));
  if (!entries_.empty() && key <= last) {
    return Malformed(
        Format("expected {} before {}, or only once", claim->name, entries_.back().name));
  }
  if (key.part == kRoots && key.within != Format("{:020}", entries_.size() + 1)) {
    return Malformed(Format("expected root {}, found {}", entries_.size() + 1, claim->name));
  }
  if (entries_.size() >= kMaxBundleEntries) {
    return Malformed(Format("expected at most {} entries", kMaxBundleEntries));
  }
  name_bytes_ += claim->name.size();
  if (name_bytes_ > kMaxBundleNameBytes) {
    return Malformed(Format("expected names of at most {} bytes together", kMaxBundleNameBytes));
  }
  const std::uint64_t content = offset + kBundleBlockBytes;
  const std::uint64_t padding = BundlePadding(claim->size);
  if (!Contains(file_->SizeBytes(), content, claim->size + padding)) {
    return Malformed(Format("{}: ends at byte {}, in the middle of {}", "the file",
                            file_->SizeBytes(), claim->name));
  }
  PAWL_TRY(CheckZeros(content + claim->size, padding, "after " + claim->name));
  last = std::move(key);
  Index({std::move(claim->name), content, claim->size});
  return content + claim->size + padding;
}

//= docs/manifest-format.md#M-72
Result<Bundle> Bundle::Open(RandomReader& file) {
  Bundle bundle(file);
  const std::uint64_t size = file.SizeBytes();
  constexpr std::uint64_t kEndBytes = 2 * kBundleBlockBytes;
  if (size % kBundleBlockBytes != 0 || size < kEndBytes + kBundleBlockBytes) {
    return Malformed(Format("expected whole blocks of {} bytes, at least three, found {} bytes",
                            kBundleBlockBytes, size));
  }
  BundleKey last;
  std::uint64_t offset = 0;
  while (offset < size - kEndBytes) {
    PAWL_ASSIGN_OR_RETURN(offset, bundle.ReadEntry(offset, last));
  }
  if (offset != size - kEndBytes) {
    return Malformed("expected two blocks of zeros at the end, found content");
  }
  PAWL_TRY(bundle.CheckZeros(offset, kBundleBlockBytes, "at the end"));
  PAWL_TRY(bundle.CheckZeros(offset + kBundleBlockBytes, kBundleBlockBytes, "at the end"));
  return bundle;
}

const Bundle::Entry* Bundle::Find(std::string_view name) const {
  auto found = by_name_.find(name);
  if (found == by_name_.end()) found = by_name_.find(EncodePath(name));  // payloads are asked raw
  return found == by_name_.end() ? nullptr : &entries_[found->second];
}

Result<const Bundle::Entry*> Bundle::Require(std::string_view name) const {
  if (const Entry* entry = Find(name)) return entry;
  const bool root = name.starts_with("metadata/") && name.ends_with(".root.json");
  return Fail(root ? ErrorCode::kNotFound : ErrorCode::kBundleIncomplete,
              Format("expected {} in the bundle", name));
}

//= docs/manifest-format.md#M-73
Status Bundle::Read(const Entry& entry, std::uint64_t offset, ByteSpan out) const {
  if (!Contains(entry.size, offset, out.size())) {
    return Fail(ErrorCode::kPayloadLength,
                Format("{}: expected bytes {} to {}, found {} bytes", entry.name, offset,
                       offset + out.size(), entry.size));
  }
  return file_->ReadAt(entry.offset + offset, out);
}

Result<Bytes> BundleFetcher::Fetch(std::string_view name, std::uint64_t max_bytes) {
  PAWL_ASSIGN_OR_RETURN(const Bundle::Entry* entry, bundle_.Require(name));
  if (entry->size > max_bytes) {
    return Fail(ErrorCode::kTransferTooLarge, Format("{}: expected at most {} bytes, found {}",
                                                     entry->name, max_bytes, entry->size));
  }
  Bytes bytes(static_cast<std::size_t>(entry->size));
  PAWL_TRY(bundle_.Read(*entry, 0, bytes));
  return bytes;
}

}  // namespace pawl::manifest
