// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/platform/loopback_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstdlib>

#include "base/format.h"

namespace pawl::client {
namespace {

void Must(bool ok) {
  if (!ok) std::abort();
}

using Key = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;
using Certificate = std::unique_ptr<X509, decltype(&X509_free)>;

void AddExtension(X509* certificate, int nid, const char* value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, certificate, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, nid, value);
  Must(extension != nullptr && X509_add_ext(certificate, extension, -1) == 1);
  X509_EXTENSION_free(extension);
}

std::string ToPem(X509* certificate) {
  std::unique_ptr<BIO, decltype(&BIO_free)> memory(BIO_new(BIO_s_mem()), &BIO_free);
  Must(PEM_write_bio_X509(memory.get(), certificate) == 1);
  char* data = nullptr;
  const long size = BIO_get_mem_data(memory.get(), &data);
  return {data, static_cast<std::size_t>(size)};
}

}  // namespace

LoopbackReply Ok(std::string_view body, std::string_view extra_headers) {
  return {Format("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n{}\r\n{}", body.size(), extra_headers,
                 body)};
}

LoopbackReply StatusOnly(int status, std::string_view extra_headers, std::string_view body) {
  return {Format("HTTP/1.1 {} Whatever\r\nContent-Length: {}\r\n{}\r\n{}", status, body.size(),
                 extra_headers, body)};
}

TlsIdentity MakeTlsIdentity(std::int64_t not_before, std::int64_t not_after) {
  const Key key(EVP_EC_gen("P-256"), &EVP_PKEY_free);
  const Certificate certificate(X509_new(), &X509_free);
  Must(key && certificate);
  X509_set_version(certificate.get(), 2);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate.get()), 1);
  ASN1_TIME_set(X509_getm_notBefore(certificate.get()), static_cast<std::time_t>(not_before));
  ASN1_TIME_set(X509_getm_notAfter(certificate.get()), static_cast<std::time_t>(not_after));
  X509_set_pubkey(certificate.get(), key.get());
  X509_NAME* name = X509_get_subject_name(certificate.get());
  const std::array<unsigned char, 9> common = {'l', 'o', 'o', 'p', 'b', 'a', 'c', 'k', '1'};
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, common.data(), common.size(), -1, 0);
  X509_set_issuer_name(certificate.get(), name);
  AddExtension(certificate.get(), NID_basic_constraints, "critical,CA:TRUE");
  AddExtension(certificate.get(), NID_subject_alt_name, "IP:127.0.0.1");
  Must(X509_sign(certificate.get(), key.get(), EVP_sha256()) > 0);
  TlsIdentity identity;
  identity.certificate_pem = ToPem(certificate.get());
  identity.context = std::shared_ptr<SSL_CTX>(SSL_CTX_new(TLS_server_method()), &SSL_CTX_free);
  Must(SSL_CTX_use_certificate(identity.context.get(), certificate.get()) == 1 &&
       SSL_CTX_use_PrivateKey(identity.context.get(), key.get()) == 1);
  return identity;
}

