// SPDX-License-Identifier: Apache-2.0
// Compressed clusters of erofs with LZ4: found through the directory tree and each file's cluster
// indexes, full or compact. Source: the kernel's fs/erofs/erofs_fs.h and zmap.c; mkfs.erofs 1.5.

#include <algorithm>
#include <array>
#include <unordered_set>

#include "delta/generate/found_blocks.h"

namespace pawl::delta {
namespace {

constexpr std::uint64_t kSuperOffset = 1024;
constexpr std::uint32_t kMagic = 0xE0F5E1E2;
constexpr std::uint32_t kZeroPadding = 1;  // incompatible feature: data is right-aligned
constexpr unsigned kBlockLog = 12;
constexpr std::uint64_t kBlock = 1ULL << kBlockLog;
constexpr std::uint64_t kMaxInodes = 1ULL << 22;
constexpr std::uint64_t kMaxDirectoryBytes = 64ULL << 20;
// Logical clusters that are looked at, for each block of the image: inodes of a hostile image share
// one index, so that what each claims adds up to inodes times image. Honest ones compress less, even
// with files that are mostly zeros.
constexpr std::uint64_t kClustersPerBlock = 64;
constexpr std::uint64_t kLeastClusters = 4096;  // of small images, which compress to almost nothing

constexpr unsigned kLayoutPlain = 0;
constexpr unsigned kLayoutFull = 1;
constexpr unsigned kLayoutInline = 2;
constexpr unsigned kLayoutCompact = 3;

constexpr std::uint16_t kAdviseCompact2 = 1;
constexpr std::uint16_t kAdviseBig = 2;
constexpr std::uint16_t kAdviseInlineTail = 8;
constexpr unsigned kTypePlain = 0;
constexpr unsigned kTypeHead = 1;
constexpr unsigned kTypeNonHead = 2;
constexpr unsigned kBlockCountFlag = 1U << 11;  // of a big cluster, in the entry behind its head

struct Inode {
  std::uint64_t size = 0;
  std::uint64_t after = 0;  // where the inode and its attributes end
  std::uint32_t block = 0;  // first block of plain data
  unsigned layout = 0;
  unsigned mode = 0;
};

// One logical cluster of a file.
struct Entry {
  unsigned type = 0;
  unsigned low = 0;           // offset in the cluster for heads, else distances
  std::uint32_t address = 0;  // for heads: physical block
};

// A run of a file that lies in one physical cluster.
struct Extent {
  std::uint64_t begin = 0;  // in the file
  unsigned type = 0;
  std::uint32_t address = 0;
  std::uint32_t blocks = 1;
};

// How many entries of a compact index at `at` lie where: packs of two entries in 8 bytes up to a
// 32-byte boundary, then of 16 in 32 bytes where the file says so, then of two again.
struct CompactPacks {
  std::uint64_t first;
  std::uint64_t dense;
  std::uint64_t rest;

  CompactPacks(std::uint64_t at, std::uint64_t clusters, std::uint16_t advise)
      : first(std::min((32 - at % 32) / 4 % 8, clusters)),
        dense((advise & kAdviseCompact2) != 0 ? (clusters - first) / 16 * 16 : 0),
        rest(clusters - first - dense) {}

  std::uint64_t Bytes() const { return first * 4 + dense * 2 + (rest + 1) / 2 * 8; }
};

class Finder {
 public:
  explicit Finder(RandomReader& image)
      : image_(image),
        clusters_left_(std::max(kLeastClusters, image_.size() / kBlock * kClustersPerBlock)),
        // Directories are not compressed, and no two of them share a block.
        directory_bytes_left_(image_.size()) {}

  Result<FoundBlocks> Run() {
    if (ReadSuper()) {
      queue_.push_back(root_);
      while (!queue_.empty() && seen_.size() < kMaxInodes && !exhausted_) {
        const std::uint64_t nid = queue_.back();
        queue_.pop_back();
        if (seen_.insert(nid).second) Visit(nid);
      }
      if (!found_.blocks.empty()) NameChoices();
    }
    PAWL_TRY(image_.status());
    SortBlocks(image_.size(), found_);
    return std::move(found_);
  }

