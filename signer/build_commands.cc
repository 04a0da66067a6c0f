// SPDX-License-Identifier: Apache-2.0
// build, delta, release.

#include <algorithm>
#include <memory>

#include "base/format.h"
#include "base/progress.h"
#include "signer/block_report.h"
#include "signer/commands.h"
#include "signer/delta_builder.h"
#include "signer/drafts.h"
#include "signer/encoder_list.h"
#include "signer/progress_bar.h"
#include "signer/release_builder.h"

namespace pawl::signer {
namespace {

struct BuildOptions {
  RepoOptions repo;
  std::optional<std::string> product;
  std::vector<std::string> images;
  std::optional<std::string> identity;
  std::optional<std::string> version;
  std::optional<std::uint64_t> build;
  std::optional<std::uint64_t> epoch;
  std::vector<std::string> hardware;
  std::optional<std::string> channel;
  std::vector<std::string> hooks;
  std::uint64_t deadline_s = manifest::HealthPolicy{}.deadline_s;
  std::uint64_t tries = manifest::HealthPolicy{}.tries;
  std::string notes;
  std::string encoders{kOwnEncoders};
  std::string effort = "fast";
  std::uint64_t threads = 0;
  std::string confirm;
};

void BindBuild(Arguments& arguments, BuildOptions& options) {
  BindRepo(arguments, options.repo);
  arguments.Option("--image", options.images, "NAME=FILE, as rootfs=out/root.ext4", true);
  arguments.Option("--product", options.product, "needed where several products live");
  arguments.Option("--version", options.version, "must be what the image says");
  arguments.Option("--build", options.build, "must be what the image says");
  arguments.Option("--epoch", options.epoch, "must be what the image says");
  arguments.Option("--identity", options.identity,
                   "the image's /usr/lib/pawl/release, for images that cannot be looked into");
  arguments.Option("--hardware", options.hardware, "hardware ids (else all of the product)");
  arguments.Option("--channel", options.channel, "channel (else the first of the product)");
  arguments.Option("--health-hook", options.hooks,
                   "name of a check below /usr/lib/pawl/health.d in the image; in this order");
  arguments.Option("--health-deadline", options.deadline_s,
                   "seconds for all checks together (120)");
  arguments.Option("--tries", options.tries, "boots of the trial before falling back, 1 to 3 (1)");
  arguments.Option("--notes", options.notes, "release notes, for people");
  arguments.Option("--encoders", options.encoders,
                   "of the agent in the image: a FILE that 'pawl-agent encoders' wrote, none, or "
                   "own: the agent is of this program's build (own)");
  arguments.Option("--effort", options.effort, "fast or best");
  arguments.Option("--threads", options.threads, "0: one for each core");
  arguments.Option("--confirm", options.confirm, "epoch-N, for a jump of the security epoch");
}

Result<BuildRequest> ToRequest(const Workspace& workspace, const BuildOptions& options) {
  BuildRequest request;
  PAWL_ASSIGN_OR_RETURN(request.product, workspace.ProductOrOnly(options.product));
  PAWL_ASSIGN_OR_RETURN(request.images, ParseImages(options.images));
  request.identity_path = options.identity;
  request.version = options.version;
  request.build = options.build;
  request.epoch = options.epoch;
  request.hardware = SplitCommas(options.hardware);
  request.channel = options.channel;
  request.health_hooks = SplitCommas(options.hooks);
  request.health = {options.deadline_s, options.tries};
  request.notes = options.notes;
  request.encoders = options.encoders;
  PAWL_ASSIGN_OR_RETURN(request.effort, ParseEffort(options.effort));
  request.threads = static_cast<unsigned>(std::min<std::uint64_t>(options.threads, 1024));
  request.confirm = options.confirm;
  return request;
}

// The release is built by now: what cannot be measured is told, and fails nothing.
BlockReport BlocksOf(const BuildRequest& request, const std::string& component) {
  const auto image = std::ranges::find(request.images, component, &NamedImage::name);
  if (image == request.images.end()) return {};
  auto report = ReportBlocks(image->path, request.threads);
  if (report) return *std::move(report);
  return {Format("  {:<10} not measured: {}\n", "blocks", report.error().Message()), Json()};
}

Result<Answer> Build(const BuildOptions& options) {
  PAWL_ASSIGN_OR_RETURN(const Workspace workspace, Workspace::Open(options.repo.repo));
  PAWL_ASSIGN_OR_RETURN(BuildRequest request, ToRequest(workspace, options));
  ProgressBar bar("packing the images");
  request.progress = bar.Function();
  PAWL_ASSIGN_OR_RETURN(const BuiltRelease release, BuildRelease(workspace, request));
  bar.Finish();
  const auto& manifest = release.manifest;
  Answer answer;
  answer.text = Format("built {} {}: build {}, epoch {}, channel {}, for {}\n", manifest.product,
                       manifest.version, manifest.build, manifest.epoch, manifest.channel,
                       Join(manifest.hardware, ", "));
  Json components = Json::array();
  for (const auto& component : manifest.components) {
    answer.text += Format("  {:<10} {}   sha256 {}…   full container {}\n", component.name,
                          HumanBytes(component.size), component.sha256.Hex().substr(0, 16),
                          HumanBytes(component.full.file.length));
    BlockReport blocks = BlocksOf(request, component.name);
    answer.text += blocks.text;
    components.push_back(Json{{"name", component.name},
                              {"size", component.size},
                              {"sha256", component.sha256.Hex()},
                              {"full_bytes", component.full.file.length},
                              {"memory", component.full.memory},
                              {"blocks", std::move(blocks.json)}});
  }
  answer.text += Format(
      "wrote {}/manifest.json (unsigned)\n"
      "next: pawl-signer delta --from OLDER --to {}, then: pawl-signer release {}\n",
      release.directory, manifest.version, manifest.version);
  answer.json = Json{{"schema", "pawl.built/1"},
                     {"product", manifest.product},
                     {"version", manifest.version},
                     {"build", manifest.build},
                     {"epoch", manifest.epoch},
                     {"directory", release.directory},
                     {"encoders", manifest.encoders},
                     {"components", std::move(components)}};
  return answer;
}

struct DeltaOptions {
  RepoOptions repo;
  std::optional<std::string> product;
  std::vector<std::string> from;
  std::string to;
  std::string effort = "best";
  std::uint64_t threads = 0;
  std::string memory = "1GiB";
};

void BindDelta(Arguments& arguments, DeltaOptions& options) {
  BindRepo(arguments, options.repo);
  arguments.Option("--from", options.from, "a release that devices run; may be given several times",
                   true);
  arguments.Option("--to", options.to, "the release to come", true);
  arguments.Option("--product", options.product, "needed where several products live");
  arguments.Option("--effort", options.effort, "fast or best (best)");
  arguments.Option("--threads", options.threads, "0: one for each core");
  arguments.Option("--memory", options.memory, "working memory while searching, as 512M (1GiB)");
}

void AddOutcome(const DeltaRequest& request, const DeltaOutcome& outcome, Answer& answer) {
  const double percent = 100.0 * static_cast<double>(outcome.delta_bytes) /
                         static_cast<double>(std::max<std::uint64_t>(outcome.full_bytes, 1));
  answer.text += Format(
      "{} → {}   {} {} ({:.1f} % of the full {})   applied: identical, device memory {}{}\n",
      request.from, request.to, outcome.component, HumanBytes(outcome.delta_bytes), percent,
      HumanBytes(outcome.full_bytes), HumanBytes(outcome.memory_bytes),
      outcome.kept
          ? ""
          : Format("   dropped: more than {} % of the full container", kMaxDeltaPercentOfFull));
  answer.text += LeftOutText(outcome.left_out);
  answer.json["deltas"].push_back(Json{{"from", request.from},
                                       {"to", request.to},
                                       {"component", outcome.component},
                                       {"bytes", outcome.delta_bytes},
                                       {"full_bytes", outcome.full_bytes},
                                       {"memory", outcome.memory_bytes},
                                       {"left_out", LeftOutJson(outcome.left_out)},
                                       {"kept", outcome.kept}});
}

Result<Answer> MakeDeltas(const DeltaOptions& options) {
  PAWL_ASSIGN_OR_RETURN(const Workspace workspace, Workspace::Open(options.repo.repo));
  PAWL_ASSIGN_OR_RETURN(const FileLock lock, workspace.Lock());
  DeltaRequest request;
  PAWL_ASSIGN_OR_RETURN(request.product, workspace.ProductOrOnly(options.product));
  PAWL_ASSIGN_OR_RETURN(request.generate.effort, ParseEffort(options.effort));
  PAWL_ASSIGN_OR_RETURN(request.generate.memory_bytes, ParseBytes(options.memory));
  request.generate.threads = static_cast<unsigned>(std::min<std::uint64_t>(options.threads, 1024));
  request.to = options.to;
  Answer answer{"", Json{{"schema", "pawl.deltas/1"}, {"deltas", Json::array()}}};
  for (const std::string& from : options.from) {
    request.from = from;
    ProgressBar bar(Format("delta {} → {}", from, options.to));
    request.generate.progress = bar.Function();
    PAWL_ASSIGN_OR_RETURN(const auto outcomes, AddDeltas(workspace, request));
    bar.Finish();
    for (const DeltaOutcome& outcome : outcomes) AddOutcome(request, outcome, answer);
  }
  answer.text += Format("next: pawl-signer release {}\n", options.to);
  return answer;
}

struct ReleaseOptions {
  RepoOptions repo;
  std::optional<std::string> product;
  std::string version;
};

Result<Answer> ListRelease(const ReleaseOptions& options, UtcTime now) {
  PAWL_ASSIGN_OR_RETURN(const Workspace workspace, Workspace::Open(options.repo.repo));
  PAWL_ASSIGN_OR_RETURN(const FileLock lock, workspace.Lock());
  PAWL_ASSIGN_OR_RETURN(const std::string product, workspace.ProductOrOnly(options.product));
  PAWL_ASSIGN_OR_RETURN(const DraftChange change,
                        AddRelease(workspace, product, options.version, now));
  return Answer{
      Format("{} {} is in the draft of {} (version {}), manifest sha256 {}\n{}", product,
             options.version, change.role, change.version, change.sha256.Hex(), DraftLines(change)),
      Json{{"schema", "pawl.draft/1"},
           {"draft", DraftJson(change)},
           {"product", product},
           {"version", options.version}}};
}

}  // namespace

std::vector<Command> BuildCommands(UtcTime now) {
  return {
      {"build", "--image NAME=FILE [--confirm epoch-N] …", "make an unsigned release from images",
       "pawl-signer build --image rootfs=out/root.ext4 --health-hook network --notes 'fixes'",
       Declare<BuildOptions>(BindBuild, Build)},
      {"delta", "--from V --to V [--effort fast|best]", "make a delta, apply it, compare, add it",
       "pawl-signer delta --from 1.0 --to 1.1", Declare<DeltaOptions>(BindDelta, MakeDeltas)},
      {"release", "VERSION", "list a built release: a draft to be signed",
       "pawl-signer release 1.1",
       DeclareAt<ReleaseOptions>(
           now,
           [](Arguments& arguments, ReleaseOptions& options) {
             BindRepo(arguments, options.repo);
             arguments.Option("--product", options.product, "needed where several products live");
             arguments.Positional("VERSION", options.version, "a release that is built");
           },
           ListRelease)},
  };
}

}  // namespace pawl::signer
