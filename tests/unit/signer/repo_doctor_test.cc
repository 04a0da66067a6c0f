// SPDX-License-Identifier: Apache-2.0
// `repo doctor`: every way in which a server can be set up wrong has its finding, and a server that
// is right has none. Rules: docs/repository-layout.md M-SERVE-1 to M-SERVE-7.

#include "signer/repo_doctor.h"

#include <algorithm>
#include <filesystem>

#include "base/format.h"
#include "signer/doctor_checks.h"
#include "signer/roles.h"
#include "tests/unit/signer/fake_web.h"
#include "tests/unit/signer/signer_test_util.h"

namespace pawl::signer::testing {
namespace {

class DoctorTest : public SignerTest {
 protected:
  void SetUp() override {
    StartRepository();
    BuildAndList("1.0", 1, 1);
    SignBy({"dora", "emil"});
    const auto published = PublishAll();
    ASSERT_TRUE(published) << published.error().Message();
    std::filesystem::copy(repo_ + "/public", served_, std::filesystem::copy_options::recursive);
    web_.date = now_.seconds;
    web_.certificate_until = now_.PlusSeconds(60 * kSecondsPerDay);
  }
  DoctorReport Examine(bool local = false, bool hash = false) {
    DoctorRequest request;
    request.url = kFakeUrl;
    request.now = now_;
    request.hash_payloads = hash;
    if (local) request.local = repo_ + "/public";
    const std::string root = ReadText(repo_ + "/public/metadata/1.root.json");
    request.root = Bytes(root.begin(), root.end());
    auto report = ExamineRepository(web_, request);
    EXPECT_TRUE(report) << report.error().Message();
    return report ? *std::move(report) : DoctorReport{};
  }
  // The texts of the findings of one check with one verdict.
  static std::string Found(const DoctorReport& report, std::string_view check, Verdict verdict) {
    std::string out;
    for (const Finding& finding : report.findings) {
      if (finding.check == check && finding.verdict == verdict) out += finding.text + "\n";
    }
    return out;
  }
  std::string Failed(std::string_view check) { return Found(Examine(), check, Verdict::kFail); }
  std::string Warned(std::string_view check) { return Found(Examine(), check, Verdict::kWarn); }
  void PublishNewRoot() {
    const Workspace workspace = Open();
    auto roles = Roles::Load(workspace);
    auto root = roles->NextDraft("root", now_.PlusSeconds(300 * kSecondsPerDay));
    ASSERT_TRUE(workspace.WriteDraft("root", *root));
    SignBy({"anna", "ben"});
    ASSERT_TRUE(PublishAll());
  }
  void Upload() {
    std::filesystem::remove_all(served_);
    std::filesystem::copy(repo_ + "/public", served_, std::filesystem::copy_options::recursive);
  }
  std::string LargestPayload() const {
    std::string largest;
    std::size_t size = 0;
    for (const auto& [path, bytes] : ReadTree(served_ + "/payloads")) {
      if (bytes.size() <= size) continue;
      size = bytes.size();
      largest = "payloads/" + path;
    }
    return largest;
  }

