// SPDX-License-Identifier: Apache-2.0
#pragma once

// A web server on 127.0.0.1 whose answers a test writes byte for byte. Each connection has a
// thread; all end with the object.

#include <atomic>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/file.h"

struct ssl_ctx_st;

namespace pawl::client {

struct LoopbackRequest {
  std::string target;  // "/metadata/1.root.json", as it came
  std::string head;    // request line and headers
  bool Has(std::string_view line) const { return head.find(line) != std::string::npos; }
};

struct LoopbackReply {
  std::string bytes;  // status line, headers and body, as they go out
  enum class Then {
    kKeep,    // wait for the next request
    kClose,   // close the connection
    kStall,   // send nothing more and keep the connection open
    kRepeat,  // send `repeat` until the client goes away
  };
  Then then = Then::kKeep;
  std::string repeat{};
};

// A complete 200 answer.
LoopbackReply Ok(std::string_view body, std::string_view extra_headers = "");
LoopbackReply StatusOnly(int status, std::string_view extra_headers = "",
                         std::string_view body = "");

// A self-signed certificate for 127.0.0.1 with its key, valid between two times (Unix seconds).
struct TlsIdentity {
  std::string certificate_pem;
  std::shared_ptr<ssl_ctx_st> context;  // shared by the connection threads
};
TlsIdentity MakeTlsIdentity(std::int64_t not_before, std::int64_t not_after);

class LoopbackServer {
 public:
  using Handler = std::function<LoopbackReply(const LoopbackRequest&)>;
  explicit LoopbackServer(Handler handler, const TlsIdentity* tls = nullptr);
  ~LoopbackServer();
  LoopbackServer(const LoopbackServer&) = delete;
  LoopbackServer& operator=(const LoopbackServer&) = delete;

  std::string Url(std::string_view target) const;
  int connections() const { return connections_; }
  std::vector<LoopbackRequest> requests() const;

 private:
  class Stream;
  void Accept();
  void Serve(UniqueFd socket);
  bool Answer(Stream& stream, const LoopbackReply& reply);
  void Remember(const LoopbackRequest& request);
  // True when `fd` is ready for `events`; false when the server is to end.
  bool WaitFor(int fd, short events) const;

  Handler handler_;
  std::shared_ptr<ssl_ctx_st> tls_;
  UniqueFd listener_;
  UniqueFd stop_;
  std::uint16_t port_ = 0;
  std::atomic<int> connections_ = 0;
  mutable std::mutex mutex_;
  std::vector<LoopbackRequest> requests_;  // under mutex_
  std::list<std::thread> workers_;         // used by the accepting thread, then by the destructor
  std::thread accepting_;
};

}  // namespace pawl::client
