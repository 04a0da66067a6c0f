// SPDX-License-Identifier: Apache-2.0
// Compressed members of any place: .xz streams, zstd frames and gzip members of up to 4 MiB plain
// bytes, found by their magic numbers, such as modules, logs and manuals. What they were made with
// is not written down; a few usual parameters are tried.

#include <algorithm>
#include <array>
#include <optional>

#include "delta/generate/found_blocks.h"

namespace pawl::delta {
namespace {

constexpr std::size_t kStepBytes = 8U << 20;  // of the image, read at a time
constexpr std::size_t kHeaderBytes = 512;     // of a gzip member: its name is in there
constexpr std::size_t kMinCoded = 512;        // shorter ones are not worth a block
// What members may cost, in bytes read and made: hostile images are full of magic numbers.
constexpr std::uint64_t kMaxWork = 4ULL << 30;
constexpr std::uint64_t kTryWork = 16U << 10;  // the least: a decoder is set up for each

enum Choice : std::uint16_t { kZstdChoice = 0, kGzipChoice = 1, kFirstXzChoice = 2 };

std::vector<std::vector<Transform>> FixedChoices() {
  std::vector<Transform> zstd;
  for (const int level : {19, 3, 22, 15, 9, 1}) {
    for (const bool checksum : {true, false}) {
      zstd.push_back(ZstdTransform(level, checksum, true));
      zstd.push_back(ZstdTransform(level, checksum, false));
    }
  }
  std::vector<Transform> gzip;
  for (const int level : {9, 6, 1}) {
    for (const unsigned memory : {8U, 9U})
      gzip.push_back(DeflateTransform(level, 15, memory, false));
  }
  return {zstd, gzip};
}

// The dictionary that the first LZMA2 filter of an .xz stream names; none when there is none.
std::optional<std::uint32_t> XzDictionary(ByteView bytes) {
  constexpr std::size_t kStreamHeader = 12;
  for (std::size_t at = kStreamHeader + 2; at + 3 <= std::min<std::size_t>(bytes.size(), 64);
       ++at) {
    if (bytes[at] != 0x21 || bytes[at + 1] != 1)
      continue;  // the filter's id and the length of its options
    const unsigned code = bytes[at + 2];
    if (code >= 40) return std::nullopt;
    return std::uint32_t{2U | (code & 1)} << (code / 2 + 11);
  }
  return std::nullopt;
}

// Where the deflate stream of a gzip member (RFC 1952) begins; 0 when this is none.
std::size_t GzipHeaderBytes(ByteView bytes) {
  if (bytes.size() < kHeaderBytes || (bytes[3] & 0xE0) != 0) return 0;
  const unsigned flags = bytes[3];
  std::size_t at = 10;
  if ((flags & 4) != 0) at += 2 + std::size_t{Le16(bytes, at)};
  for (const unsigned text : {8U, 16U}) {  // name and comment end with a zero
    if ((flags & text) == 0) continue;
    while (at < kHeaderBytes && bytes[at] != 0) ++at;
    ++at;
  }
  if ((flags & 2) != 0) at += 2;
  return at < kHeaderBytes ? at : 0;
}

class Finder {
 public:
  explicit Finder(RandomReader& image) : image_(image), room_(kMaxBlockBytes) {}

  Result<FoundBlocks> Run() {
    found_.choices = FixedChoices();
    Bytes buffer;
    for (std::uint64_t at = 0; at < image_.size(); at += kStepBytes) {
      // Members that begin in this step are seen whole, as far as they may go.
      const std::uint64_t length =
          std::min<std::uint64_t>(kStepBytes + kMaxBlockBytes, image_.size() - at);
      buffer.resize(static_cast<std::size_t>(length));
      if (!image_.Read(at, buffer)) break;
      Search(at, buffer);
    }
    PAWL_TRY(image_.status());
    SortBlocks(image_.size(), found_);
    return std::move(found_);
  }