  std::string served_ = directory_.Path("served");
  FakeWeb web_{served_};
};

TEST_F(DoctorTest, AServerThatIsRightHasNoFault) {
  const DoctorReport report = Examine(true, true);
  EXPECT_EQ(report.Count(Verdict::kFail), 0U) << report.Text("");
  EXPECT_EQ(report.Count(Verdict::kWarn), 0U) << report.Text("");
  for (const char* check :
       {"certificate", "root-chain", "missing-file", "timestamp", "timestamp-cache", "clock",
        "refresh", "cache", "encoding", "ranges", "payloads", "local"}) {
    EXPECT_FALSE(Found(report, check, Verdict::kOk).empty()) << check;
  }
  const Json json = report.ToJson("u");
  EXPECT_EQ(json["schema"], "pawl.repo-doctor/1");
  EXPECT_EQ(json["snapshot"], 2);
}

TEST_F(DoctorTest, AServerThatIsDownIsOneFinding) {
  web_.down = true;
  const DoctorReport report = Examine();
  ASSERT_EQ(report.findings.size(), 1U);
  EXPECT_EQ(report.findings[0].check, "reach");
  EXPECT_EQ(report.findings[0].verdict, Verdict::kFail);
}

TEST_F(DoctorTest, AUrlThatIsNoneIsWrongUsage) {
  for (const char* url : {"ftp://x/", "updates.example.com", "http://x/?a", ""}) {
    DoctorRequest request;
    request.url = url;
    EXPECT_EQ(CodeOf(ExamineRepository(web_, request)), ErrorCode::kUsage) << url;
  }
}

TEST_F(DoctorTest, ACertificateThatEndsSoonIsWarnedOf) {
  web_.certificate_until = now_.PlusSeconds(5 * kSecondsPerDay);
  EXPECT_FALSE(Warned("certificate").empty());
}

// M-SERVE-1
TEST_F(DoctorTest, AMissingRootInTheMiddleIsAGapInTheChain) {
  PublishNewRoot();
  PublishNewRoot();
  Upload();
  std::filesystem::remove(served_ + "/metadata/2.root.json");
  const DoctorReport report = Examine();
  EXPECT_TRUE(Found(report, "root-chain", Verdict::kFail).contains("3.root.json is there, but"))
      << report.Text("");
}

TEST_F(DoctorTest, AMissingFirstRootIsAFault) {
  std::filesystem::remove(served_ + "/metadata/1.root.json");
  EXPECT_TRUE(Failed("root-chain").contains("1.root.json"));
}

TEST_F(DoctorTest, ARootOfSomebodyElseIsAFault) {
  Json root = ParseJson(ReadText(served_ + "/metadata/1.root.json")).value();
  root["signatures"] = Json::array();
  web_.instead["metadata/1.root.json"] = PrettyJson(root);
  EXPECT_FALSE(Failed("root-of-trust").empty());
}

// M-SERVE-2
TEST_F(DoctorTest, APageOfStatus200ForAMissingRootIsAFault) {
  web_.missing = 200;
  const DoctorReport report = Examine();
  EXPECT_TRUE(Found(report, "root-chain", Verdict::kFail).contains("devices read it as one"));
  EXPECT_FALSE(Found(report, "refresh", Verdict::kFail).empty());
}

TEST_F(DoctorTest, Status403ForMissingIsNoted404AndOthersJudged) {
  web_.missing = 403;
  EXPECT_EQ(Examine().Count(Verdict::kFail), 0U);
  EXPECT_FALSE(Found(Examine(), "missing-file", Verdict::kNote).empty());
  web_.missing = 500;
  EXPECT_FALSE(Failed("root-chain").empty());
}

TEST_F(DoctorTest, ANegativeAnswerThatCachesKeepIsWarnedOf) {
  web_.missing_control = "max-age=86400";
  EXPECT_TRUE(Warned("missing-file").contains("a new root reaches devices"));
}

TEST_F(DoctorTest, RedirectsAreAFault) {
  web_.redirect_to = "https://cdn.example.com/";
  const DoctorReport report = Examine();
  EXPECT_TRUE(Found(report, "redirect", Verdict::kFail).contains("https://cdn.example.com/"));
}

// M-SERVE-3
TEST_F(DoctorTest, ATimestampThatCachesMayKeepIsAFault) {
  web_.timestamp_control = "public, max-age=86400";
  EXPECT_TRUE(Failed("timestamp-cache").contains("1 d"));
  web_.timestamp_control = "max-age=60, s-maxage=7200";
  EXPECT_TRUE(Failed("timestamp-cache").contains("2 h"));
  web_.timestamp_control = "max-age=1800";
  EXPECT_FALSE(Warned("timestamp-cache").empty());
  web_.timestamp_control = "";
  EXPECT_FALSE(Warned("timestamp-cache").empty());
  web_.extra_expires = "Thu, 31 Dec 2037 23:55:55 GMT";
  EXPECT_FALSE(Failed("timestamp-cache").empty());
  web_.extra_expires = "0";
  EXPECT_FALSE(Found(Examine(), "timestamp-cache", Verdict::kOk).empty());
}

TEST_F(DoctorTest, ACacheThatHandsOutAnOldTimestampIsFound) {
  web_.cached_timestamp = ReadText(served_ + "/metadata/timestamp.json");
  PublishNewRoot();
  Upload();
  EXPECT_TRUE(Failed("timestamp-cache").contains("answers with timestamp 2; the origin has 3"));
}

TEST_F(DoctorTest, AnExpiredTimestampIsAFaultAndALateOneAWarning) {
  now_ = now_.PlusSeconds(40 * 3600);
  web_.date = now_.seconds;
  EXPECT_TRUE(Warned("timestamp").contains("expires in"));
  now_ = now_.PlusSeconds(40 * 3600);
  EXPECT_TRUE(Failed("timestamp").contains("expired"));
  EXPECT_TRUE(Failed("refresh").contains("E0203"));
}

TEST_F(DoctorTest, AClockThatIsOffIsWarnedOf) {
  web_.date = now_.seconds - 7200;
  EXPECT_TRUE(Warned("clock").contains("behind this machine's"));
}

TEST_F(DoctorTest, WhatNeverChangesShouldBeKeptByCaches) {
  web_.control = "no-store";
  EXPECT_FALSE(Warned("cache").empty());
}

// M-SERVE-4
TEST_F(DoctorTest, CompressionIsAFaultAlsoWhenOnlyOffered) {
  web_.gzip = true;
  DoctorReport report = Examine();
  EXPECT_TRUE(Found(report, "encoding", Verdict::kFail).contains("when it is offered"));
  EXPECT_FALSE(Found(report, "refresh", Verdict::kOk).empty());
  web_.always_gzip = true;
  report = Examine();
  EXPECT_TRUE(Found(report, "refresh", Verdict::kFail).contains("E0409")) << report.Text("");
}

TEST_F(DoctorTest, AMissingLengthIsWarnedOf) {
  web_.length = false;
  EXPECT_FALSE(Warned("length").empty());
}

// M-SERVE-5
TEST_F(DoctorTest, AServerWithoutRangesIsAFault) {
  web_.ranges = false;
  EXPECT_TRUE(Failed("ranges").contains("status 200 instead of 206"));
}

TEST_F(DoctorTest, AWrongRangeIsAFault) {
  web_.wrong_range = true;
  EXPECT_TRUE(Failed("ranges").contains("Content-Range"));
}

// A file of 3 GiB on a server that counts offsets in 31 bits.
class WrappingWeb : public Web {
 public:
  explicit WrappingWeb(std::uint64_t length) : length_(length) {}
  Result<WebAnswer> Ask(const WebRequest& request) override {
    WebAnswer answer;
    answer.status = 206;
    const std::uint64_t start = request.range->offset % (wraps ? 1ULL << 31 : UINT64_MAX);
    answer.headers["content-range"] =
        Format("bytes {}-{}/{}", start, start + request.range->length - 1, length_);
    answer.body_bytes = request.range->length;
    return answer;
  }
  bool wraps = false;

