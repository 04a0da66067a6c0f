// SPDX-License-Identifier: Apache-2.0
// delta index, delta any-base: what a device that no delta fits would fetch, by the agent's own planning.

#include "base/file.h"
#include "base/format.h"
#include "base/progress.h"
#include "delta/apply/apply_container.h"
#include "delta/apply/block_index.h"
#include "delta/apply/container_file.h"
#include "delta/apply/local_blocks.h"
#include "signer/commands.h"
#include "signer/progress_bar.h"

namespace pawl::signer {
namespace {

struct IndexOptions {
  std::string new_path;
  std::string out_path;
};

Result<Answer> Index(const IndexOptions& options) {
  PAWL_ASSIGN_OR_RETURN(delta::FileReader image, delta::FileReader::Open(options.new_path));
  PAWL_ASSIGN_OR_RETURN(const Bytes index, delta::MakeBlockIndex(image));
  PAWL_TRY(image.CheckUnchanged());
  PAWL_TRY(AtomicWriteFile(options.out_path, index));
  const Sha256Digest sha256 = HashSha256(index);
  return Answer{
      Format("wrote {}: {} bytes for {} of image\nsha256 {}\n", options.out_path, index.size(),
             HumanBytes(image.SizeBytes()), sha256.Hex()),
      Json{{"schema", "pawl.block-index/1"},
           {"file", options.out_path},
           {"bytes", index.size()},
           {"sha256", sha256.Hex()},
           {"image_bytes", image.SizeBytes()}}};
}

struct AnyBaseOptions {
  std::string old_path;
  std::string container;
  std::string index;
  std::optional<std::string> slot;
};

Result<std::optional<delta::FileReader>> OpenIfGiven(const std::optional<std::string>& path) {
  if (!path) return std::optional<delta::FileReader>();
  PAWL_ASSIGN_OR_RETURN(delta::FileReader reader, delta::FileReader::Open(*path));
  return std::optional<delta::FileReader>(std::move(reader));
}

Result<delta::Head> ReadFullHead(const std::string& path) {
  PAWL_ASSIGN_OR_RETURN(delta::FileReader reader, delta::FileReader::Open(path));
  PAWL_ASSIGN_OR_RETURN(delta::ContainerHead read, delta::ReadContainerHead(reader));
  if (!read.head.source) return std::move(read.head);
  return Fail(ErrorCode::kUsage,
              Format("{}: expected a full container, found a delta", path));
}

Answer Report(const delta::Head& head, std::uint64_t index_bytes, const delta::LocalBlocks& local) {
  const delta::FetchPlan plan = delta::PlanFetch(head, local);
  const delta::LocalBlocks::Count blocks = local.CountBlocks();
  std::uint64_t frames = 0;
  for (const delta::FrameRun& run : plan.runs) frames += run.end - run.first;
  const std::uint64_t total = plan.payload_bytes + index_bytes + head.HeadBytes();
  Answer answer;
  answer.text = Format(
      "blocks   {} zero, {} in place, {} elsewhere on the device, {} missing\n"
      "fetches  {} of {} frames in {} requests: {} bytes\n"
      "         with index ({}) and head ({}): {} bytes, {:.1f} % of the full container's {}\n",
      blocks.zero, blocks.in_place, blocks.elsewhere, blocks.missing, frames, head.frames.size(),
      plan.runs.size(), plan.payload_bytes, index_bytes, head.HeadBytes(), total,
      100.0 * static_cast<double>(total) / static_cast<double>(head.ContainerBytes()),
      head.ContainerBytes());
  if (index_bytes > delta::kMaxBlockIndexBytes) {
    answer.text += Format("note: the index is above {} bytes, so devices fetch the full container\n",
                          delta::kMaxBlockIndexBytes);
  }
  answer.json = Json{{"schema", "pawl.any-base/1"},
                     {"blocks", Json{{"zero", blocks.zero},
                                     {"in_place", blocks.in_place},
                                     {"elsewhere", blocks.elsewhere},
                                     {"missing", blocks.missing}}},
                     {"frames", head.frames.size()},
                     {"frames_fetched", frames},
                     {"requests", plan.runs.size()},
                     {"payload_bytes", plan.payload_bytes},
                     {"index_bytes", index_bytes},
                     {"head_bytes", head.HeadBytes()},
                     {"bytes", total},
                     {"full_bytes", head.ContainerBytes()},
                     {"index_usable", index_bytes <= delta::kMaxBlockIndexBytes}};
  return answer;
}

Result<Answer> AnyBase(const AnyBaseOptions& options) {
  PAWL_ASSIGN_OR_RETURN(const delta::Head head, ReadFullHead(options.container));
  PAWL_ASSIGN_OR_RETURN(const std::uint64_t index_bytes, FileSize(options.index));
  PAWL_ASSIGN_OR_RETURN(const Bytes bytes, ReadFile(options.index, index_bytes));
  PAWL_ASSIGN_OR_RETURN(delta::BlockIndex index,
                        delta::BlockIndex::Parse(bytes, head.target.bytes));
  PAWL_ASSIGN_OR_RETURN(delta::FileReader booted, delta::FileReader::Open(options.old_path));
  PAWL_ASSIGN_OR_RETURN(auto slot, OpenIfGiven(options.slot));
  ProgressBar bar("looking for blocks");
  const auto local =
      delta::LocalBlocks::Find(std::move(index), slot ? &*slot : nullptr, &booted, bar.Function());
  bar.Finish();
  return Report(head, index_bytes, local);
}

}  // namespace

std::vector<Command> AnyBaseCommands() {
  return {
      {"delta index", "NEW OUT", "write the block index of an image",
       "pawl-signer delta index new.img new.index",
       Declare<IndexOptions>(
           [](Arguments& arguments, IndexOptions& options) {
             arguments.Positional("NEW", options.new_path, "the image");
             arguments.Positional("OUT", options.out_path, "the index to write");
           },
           Index)},
      {"delta any-base", "[--slot FILE] OLD FULL INDEX",
       "say what a device that no delta fits would fetch",
       "pawl-signer delta any-base old.img full.pawl new.index",
       Declare<AnyBaseOptions>(
           [](Arguments& arguments, AnyBaseOptions& options) {
             arguments.Option("--slot", options.slot,
                              "what lies in the slot that would be written (nothing)");
             arguments.Positional("OLD", options.old_path, "the image that the device runs");
             arguments.Positional("FULL", options.container, "the full container of the new image");
             arguments.Positional("INDEX", options.index, "the block index of the new image");
           },
           AnyBase)},
  };
}

}  // namespace pawl::signer
