// SPDX-License-Identifier: Apache-2.0
// Compressed blocks of squashfs 4.0: data blocks by the inode table, fragments and metadata by
// their tables. Source: the kernel's fs/squashfs/squashfs_fs.h; mksquashfs 4.5 for the defaults.

#include <algorithm>
#include <array>

#include "delta/generate/found_blocks.h"

namespace pawl::delta {
namespace {

constexpr std::uint32_t kMagic = 0x73717368;
constexpr std::size_t kSuperBytes = 96;
constexpr std::uint32_t kMetadataBytes = 8192;
constexpr std::uint64_t kMaxTableBytes = 512ULL << 20;  // plain: tens of millions of inodes
constexpr std::uint16_t kHasOptions = 0x400;
constexpr std::uint64_t kNoTable = ~std::uint64_t{0};
constexpr std::uint32_t kNoFragment = ~std::uint32_t{0};
constexpr std::uint32_t kStoredBit = 1U << 24;  // in the length of a data block
constexpr std::uint64_t kLeastBlock = 16;       // coded bytes; no compressor makes fewer of 4 KiB

struct Super {
  std::uint32_t block_bytes = 0;
  std::uint32_t fragments = 0;
  std::uint16_t compressor = 0;
  std::uint16_t flags = 0;
  std::uint16_t ids = 0;
  std::uint64_t id_table = 0;
  std::uint64_t inode_table = 0;
  std::uint64_t directory_table = 0;
  std::uint64_t fragment_table = 0;
  std::uint64_t export_table = 0;
  std::uint32_t inodes = 0;
};

enum Compressor : std::uint16_t { kGzip = 1, kXz = 4, kLz4 = 5, kZstd = 6 };

// What encodes blocks of data and of metadata, by the options in the image or else the defaults.
std::vector<std::vector<Transform>> Choices(const Super& super, ByteView options) {
  const auto word = [&](std::size_t at, std::uint32_t otherwise) {
    return options.size() >= at + 4 ? Le32(options, at) : otherwise;
  };
  constexpr unsigned kCrc32 = 1;
  switch (super.compressor) {
    case kGzip: {
      const auto level = static_cast<int>(word(0, 9));
      const unsigned window = options.size() >= 6 ? Le16(options, 4) : 15;
      const std::vector<Transform> both = {DeflateTransform(level, window, 8, true)};
      return {both, both};
    }
    case kXz: {
      const std::uint32_t dictionary = word(0, super.block_bytes);
      const std::uint32_t filters = word(4, 0);
      // mksquashfs keeps the best of LZMA alone and LZMA behind each filter that is asked for.
      constexpr std::array<unsigned, 6> kFilters = {4, 5, 6, 7, 8, 9};
      std::vector<Transform> data = {XzTransform(6, dictionary, kCrc32, true)};
      std::vector<Transform> metadata = {XzTransform(6, kMetadataBytes, kCrc32, true)};
      for (std::size_t i = 0; i < kFilters.size(); ++i) {
        if ((filters >> i & 1) == 0) continue;
        data.push_back(XzTransform(6, dictionary, kCrc32, true, kFilters.at(i)));
      }
      return {data, metadata};
    }
    case kLz4: {
      const unsigned level = (word(4, 0) & 1) != 0 ? 12 : 0;
      const std::vector<Transform> both = {Lz4Transform(level, 0)};
      return {both, both};
    }
    case kZstd: {
      const std::vector<Transform> both = {
          ZstdTransform(static_cast<int>(word(0, 15)), false, true)};
      return {both, both};
    }
    default:
      return {};
  }
}

BlockCoding CodingOf(std::uint16_t compressor) {
  switch (compressor) {
    case kGzip:
      return BlockCoding::kZlib;
    case kXz:
      return BlockCoding::kXz;
    case kLz4:
      return BlockCoding::kLz4;
    default:
      return BlockCoding::kZstd;
  }
}

class Finder {
 public:
  explicit Finder(RandomReader& image) : image_(image), found_() {}