 private:
  std::uint64_t length_;
};

TEST_F(DoctorTest, ARangeBeyondTwoGiBThatWrapsIsFound) {
  const std::uint64_t length = 3ULL << 30;
  WrappingWeb web(length);
  DoctorRequest request;
  request.url = kFakeUrl;
  for (const bool wraps : {false, true}) {
    web.wraps = wraps;
    DoctorReport report;
    DoctorRound round(web, request, report);
    CheckRanges(round, "payloads/ab/x.pawl", length);
    ASSERT_EQ(report.findings.size(), 1U);
    EXPECT_EQ(report.findings[0].verdict, wraps ? Verdict::kFail : Verdict::kOk);
    EXPECT_TRUE(report.findings[0].text.contains(wraps ? "the end of" : "beyond 2 GiB"))
        << report.findings[0].text;
  }
}

// M-SERVE-6
TEST_F(DoctorTest, MissingShortAndOtherPayloadsAreFaults) {
  const std::string payload = LargestPayload();
  const std::string bytes = ReadText(served_ + "/" + payload);
  std::filesystem::remove(served_ + "/" + payload);
  EXPECT_TRUE(Failed("payloads").contains("1 files are not there: " + payload));
  WriteText(served_ + "/" + payload, bytes.substr(0, bytes.size() - 1));
  EXPECT_TRUE(Failed("payloads").contains("another length"));
  std::string head = bytes;
  head[20] = static_cast<char>(head[20] ^ 1);
  WriteText(served_ + "/" + payload, head);
  EXPECT_TRUE(Failed("payloads").contains("other bytes"));
  std::string tail = bytes;
  tail.back() = static_cast<char>(tail.back() ^ 1);
  WriteText(served_ + "/" + payload, tail);
  EXPECT_TRUE(Failed("payloads").empty());
  EXPECT_TRUE(Found(Examine(false, true), "payloads", Verdict::kFail).contains("other bytes"));
}

TEST_F(DoctorTest, AServerWithoutHeadIsAskedByRange) {
  web_.head = false;
  EXPECT_FALSE(Found(Examine(), "payloads", Verdict::kOk).empty());
}

TEST_F(DoctorTest, AListingIsWarnedOf) {
  web_.listing = true;
  EXPECT_FALSE(Warned("listing").empty());
}

// M-SERVE-7
TEST_F(DoctorTest, ACopyWithoutTheNewFilesIsToldFromOneWithTheWrongOrder) {
  PublishNewRoot();
  // Nothing of the publication was copied.
  std::string found = Found(Examine(true), "local", Verdict::kFail);
  EXPECT_TRUE(found.contains("the server has timestamp 2, this workspace 3")) << found;
  EXPECT_TRUE(found.contains("metadata/3.snapshot.json")) << found;
  // Only the timestamp was.
  std::filesystem::copy_file(repo_ + "/public/metadata/timestamp.json",
                             served_ + "/metadata/timestamp.json",
                             std::filesystem::copy_options::overwrite_existing);
  found = Found(Examine(true), "local", Verdict::kFail);
  EXPECT_TRUE(found.contains("it was copied before the other files")) << found;
  Upload();
  EXPECT_FALSE(Found(Examine(true), "local", Verdict::kOk).empty());
}

TEST_F(DoctorTest, AServerThatIsAheadMakesTheWorkspaceOld) {
  PublishNewRoot();
  Upload();
  const TemporaryDirectory old;
  const std::string before = ReadText(served_ + "/metadata/timestamp.json");
  std::filesystem::copy(repo_ + "/public", old.Path("public"),
                        std::filesystem::copy_options::recursive);
  PublishNewRoot();
  Upload();
  DoctorRequest request;
  request.url = kFakeUrl;
  request.now = now_;
  request.local = old.Path("public");
  const auto report = ExamineRepository(web_, request);
  ASSERT_TRUE(report);
  EXPECT_TRUE(Found(*report, "local", Verdict::kWarn).contains("timestamp 4, this workspace 3"))
      << report->Text("");
}

TEST_F(DoctorTest, AWorkspaceOfAnotherRepositoryIsNotComparedUnlessItWasNamed) {
  const TemporaryDirectory other;
  WriteText(other.Path("metadata/1.root.json"), "{}");
  DoctorRequest request;
  request.url = kFakeUrl;
  request.now = now_;
  request.local = other.path();
  auto report = ExamineRepository(web_, request);
  ASSERT_TRUE(report);
  EXPECT_FALSE(Found(*report, "local", Verdict::kNote).empty());
  EXPECT_EQ(report->Count(Verdict::kFail), 0U) << report->Text("");
  request.must_match = true;
  report = ExamineRepository(web_, request);
  EXPECT_GT(report->Count(Verdict::kFail), 0U);
}

TEST_F(DoctorTest, WhatWasNotFetchedIsNotCalledFine) {
  web_.redirect_to = "https://cdn.example.com/";
  const DoctorReport report = Examine();
  EXPECT_TRUE(Found(report, "encoding", Verdict::kOk).empty()) << report.Text("");
  EXPECT_FALSE(Found(report, "encoding", Verdict::kNote).empty()) << report.Text("");
}

TEST_F(DoctorTest, ARefreshThatCannotBeJudgedIsSaidSo) {
  web_.redirect_to = "https://cdn.example.com/";
  DoctorRequest request;
  request.url = kFakeUrl;
  request.now = now_;
  const auto blind = ExamineRepository(web_, request);
  ASSERT_TRUE(blind);
  EXPECT_TRUE(Found(*blind, "refresh", Verdict::kFail).contains("not judged")) << blind->Text("");
  web_.redirect_to.clear();
  web_.status["metadata/timestamp.json"] = 302;
  EXPECT_TRUE(Failed("refresh").contains("redirects are not followed"));
}

TEST_F(DoctorTest, ARootFileThatIsNoneIsNoFaultOfTheServer) {
  DoctorRequest request;
  request.url = kFakeUrl;
  request.now = now_;
  const std::string timestamp = ReadText(served_ + "/metadata/timestamp.json");
  for (const std::string& text : {std::string("{}"), timestamp}) {
    request.root = Bytes(text.begin(), text.end());
    EXPECT_EQ(CodeOf(ExamineRepository(web_, request)), ErrorCode::kInputInvalid) << text;
  }
}

TEST_F(DoctorTest, AHeaderOfTheServerCannotPaintOverTheReport) {
  web_.redirect_to = "https://x/\x1b[2K\rok    everything/";
  const std::string text = Examine().Text("");
  EXPECT_EQ(text.find('\x1b'), std::string::npos);
  EXPECT_EQ(text.find('\r'), std::string::npos);
  EXPECT_TRUE(text.contains("\\x1b[2K")) << text;
}

TEST_F(DoctorTest, HttpDatesAreReadStrictly) {
  EXPECT_EQ(ParseHttpDate("Thu, 01 Jan 1970 00:00:10 GMT")->seconds, 10);
  for (const char* text : {"", "0", "-1", "Thu, 01 Jan 1970 00:00:10", "Thursday"}) {
    EXPECT_FALSE(ParseHttpDate(text)) << text;
  }
}

}  // namespace
}  // namespace pawl::signer::testing
