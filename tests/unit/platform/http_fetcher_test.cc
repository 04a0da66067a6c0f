// SPDX-License-Identifier: Apache-2.0
#include "client/core/http_fetcher.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace pawl::client {
namespace {

// Answers every URL with itself, as far as the cap allows, in two pieces.
class EchoHttp : public Http {
 public:
  Status Get(const HttpRequest& request, ByteSink& sink) override {
    urls.push_back(request.url);
    if (request.url.size() > request.max_bytes) return Fail(ErrorCode::kTransferTooLarge, "echo");
    PAWL_TRY(sink.Write(AsBytes(request.url).first(3)));
    return sink.Write(AsBytes(request.url).subspan(3));
  }
  std::vector<std::string> urls;
};

TEST(HttpFetcherTest, AppendsTheNameByteForByte) {
  EchoHttp http;
  HttpFetcher with_slash(http, "http://host/repo/");
  HttpFetcher without(http, "http://host/repo");
  const std::string expected = "http://host/repo/targets/a%2Fb/..c/1.x.json";
  EXPECT_EQ(AsText(*with_slash.Fetch("targets/a%2Fb/..c/1.x.json", 100)), expected);
  EXPECT_EQ(AsText(*without.Fetch("targets/a%2Fb/..c/1.x.json", 100)), expected);
}

TEST(HttpFetcherTest, PassesTheCapOn) {
  EchoHttp http;
  HttpFetcher fetcher(http, "http://host/");
  EXPECT_EQ(fetcher.Fetch("name", 5).error().code(), ErrorCode::kTransferTooLarge);
}

TEST(HttpFetcherTest, RefusesNamesThatALaterHopCouldRead) {
  EchoHttp http;
  HttpFetcher fetcher(http, "http://host/");
  for (const char* name : {"", "/a", "a/", "a//b", ".", "..", "a/../b", "a/./b", "a b", "a?b",
                           "a#b", "a\\b", "a\nb", "\xc3\xa9"}) {
    EXPECT_EQ(fetcher.Fetch(name, 100).error().code(), ErrorCode::kPathUnsafe) << name;
  }
  EXPECT_TRUE(http.urls.empty());
}

}  // namespace
}  // namespace pawl::client
