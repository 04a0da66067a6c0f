// SPDX-License-Identifier: Apache-2.0
#include "signer/doctor_checks.h"

#include <algorithm>
#include <charconv>
#include <set>

#include "base/format.h"
#include "base/hash.h"
#include "base/printable.h"
#include "base/progress.h"
#include "manifest/metadata.h"
#include "signer/release_files.h"
#include "signer/workspace.h"

namespace pawl::signer {
namespace {

// A cache may answer for so long without asking: a refresh reaches devices that much later.
constexpr std::int64_t kShortLife = 300;     // seconds: fine
constexpr std::int64_t kTooLongLife = 3600;  // above: a fault
constexpr std::int64_t kLongLife = 86'400;   // what never changes may be kept at least so long
constexpr std::int64_t kClockTolerance = 300;
constexpr std::uint64_t kListingBytes = 64 * 1024;  // of a page that is looked at
constexpr std::uint64_t kProbeBytes = 64;           // of one range
constexpr std::uint64_t kTwoGiB = 1ULL << 31;       // where 32-bit offsets end
constexpr std::size_t kShownFiles = 5;

constexpr std::string_view kNoCacheHint =
    "send \"Cache-Control: no-cache\" with metadata/timestamp.json; see packaging/nginx/";

std::optional<std::uint64_t> ParseLength(std::string_view text) {
  std::uint64_t value = 0;
  const char* end = text.data() + text.size();
  const auto [rest, failure] = std::from_chars(text.data(), end, value);
  if (text.empty() || failure != std::errc() || rest != end) return {};
  return value;
}

// "bytes 0-63/4096" → 4096.
std::optional<std::uint64_t> TotalOf(std::string_view content_range) {
  const std::size_t slash = content_range.rfind('/');
  if (slash == std::string_view::npos) return {};
  return ParseLength(content_range.substr(slash + 1));
}

std::string List(const std::vector<std::string>& paths) {
  std::vector<std::string> shown(
      paths.begin(),
      paths.begin() + static_cast<std::ptrdiff_t>(std::min(paths.size(), kShownFiles)));
  const std::size_t more = paths.size() - shown.size();
  return Join(shown, ", ") + (more == 0 ? "" : Format(" and {} more", more));
}

std::optional<std::uint64_t> TimestampVersion(ByteView bytes) {
  const auto parsed = manifest::ParseMetadata("timestamp", bytes);
  if (!parsed) return {};
  return parsed->metadata.version;
}

// A query that no cache has seen goes through to the origin.
void CheckStaleCopy(DoctorRound& round, std::uint64_t seen) {
  const std::string path = PublishedMetadataPath("timestamp", 0);
  const auto origin = round.Get(Format("{}?doctor={}", path, round.request().now.seconds),
                                manifest::MetadataLimits{}.timestamp_bytes);
  if (!origin || origin->status != 200) return;
  const auto version = TimestampVersion(origin->body);
  if (!version || *version <= seen) return;
  round.Add(
      Verdict::kFail, "timestamp-cache",
      Format("a cache on the way answers with timestamp {}; the origin has {}", seen, *version),
      "empty that cache, and: " + std::string(kNoCacheHint));
}

void CheckTimestampCaching(DoctorRound& round, const WebAnswer& answer) {
  const CacheLife life = CacheLifeOf(answer);
  const std::string hint(kNoCacheHint);
  if (!life.said) {
    round.Add(Verdict::kWarn, "timestamp-cache",
              "nothing said about caching: a cache may keep it as long as it likes", hint);
  } else if (life.seconds > kShortLife) {
    round.Add(life.seconds > kTooLongLife ? Verdict::kFail : Verdict::kWarn, "timestamp-cache",
              Format("caches may keep timestamp.json for {}: devices see a release, or a refresh, "
                     "that much later",
                     DescribeDuration(life.seconds)),
              hint);
  } else {
    round.Add(Verdict::kOk, "timestamp-cache",
              life.seconds == 0 ? "not kept by caches"
                                : Format("kept for {} at most", DescribeDuration(life.seconds)));
  }
}

void CheckClock(DoctorRound& round, const WebAnswer& answer) {
  const auto date = ParseHttpDate(answer.Header("date"));
  if (!date) return;
  const auto age = ParseLength(answer.Header("age")).value_or(0);
  const std::int64_t there =
      date->seconds + static_cast<std::int64_t>(std::min<std::uint64_t>(age, 30 * kSecondsPerDay));
  const std::int64_t off = there - round.request().now.seconds;
  const std::int64_t size = off < 0 ? -off : off;
  if (size <= kClockTolerance) {
    round.Add(Verdict::kOk, "clock", "server and this machine agree");
    return;
  }
  round.Add(Verdict::kWarn, "clock",
            Format("the server's clock is {} {} this machine's", DescribeDuration(size),
                   off > 0 ? "ahead of" : "behind"),
            "set the clock that is wrong: expiry and issue times are signed by this machine's");
}

void CheckFreshness(DoctorRound& round, const manifest::Metadata& timestamp) {
  const std::int64_t left = timestamp.expires.seconds - round.request().now.seconds;
  if (left <= 0) {
    round.Add(Verdict::kFail, "timestamp",
              Format("version {} expired {} ago: devices refuse it", timestamp.version,
                     DescribeDuration(-left)),
              "pawl-signer refresh, and let packaging/signer/pawl-refresh.timer do it");
    return;
  }
  const std::string text =
      Format("version {}, expires in {}", timestamp.version, DescribeDuration(left));
  const auto& issued = timestamp.timestamp()->issued;
  const bool late = issued && left < (timestamp.expires.seconds - issued->seconds) / 3;
  round.Add(late ? Verdict::kWarn : Verdict::kOk, "timestamp", text,
            late ? "more than two thirds of its life are over: is the refresh timer running?" : "");
}

struct RangeProbe {
  std::string what;
  WebRange range;
};

// Empty when the answer is exactly what was asked for.
std::string RangeFault(const WebAnswer& answer, const WebRange& range, std::uint64_t length) {
  if (answer.status != 206) return Format("status {} instead of 206", answer.status);
  const std::string expected =
      Format("bytes {}-{}/{}", range.offset, range.offset + range.length - 1, length);
  const std::string_view found = answer.Header("content-range");
  if (found != expected) return Format("Content-Range \"{}\" instead of \"{}\"", found, expected);
  if (answer.body_bytes != range.length || answer.cut) {
    return Format("{}{} bytes instead of {}", answer.cut ? "more than " : "", answer.body_bytes,
                  range.length);
  }
  return {};
}

struct PayloadFaults {
  std::vector<std::string> missing;
  std::vector<std::string> wrong_length;
  std::vector<std::string> wrong_bytes;
  std::vector<std::string> failed;
};

// By HEAD; where a server does not answer that, by a range of one byte.
std::optional<std::uint64_t> ServedLength(DoctorRound& round, const std::string& path,
                                          PayloadFaults& faults) {
  WebRequest request;
  request.head = true;
  auto answer = round.Ask(request, path);
  if (answer && (answer->status == 405 || answer->status == 501)) {
    request.head = false;
    request.range = WebRange{0, 1};
    request.max_bytes = 1;
    answer = round.Ask(request, path);
    if (answer && answer->status == 206) return TotalOf(answer->Header("content-range"));
  }
  if (!answer || (answer->status != 200 && !IsNotThere(answer->status))) {
    faults.failed.push_back(answer ? Format("{} (status {})", path, answer->status)
                                   : answer.error().Message());
    return {};
  }
  if (IsNotThere(answer->status)) {
    faults.missing.push_back(path);
    return {};
  }
  return ParseLength(answer->Header("content-length"));
}

void CheckBytes(DoctorRound& round, const ServedFile& file, PayloadFaults& faults) {
  const bool whole = round.request().hash_payloads;
  const std::uint64_t length = whole ? file.file.length : file.head_length;
  if (length == 0) return;
  Sha256 hash;
  WebRequest request;
  request.max_bytes = length;
  if (!whole) request.range = WebRange{0, length};
  request.sink = [&hash](ByteView bytes) { hash.Update(bytes); };
  const auto answer = round.Ask(request, file.file.path);
  if (!answer) {
    faults.failed.push_back(answer.error().Message());
    return;
  }
  if (answer->status != (whole ? 200 : 206)) return;  // told by the checks of lengths and ranges
  const Sha256Digest& expected = whole ? file.file.sha256 : file.head_sha256;
  if (answer->cut || answer->body_bytes != length || hash.Finish() != expected) {
    faults.wrong_bytes.push_back(file.file.path);
  }
}

void ReportPayloads(DoctorRound& round, const PayloadFaults& faults) {
  const auto tell = [&](const std::vector<std::string>& paths, std::string_view what,
                        std::string hint) {
    if (paths.empty()) return;
    round.Add(Verdict::kFail, "payloads", Format("{} {}: {}", paths.size(), what, List(paths)),
              std::move(hint));
  };
  tell(faults.missing, "files are not there",
       "copy payloads/ to the server; before metadata/, and without deleting anything");
  tell(faults.wrong_length, "files have another length than is signed", "copy them again");
  tell(faults.wrong_bytes, "files hold other bytes than are signed", "copy them again");
  tell(faults.failed, "files could not be asked for", "see the server's log");
}

}  // namespace

DoctorRound::DoctorRound(Web& web, const DoctorRequest& request, DoctorReport& report)
    : web_(web), request_(request), report_(report), base_(request.url) {
  if (!base_.ends_with('/')) base_ += '/';
}

void DoctorRound::Add(Verdict verdict, std::string check, std::string text, std::string hint) {
  // Servers write headers and names as they like, and the report goes to a terminal.
  report_.findings.push_back({verdict, std::move(check), Printable(text), std::move(hint)});
}

Result<WebAnswer> DoctorRound::Get(const std::string& path, std::uint64_t max_bytes) {
  WebRequest request;
  request.max_bytes = max_bytes;
  return Ask(request, path);
}

Result<WebAnswer> DoctorRound::Ask(WebRequest request, const std::string& path) {
  request.url = base_ + path;
  return web_.Ask(request);
}

std::vector<ServedFile> ServedFilesOf(const std::vector<manifest::ReleaseManifest>& releases) {
  std::vector<ServedFile> files;
  std::set<std::string> seen;
  const auto add = [&](const manifest::FileReference& file,
                       const manifest::ContainerReference* container) {
    if (!seen.insert(file.path).second) return;
    files.push_back({file, container == nullptr ? 0 : container->head_length,
                     container == nullptr ? Sha256Digest() : container->head_sha256});
  };
  for (const manifest::ReleaseManifest& release : releases) {
    for (const manifest::Component& component : release.components) {
      add(component.full.file, &component.full);
      add(component.chunks.file, nullptr);
      if (component.index) add(*component.index, nullptr);
      for (const manifest::Delta& delta : component.deltas) {
        add(delta.container.file, &delta.container);
        add(delta.source_chunks.file, nullptr);
      }
    }
  }
  std::ranges::stable_sort(files, std::greater<>(),
                           [](const ServedFile& file) { return file.file.length; });
  return files;
}

//= docs/repository-layout.md#M-SERVE-3
void CheckTimestamp(DoctorRound& round) {
  const std::string path = PublishedMetadataPath("timestamp", 0);
  const auto answer = round.Get(path, manifest::MetadataLimits{}.timestamp_bytes);
  if (!answer || answer->status != 200) {
    round.Add(Verdict::kFail, "timestamp",
              answer ? Format("{}: status {}", path, answer->status) : answer.error().Message(),
              answer && answer->status / 100 == 3
                  ? "devices do not follow redirects: give them the address that it leads to"
                  : "copy public/metadata/timestamp.json to the server, as the last file");
    return;
  }
  CheckTimestampCaching(round, *answer);
  CheckClock(round, *answer);
  const auto parsed = manifest::ParseMetadata("timestamp", answer->body);
  if (!parsed || parsed->metadata.timestamp() == nullptr) return;  // the refresh says why
  CheckFreshness(round, parsed->metadata);
  CheckStaleCopy(round, parsed->metadata.version);
  if (answer->Header("etag").empty() && answer->Header("last-modified").empty()) {
    round.Add(Verdict::kNote, "validators",
              "neither ETag nor Last-Modified: caches cannot ask whether it has changed");
  }
}

void CheckLongLife(DoctorRound& round, const std::string& sample) {
  WebRequest request;
  request.head = true;
  const auto answer = round.Ask(request, sample);
  if (!answer || answer->status != 200) return;
  const CacheLife life = CacheLifeOf(*answer);
  if (life.said && life.seconds >= kLongLife) {
    round.Add(Verdict::kOk, "cache",
              Format("{} may be kept for {}", sample, DescribeDuration(life.seconds)));
    return;
  }
  round.Add(Verdict::kWarn, "cache",
            Format("{}: {}", sample,
                   life.said ? "caches may keep it for " + DescribeDuration(life.seconds) + " only"
                             : "nothing said about caching"),
            "it never changes under its name: send \"Cache-Control: public, max-age=31536000, "
            "immutable\" with everything but timestamp.json");
}

//= docs/repository-layout.md#M-SERVE-4
void CheckEncoding(DoctorRound& round, const std::vector<std::string>& samples) {
  bool fine = true;
  std::size_t fetched = 0;
  for (const std::string& path : samples) {
    for (const bool offer : {false, true}) {
      WebRequest request;
      request.offer_compression = offer;
      request.max_bytes = 1024;
      const auto answer = round.Ask(request, path);
      if (!answer || answer->status != 200) continue;
      ++fetched;
      const std::string_view encoding = answer->Header("content-encoding");
      if (!encoding.empty() && encoding != "identity") {
        fine = false;
        round.Add(Verdict::kFail, "encoding",
                  Format("{} comes with content-encoding {}{}", path, encoding,
                         offer ? " when it is offered: a cache may hand that to a device" : ""),
                  "switch off compression here (nginx: gzip off)");
      } else if (!offer && answer->Header("content-length").empty()) {
        fine = false;
        round.Add(Verdict::kWarn, "length", Format("{} comes without Content-Length", path),
                  "serve plain files, not through a filter");
      }
    }
  }
  if (fetched == 0) {
    round.Add(Verdict::kNote, "encoding", "not judged: no file was served");
  } else if (fine) {
    round.Add(Verdict::kOk, "encoding", "bytes as they are, with their length");
  }
}

void CheckListings(DoctorRound& round) {
  for (const std::string path : {"", "metadata/", "payloads/"}) {
    const auto answer = round.Get(path, kListingBytes);
    if (!answer || answer->status != 200) continue;
    const std::string_view page = AsText(answer->body);
    if (!page.contains("href=") ||
        !(page.contains(".json") || page.contains("metadata/") || page.contains("../"))) {
      continue;
    }
    round.Add(Verdict::kWarn, "listing",
              Format("{}{} lists its files to everybody", round.base(), path),
              "not secret, but of no use to devices: switch it off (nginx: autoindex off)");
    return;
  }
}

//= docs/repository-layout.md#M-SERVE-5
void CheckRanges(DoctorRound& round, const std::string& sample, std::uint64_t length) {
  const std::uint64_t piece = std::min(kProbeBytes, length);
  std::vector<RangeProbe> probes{{"the start", {0, piece}},
                                 {"the middle", {(length - piece) / 2, piece}},
                                 {"the end", {length - piece, piece}}};
  if (length > kTwoGiB + piece) probes.push_back({"beyond 2 GiB", {kTwoGiB, piece}});
  for (const RangeProbe& probe : probes) {
    WebRequest request;
    request.range = probe.range;
    request.max_bytes = piece;
    const auto answer = round.Ask(request, sample);
    const std::string fault =
        answer ? RangeFault(*answer, probe.range, length) : answer.error().Message();
    if (fault.empty()) continue;
    round.Add(Verdict::kFail, "ranges",
              Format("{}, {} of {} bytes: {}", sample, probe.what, length, fault),
              "devices fetch parts of files and resume: serve byte ranges (RFC 9110, section 14)");
    return;
  }
  round.Add(Verdict::kOk, "ranges",
            Format("{}: start, middle and end of {}{}", sample, HumanBytes(length),
                   probes.size() > 3 ? ", and beyond 2 GiB" : ""));
}

//= docs/repository-layout.md#M-SERVE-6
void CheckPayloads(DoctorRound& round, const std::vector<ServedFile>& files) {
  if (files.empty()) return;
  PayloadFaults faults;
  Progress progress("asking for payloads", files.size(), "files");
  std::uint64_t done = 0;
  for (const ServedFile& file : files) {
    progress.Update(done++);
    round.report().payload_files += 1;
    round.report().payload_bytes += file.file.length;
    const std::size_t before = faults.missing.size() + faults.failed.size();
    const auto length = ServedLength(round, file.file.path, faults);
    if (faults.missing.size() + faults.failed.size() > before) continue;
    if (length && *length != file.file.length) {
      faults.wrong_length.push_back(
          Format("{} ({} instead of {})", file.file.path, *length, file.file.length));
    } else {
      CheckBytes(round, file, faults);
    }
  }
  progress.Finish();
  ReportPayloads(round, faults);
  const bool fine = faults.missing.empty() && faults.wrong_length.empty() &&
                    faults.wrong_bytes.empty() && faults.failed.empty();
  if (!fine) return;
  round.Add(Verdict::kOk, "payloads",
            Format("{} files, {}; {}", files.size(), HumanBytes(round.report().payload_bytes),
                   round.request().hash_payloads ? "every byte hashed"
                                                 : "lengths and container heads compared"));
}

}  // namespace pawl::signer
