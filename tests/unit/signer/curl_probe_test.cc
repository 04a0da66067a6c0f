// SPDX-License-Identifier: Apache-2.0
// The network side of `repo doctor`, against a server on loopback that means no good.

#include "signer/curl_probe.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <thread>

#include "base/file.h"
#include "base/format.h"

namespace pawl::signer::testing {
namespace {

// Answers one request with a body that never ends, a byte at a time.
class EndlessServer {
 public:
  EndlessServer() : listener_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    auto* plain = reinterpret_cast<sockaddr*>(&address);
    EXPECT_EQ(bind(listener_.get(), plain, size), 0);
    EXPECT_EQ(listen(listener_.get(), 1), 0);
    EXPECT_EQ(getsockname(listener_.get(), plain, &size), 0);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { Serve(); });
  }
  ~EndlessServer() {
    shutdown(listener_.get(), SHUT_RDWR);  // for the case that nobody came
    thread_.join();
  }
  EndlessServer(const EndlessServer&) = delete;
  EndlessServer& operator=(const EndlessServer&) = delete;
  std::string Url() const { return Format("http://127.0.0.1:{}/endless", port_); }

 private:
  void Serve() const {
    const UniqueFd client(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (client.get() < 0) return;
    std::string_view next = "HTTP/1.1 200 OK\r\n\r\n";
    while (send(client.get(), next.data(), next.size(), MSG_NOSIGNAL) > 0) next = "x";
  }

  UniqueFd listener_;
  std::uint16_t port_ = 0;
  std::thread thread_;
};

// Above the limit for stalling, and below every limit of size.
TEST(CurlProbeTest, AServerThatNeverEndsItsAnswerIsGivenUpAtADeadline) {
  const EndlessServer server;
  const auto probe = CurlProbe::Create("", {/*base_ms=*/100, /*slowest_bytes_per_s=*/1ULL << 62});
  ASSERT_TRUE(probe) << probe.error().Message();
  WebRequest request;
  request.url = server.Url();
  request.max_bytes = 1ULL << 40;
  std::uint64_t taken = 0;
  request.sink = [&](ByteView bytes) { taken += bytes.size(); };
  const auto answer = (*probe)->Ask(request);
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code(), ErrorCode::kTransferTooSlow) << answer.error().Message();
}

}  // namespace
}  // namespace pawl::signer::testing
