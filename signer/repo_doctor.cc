// SPDX-License-Identifier: Apache-2.0
#include "signer/repo_doctor.h"

#include <algorithm>
#include <array>

#include "base/file.h"
#include "base/format.h"
#include "manifest/metadata.h"
#include "signer/doctor_checks.h"
#include "signer/tree_check.h"
#include "signer/workspace.h"

namespace pawl::signer {
namespace {

constexpr std::array<std::string_view, 4> kVerdicts{"ok", "note", "warn", "FAIL"};
constexpr std::uint64_t kMaxRoots = 1024;
constexpr std::uint64_t kRootCap = manifest::MetadataLimits{}.root_bytes;

bool IsRoot(ByteView bytes, std::uint64_t version) {
  const auto parsed = manifest::ParseMetadata("root", bytes);
  return parsed && parsed->metadata.root() != nullptr && parsed->metadata.version == version;
}

class Doctor {
 public:
  Doctor(Web& web, const DoctorRequest& request) : round_(web, request, report_) {}

  DoctorReport Examine() {
    if (!CheckReach()) return std::move(report_);
    WalkRoots();
    CheckMissing();
    CheckTimestamp(round_);
    JudgeAsDevice();
    CheckFiles();
    CheckListings(round_);
    if (round_.request().local) CompareWithLocal(round_);
    return std::move(report_);
  }

 private:
  bool CheckReach();
  void CheckCertificate(const WebAnswer& answer);
  void WalkRoots();
  void CheckGap(std::uint64_t last);
  void CheckAnchor(const Bytes& served, std::uint64_t version);
  void CheckMissing();
  void JudgeAsDevice();
  void CheckFiles();