 private:
  // False when no more is left: then nothing more is looked for, and the rest stays plain bytes.
  bool Spend(std::uint64_t& left, std::uint64_t amount) {
    exhausted_ = exhausted_ || amount > left;
    if (!exhausted_) left -= amount;
    return !exhausted_;
  }

  bool ReadSuper() {
    std::array<std::uint8_t, 128> bytes = {};
    if (!image_.Read(kSuperOffset, bytes) || Le32(bytes, 0) != kMagic) return false;
    root_ = Le16(bytes, 14);
    metadata_ = Le32(bytes, 40) * kBlock;
    return bytes[12] == kBlockLog && (Le32(bytes, 80) & kZeroPadding) != 0;
  }

  // mkfs.erofs does not say how hard it tried; its default for lz4hc is 9.
  void NameChoices() {
    const auto room = static_cast<std::uint32_t>(largest_ * kBlock);
    found_.choices = {{Lz4Transform(9, room), Lz4Transform(0, room), Lz4Transform(12, room)}};
    for (const unsigned level : {10U, 11U, 8U, 7U, 6U, 5U, 4U, 3U}) {
      found_.choices[0].push_back(Lz4Transform(level, room));
    }
  }

  bool ReadInode(std::uint64_t nid, Inode& inode) {
    std::array<std::uint8_t, 64> bytes = {};
    if (nid > image_.size() / 32) return false;
    const std::uint64_t at = metadata_ + nid * 32;
    if (!image_.Read(at, ByteSpan(bytes).first(32))) return false;
    const bool extended = (bytes[0] & 1) != 0;
    if (extended && !image_.Read(at, bytes)) return false;
    inode.layout = bytes[0] >> 1 & 7;
    inode.mode = Le16(bytes, 4);
    inode.size = extended ? Le64(bytes, 8) : Le32(bytes, 8);
    inode.block = Le32(bytes, 16);
    const std::uint64_t attributes = Le16(bytes, 2);
    inode.after = at + (extended ? 64 : 32) + (attributes == 0 ? 0 : 12 + 4 * (attributes - 1));
    return inode.size <= image_.size() * 1024;
  }

  void Visit(std::uint64_t nid) {
    Inode inode;
    if (!ReadInode(nid, inode)) return;
    constexpr unsigned kFormatMask = 0170000;
    constexpr unsigned kDirectory = 0040000;
    constexpr unsigned kRegular = 0100000;
    if ((inode.mode & kFormatMask) == kDirectory) VisitDirectory(inode);
    const bool compressed = inode.layout == kLayoutFull || inode.layout == kLayoutCompact;
    if ((inode.mode & kFormatMask) == kRegular && compressed) VisitFile(inode);
  }

  // Directories are not compressed: whole blocks, the last one perhaps behind the inode.
  void VisitDirectory(const Inode& inode) {
    if (inode.size > kMaxDirectoryBytes) return;
    if (inode.layout != kLayoutPlain && inode.layout != kLayoutInline) return;
    for (std::uint64_t at = 0; at < inode.size; at += kBlock) {
      const std::uint64_t length = std::min(kBlock, inode.size - at);
      if (!Spend(directory_bytes_left_, length)) return;
      const bool in_line =
          inode.layout == kLayoutInline && at + kBlock >= inode.size && inode.size % kBlock != 0;
      Bytes block(static_cast<std::size_t>(length));
      if (!image_.Read(in_line ? inode.after : inode.block * kBlock + at, block)) return;
      VisitEntries(block);
    }
  }