  Result<FoundBlocks> Run() {
    if (!ReadSuper()) return Finish();
    found_.choices = Choices(super_, ReadOptions());
    if (found_.choices.empty()) return Finish();
    const Bytes inodes = ReadTable(super_.inode_table, super_.directory_table);
    WalkInodes(inodes);
    const std::uint64_t directory_end = FirstListed(super_.fragment_table, super_.fragments, 512);
    if (directory_end > super_.directory_table) {
      ReadTable(super_.directory_table, std::min(directory_end, FirstOther()));
    }
    ReadFragments();
    ReadListed(super_.export_table, super_.inodes, 1024);
    ReadListed(super_.id_table, super_.ids, 2048);
    return Finish();
  }

 private:
  Result<FoundBlocks> Finish() {
    PAWL_TRY(image_.status());
    SortBlocks(image_.size(), found_);
    return std::move(found_);
  }

  bool ReadSuper() {
    std::array<std::uint8_t, kSuperBytes> bytes = {};
    if (!image_.Read(0, bytes) || Le32(bytes, 0) != kMagic || Le16(bytes, 28) != 4) return false;
    super_.inodes = Le32(bytes, 4);
    super_.block_bytes = Le32(bytes, 12);
    super_.fragments = Le32(bytes, 16);
    super_.compressor = Le16(bytes, 20);
    super_.flags = Le16(bytes, 24);
    super_.ids = Le16(bytes, 26);
    super_.id_table = Le64(bytes, 48);
    super_.inode_table = Le64(bytes, 64);
    super_.directory_table = Le64(bytes, 72);
    super_.fragment_table = Le64(bytes, 80);
    super_.export_table = Le64(bytes, 88);
    return super_.block_bytes >= 4096 && super_.block_bytes <= (1U << 20);
  }

  // The compressor's options lie in a metadata block of their own, always stored.
  Bytes ReadOptions() {
    std::array<std::uint8_t, 2> header = {};
    if ((super_.flags & kHasOptions) == 0 || !image_.Read(kSuperBytes, header)) return {};
    Bytes options(Le16(header, 0) & 0x7FFF);
    if (options.size() > 64 || !image_.Read(kSuperBytes + 2, options)) return {};
    return options;
  }

  // A few metadata blocks can list millions of data blocks, of one byte, the same, or behind the
  // image: no more are kept than it can hold.
  void Add(std::uint64_t offset, std::uint32_t coded, std::uint32_t most, std::uint16_t choice) {
    if (!Contains(image_.size(), offset, coded)) return;
    if (found_.blocks.size() >= image_.size() / kLeastBlock) return;
    FoundBlock block;
    block.offset = offset;
    block.coded = coded;
    block.plain = most;
    block.choice = choice;
    block.coding = CodingOf(super_.compressor);
    found_.blocks.push_back(block);
  }

  // Reads one metadata block at `at`, which is moved behind it, and appends its plain bytes.
  bool ReadMetadata(std::uint64_t& at, Bytes& table) {
    std::array<std::uint8_t, 2> header = {};
    if (!image_.Read(at, header)) return false;
    const std::uint32_t length = Le16(header, 0) & 0x7FFF;
    if (length == 0 || length > kMetadataBytes) return false;
    Bytes coded(length);
    if (!image_.Read(at + 2, coded)) return false;
    if ((Le16(header, 0) & 0x8000) != 0) {
      table.insert(table.end(), coded.begin(), coded.end());
    } else {
      Bytes plain(kMetadataBytes);
      const auto made = DecodeBlockUpTo(CodingOf(super_.compressor), coded, plain);
      if (!made.has_value()) return false;
      table.insert(table.end(), plain.begin(), plain.begin() + static_cast<std::ptrdiff_t>(*made));
      Add(at + 2, length, kMetadataBytes, 1);
    }
    at += 2 + length;
    return true;
  }

  Bytes ReadTable(std::uint64_t begin, std::uint64_t end) {
    Bytes table;
    while (begin < end && table.size() < kMaxTableBytes && ReadMetadata(begin, table)) {
    }
    return table;
  }

  // Where the first metadata block of a table with a list of blocks lies. `per_block`: entries.
  std::uint64_t FirstListed(std::uint64_t list, std::uint64_t count, std::uint64_t /*per_block*/) {
    std::array<std::uint8_t, 8> bytes = {};
    if (count == 0 || list == kNoTable || !image_.Read(list, bytes)) return kNoTable;
    return Le64(bytes, 0);
  }
  std::uint64_t FirstOther() {
    return std::min(FirstListed(super_.export_table, super_.inodes, 1024),
                    FirstListed(super_.id_table, super_.ids, 2048));
  }