// A connection, with or without TLS.
class LoopbackServer::Stream {
 public:
  Stream(UniqueFd socket, SSL_CTX* tls) : socket_(std::move(socket)) {
    if (tls == nullptr) return;
    ssl_.reset(SSL_new(tls));
    SSL_set_fd(ssl_.get(), socket_.get());
    ready_ = SSL_accept(ssl_.get()) == 1;
  }
  int fd() const { return socket_.get(); }
  bool ready() const { return ready_; }
  long Read(std::array<char, 4096>& buffer) {
    if (ssl_) return SSL_read(ssl_.get(), buffer.data(), static_cast<int>(buffer.size()));
    return recv(fd(), buffer.data(), buffer.size(), 0);
  }
  bool Write(std::string_view bytes) {
    while (!bytes.empty()) {
      const long put = ssl_ ? SSL_write(ssl_.get(), bytes.data(), static_cast<int>(bytes.size()))
                            : send(fd(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (put <= 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(put));
    }
    return true;
  }

 private:
  UniqueFd socket_;
  std::unique_ptr<SSL, decltype(&SSL_free)> ssl_{nullptr, &SSL_free};
  bool ready_ = true;
};

LoopbackServer::LoopbackServer(Handler handler, const TlsIdentity* tls)
    : handler_(std::move(handler)),
      tls_(tls == nullptr ? nullptr : tls->context),
      listener_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)),
      stop_(eventfd(0, EFD_CLOEXEC)) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  Must(bind(listener_.get(), generic, size) == 0 && listen(listener_.get(), 16) == 0 &&
       getsockname(listener_.get(), generic, &size) == 0);
  port_ = ntohs(address.sin_port);
  accepting_ = std::thread([this] { Accept(); });
}

LoopbackServer::~LoopbackServer() {
  const std::uint64_t one = 1;
  Must(write(stop_.get(), &one, sizeof(one)) == sizeof(one));
  accepting_.join();
  for (std::thread& worker : workers_) worker.join();
}

std::string LoopbackServer::Url(std::string_view target) const {
  return Format("{}://127.0.0.1:{}{}", tls_ ? "https" : "http", port_, target);
}

std::vector<LoopbackRequest> LoopbackServer::requests() const {
  const std::lock_guard lock(mutex_);
  return requests_;
}

void LoopbackServer::Remember(const LoopbackRequest& request) {
  const std::lock_guard lock(mutex_);
  requests_.push_back(request);
}

bool LoopbackServer::WaitFor(int fd, short events) const {
  std::array<pollfd, 2> watched{{{fd, events, 0}, {stop_.get(), POLLIN, 0}}};
  return poll(watched.data(), watched.size(), -1) > 0 && watched[1].revents == 0;
}

void LoopbackServer::Accept() {
  while (WaitFor(listener_.get(), POLLIN)) {
    UniqueFd socket(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!socket.valid()) continue;
    // Nobody waits for ever, should a test go wrong.
    const timeval patience{20, 0};
    setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    setsockopt(socket.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
    ++connections_;
    workers_.emplace_back([this, shared = std::make_shared<UniqueFd>(std::move(socket))] {
      Serve(std::move(*shared));
    });
  }
}

bool LoopbackServer::Answer(Stream& stream, const LoopbackReply& reply) {
  if (!stream.Write(reply.bytes)) return false;
  switch (reply.then) {
    case LoopbackReply::Then::kKeep:
      return true;
    case LoopbackReply::Then::kClose:
      return false;
    case LoopbackReply::Then::kStall: {
      WaitFor(stream.fd(), POLLRDHUP);
      return false;
    }
    case LoopbackReply::Then::kRepeat:
      while (WaitFor(stream.fd(), POLLOUT) && stream.Write(reply.repeat)) {
      }
      return false;
  }
  return false;
}

void LoopbackServer::Serve(UniqueFd socket) {
  Stream stream(std::move(socket), tls_.get());
  if (!stream.ready()) return;
  std::string pending;
  while (true) {
    const std::size_t end = pending.find("\r\n\r\n");
    if (end != std::string::npos) {
      LoopbackRequest request;
      request.head = pending.substr(0, end + 2);
      pending.erase(0, end + 4);
      const std::size_t space = request.head.find(' ');
      request.target =
          request.head.substr(space + 1, request.head.find(' ', space + 1) - space - 1);
      Remember(request);
      if (!Answer(stream, handler_(request))) return;
      continue;
    }
    if (!WaitFor(stream.fd(), POLLIN)) return;
    std::array<char, 4096> buffer;
    const long got = stream.Read(buffer);
    if (got <= 0) return;
    pending.append(buffer.data(), static_cast<std::size_t>(got));
  }
}

}  // namespace pawl::client