  void VisitEntries(ByteView block) {
    if (block.size() < 12) return;
    const std::size_t count = Le16(block, 8) / 12U;
    for (std::size_t i = 0; i < count && 12 * (i + 1) <= block.size(); ++i) {
      if (queue_.size() < kMaxInodes) queue_.push_back(Le64(block, 12 * i));
    }
  }

  void VisitFile(const Inode& inode) {
    const std::uint64_t header_at = (inode.after + 7) / 8 * 8;
    std::array<std::uint8_t, 8> header = {};
    if (!image_.Read(header_at, header)) return;
    const std::uint16_t advise = Le16(header, 4);
    // Only LZ4, clusters of 4 KiB, no packed tails of several files.
    if ((header[6] & 15) != 0 || (header[7] & 7) != 0 || (header[7] & 0x80) != 0) return;
    const std::uint64_t clusters = (inode.size + kBlock - 1) / kBlock;
    // An index takes two bytes of the image or more for each cluster; nothing is made for one that
    // cannot lie there.
    const bool full = inode.layout == kLayoutFull;
    const std::uint64_t index_at = header_at + (full ? 16 : 8);
    if (clusters == 0 || clusters > image_.size() / 2) return;
    if (!Contains(image_.size(), index_at,
                  full ? clusters * 8 : CompactPacks(index_at, clusters, advise).Bytes())) {
      return;
    }
    if (!Spend(clusters_left_, clusters)) return;
    std::vector<Entry> entries;
    const bool good = full ? ReadFull(index_at, clusters, entries)
                           : ReadCompact(index_at, clusters, advise, entries);
    if (good) AddExtents(inode, advise, entries);
  }

  bool ReadFull(std::uint64_t at, std::uint64_t clusters, std::vector<Entry>& entries) {
    Bytes bytes(static_cast<std::size_t>(clusters * 8));
    if (!image_.Read(at, bytes)) return false;
    for (std::size_t i = 0; i < clusters; ++i) {
      const unsigned type = Le16(bytes, 8 * i) & 3;
      entries.push_back({type,
                         type == kTypeNonHead ? Le16(bytes, 8 * i + 4) : Le16(bytes, 8 * i + 2),
                         Le32(bytes, 8 * i + 4)});
    }
    return true;
  }

  bool ReadCompact(std::uint64_t at, std::uint64_t clusters, std::uint16_t advise,
                   std::vector<Entry>& entries) {
    const CompactPacks packs(at, clusters, advise);
    const bool big = (advise & kAdviseBig) != 0;
    const std::uint64_t dense_at = at + packs.first * 4;
    return ReadPacks(at, packs.first, 2, big, entries) &&
           ReadPacks(dense_at, packs.dense, 16, big, entries) &&
           ReadPacks(dense_at + packs.dense * 2, packs.rest, 2, big, entries);
  }

  bool ReadPacks(std::uint64_t at, std::uint64_t count, std::size_t per_pack, bool big,
                 std::vector<Entry>& entries) {
    const std::size_t pack_bytes = per_pack == 2 ? 8 : 32;
    const std::size_t bits = (pack_bytes - 4) * 8 / per_pack;
    for (; count != 0; at += pack_bytes) {
      std::array<std::uint8_t, 33> pack = {};  // one byte more than is read: entries span three
      if (!image_.Read(at, ByteSpan(pack).first(pack_bytes))) return false;
      std::uint32_t address = Le32(pack, pack_bytes - 4);
      if (!big) ++address;
      const std::size_t here = std::min<std::uint64_t>(count, per_pack);
      bool head_open = false;  // the entry before is a head that has counted as one block
      for (std::size_t i = 0; i < here; ++i) {
        const std::size_t bit = i * bits;
        const std::uint32_t raw = std::uint32_t{pack.at(bit / 8)} |
                                  std::uint32_t{pack.at(bit / 8 + 1)} << 8 |
                                  std::uint32_t{pack.at(bit / 8 + 2)} << 16;
        const unsigned value = raw >> (bit % 8) & ((1U << bits) - 1);
        Entry entry{value >> kBlockLog & 3, value & (static_cast<unsigned>(kBlock) - 1), address};
        if (entry.type != kTypeNonHead) {
          ++address;
          head_open = true;
        } else {
          if (big && (entry.low & kBlockCountFlag) != 0) {
            address += (entry.low & ~kBlockCountFlag) - (head_open ? 1 : 0);
          }
          head_open = false;
        }
        entries.push_back(entry);
      }
      count -= here;
    }
    return true;
  }