  DoctorReport report_;
  DoctorRound round_;
  std::optional<Bytes> first_root_;  // as served
  std::vector<manifest::ReleaseManifest> releases_;
};

// Can the server be asked at all, and how far is the certificate good?
bool Doctor::CheckReach() {
  const auto answer = round_.Get(PublishedMetadataPath("timestamp", 0), 1);
  if (!answer) {
    const bool tls = answer.error().code() == ErrorCode::kTlsFailed;
    round_.Add(
        Verdict::kFail, tls ? "certificate" : "reach",
        Format("{} {}", CodeName(answer.error().code()), answer.error().Message()),
        tls ? "devices verify certificates: use one of an authority that they know, for this "
              "host name, within its dates"
            : "check the address, the name server and the firewall");
    return false;
  }
  CheckCertificate(*answer);
  return true;
}

void Doctor::CheckCertificate(const WebAnswer& answer) {
  if (!round_.base().starts_with("https://")) {
    round_.Add(
        Verdict::kNote, "certificate",
        "plain http: signatures protect devices, but anybody on the way sees what they fetch",
        "https hides which release a device fetches");
    return;
  }
  if (!answer.certificate_until) {
    round_.Add(Verdict::kNote, "certificate", "verified; its end could not be read");
    return;
  }
  const std::int64_t left = answer.certificate_until->seconds - round_.request().now.seconds;
  const std::string text =
      Format("verified; valid until {} ({})", FormatUtcTime(*answer.certificate_until),
             left > 0 ? DescribeDuration(left) : "over");
  if (left < 14 * kSecondsPerDay) {
    round_.Add(Verdict::kWarn, "certificate", text, "renew it: devices refuse it from then on");
  } else {
    round_.Add(Verdict::kOk, "certificate", text);
  }
}

//= docs/repository-layout.md#M-SERVE-1
void Doctor::WalkRoots() {
  for (std::uint64_t version = 1; version <= kMaxRoots; ++version) {
    const std::string path = PublishedMetadataPath("root", version);
    const auto answer = round_.Get(path, kRootCap);
    if (!answer) {
      round_.Add(Verdict::kFail, "root-chain", answer.error().Message(), "try again");
      return;
    }
    if (IsNotThere(answer->status) && version > 1) return CheckGap(version - 1);
    if (answer->status / 100 == 3) {
      round_.Add(Verdict::kFail, "redirect",
                 Format("{}: status {}, which leads to {}", path, answer->status,
                        answer->Header("location")),
                 "devices do not follow redirects: give them the address that it leads to");
      return;
    }
    if (answer->status != 200 || !IsRoot(answer->body, version)) {
      const bool page = answer->status == 200 && version > 1;
      round_.Add(Verdict::kFail, "root-chain",
                 Format("{}: status {}, which is no root {}{}", path, answer->status, version,
                        page ? "; devices read it as one and give up" : ""),
                 page ? "answer 404 for a file that is not there, never a page of status 200"
                      : "every root that ever was must be served from 1.root.json on; devices in "
                        "a box start there");
      report_.roots = version - 1;
      return;
    }
    if (version == 1) first_root_ = answer->body;
    report_.roots = version;
    CheckAnchor(answer->body, version);
  }
}

// Devices stop at the first root that is missing, so one after it would never be seen.
void Doctor::CheckGap(std::uint64_t last) {
  for (std::uint64_t version = last + 2; version <= last + 3; ++version) {
    const std::string path = PublishedMetadataPath("root", version);
    const auto answer = round_.Get(path, kRootCap);
    if (!answer || answer->status != 200 || !IsRoot(answer->body, version)) continue;
    round_.Add(Verdict::kFail, "root-chain",
               Format("{} is there, but {} is not: devices stop at root {}", path,
                      PublishedMetadataPath("root", last + 1), last),
               "copy the missing root; never delete one");
    return;
  }
  round_.Add(Verdict::kOk, "root-chain", Format("1 to {}, no gap", last));
}

void Doctor::CheckAnchor(const Bytes& served, std::uint64_t version) {
  if (!round_.request().root) return;
  const auto anchor = manifest::ParseMetadata("root", *round_.request().root);
  if (!anchor || anchor->metadata.version != version || served == *round_.request().root) return;
  round_.Add(Verdict::kFail, "root-of-trust",
             Format("root {} of the server is not the one given with --root", version),
             "this is another repository, or somebody replaced its root");
}

//= docs/repository-layout.md#M-SERVE-2
void Doctor::CheckMissing() {
  const std::string path = PublishedMetadataPath("root", report_.roots + 1);
  const auto answer = round_.Get(path, kRootCap);
  if (!answer || report_.roots == 0) return;
  const long status = answer->status;
  const std::string text = Format("{}: status {}", path, status);
  if (const CacheLife life = CacheLifeOf(*answer); IsNotThere(status) && life.seconds > 3600) {
    round_.Add(Verdict::kWarn, "missing-file",
               Format("caches may keep the answer that {} is not there for {}: a new root reaches "
                      "devices that much later",
                      path, DescribeDuration(life.seconds)),
               "send \"Cache-Control: no-cache\" with answers of status 404");
  }
  if (status == 404 || status == 410) {
    round_.Add(Verdict::kOk, "missing-file", text);
  } else if (status == 403) {
    round_.Add(Verdict::kNote, "missing-file",
               text + "; the agent takes it for \"not there\", other clients may not",
               "object stores answer 403 where listing is not allowed: allow it to the public, or "
               "accept it. A firewall that answers 403 hides new roots");
  } else if (status / 100 == 3) {
    round_.Add(Verdict::kFail, "missing-file", text + ": a redirect; devices do not follow",
               "answer 404 for a file that is not there");
  } else if (status != 200) {  // a page of status 200 was reported with the root chain
    round_.Add(Verdict::kFail, "missing-file", text + ": devices take it for a failure",
               "answer 404 for a file that is not there");
  }
}

// The whole of it with the device's own client, codecs and caps, as a device fresh from the
// factory.
void Doctor::JudgeAsDevice() {
  const DoctorRequest& request = round_.request();
  if (!request.root && first_root_) {
    round_.Add(Verdict::kNote, "root-of-trust",
               "judged from the root that the server itself offers",
               "give the root that devices carry with --root, or run this in the workspace");
  }
  const std::optional<Bytes>& anchor = request.root ? request.root : first_root_;
  if (!anchor) {
    round_.Add(Verdict::kFail, "refresh",
               "not judged: the server has no root that a device could begin with",
               "first correct what is said of root-chain or redirect; see also --root");
    return;
  }
  WebFetcher fetcher(round_.web(), round_.base());
  MemoryMetadataStore store;
  TreeCheckOptions options;
  options.now = request.now;
  options.payload_check = [&](const manifest::ReleaseManifest& release) -> Status {
    releases_.push_back(release);
    return {};
  };
  const auto judged = CheckTree(fetcher, *anchor, store, options);
  if (!judged) {
    round_.Add(Verdict::kFail, "refresh",
               Format("{} {}", CodeName(judged.error().code()), judged.error().Message()),
               std::string(Describe(judged.error().code()).hint));
    return;
  }
  report_.versions = judged->versions;
  const auto& versions = judged->versions;
  round_.Add(
      Verdict::kOk, "refresh",
      Format("a device accepts root {}, timestamp {}, snapshot {}, targets {}; {} releases, "
             "{} rollouts, {} orders",
             versions.root_version, versions.timestamp_version, versions.snapshot_version,
             versions.targets_version, judged->releases.size(), judged->rollouts, judged->orders));
  for (const std::string& note : judged->notes) round_.Add(Verdict::kNote, "refresh", note);
}

void Doctor::CheckFiles() {
  std::vector<std::string> samples{PublishedMetadataPath("timestamp", 0)};
  std::string lasting = PublishedMetadataPath("root", 1);
  if (report_.versions) {
    lasting = PublishedMetadataPath("snapshot", report_.versions->snapshot_version);
  }
  samples.push_back(lasting);
  const std::vector<ServedFile> files = ServedFilesOf(releases_);
  if (!files.empty()) samples.push_back(files.front().file.path);
  CheckLongLife(round_, files.empty() ? lasting : files.front().file.path);
  CheckEncoding(round_, samples);
  if (!files.empty()) {
    CheckRanges(round_, files.front().file.path, files.front().file.length);
  } else if (first_root_) {
    CheckRanges(round_, PublishedMetadataPath("root", 1), first_root_->size());
  }
  CheckPayloads(round_, files);
}

Status CheckUrl(const std::string& url) {
  const bool web = url.starts_with("http://") || url.starts_with("https://");
  if (web && url.find_first_of("?# ") == std::string::npos) return {};
  return Fail(ErrorCode::kUsage, Format("expected the URL of the folder that holds metadata/, as "
                                        "https://updates.example.com/gateway, found '{}'",
                                        url));
}

Status CheckRoot(const std::optional<Bytes>& root) {
  if (!root) return {};
  auto parsed = manifest::ParseMetadata("root", *root);
  if (!parsed) {
    return Fail(ErrorCode::kInputInvalid,
                Format("--root: expected a root.json, found: {}", parsed.error().Message()));
  }
  if (parsed->metadata.root() != nullptr) return {};
  return Fail(ErrorCode::kInputInvalid, "--root: expected a root.json, found another role");
}

}  // namespace

std::string_view VerdictName(Verdict verdict) {
  return kVerdicts.at(static_cast<std::size_t>(verdict));
}

std::size_t DoctorReport::Count(Verdict verdict) const {
  return static_cast<std::size_t>(std::ranges::count(findings, verdict, &Finding::verdict));
}

std::string DoctorReport::Text(const std::string& url) const {
  std::string out = Format("{}, as devices see it\n", url);
  for (const Finding& finding : findings) {
    out += Format("{:<4}  {:<16} {}\n", VerdictName(finding.verdict), finding.check, finding.text);
    if (finding.verdict >= Verdict::kWarn && !finding.hint.empty()) {
      out += Format("      {:<16} → {}\n", "", finding.hint);
    }
  }
  out += Format("{} FAIL, {} warn, {} ok\n", Count(Verdict::kFail), Count(Verdict::kWarn),
                Count(Verdict::kOk));
  return out;
}

Json DoctorReport::ToJson(const std::string& url) const {
  Json rows = Json::array();
  for (const Finding& finding : findings) {
    rows.push_back(Json{{"check", finding.check},
                        {"verdict", VerdictName(finding.verdict)},
                        {"text", finding.text},
                        {"hint", finding.hint}});
  }
  Json json{{"schema", "pawl.repo-doctor/1"},
            {"url", url},
            {"fail", Count(Verdict::kFail)},
            {"warn", Count(Verdict::kWarn)},
            {"ok", Count(Verdict::kOk)},
            {"findings", std::move(rows)},
            {"root", roots},
            {"payload_files", payload_files},
            {"payload_bytes", payload_bytes}};
  if (versions) {
    json["timestamp"] = versions->timestamp_version;
    json["snapshot"] = versions->snapshot_version;
    json["timestamp_expires"] = FormatUtcTime(versions->timestamp_expires);
  }
  return json;
}

namespace {

// The first root of a workspace is the one that its devices carry. A workspace that merely lies
// around and is of another repository is not compared with. True: that is so.
Result<bool> AdoptWorkspace(Web& web, DoctorRequest& request) {
  if (!request.local) return false;
  PAWL_ASSIGN_OR_RETURN(
      std::optional<Bytes> root,
      ReadFileIfExists(JoinPath(*request.local, PublishedMetadataPath("root", 1)), kRootCap));
  if (!request.must_match) {
    DoctorReport ignored;
    const auto served =
        DoctorRound(web, request, ignored).Get(PublishedMetadataPath("root", 1), kRootCap);
    const bool other = root && served && IsRoot(served->body, 1) && served->body != *root;
    if (other || !root) {
      request.local.reset();
      return true;
    }
  }
  if (!request.root) request.root = std::move(root);
  return false;
}

}  // namespace

Result<DoctorReport> ExamineRepository(Web& web, const DoctorRequest& request) {
  PAWL_TRY(CheckUrl(request.url));
  PAWL_TRY(CheckRoot(request.root));
  DoctorRequest complete = request;
  PAWL_ASSIGN_OR_RETURN(const bool other, AdoptWorkspace(web, complete));
  DoctorReport report = Doctor(web, complete).Examine();
  if (other) {
    report.findings.push_back({Verdict::kNote, "local",
                               "the workspace here is of another repository and was not compared",
                               "name the right one with --repo"});
  }
  return report;
}

}  // namespace pawl::signer