 private:
  void Search(std::uint64_t base, ByteView bytes) {
    const std::size_t end = std::min(bytes.size(), kStepBytes);
    // From one candidate's first byte to the next: these are rare in most data.
    for (std::size_t at = base >= free_from_ ? 0 : static_cast<std::size_t>(free_from_ - base);
         at < end && bytes.size() - at >= kMinCoded;) {
      const std::size_t taken = Try(base + at, bytes.subspan(at));
      at += std::max<std::size_t>(taken, 1);
      free_from_ = std::max(free_from_, base + at);
    }
  }

  // The length of the member at the first byte, 0 when there is none.
  std::size_t Try(std::uint64_t offset, ByteView bytes) {
    switch (bytes[0]) {
      case 0x28: {
        constexpr std::array<std::uint8_t, 4> kMagic = {0x28, 0xB5, 0x2F, 0xFD};
        if (!std::ranges::equal(bytes.first(4), kMagic)) return 0;
        return Add(offset, bytes, 0, BlockCoding::kZstd, kZstdChoice);
      }
      case 0xFD: {
        constexpr std::array<std::uint8_t, 6> kMagic = {0xFD, '7', 'z', 'X', 'Z', 0};
        if (!std::ranges::equal(bytes.first(6), kMagic)) return 0;
        return Add(offset, bytes, 0, BlockCoding::kXz, XzChoice(bytes));
      }
      case 0x1F: {
        if (bytes[1] != 0x8B || bytes[2] != 8) return 0;
        const std::size_t header = GzipHeaderBytes(bytes);
        if (header == 0) return 0;
        return Add(offset, bytes, header, BlockCoding::kRawDeflate, kGzipChoice);
      }
      default:
        return 0;
    }
  }

  // The choices for an .xz stream of this dictionary and check: 0xFFFF when it has no usual form.
  std::uint16_t XzChoice(ByteView bytes) {
    const auto dictionary = XzDictionary(bytes);
    // No decoder takes a longer one: not worth a try, which would use up the work for others.
    if (!dictionary || *dictionary > kMaxXzDictionary) return 0xFFFF;
    const unsigned check = bytes[7] & 15;
    const Transform first = XzTransform(6, *dictionary, check, false);
    for (std::size_t i = kFirstXzChoice; i < found_.choices.size(); ++i) {
      if (found_.choices[i].front() == first) return static_cast<std::uint16_t>(i);
    }
    std::vector<Transform> list = {first};
    for (const unsigned preset : {9U, 6U | 0x80U, 9U | 0x80U, 3U, 0U}) {
      list.push_back(XzTransform(preset, *dictionary, check, false));
    }
    for (const unsigned preset : {6U, 9U}) {
      list.push_back(XzTransform(preset, *dictionary, check, true));
    }
    if (found_.choices.size() >= 64) return 0xFFFF;
    found_.choices.push_back(list);
    return static_cast<std::uint16_t>(found_.choices.size() - 1);
  }

  std::size_t Add(std::uint64_t offset, ByteView bytes, std::size_t header, BlockCoding coding,
                  std::uint16_t choice) {
    if (choice == 0xFFFF || work_ > kMaxWork) return 0;
    std::uint64_t work = 0;
    const auto lengths = MeasureBlock(coding, bytes.subspan(header), room_, work);
    work_ += std::max(work, kTryWork);
    if (!lengths.has_value() || lengths->coded < kMinCoded || lengths->plain == 0) return 0;
    FoundBlock block;
    block.offset = offset + header;
    block.coded = static_cast<std::uint32_t>(lengths->coded);
    block.plain = static_cast<std::uint32_t>(lengths->plain);
    block.exact = true;
    block.choice = choice;
    block.coding = coding;
    found_.blocks.push_back(block);
    return header + lengths->coded;
  }

  FinderReader image_;
  FoundBlocks found_;
  Bytes room_;
  std::uint64_t free_from_ = 0;  // behind the last member
  std::uint64_t work_ = 0;
};

}  // namespace

Result<FoundBlocks> FindMemberBlocks(RandomReader& image) { return Finder(image).Run(); }

}  // namespace pawl::delta
