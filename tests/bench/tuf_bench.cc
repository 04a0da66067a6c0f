// SPDX-License-Identifier: Apache-2.0
// pawl-tuf-bench: makes the repositories of the TUF benchmark, and is Pawl's client in it, with the
// caps raised so far that its largest repositories fit. Not installed; tools/bench runs it. Every
// command prints one JSON object.
//
//   pawl-tuf-bench repository NAME DIR        writes DIR/root.json and DIR/metadata/
//   pawl-tuf-bench file NAME DIR              writes DIR/root.json and DIR/targets.json
//   pawl-tuf-bench client URL ROOT DIR PATH   a cold refresh into the empty DIR, then PATH looked
//   up pawl-tuf-bench empty                      nothing: what starting a process costs
//   pawl-tuf-bench verify ROOT FILE RUNS      the check of one targets file, RUNS times

#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <string>
#include <utility>
#include <vector>

#include "base/file.h"
#include "base/format.h"
#include "base/json.h"
#include "base/time.h"
#include "client/core/directory_metadata_store.h"
#include "client/core/http_fetcher.h"
#include "client/platform/curl_http.h"
#include "manifest/refresh.h"
#include "manifest/verify_role.h"
#include "tests/bench/bench_repositories.h"

namespace pawl::bench {
namespace {

constexpr std::uint64_t kMaxFileBytes = 64U << 20U;

manifest::MetadataLimits RaisedLimits() {
  manifest::MetadataLimits limits;
  limits.root_bytes = limits.snapshot_bytes = limits.targets_bytes = kMaxFileBytes;
  return limits;
}

// Wall and CPU time (user and system) of this process, in microseconds since construction.
class Stopwatch {
 public:
  std::int64_t WallMicroseconds() const {
    return std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - wall_).count();
  }
  std::int64_t CpuMicroseconds() const { return CpuNow() - cpu_; }

 private:
  using Clock = std::chrono::steady_clock;
  static std::int64_t CpuNow() {
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    return (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1'000'000 + usage.ru_utime.tv_usec +
           usage.ru_stime.tv_usec;
  }
  Clock::time_point wall_ = Clock::now();
  std::int64_t cpu_ = CpuNow();
};

Result<Json> WriteRepository(const std::string& name, const std::string& directory) {
  PAWL_ASSIGN_OR_RETURN(const BenchRepository made, MakeRepository(name));
  PAWL_TRY(MakeDirectories(JoinPath(directory, "metadata")));
  PAWL_TRY(AtomicWriteFile(JoinPath(directory, "root.json"), made.repository.embedded_root));
  std::uint64_t bytes = 0;
  std::uint64_t largest = 0;
  for (const auto& [file, content] : made.repository.files) {
    if (!file.starts_with("metadata/")) continue;
    PAWL_TRY(AtomicWriteFile(JoinPath(directory, file), content));
    bytes += content.size();
    largest = std::max<std::uint64_t>(largest, content.size());
  }
  return Json{{"target", made.target}, {"sha256", made.sha256.Hex()},
              {"length", made.length}, {"targets", made.targets},
              {"bytes", bytes},        {"largest_bytes", largest}};
}

Result<Json> WriteBenchFile(const std::string& name, const std::string& directory) {
  PAWL_ASSIGN_OR_RETURN(const BenchFile made, MakeFile(name));
  PAWL_TRY(MakeDirectories(directory));
  PAWL_TRY(AtomicWriteFile(JoinPath(directory, "root.json"), made.root));
  PAWL_TRY(AtomicWriteFile(JoinPath(directory, "targets.json"), made.targets));
  return Json{{"bytes", made.targets.size()}};
}

Result<Json> RunClient(const std::string& url, const std::string& root_file,
                       const std::string& directory, const std::string& path) {
  PAWL_ASSIGN_OR_RETURN(const Bytes root, ReadFile(root_file, kMaxFileBytes));
  const UtcTime now = SystemUtcTime();
  const Stopwatch stopwatch;
  client::DirectoryMetadataStore store(directory, RaisedLimits());
  PAWL_ASSIGN_OR_RETURN(auto client, manifest::TufClient::Open(store, root, now, RaisedLimits()));
  PAWL_ASSIGN_OR_RETURN(const auto http, client::CurlHttp::Create({now, {}, {}}));
  client::HttpFetcher fetcher(*http, url);
  PAWL_TRY(client.Refresh(fetcher));
  PAWL_ASSIGN_OR_RETURN(const auto target, client.FindTarget(path, &fetcher));
  return Json{{"wall_us", stopwatch.WallMicroseconds()},
              {"cpu_us", stopwatch.CpuMicroseconds()},
              {"length", target.length},
              {"sha256", target.sha256->Hex()}};
}

Result<Json> VerifyAgain(const std::string& root_file, const std::string& file,
                         const std::string& runs) {
  PAWL_ASSIGN_OR_RETURN(const Bytes root_bytes, ReadFile(root_file, kMaxFileBytes));
  PAWL_ASSIGN_OR_RETURN(const Bytes bytes, ReadFile(file, kMaxFileBytes));
  PAWL_ASSIGN_OR_RETURN(const auto root, manifest::VerifyEmbeddedRoot(root_bytes));
  // As a search does it: all is checked, one entry is kept.
  manifest::ExpectedFile expected = manifest::ExpectType(manifest::RoleType::kTargets);
  expected.path = "releases/gateway/1.1/manifest.json";
  Json answer{{"accepted", false}, {"cpu_us", Json::array()}};
  for (int left = std::stoi(runs); left > 0; --left) {
    const Stopwatch stopwatch;
    const auto verified =
        manifest::VerifyRole(root.root()->targets, "targets", bytes, expected, SystemUtcTime());
    answer["cpu_us"].push_back(stopwatch.CpuMicroseconds());
    answer["accepted"] = verified.has_value();
    if (!verified) answer["refusal"] = CodeName(verified.error().code());
  }
  return answer;
}

Result<Json> Run(const std::vector<std::string>& words) {
  const std::string command = words.empty() ? "" : words[0];
  if (command == "repository" && words.size() == 3) return WriteRepository(words[1], words[2]);
  if (command == "file" && words.size() == 3) return WriteBenchFile(words[1], words[2]);
  if (command == "client" && words.size() == 5) {
    return RunClient(words[1], words[2], words[3], words[4]);
  }
  if (command == "empty") return Json::object();
  if (command == "verify" && words.size() == 4) return VerifyAgain(words[1], words[2], words[3]);
  return Fail(ErrorCode::kUsage, "expected a command of tests/bench/tuf_bench.cc");
}

}  // namespace
}  // namespace pawl::bench

int main(int argc, char** argv) {
  const auto answer = pawl::bench::Run({argv + 1, argv + argc});
  if (answer) {
    std::printf("%s\n", answer->dump().c_str());
    return 0;
  }
  std::fprintf(stderr, "%s %s\n", pawl::CodeName(answer.error().code()).c_str(),
               answer.error().Message().c_str());
  return 1;
}