  void AddExtents(const Inode& inode, std::uint16_t advise, const std::vector<Entry>& entries) {
    std::vector<Extent> extents;
    for (std::size_t i = 0; i < entries.size(); ++i) {
      const Entry& entry = entries[i];
      if (entry.type == kTypeNonHead) {
        const bool counts = (advise & kAdviseBig) != 0 && (entry.low & kBlockCountFlag) != 0;
        if (counts && !extents.empty()) extents.back().blocks = entry.low & ~kBlockCountFlag;
        continue;
      }
      if (entry.low >= kBlock) return;
      extents.push_back({i * kBlock + entry.low, entry.type, entry.address, 1});
    }
    if ((advise & kAdviseInlineTail) != 0 && !extents.empty()) extents.pop_back();
    for (std::size_t i = 0; i < extents.size(); ++i) {
      const bool last = i + 1 == extents.size();
      const bool cut = last && (advise & kAdviseInlineTail) != 0;
      const std::uint64_t end = last ? inode.size : extents[i + 1].begin;
      if (end <= extents[i].begin || cut) continue;
      AddExtent(extents[i], end - extents[i].begin,
                !last && extents[i + 1].address == extents[i].address + extents[i].blocks);
    }
  }

  void AddExtent(const Extent& extent, std::uint64_t plain, bool continues) {
    FoundBlock block;
    block.offset = extent.address * kBlock;
    block.phase = static_cast<std::uint32_t>(extent.begin % kBlock);
    block.continues = continues;
    block.exact = true;
    block.coding = BlockCoding::kLz4;
    if (plain > kMaxBlockBytes) return;
    // Each block has physical blocks of its own.
    if (found_.blocks.size() >= image_.size() / kBlock) {
      exhausted_ = true;
      return;
    }
    block.plain = static_cast<std::uint32_t>(plain);
    if (extent.type == kTypePlain) {
      block.stored = true;
      block.coded = block.plain;
      found_.blocks.push_back(block);
      return;
    }
    if (extent.type != kTypeHead || extent.blocks == 0 || extent.blocks > 256) return;
    const std::uint64_t room = extent.blocks * kBlock;
    // Only the first block is read: data that is aligned to the right begins there.
    std::array<std::uint8_t, kBlock> start = {};
    if (!Contains(image_.size(), block.offset, room) || !image_.Read(block.offset, start)) return;
    const auto begin = std::ranges::find_if(start, [](std::uint8_t byte) { return byte != 0; });
    const auto margin = static_cast<std::uint64_t>(begin - start.begin());
    if (margin >= kBlock) return;
    block.offset += margin;
    block.zeros = static_cast<std::uint32_t>(margin);
    block.coded = static_cast<std::uint32_t>(room - margin);
    largest_ = std::max(largest_, std::uint64_t{extent.blocks});
    found_.blocks.push_back(block);
  }

  FinderReader image_;
  FoundBlocks found_;
  std::uint64_t root_ = 0;
  std::uint64_t metadata_ = 0;
  std::uint64_t largest_ = 1;  // physical cluster, in blocks
  std::uint64_t clusters_left_;
  std::uint64_t directory_bytes_left_;
  bool exhausted_ = false;
  std::vector<std::uint64_t> queue_;
  std::unordered_set<std::uint64_t> seen_;
};

}  // namespace

Result<FoundBlocks> FindErofsBlocks(RandomReader& image) { return Finder(image).Run(); }

}  // namespace pawl::delta
