// SPDX-License-Identifier: Apache-2.0
// delta make, delta full, delta apply, delta show: containers as files, without a repository.

#include <algorithm>
#include <array>

#include "base/format.h"
#include "base/progress.h"
#include "delta/apply/apply_container.h"
#include "delta/generate/generator.h"
#include "signer/commands.h"
#include "signer/encoder_list.h"
#include "signer/progress_bar.h"
#include "signer/release_builder.h"

namespace pawl::signer {
namespace {

constexpr std::string_view kLayerHelp = "blocks, shifted, similar, recode, lzma or context-mixing";

struct MakeOptions {
  std::string old_path;
  std::string new_path;
  std::string out_path;
  std::string effort = "fast";
  std::string memory = "1GiB";
  std::uint64_t threads = 0;
  std::vector<std::string> without;
  std::string encoders{kOwnEncoders};
};

void BindEngine(Arguments& arguments, MakeOptions& options) {
  arguments.Option("--effort", options.effort, "fast or best");
  arguments.Option("--memory", options.memory, "working memory, as 512M (1GiB)");
  arguments.Option("--threads", options.threads, "0: one for each core");
}

// The layers of the engine by name. ERRORS: kUsage.
Result<std::set<delta::Layer>> ParseLayers(const std::vector<std::string>& names) {
  std::set<delta::Layer> layers;
  for (const std::string& name : names) {
    const auto found = std::ranges::find(delta::kLayerNames, name);
    if (found == delta::kLayerNames.end()) {
      return Fail(ErrorCode::kUsage, "--without: expected " + std::string(kLayerHelp) +
                                         ", found '" + name + "'");
    }
    layers.insert(static_cast<delta::Layer>(found - delta::kLayerNames.begin()));
  }
  return layers;
}

Result<delta::GenerateOptions> EngineOptions(const MakeOptions& options, ProgressBar& bar) {
  delta::GenerateOptions engine;
  PAWL_ASSIGN_OR_RETURN(engine.effort, ParseEffort(options.effort));
  PAWL_ASSIGN_OR_RETURN(engine.memory_bytes, ParseBytes(options.memory));
  PAWL_ASSIGN_OR_RETURN(engine.without, ParseLayers(options.without));
  engine.threads = static_cast<unsigned>(std::min<std::uint64_t>(options.threads, 1024));
  engine.progress = bar.Function();
  return engine;
}

Answer Made(const std::string& path, const delta::ContainerInfo& info,
            const std::vector<LeftOut>& left_out) {
  const auto& statistics = info.statistics;
  const double percent = 100.0 * static_cast<double>(info.file_bytes) /
                         static_cast<double>(std::max<std::uint64_t>(info.head.target.bytes, 1));
  return {
      Format("wrote {}: {} ({:.2f} % of the image's {}), {} frames, device memory {}\nsha256 {}\n",
             path, HumanBytes(info.file_bytes), percent, HumanBytes(info.head.target.bytes),
             info.head.frames.size(), HumanBytes(info.head.memory_bytes), info.sha256.Hex()) +
          LeftOutText(left_out),
      Json{{"schema", "pawl.container/1"},
           {"file", path},
           {"bytes", info.file_bytes},
           {"sha256", info.sha256.Hex()},
           {"head_bytes", info.head_bytes},
           {"head_sha256", info.head_sha256.Hex()},
           {"target_bytes", info.head.target.bytes},
           {"target_sha256", info.head.target.sha256.Hex()},
           {"frames", info.head.frames.size()},
           {"memory", info.head.memory_bytes},
           {"from_zero", statistics.zero_bytes},
           {"from_blocks", statistics.block_match_bytes},
           {"from_shifted", statistics.shifted_match_bytes},
           {"from_similar", statistics.suffix_match_bytes},
           {"literal", statistics.literal_bytes},
           {"blocks",
            Json{{"found", statistics.blocks_found},
                 {"kept", statistics.blocks_kept},
                 {"encoded", statistics.blocks_encoded},
                 {"not_reproducible", statistics.blocks_not_reproducible},
                 {"left_out", LeftOutJson(left_out)}}}}};
}

Result<Answer> Make(const MakeOptions& options) {
  ProgressBar bar("making the delta");
  PAWL_ASSIGN_OR_RETURN(delta::GenerateOptions engine, EngineOptions(options, bar));
  PAWL_ASSIGN_OR_RETURN(const auto declared, ReadEncoders(options.encoders));
  PAWL_ASSIGN_OR_RETURN(const auto match, delta::EncoderMatch::Of(declared));
  engine.encoders = match.usable();
  PAWL_ASSIGN_OR_RETURN(
      const delta::ContainerInfo info,
      delta::GenerateDelta(options.old_path, options.new_path, options.out_path, engine));
  bar.Finish();
  const std::string who =
      options.encoders == kNoEncoders ? "an agent without encoders" : options.encoders;
  return Made(options.out_path, info, ListLeftOut(info.statistics, match, who));
}

Result<Answer> Full(const MakeOptions& options) {
  ProgressBar bar("packing the image");
  PAWL_ASSIGN_OR_RETURN(const delta::GenerateOptions engine, EngineOptions(options, bar));
  PAWL_ASSIGN_OR_RETURN(const delta::ContainerInfo info,
                        delta::GenerateFull(options.new_path, options.out_path, engine));
  bar.Finish();
  return Made(options.out_path, info, {});
}

struct ApplyOptions {
  std::string old_path;
  std::string container;
  std::string out_path;
  std::string memory = "32MiB";
};

Result<Answer> Apply(const ApplyOptions& options) {
  const bool full = options.old_path == "-" || options.old_path == "/dev/null";
  ProgressBar bar("applying");
  delta::ApplyOptions engine;
  PAWL_ASSIGN_OR_RETURN(engine.memory_limit, ParseBytes(options.memory));
  engine.progress = bar.Function();
  PAWL_TRY(delta::ApplyContainer(full ? std::nullopt : std::optional(options.old_path),
                                 options.container, options.out_path, engine));
  bar.Finish();
  return Answer{Format("wrote {}: it is the image that the container names\n", options.out_path),
                Json{{"schema", "pawl.applied/1"}, {"file", options.out_path}}};
}

Json IdentityJson(const delta::ImageIdentity& image) {
  return Json{{"bytes", image.bytes}, {"sha256", image.sha256.Hex()}};
}

constexpr std::array<std::string_view, delta::kStreamCount> kStreamNames{
    "recipe", "control", "difference", "mixed", "literal"};

std::string TransformName(const delta::Transform& transform) {
  return Format("{} with parameters {:#x}", delta::FamilyName(transform.id),
                transform.parameters);
}

std::string ShowRecipes(const delta::ContainerReport& report) {
  if (report.head.transforms.empty()) return {};
  std::string text;
  for (const delta::TransformEntry& entry : report.head.transforms) {
    text += Format("  encodes  {}, {} each\n", TransformName(entry.transform),
                   HumanBytes(entry.memory_bytes));
  }
  const delta::RecipeReport& recipe = report.recipe;
  return text + Format(
                    "  blocks   {} encoded from {} bytes to {}, {} of the source decoded from {} "
                    "bytes to {}\n",
                    recipe.encoded_blocks, recipe.encoded_plain_bytes, recipe.encoded_target_bytes,
                    recipe.source_blocks, recipe.source_coded_bytes, recipe.source_plain_bytes);
}

Json TransformsJson(const delta::Head& head) {
  Json transforms = Json::array();
  for (const delta::TransformEntry& entry : head.transforms) {
    transforms.push_back(Json{{"id", static_cast<unsigned>(entry.transform.id)},
                              {"version", entry.transform.version},
                              {"parameters", entry.transform.parameters},
                              {"encoder", entry.encoder},
                              {"memory", entry.memory_bytes},
                              {"self_test", entry.self_test.Hex()}});
  }
  return transforms;
}

Json RecipeJson(const delta::RecipeReport& recipe) {
  return Json{{"encoded_blocks", recipe.encoded_blocks},
              {"encoded_plain", recipe.encoded_plain_bytes},
              {"encoded_target", recipe.encoded_target_bytes},
              {"source_blocks", recipe.source_blocks},
              {"source_coded", recipe.source_coded_bytes},
              {"source_plain", recipe.source_plain_bytes}};
}

std::string ShowText(const std::string& path, const delta::ContainerReport& report) {
  const delta::Head& head = report.head;
  std::string text = Format("{}: {} of {}\n", path, head.source ? "delta" : "full container",
                            HumanBytes(report.file_bytes));
  if (head.source) {
    text +=
        Format("  source   {} bytes, sha256 {}\n", head.source->bytes, head.source->sha256.Hex());
  }
  text += Format(
      "  target   {} bytes, sha256 {}\n  head     {} bytes, sha256 {}\n"
      "  frames   {}   device memory {}\n",
      head.target.bytes, head.target.sha256.Hex(), report.head_bytes, report.head_sha256.Hex(),
      head.frames.size(), HumanBytes(head.memory_bytes));
  for (std::size_t i = 0; i < kStreamNames.size(); ++i) {
    text += Format("  {:<10} {:>12} bytes → {:>12} coded\n", kStreamNames.at(i),
                   report.streams.at(i).plain_bytes, report.streams.at(i).coded_bytes);
  }
  text += ShowRecipes(report);
  const auto& made = report.operations;
  return text + Format(
                    "  plain bytes by operation: {} zero, {} literal, {} copied, {} by "
                    "difference, {} mixed ({} operations)\n",
                    made.zero_bytes, made.literal_bytes, made.copy_bytes, made.add_bytes,
                    made.mix_bytes, made.operations);
}

Json ShowJson(const std::string& path, const delta::ContainerReport& report) {
  const delta::Head& head = report.head;
  Json frames = Json::array();
  for (std::size_t i = 0; i < head.frames.size(); ++i) {
    const delta::Frame& frame = head.frames[i];
    frames.push_back(Json{{"begin", head.FrameBegin(i)},
                          {"makes", head.FrameTargetBytes(i)},
                          {"offset", frame.payload_offset},
                          {"bytes", frame.payload_bytes},
                          {"sha256", frame.payload_sha256.Hex()}});
  }
  Json streams = Json::object();
  for (std::size_t i = 0; i < kStreamNames.size(); ++i) {
    streams[std::string(kStreamNames.at(i))] = Json{{"bytes", report.streams.at(i).plain_bytes},
                                                    {"coded", report.streams.at(i).coded_bytes}};
  }
  const auto& made = report.operations;
  return Json{{"schema", "pawl.container-report/1"},
              {"file", path},
              {"bytes", report.file_bytes},
              {"head_bytes", report.head_bytes},
              {"head_sha256", report.head_sha256.Hex()},
              {"source", head.source ? IdentityJson(*head.source) : Json()},
              {"target", IdentityJson(head.target)},
              {"memory", head.memory_bytes},
              {"streams", std::move(streams)},
              {"transforms", TransformsJson(head)},
              {"blocks", RecipeJson(report.recipe)},
              {"operations", Json{{"zero", made.zero_bytes},
                                  {"literal", made.literal_bytes},
                                  {"copy", made.copy_bytes},
                                  {"add", made.add_bytes},
                                  {"mix", made.mix_bytes},
                                  {"count", made.operations}}},
              {"frames", std::move(frames)}};
}

struct ShowOptions {
  std::string container;
};

Result<Answer> Show(const ShowOptions& options) {
  PAWL_ASSIGN_OR_RETURN(const delta::ContainerReport report, delta::Inspect(options.container));
  return Answer{ShowText(options.container, report), ShowJson(options.container, report)};
}

}  // namespace

std::vector<Command> ContainerCommands() {
  return {
      {"delta make", "[--effort E] [--memory M] OLD NEW OUT",
       "write a delta container between two images",
       "pawl-signer delta make --effort best old.img new.img delta.pawl",
       Declare<MakeOptions>(
           [](Arguments& arguments, MakeOptions& options) {
             BindEngine(arguments, options);
             arguments.Option("--encoders", options.encoders,
                              "of the agent that devices run: a FILE that 'pawl-agent encoders' "
                              "wrote, none, or own: as this program (own)");
             arguments.Option("--without", options.without,
                              "to measure what a layer gains, leave it out: " +
                                  std::string(kLayerHelp));
             arguments.Positional("OLD", options.old_path, "the image that devices have");
             arguments.Positional("NEW", options.new_path, "the image that they are to have");
             arguments.Positional("OUT", options.out_path, "the container to write");
           },
           Make)},
      {"delta full", "NEW OUT", "write a full container of an image",
       "pawl-signer delta full new.img full.pawl",
       Declare<MakeOptions>(
           [](Arguments& arguments, MakeOptions& options) {
             BindEngine(arguments, options);
             arguments.Positional("NEW", options.new_path, "the image");
             arguments.Positional("OUT", options.out_path, "the container to write");
           },
           Full)},
      {"delta apply", "[--memory M] OLD IN OUT", "apply a container with the device's decoder",
       "pawl-signer delta apply old.img delta.pawl new.img",
       Declare<ApplyOptions>(
           [](Arguments& arguments, ApplyOptions& options) {
             arguments.Option("--memory", options.memory, "what the decoder may use (32MiB)");
             arguments.Positional("OLD", options.old_path,
                                  "the source image; - for a full container");
             arguments.Positional("IN", options.container, "the container");
             arguments.Positional("OUT", options.out_path, "the image to write");
           },
           Apply)},
      {"delta show", "IN", "show head, frames and streams of a container",
       "pawl-signer delta show --json delta.pawl",
       Declare<ShowOptions>(
           [](Arguments& arguments, ShowOptions& options) {
             arguments.Positional("IN", options.container, "the container");
           },
           Show)},
  };
}

}  // namespace pawl::signer
