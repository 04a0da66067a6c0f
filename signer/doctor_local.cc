// SPDX-License-Identifier: Apache-2.0
// `repo doctor` in a workspace: is what is served what lies in public/?

#include <algorithm>
#include <set>

#include "base/file.h"
#include "base/format.h"
#include "manifest/metadata.h"
#include "signer/doctor_checks.h"
#include "signer/tree_reach.h"
#include "signer/workspace.h"

namespace pawl::signer {
namespace {

constexpr std::size_t kShownFiles = 5;

struct Difference {
  std::vector<std::string> missing;  // at the server
  std::vector<std::string> other;    // other bytes or another length
};

std::optional<std::uint64_t> VersionOf(ByteView timestamp) {
  const auto parsed = manifest::ParseMetadata("timestamp", timestamp);
  if (!parsed) return {};
  return parsed->metadata.version;
}

// Payloads by their length only: they are named after their content, and may be large.
void ComparePayload(DoctorRound& round, const std::string& path, std::uint64_t length,
                    Difference& difference) {
  WebRequest request;
  request.head = true;
  const auto answer = round.Ask(request, path);
  if (!answer) return;
  if (answer->status != 200) {
    difference.missing.push_back(path);
  } else if (const std::string_view served = answer->Header("content-length");
             !served.empty() && served != Format("{}", length)) {
    difference.other.push_back(path);
  }
}

void CompareFile(DoctorRound& round, const std::string& path, Difference& difference) {
  const std::string place = JoinPath(*round.request().local, path);
  const auto length = FileSize(place);
  if (!length) return;
  if (path.starts_with("payloads/")) return ComparePayload(round, path, *length, difference);
  const auto bytes = ReadFile(place, kMaxMetadataFileBytes);
  const auto answer = round.Get(path, kMaxMetadataFileBytes);
  if (!bytes || !answer) return;
  if (answer->status != 200) {
    difference.missing.push_back(path);
  } else if (answer->cut || answer->body != *bytes) {
    difference.other.push_back(path);
  }
}

std::string Names(const std::vector<std::string>& paths) {
  const auto shown = static_cast<std::ptrdiff_t>(std::min(paths.size(), kShownFiles));
  const std::vector<std::string> first(paths.begin(), paths.begin() + shown);
  const std::size_t more = paths.size() - first.size();
  return Join(first, ", ") + (more == 0 ? "" : Format(" and {} more", more));
}

constexpr std::string_view kCopyOrder =
    "copy payloads/, then targets/, then metadata/ without timestamp.json, and timestamp.json last";

// True: the server is ahead of this workspace.
bool CompareTimestamps(DoctorRound& round, bool files_missing) {
  const std::string path = PublishedMetadataPath("timestamp", 0);
  const auto here = ReadFile(JoinPath(*round.request().local, path), kMaxMetadataFileBytes);
  const auto there = round.Get(path, kMaxMetadataFileBytes);
  if (!here || !there || there->status != 200) return false;
  const auto ours = VersionOf(*here);
  const auto theirs = VersionOf(there->body);
  if (!ours || !theirs || (*ours == *theirs && !files_missing)) return false;
  if (*theirs > *ours) {
    round.Add(Verdict::kWarn, "local",
              Format("the server has timestamp {}, this workspace {}: somebody else published, or "
                     "refreshed, from another copy",
                     *theirs, *ours),
              "bring this workspace up to date before you publish from it");
  } else if (*theirs < *ours) {
    round.Add(Verdict::kFail, "local",
              Format("the server has timestamp {}, this workspace {}{}: devices do not see the "
                     "latest publication",
                     *theirs, *ours, files_missing ? ", and the server lacks files of it" : ""),
              std::string(kCopyOrder));
  } else {
    round.Add(Verdict::kFail, "local",
              Format("timestamp {} is served, but not all that it leads to: it was copied before "
                     "the other files",
                     *ours),
              std::string(kCopyOrder));
  }
  return *theirs > *ours;
}

}  // namespace

//= docs/repository-layout.md#M-SERVE-7
void CompareWithLocal(DoctorRound& round) {
  const auto files = FilesOfPresentTree(*round.request().local);
  if (!files) {
    round.Add(Verdict::kNote, "local",
              Format("the workspace could not be compared: {}", files.error().Message()));
    return;
  }
  Difference difference;
  for (const std::string& path : *files) {
    if (path != PublishedMetadataPath("timestamp", 0)) CompareFile(round, path, difference);
  }
  const std::size_t before = round.report().findings.size();
  const bool newer_there = CompareTimestamps(round, !difference.missing.empty());
  if (!difference.missing.empty() && !newer_there) {
    round.Add(Verdict::kFail, "local",
              Format("{} files of public/ are not at the server: {}", difference.missing.size(),
                     Names(difference.missing)),
              std::string(kCopyOrder));
  }
  if (!difference.other.empty()) {
    round.Add(Verdict::kFail, "local",
              Format("{} files differ from public/: {}", difference.other.size(),
                     Names(difference.other)),
              "such files never change: copy them again, and find out who changed them");
  }
  const bool told = round.report().findings.size() > before;
  if (!told) {
    round.Add(Verdict::kOk, "local",
              Format("{} files are served as they lie in public/", files->size()));
  }
}

}  // namespace pawl::signer