  Bytes ReadListed(std::uint64_t list, std::uint64_t count, std::uint64_t per_block) {
    Bytes table;
    if (list == kNoTable) return table;
    const std::uint64_t blocks = (count + per_block - 1) / per_block;
    for (std::uint64_t i = 0; i < blocks && table.size() < kMaxTableBytes; ++i) {
      std::array<std::uint8_t, 8> bytes = {};
      if (!image_.Read(list + 8 * i, bytes)) return table;
      std::uint64_t at = Le64(bytes, 0);
      if (!ReadMetadata(at, table)) return table;
    }
    return table;
  }

  void ReadFragments() {
    const Bytes table = ReadListed(super_.fragment_table, super_.fragments, 512);
    const std::size_t count = std::min<std::size_t>(super_.fragments, table.size() / 16);
    for (std::size_t i = 0; i < count; ++i) {
      AddData(Le64(table, 16 * i), Le32(table, 16 * i + 8));
    }
  }

  void AddData(std::uint64_t offset, std::uint32_t length) {
    if ((length & kStoredBit) != 0 || length == 0 || length > super_.block_bytes) return;
    Add(offset, length, super_.block_bytes, 0);
  }

  void WalkInodes(const Bytes& table) {
    std::size_t at = 0;
    while (at + 16 <= table.size()) {
      const std::size_t length = InodeBytes(table, at);
      if (length == 0 || length > table.size() - at) return;
      at += length;
    }
  }

  // The length of the inode at `at`, 0 when it makes no sense; data blocks are noted.
  std::size_t InodeBytes(ByteView table, std::size_t at) {
    constexpr std::array<std::size_t, 15> kFixed = {0,  32, 32, 24, 24, 24, 20, 20,
                                                    40, 56, 24, 28, 28, 24, 24};
    const std::size_t type = Le16(table, at);
    if (type == 0 || type >= kFixed.size()) return 0;
    const std::size_t fixed = kFixed.at(type);
    if (table.size() - at < fixed) return 0;
    switch (type) {
      case 2:
        return fixed + FileBlocks(table, at + fixed, Le32(table, at + 16), Le32(table, at + 28),
                                  Le32(table, at + 20) != kNoFragment);
      case 9:
        return fixed + FileBlocks(table, at + fixed, Le64(table, at + 16), Le64(table, at + 24),
                                  Le32(table, at + 44) != kNoFragment);
      case 3:
        return fixed + Le32(table, at + 20);
      case 10:
        return fixed + Le32(table, at + 20) + 4;
      case 8:
        return fixed + DirectoryIndex(table, at + fixed, Le16(table, at + 32));
      default:
        return fixed;
    }
  }

  static std::size_t DirectoryIndex(ByteView table, std::size_t at, std::size_t entries) {
    std::size_t bytes = 0;
    for (std::size_t i = 0; i < entries && at + bytes + 12 <= table.size(); ++i) {
      bytes += 12 + std::size_t{Le32(table, at + bytes + 8)} + 1;
    }
    return bytes;
  }

  // Notes the data blocks of a file whose list of lengths is at `at`; returns the list's length.
  std::size_t FileBlocks(ByteView table, std::size_t at, std::uint64_t start, std::uint64_t size,
                         bool fragment) {
    const std::uint64_t whole = size / super_.block_bytes;
    const std::uint64_t count = whole + (!fragment && size % super_.block_bytes != 0 ? 1 : 0);
    if (count > (table.size() - at) / 4) return table.size();
    for (std::uint64_t i = 0; i < count; ++i) {
      const std::uint32_t length = Le32(table, at + 4 * static_cast<std::size_t>(i));
      AddData(start, length);
      start += length & (kStoredBit - 1);
    }
    return 4 * static_cast<std::size_t>(count);
  }

  FinderReader image_;
  FoundBlocks found_;
  Super super_;
};

}  // namespace

Result<FoundBlocks> FindSquashfsBlocks(RandomReader& image) { return Finder(image).Run(); }

}  // namespace pawl::delta
