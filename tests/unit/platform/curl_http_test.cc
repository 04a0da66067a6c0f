// SPDX-License-Identifier: Apache-2.0
#include "client/platform/curl_http.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <string>

#include "base/command_line.h"
#include "base/format.h"
#include "tests/unit/platform/loopback_server.h"
#include "tests/unit/platform/temp_dir.h"

namespace pawl::client {
namespace {

using testing::HasSubstr;
using Then = LoopbackReply::Then;

class Collected : public ByteSink {
 public:
  Status Write(ByteView bytes) override {
    if (refuse_after && text.size() + bytes.size() > *refuse_after) {
      return Fail(ErrorCode::kNoSpace, "the sink is full");
    }
    text.append(AsText(bytes));
    return {};
  }
  std::string text;
  std::optional<std::size_t> refuse_after;
};

class CurlHttpTest : public testing::Test {
 protected:
  CurlHttpTest() : server_([this](const LoopbackRequest& request) { return Find(request); }) {}

  LoopbackReply Find(const LoopbackRequest& request) {
    const auto reply = replies_.find(request.target);
    return reply == replies_.end() ? StatusOnly(404, "", "no such file") : reply->second;
  }
  Status Get(std::string_view target, std::optional<ByteRange> range = std::nullopt,
             std::uint64_t max_bytes = 1000) {
    sink_.text.clear();
    if (!http_) {
      auto made = CurlHttp::Create(options_);
      EXPECT_TRUE(made) << made.error().Message();
      http_ = *std::move(made);
    }
    return http_->Get({server_.Url(target), range, max_bytes}, sink_);
  }
  ErrorCode CodeOf(const Status& status) {
    return status ? ErrorCode::kAlreadyDone : status.error().code();
  }

