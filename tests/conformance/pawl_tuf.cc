// SPDX-License-Identifier: Apache-2.0
// pawl-tuf: the TUF client of Pawl behind the command line that the public TUF conformance suite
// drives (theupdateframework/tuf-conformance, CLIENT-CLI.md). Not installed. Dynamically linked and
// with the clock read through libc, so that libfaketime moves it.
//
//   pawl-tuf --metadata-dir D init ROOT
//   pawl-tuf --metadata-url U --metadata-dir D refresh
//   pawl-tuf --metadata-url U --metadata-dir D --target-name P … --target-dir T --target-base-url B
//   download
//
// Exit status 0 or 1, nothing else. The metadata folder is the root of trust here: D/root.json is
// what "init" put there, or the newest root since then; so the chain of roots is not kept beside
// it.

#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/file.h"
#include "base/format.h"
#include "base/time.h"
#include "client/platform/curl_http.h"
#include "manifest/metadata_files.h"
#include "manifest/refresh.h"

namespace pawl {
namespace {

using manifest::TufClient;

constexpr std::uint64_t kMaxTargetBytes = 64U << 20U;

struct CallOptions {
  std::string metadata_url;
  std::string metadata_dir;
  std::string target_dir;
  std::string target_base_url;
  std::vector<std::string> targets;
  std::string command;
  std::string root;
};

Result<CallOptions> ParseArguments(const std::vector<std::string>& arguments) {
  CallOptions options;
  std::vector<std::string> words;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const std::string& name = arguments[i];
    if (!name.starts_with("--")) {
      words.push_back(name);
      continue;
    }
    if (i + 1 == arguments.size()) return Fail(ErrorCode::kUsage, Format("{}: no value", name));
    const std::string& value = arguments[++i];
    if (name == "--metadata-url") {
      options.metadata_url = value;
    } else if (name == "--metadata-dir") {
      options.metadata_dir = value;
    } else if (name == "--target-dir") {
      options.target_dir = value;
    } else if (name == "--target-base-url") {
      options.target_base_url = value;
    } else if (name == "--target-name") {
      options.targets.push_back(value);
    } else {
      return Fail(ErrorCode::kUsage, Format("{}: unknown option", name));
    }
  }
  if (words.empty() || options.metadata_dir.empty()) {
    return Fail(ErrorCode::kUsage, "expected --metadata-dir and a command");
  }
  options.command = words[0];
  if (words.size() > 1) options.root = words[1];
  return options;
}

// One file per role, named as the suite names them; the base stays as it is given, escapes
// included.
class RoleFiles : public manifest::MetadataStore {
 public:
  explicit RoleFiles(std::string directory) : directory_(std::move(directory)) {}

  Result<std::optional<Bytes>> Load(std::string_view name) override {
    return ReadFileIfExists(PathOf(name), 16U << 20U);
  }
  Status Save(std::string_view name, ByteView bytes) override {
    if (name.starts_with("root/")) return {};
    return AtomicWriteFile(PathOf(name), bytes);
  }
  Status Remove(std::string_view name) override { return RemoveFileIfExists(PathOf(name)); }

 private:
  std::string PathOf(std::string_view name) const {
    return JoinPath(directory_, manifest::EncodeComponent(name) + ".json");
  }
  std::string directory_;
};

class Collector : public client::ByteSink {
 public:
  Status Write(ByteView bytes) override {
    received.insert(received.end(), bytes.begin(), bytes.end());
    return {};
  }
  Bytes received;
};

// Metadata and targets come from two places.
class UrlFetcher : public manifest::Fetcher {
 public:
  UrlFetcher(client::Http& http, std::string metadata_url, std::string target_url)
      : http_(http),
        metadata_url_(WithSlash(std::move(metadata_url))),
        target_url_(WithSlash(std::move(target_url))) {}

  Result<Bytes> Fetch(std::string_view name, std::uint64_t max_bytes) override {
    const std::size_t slash = name.find('/');
    const std::string& base = name.starts_with("metadata/") ? metadata_url_ : target_url_;
    Collector collector;
    PAWL_TRY(http_.Get({base + std::string(name.substr(slash + 1)), std::nullopt, max_bytes},
                       collector));
    return std::move(collector.received);
  }

 private:
  static std::string WithSlash(std::string url) {
    if (!url.ends_with('/')) url += '/';
    return url;
  }
  client::Http& http_;
  std::string metadata_url_;
  std::string target_url_;
};

Status Init(const CallOptions& options) {
  PAWL_ASSIGN_OR_RETURN(const Bytes root, ReadFile(options.root, 16U << 20U));
  PAWL_TRY(MakeDirectories(options.metadata_dir));
  return RoleFiles(options.metadata_dir).Save("root", root);
}

// A file that is there already and is what it should be is not fetched again.
Status Download(TufClient& client, UrlFetcher& fetcher, const std::string& directory,
                const std::string& path) {
  PAWL_ASSIGN_OR_RETURN(const auto target, client.FindTarget(path, &fetcher));
  const std::string file = JoinPath(directory, EncodeFileName(path));
  const auto have = ReadFileIfExists(file, kMaxTargetBytes);
  if (have && *have && TufClient::CheckTarget(target, **have)) return {};
  PAWL_ASSIGN_OR_RETURN(const Bytes bytes, client.FetchTarget(target, fetcher, kMaxTargetBytes));
  return AtomicWriteFile(file, bytes);
}

Status Run(const CallOptions& options) {
  if (options.command == "init") return Init(options);
  if (options.command != "refresh" && options.command != "download") {
    return Fail(ErrorCode::kUsage, Format("{}: unknown command", options.command));
  }
  const UtcTime now = SystemUtcTime();
  RoleFiles store(options.metadata_dir);
  PAWL_ASSIGN_OR_RETURN(const std::optional<Bytes> root, store.Load("root"));
  PAWL_ASSIGN_OR_RETURN(TufClient client, TufClient::Open(store, root.value_or(Bytes{}), now));
  PAWL_ASSIGN_OR_RETURN(const auto http, client::CurlHttp::Create({now, {}, {}}));
  UrlFetcher fetcher(*http, options.metadata_url, options.target_base_url);
  PAWL_TRY(client.Refresh(fetcher));
  if (options.command == "refresh") return {};
  PAWL_TRY(MakeDirectories(options.target_dir));
  for (const std::string& path : options.targets) {
    PAWL_TRY(Download(client, fetcher, options.target_dir, path));
  }
  return {};
}

}  // namespace
}  // namespace pawl

int main(int argc, char** argv) {
  const auto options = pawl::ParseArguments({argv + 1, argv + argc});
  const pawl::Status done =
      options ? pawl::Run(*options) : pawl::Status(std::unexpected(options.error()));
  if (done) return 0;
  std::fprintf(stderr, "%s %s\n", pawl::CodeName(done.error().code()).c_str(),
               done.error().Message().c_str());
  return 1;
}
