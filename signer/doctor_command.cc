// SPDX-License-Identifier: Apache-2.0
// repo doctor.

#include "base/file.h"
#include "signer/commands.h"
#include "signer/curl_probe.h"
#include "signer/repo_doctor.h"

namespace pawl::signer {
namespace {

struct DoctorOptions {
  RepoOptions repo;
  std::string url;
  std::optional<std::string> root;
  std::optional<std::string> authorities;
  bool payloads = false;
};

void BindDoctor(Arguments& arguments, DoctorOptions& options) {
  BindRepo(arguments, options.repo);
  arguments.Positional("URL", options.url, "the served folder, as devices have it configured");
  arguments.Option("--root", options.root,
                   "a root that devices carry (else the workspace's, else the server's first)");
  arguments.Option("--ca", options.authorities, "PEM file of a private certificate authority");
  arguments.Flag("--payloads", options.payloads, "fetch and hash every payload");
}

Result<Answer> ExamineUrl(const DoctorOptions& options, UtcTime now) {
  DoctorRequest request;
  request.url = options.url;
  request.hash_payloads = options.payloads;
  request.must_match = options.repo.repo.has_value();
  request.now = now;
  if (options.root) {
    PAWL_ASSIGN_OR_RETURN(request.root, ReadFile(*options.root, kMaxMetadataFileBytes));
  }
  auto workspace = Workspace::Open(options.repo.repo);
  if (workspace) {
    request.local = workspace->PublicDirectory();
  } else if (request.must_match) {
    return std::unexpected(std::move(workspace).error());
  }
  PAWL_ASSIGN_OR_RETURN(const auto probe, CurlProbe::Create(options.authorities.value_or("")));
  PAWL_ASSIGN_OR_RETURN(const DoctorReport report, ExamineRepository(*probe, request));
  const bool faults = report.Count(Verdict::kFail) > 0;
  return Answer{report.Text(options.url), report.ToJson(options.url),
                faults ? ExitStatus(ErrorCode::kServingFaults) : 0};
}

}  // namespace

std::vector<Command> DoctorCommands(UtcTime now) {
  return {
      {"repo doctor", "URL [--root FILE] [--payloads]",
       "look at a served repository as devices see it",
       "pawl-signer repo doctor https://updates.example.com/gateway",
       DeclareAt<DoctorOptions>(now, BindDoctor, ExamineUrl)},
  };
}

}  // namespace pawl::signer