  std::map<std::string, LoopbackReply> replies_;  // filled before the first request
  LoopbackServer server_;
  CurlHttpOptions options_;
  std::unique_ptr<CurlHttp> http_;
  Collected sink_;
};

TEST_F(CurlHttpTest, BringsTheBodyAndKeepsTheConnection) {
  replies_["/a"] = Ok("hello");
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(Get("/a"));
    EXPECT_EQ(sink_.text, "hello");
    EXPECT_EQ(CodeOf(Get("/absent")), ErrorCode::kNotFound);
    EXPECT_EQ(sink_.text, "");
  }
  EXPECT_EQ(server_.connections(), 1);
}

TEST_F(CurlHttpTest, SendsTheUrlAsItIsAndNoCookiesOrEncodings) {
  replies_["/a/../b%2Fc//d"] = Ok("x");
  ASSERT_TRUE(Get("/a/../b%2Fc//d"));
  const LoopbackRequest request = server_.requests().at(0);
  EXPECT_TRUE(request.Has("\r\nAccept-Encoding: identity\r\n")) << request.head;
  EXPECT_TRUE(request.Has(Format("\r\nUser-Agent: pawl-agent/{}\r\n", PawlVersion())));
  EXPECT_FALSE(request.Has("Cookie"));
  EXPECT_FALSE(request.Has("Authorization"));
}

TEST_F(CurlHttpTest, EmptyBodyIsFine) {
  replies_["/empty"] = Ok("");
  EXPECT_TRUE(Get("/empty"));
  EXPECT_TRUE(Get("/empty", std::nullopt, 0));
}

// T-BOUNDARY-1
TEST_F(CurlHttpTest, RefusesMoreThanTheCapAnnouncedOrNot) {
  replies_["/announced"] = Ok(std::string(1001, 'x'));
  replies_["/hidden"] = {"HTTP/1.1 200 OK\r\n\r\n" + std::string(1001, 'x'), Then::kClose};
  replies_["/endless"] = {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", Then::kRepeat,
                          "4\r\nabcd\r\n"};
  replies_["/exact"] = Ok(std::string(1000, 'x'));
  EXPECT_EQ(CodeOf(Get("/announced")), ErrorCode::kTransferTooLarge);
  EXPECT_EQ(sink_.text, "");
  for (const char* target : {"/hidden", "/endless"}) {
    EXPECT_EQ(CodeOf(Get(target)), ErrorCode::kTransferTooLarge) << target;
    EXPECT_LE(sink_.text.size(), 1000U);
  }
  EXPECT_TRUE(Get("/exact"));
}

TEST_F(CurlHttpTest, RefusesEndlessHeaders) {
  replies_["/headers"] = {"HTTP/1.1 200 OK\r\n", Then::kRepeat, "X-Filler: 0123456789abcdef\r\n"};
  EXPECT_EQ(CodeOf(Get("/headers")), ErrorCode::kTransferTooLarge);
}

TEST_F(CurlHttpTest, RangeAnswersMustBeExactlyTheRange) {
  const auto partial = [](std::string_view range, std::string_view body) {
    return StatusOnly(206, Format("Content-Range: {}\r\n", range), body);
  };
  replies_["/good"] = partial("bytes 10-14/100", "hello");
  replies_["/star"] = partial("bytes 10-14/*", "hello");
  replies_["/whole"] = Ok("hello");
  replies_["/shifted"] = partial("bytes 11-15/100", "hello");
  replies_["/longer"] = partial("bytes 10-19/100", "hellohello");
  replies_["/bare"] = StatusOnly(206, "", "hello");
  replies_["/beyond"] = StatusOnly(416, "Content-Range: bytes */5\r\n");
  replies_["/short"] = partial("bytes 10-14/100", "hell");
  replies_["/long"] = partial("bytes 10-14/100", "hello!");
  const ByteRange range{10, 5};
  ASSERT_TRUE(Get("/good", range));
  EXPECT_EQ(sink_.text, "hello");
  EXPECT_TRUE(server_.requests().at(0).Has("\r\nRange: bytes=10-14\r\n"));
  EXPECT_TRUE(Get("/star", range));
  for (const char* target : {"/whole", "/shifted", "/longer", "/bare", "/beyond"}) {
    EXPECT_EQ(CodeOf(Get(target, range)), ErrorCode::kRangeUnsupported) << target;
    EXPECT_EQ(sink_.text, "") << target;
  }
  EXPECT_EQ(CodeOf(Get("/short", range)), ErrorCode::kTransferTruncated);
  EXPECT_EQ(CodeOf(Get("/long", range)), ErrorCode::kTransferTooLarge);
  EXPECT_EQ(CodeOf(Get("/absent", range)), ErrorCode::kNotFound);
  EXPECT_EQ(CodeOf(Get("/bare")), ErrorCode::kHttpStatus);
}

TEST_F(CurlHttpTest, RefusesRangesThatCannotBe) {
  EXPECT_EQ(CodeOf(Get("/a", ByteRange{0, 0})), ErrorCode::kInputInvalid);
  EXPECT_EQ(CodeOf(Get("/a", ByteRange{UINT64_MAX, 2})), ErrorCode::kInputInvalid);
  EXPECT_EQ(CodeOf(Get("/a", ByteRange{0, 2000})), ErrorCode::kInputInvalid);
  EXPECT_EQ(server_.connections(), 0);
}

TEST_F(CurlHttpTest, RangeIsForgottenAtTheNextRequest) {
  replies_["/r"] = StatusOnly(206, "Content-Range: bytes 0-1/9\r\n", "ab");
  replies_["/a"] = Ok("hello");
  ASSERT_TRUE(Get("/r", ByteRange{0, 2}));
  ASSERT_TRUE(Get("/a"));
  EXPECT_FALSE(server_.requests().at(1).Has("Range:"));
}

TEST_F(CurlHttpTest, ContentEncodingIsRefused) {
  replies_["/gzip"] = Ok("\x1f\x8b junk", "Content-Encoding: gzip\r\n");
  replies_["/identity"] = Ok("plain", "Content-Encoding: Identity\r\n");
  EXPECT_EQ(CodeOf(Get("/gzip")), ErrorCode::kContentEncoding);
  EXPECT_EQ(sink_.text, "");
  EXPECT_TRUE(Get("/identity"));
}

TEST_F(CurlHttpTest, RedirectsAreNotFollowed) {
  replies_["/moved"] = StatusOnly(302, "Location: http://127.0.0.1:1/elsewhere\r\n");
  replies_["/near"] = StatusOnly(301, "Location: /a\r\n");
  replies_["/a"] = Ok("hello");
  for (const char* target : {"/moved", "/near"}) {
    const Status status = Get(target);
    EXPECT_EQ(CodeOf(status), ErrorCode::kHttpStatus) << target;
    EXPECT_THAT(status.error().Message(), HasSubstr("redirect"));
  }
  EXPECT_EQ(server_.requests().size(), 2U);
}

TEST_F(CurlHttpTest, MapsStatusToCodes) {
  for (const int status : {403, 404, 410, 204, 401, 500, 503}) {
    replies_[Format("/{}", status)] = StatusOnly(status, "", status == 204 ? "" : "page");
  }
  for (const int status : {403, 404, 410}) {
    EXPECT_EQ(CodeOf(Get(Format("/{}", status))), ErrorCode::kNotFound) << status;
  }
  for (const int status : {204, 401, 500, 503}) {
    EXPECT_EQ(CodeOf(Get(Format("/{}", status))), ErrorCode::kHttpStatus) << status;
  }
}

TEST_F(CurlHttpTest, LostConnectionInTheBodyIsTruncated) {
  replies_["/short"] = {"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello", Then::kClose};
  replies_["/chunk"] = {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
                        Then::kClose};
  for (const char* target : {"/short", "/chunk"}) {
    EXPECT_EQ(CodeOf(Get(target)), ErrorCode::kTransferTruncated) << target;
    EXPECT_EQ(sink_.text, "hello");
  }
}

TEST_F(CurlHttpTest, AnswerThatIsNoHttpIsRefused) {
  replies_["/none"] = {"", Then::kClose};
  replies_["/junk"] = {"this is no web server\r\n", Then::kClose};
  EXPECT_FALSE(Get("/none"));
  EXPECT_FALSE(Get("/junk"));
  EXPECT_EQ(sink_.text, "");
}

TEST_F(CurlHttpTest, StalledBodyIsGivenUp) {
  options_.patience.stall_s = 1;
  options_.patience.stall_bytes_per_s = 1000;
  replies_["/stall"] = {"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello", Then::kStall};
  EXPECT_EQ(CodeOf(Get("/stall")), ErrorCode::kTransferTooSlow);
  EXPECT_EQ(sink_.text, "hello");
}

TEST_F(CurlHttpTest, TotalDeadlineGrowsWithTheCap) {
  options_.patience.base_ms = 200;
  options_.patience.slowest_bytes_per_s = 1000;
  replies_["/silent"] = {"", Then::kStall};
  EXPECT_EQ(CodeOf(Get("/silent", std::nullopt, 0)), ErrorCode::kTransferTooSlow);
}

TEST_F(CurlHttpTest, NothingListeningIsUnreachable) {
  ASSERT_EQ(CodeOf(Get("/absent")), ErrorCode::kNotFound);
  Collected sink;
  EXPECT_EQ(CodeOf(http_->Get({"http://127.0.0.1:1/x", std::nullopt, 10}, sink)),
            ErrorCode::kNetworkUnreachable);
  EXPECT_EQ(CodeOf(http_->Get({"http://name.invalid/x", std::nullopt, 10}, sink)),
            ErrorCode::kNetworkUnreachable);
}

TEST_F(CurlHttpTest, OnlyHttpAndHttps) {
  ASSERT_EQ(CodeOf(Get("/absent")), ErrorCode::kNotFound);
  Collected sink;
  for (const char* url :
       {"file:///etc/passwd", "ftp://127.0.0.1/x", "gopher://127.0.0.1/x", "", " "}) {
    EXPECT_EQ(CodeOf(http_->Get({url, std::nullopt, 10}, sink)), ErrorCode::kInputInvalid) << url;
  }
}

TEST_F(CurlHttpTest, SinkEndsTheTransferWithItsOwnError) {
  replies_["/a"] = Ok("hello");
  sink_.refuse_after = 3;
  EXPECT_EQ(CodeOf(Get("/a")), ErrorCode::kNoSpace);
}

TEST_F(CurlHttpTest, ErrorsShowNoPasswordAndNoQuery) {
  ASSERT_EQ(CodeOf(Get("/absent")), ErrorCode::kNotFound);
  Collected sink;
  const Status status =
      http_->Get({"http://user:secret@127.0.0.1:1/x?token=secret", std::nullopt, 1}, sink);
  ASSERT_FALSE(status);
  EXPECT_THAT(status.error().Message(), testing::Not(HasSubstr("secret")));
}

TEST(CurlHttpTlsTest, CertificatesAreJudgedAtTheEffectiveTime) {
  constexpr std::int64_t kFrom = 1'577'836'800;   // 2020-01-01
  constexpr std::int64_t kUntil = 1'609'459'200;  // 2021-01-01
  const TlsIdentity identity = MakeTlsIdentity(kFrom, kUntil);
  LoopbackServer server([](const LoopbackRequest&) { return Ok("over TLS"); }, &identity);
  TempDir dir;
  const std::string authority = dir.Put("ca.pem", identity.certificate_pem);
  const auto attempt = [&](std::int64_t at, const std::string& authorities) {
    auto http = CurlHttp::Create({{at}, authorities, {}});
    EXPECT_TRUE(http);
    Collected sink;
    const Status status = (*http)->Get({server.Url("/"), std::nullopt, 100}, sink);
    return status ? sink.text : CodeName(status.error().code());
  };
  EXPECT_EQ(attempt(kFrom + 1000, authority), "over TLS");
  EXPECT_EQ(attempt(kUntil + 1000, authority), "E0408");
  EXPECT_EQ(attempt(kFrom - 1000, authority), "E0408");
  EXPECT_EQ(attempt(kFrom + 1000, ""), "E0408") << "nobody the system knows has signed it";
}

}  // namespace
}  // namespace pawl::client
