// SPDX-License-Identifier: Apache-2.0
#include "signer/block_report.h"

#include "base/format.h"
#include "delta/apply/chunks.h"
#include "delta/apply/encoder_names.h"

namespace pawl::signer {
namespace {

using delta::BlockHolder;
using delta::EncodableShare;
using delta::TransformId;

std::string_view HolderName(BlockHolder holder) {
  switch (holder) {
    case BlockHolder::kNone:
      return "nothing";
    case BlockHolder::kSquashfs:
      return "squashfs";
    case BlockHolder::kErofs:
      return "erofs";
    case BlockHolder::kMembers:
      return "single files";
  }
  return "nothing";
}

std::string SquashfsHint(TransformId id) {
  const std::string library = delta::LibraryName(id);
  const std::string linked =
      Format("make the image with a mksquashfs that is linked to {}", library);
  switch (id) {
    case TransformId::kZstd:
      return Format("{}: -comp zstd, any -Xcompression-level", linked);
    case TransformId::kXz:
      return Format("{}: -comp xz, -Xbcj and -Xdict-size as you like", linked);
    case TransformId::kDeflate:
      return Format("{}: -comp gzip without -Xstrategy; zlib-ng and others make other bytes",
                    linked);
    case TransformId::kLz4:
      return Format("{}: -comp lz4, with or without -Xhc", linked);
  }
  return linked;
}

// Levels whose encoders fit into what devices spend on one block.
std::string MembersHint(TransformId id) {
  const std::string library = delta::LibraryName(id);
  switch (id) {
    case TransformId::kZstd:
      return Format("compress with zstd -3 ({}); high levels need more memory than devices spend",
                    library);
    case TransformId::kXz:
      return Format("compress with xz -T1 --lzma2=preset=6,dict=128KiB ({}); large dictionaries "
                    "need more memory than devices spend",
                    library);
    case TransformId::kDeflate:
      return Format("compress with gzip -9n, or with {} at level 1, 6 or 9 (python3 -m gzip)",
                    library);
    case TransformId::kLz4:
      break;
  }
  return "do not compress these files: the file system or the delta does it better";
}

std::string Hint(BlockHolder holder, TransformId id) {
  if (holder == BlockHolder::kSquashfs) return SquashfsHint(id);
  if (holder == BlockHolder::kMembers) return MembersHint(id);
  return Format("make the image with a mkfs.erofs that is linked to {}: -zlz4 or -zlz4hc,3 to 12, "
                "without -Efragments, -Ededupe and -Eztailpacking",
                delta::LibraryName(id));
}

bool IsWorthWords(const EncodableShare& share) {
  constexpr std::uint64_t kPart = 20;  // of the image
  return share.Percent() < kGoodBlockPercent && share.coded_bytes >= share.image_bytes / kPart;
}

}  // namespace

BlockReport DescribeShare(const EncodableShare& share) {
  if (share.blocks == 0) return {};
  const EncodableShare::Count total = share.Total();
  BlockReport report;
  report.text = Format("  {:<10} {} compressed blocks in {}, {} % of {} tried come out the same\n",
                       "blocks", share.blocks, HolderName(share.holder), share.Percent(),
                       total.tried);
  report.json = Json{{"holder", HolderName(share.holder)},
                     {"found", share.blocks},
                     {"coded_bytes", share.coded_bytes},
                     {"tried", total.tried},
                     {"encodable", total.encodable},
                     {"percent", share.Percent()},
                     {"hints", Json::array()}};
  if (!IsWorthWords(share)) return report;
  report.text += "  warning: deltas cannot look into those that do not, and get larger for it\n";
  for (const auto& [id, count] : share.sample) {
    if (count.encodable * 100 >= count.tried * kGoodBlockPercent) continue;
    const std::string hint = Hint(share.holder, id);
    report.text += Format("  hint for {}: {}\n", delta::FamilyName(id), hint);
    report.json["hints"].push_back(Json{{"encoder", delta::FamilyName(id)}, {"hint", hint}});
  }
  return report;
}

Result<BlockReport> ReportBlocks(const std::string& path, unsigned threads) {
  PAWL_ASSIGN_OR_RETURN(delta::FileReader reader, delta::FileReader::Open(path));
  PAWL_ASSIGN_OR_RETURN(const EncodableShare share, delta::MeasureEncodable(reader, threads));
  return DescribeShare(share);
}

}  // namespace pawl::signer
