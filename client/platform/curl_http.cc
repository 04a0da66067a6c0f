// SPDX-License-Identifier: Apache-2.0
#include "client/platform/curl_http.h"

#include <curl/curl.h>
#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <ctime>
#include <optional>
#include <string_view>
#include <utility>

#include "base/command_line.h"
#include "base/file.h"
#include "base/format.h"

namespace pawl::client {
namespace {

constexpr std::size_t kMaxHeaderBytes = 64 * 1024;     // all header lines of an answer
constexpr std::uint64_t kMaxRefusalBytes = 64 * 1024;  // of an error page that is read
constexpr long kReceiveBufferBytes = 64 * 1024;

// A URL as it may appear in a log: without user, password and query.
std::string PublicUrl(std::string_view url) {
  url = url.substr(0, url.find_first_of("?#"));
  const std::size_t scheme = url.find("://");
  if (scheme == url.npos) return std::string(url.substr(0, 200));
  const std::string_view rest = url.substr(scheme + 3);
  const std::string_view host = rest.substr(0, rest.find('/'));
  const std::size_t at = host.rfind('@');
  const std::string_view shown = at == host.npos ? rest : rest.substr(at + 1);
  return Format("{}{}", url.substr(0, scheme + 3), shown.substr(0, 400));
}

std::string_view Trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && std::string_view(" \t\r\n").contains(text.back())) text.remove_suffix(1);
  return text;
}

bool EqualNoCase(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, [](char x, char y) {
    return (x >= 'A' && x <= 'Z' ? x + 32 : x) == (y >= 'A' && y <= 'Z' ? y + 32 : y);
  });
}

// What one answer has brought so far. The library's callbacks get a pointer to it.
struct Transfer {
  const HttpRequest* request = nullptr;
  ByteSink* sink = nullptr;
  CURL* handle = nullptr;
  std::uint64_t cap = 0;       // body bytes that may be given to the sink
  std::uint64_t received = 0;  // body bytes given to the sink
  std::uint64_t refused = 0;   // body bytes of a refusal
  std::size_t header_bytes = 0;
  bool head_checked = false;
  std::string content_range;
  std::string content_encoding;
  std::optional<Error> error;  // ours; ends the transfer

  std::string Where() const { return PublicUrl(request->url); }
  Status CheckHead();
  Status CheckRange(long status);
  Status Take(ByteView bytes);
};

Status HttpRefusal(const std::string& where, long status) {
  if (status == 404 || status == 403 || status == 410) {
    return Fail(ErrorCode::kNotFound,
                Format("{}: the server has no such file (status {})", where, status));
  }
  if (status >= 300 && status < 400) {
    return Fail(ErrorCode::kHttpStatus,
                Format("{}: status {}; redirects are not followed", where, status));
  }
  return Fail(ErrorCode::kHttpStatus, Format("{}: expected status 200, found {}", where, status));
}

Status Transfer::CheckRange(long status) {
  const ByteRange range = *request->range;
  if (status != 206) {
    return Fail(ErrorCode::kRangeUnsupported,
                Format("{}: expected status 206 for a range, found {}", Where(), status));
  }
  const std::string expected =
      Format("bytes {}-{}/", range.offset, range.offset + range.length - 1);
  if (!std::string_view(content_range).starts_with(expected)) {
    return Fail(ErrorCode::kRangeUnsupported,
                Format("{}: expected Content-Range \"{}…\", found \"{}\"", Where(), expected,
                       EncodeFileName(content_range.substr(0, 80))));
  }
  return {};
}

// Once per answer, before its first body byte is used.
Status Transfer::CheckHead() {
  if (head_checked) return {};
  head_checked = true;
  long status = 0;
  curl_easy_getinfo(handle, CURLINFO_RESPONSE_CODE, &status);
  const bool range_answer = status == 200 || status == 206 || status == 416;
  if (request->range && range_answer) PAWL_TRY(CheckRange(status));
  if (status != (request->range ? 206 : 200)) return HttpRefusal(Where(), status);
  if (!content_encoding.empty() && !EqualNoCase(content_encoding, "identity")) {
    return Fail(ErrorCode::kContentEncoding,
                Format("{}: expected the bytes as they are, found content-encoding \"{}\"", Where(),
                       EncodeFileName(content_encoding.substr(0, 40))));
  }
  curl_off_t announced = -1;
  curl_easy_getinfo(handle, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &announced);
  if (announced > 0 && static_cast<std::uint64_t>(announced) > cap) {
    return Fail(
        ErrorCode::kTransferTooLarge,
        Format("{}: expected at most {} bytes, the server announces {}", Where(), cap, announced));
  }
  return {};
}

Status Transfer::Take(ByteView bytes) {
  PAWL_TRY(CheckHead());
  if (bytes.size() > cap - received) {
    return Fail(ErrorCode::kTransferTooLarge,
                Format("{}: expected at most {} bytes, the server sends more", Where(), cap));
  }
  PAWL_TRY(sink->Write(bytes));
  received += bytes.size();
  return {};
}

std::size_t OnHeader(char* data, std::size_t, std::size_t count, void* user) {
  auto& transfer = *static_cast<Transfer*>(user);
  const std::string_view line(data, count);
  transfer.header_bytes += count;
  if (transfer.header_bytes > kMaxHeaderBytes) {
    transfer.error = Error(ErrorCode::kTransferTooLarge, Format("{}: more than {} bytes of headers",
                                                                transfer.Where(), kMaxHeaderBytes));
    return 0;
  }
  if (line.starts_with("HTTP/")) {  // a new answer, as after "100 Continue"
    transfer.content_range.clear();
    transfer.content_encoding.clear();
    return count;
  }
  const std::size_t colon = line.find(':');
  if (colon == line.npos) return count;
  const std::string_view name = line.substr(0, colon);
  const std::string_view value = Trim(line.substr(colon + 1));
  if (EqualNoCase(name, "content-range")) transfer.content_range = value;
  if (EqualNoCase(name, "content-encoding")) transfer.content_encoding = value;
  return count;
}

std::size_t OnBody(char* data, std::size_t, std::size_t count, void* user) {
  auto& transfer = *static_cast<Transfer*>(user);
  if (!transfer.error) {
    auto taken = transfer.Take(AsBytes(std::string_view(data, count)));
    if (taken) return count;
    transfer.error = std::move(taken).error();
  }
  // The short page that comes with a 404 is read to its end, so that the connection can be used
  // again.
  transfer.refused += count;
  const ErrorCode code = transfer.error->code();
  const bool page = code == ErrorCode::kNotFound || code == ErrorCode::kHttpStatus;
  return page && transfer.received == 0 && transfer.refused <= kMaxRefusalBytes ? count : 0;
}

CURLcode OnTlsContext(CURL*, void* context, void* user) {
  const auto* verify_at = static_cast<const UtcTime*>(user);
  X509_VERIFY_PARAM* rules = SSL_CTX_get0_param(static_cast<SSL_CTX*>(context));
  X509_VERIFY_PARAM_set_time(rules, static_cast<std::time_t>(verify_at->seconds));
  return CURLE_OK;
}

bool IsTlsError(CURLcode code) {
  constexpr std::array<CURLcode, 9> kTls = {CURLE_SSL_CONNECT_ERROR,
                                            CURLE_PEER_FAILED_VERIFICATION,
                                            CURLE_SSL_CACERT_BADFILE,
                                            CURLE_SSL_CERTPROBLEM,
                                            CURLE_SSL_CIPHER,
                                            CURLE_SSL_ISSUER_ERROR,
                                            CURLE_SSL_ENGINE_INITFAILED,
                                            CURLE_SSL_INVALIDCERTSTATUS,
                                            CURLE_USE_SSL_FAILED};
  return std::ranges::find(kTls, code) != kTls.end();
}

ErrorCode CodeOf(CURLcode code, const Transfer& transfer) {
  if (IsTlsError(code)) return ErrorCode::kTlsFailed;
  switch (code) {
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
      return ErrorCode::kInputInvalid;
    case CURLE_PARTIAL_FILE:
      return ErrorCode::kTransferTruncated;
    case CURLE_BAD_CONTENT_ENCODING:
      return ErrorCode::kContentEncoding;
    case CURLE_WEIRD_SERVER_REPLY:
      return ErrorCode::kHttpStatus;
    case CURLE_OPERATION_TIMEDOUT: {
      curl_off_t connected_us = 0;
      curl_easy_getinfo(transfer.handle, CURLINFO_CONNECT_TIME_T, &connected_us);
      long connections = 0;
      curl_easy_getinfo(transfer.handle, CURLINFO_NUM_CONNECTS, &connections);
      const bool connected = connected_us > 0 || connections == 0;  // none needed: one was reused
      return connected ? ErrorCode::kTransferTooSlow : ErrorCode::kNetworkUnreachable;
    }
    default:
      return transfer.received > 0 ? ErrorCode::kTransferTruncated : ErrorCode::kNetworkUnreachable;
  }
}

std::uint64_t SaturatingAdd(std::uint64_t a, std::uint64_t b) {
  return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

bool StartLibrary() {
  static const bool started = [] {
    const curl_version_info_data* info = curl_version_info(CURLVERSION_NOW);
    return curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK && info->ssl_version != nullptr &&
           std::string_view(info->ssl_version).starts_with("OpenSSL/");
  }();
  return started;
}

}  // namespace

struct CurlHttp::Impl {
  struct Free {
    void operator()(CURL* handle) const { curl_easy_cleanup(handle); }
    void operator()(curl_slist* list) const { curl_slist_free_all(list); }
  };

  bool Configure();
  bool Prepare(const HttpRequest& request, Transfer& transfer);
  Status Finish(CURLcode code, Transfer& transfer);

  template <class T>
  bool Set(CURLoption option, T value) {
    return curl_easy_setopt(handle.get(), option, value) == CURLE_OK;
  }

  CurlHttpOptions options;
  std::string agent = Format("pawl-agent/{}", PawlVersion());
  std::array<char, CURL_ERROR_SIZE> message{};
  std::unique_ptr<curl_slist, Free> headers;
  std::unique_ptr<CURL, Free> handle;  // destroyed first: it refers to the others
};

// What is the same for every request of this object.
//= docs/manifest-format.md#M-38
bool CurlHttp::Impl::Configure() {
  handle.reset(curl_easy_init());
  headers.reset(curl_slist_append(nullptr, "Accept-Encoding: identity"));
  if (!handle || !headers) return false;
  const HttpPatience& patience = options.patience;
  bool ok = Set(CURLOPT_ERRORBUFFER, message.data()) && Set(CURLOPT_NOSIGNAL, 1L) &&
            Set(CURLOPT_PROTOCOLS_STR, "http,https") && Set(CURLOPT_FOLLOWLOCATION, 0L) &&
            Set(CURLOPT_PROXY, "") && Set(CURLOPT_PATH_AS_IS, 1L) &&
            Set(CURLOPT_HTTPHEADER, headers.get()) && Set(CURLOPT_USERAGENT, agent.c_str()) &&
            Set(CURLOPT_BUFFERSIZE, kReceiveBufferBytes) && Set(CURLOPT_TCP_KEEPALIVE, 1L) &&
            Set(CURLOPT_HEADERFUNCTION, &OnHeader) && Set(CURLOPT_WRITEFUNCTION, &OnBody);
  ok = ok && Set(CURLOPT_SSL_VERIFYPEER, 1L) && Set(CURLOPT_SSL_VERIFYHOST, 2L) &&
       Set(CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2)) &&
       Set(CURLOPT_SSL_CTX_FUNCTION, &OnTlsContext) &&
       Set(CURLOPT_SSL_CTX_DATA, static_cast<void*>(&options.verify_at));
  if (!options.authorities_file.empty()) {
    ok = ok && Set(CURLOPT_CAINFO, options.authorities_file.c_str()) &&
         Set(CURLOPT_CAPATH, static_cast<char*>(nullptr));
  }
  return ok && Set(CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(patience.connect_ms)) &&
         Set(CURLOPT_LOW_SPEED_TIME, static_cast<long>(patience.stall_s)) &&
         Set(CURLOPT_LOW_SPEED_LIMIT, static_cast<long>(patience.stall_bytes_per_s));
}

bool CurlHttp::Impl::Prepare(const HttpRequest& request, Transfer& transfer) {
  transfer.request = &request;
  transfer.handle = handle.get();
  //= docs/threat-model.md#T-BOUNDARY-1: the write callback keeps to this cap, whatever the server announces.
  transfer.cap =
      request.range ? std::min(request.max_bytes, request.range->length) : request.max_bytes;
  const std::uint64_t rate = std::max<std::uint64_t>(options.patience.slowest_bytes_per_s, 1);
  const std::uint64_t deadline_ms = std::min<std::uint64_t>(
      SaturatingAdd(options.patience.base_ms, transfer.cap / rate * 1000), INT32_MAX);
  message[0] = '\0';
  std::string range;
  if (request.range) {
    range =
        Format("{}-{}", request.range->offset, request.range->offset + request.range->length - 1);
  }
  return Set(CURLOPT_URL, request.url.c_str()) &&
         Set(CURLOPT_RANGE, request.range ? range.c_str() : static_cast<const char*>(nullptr)) &&
         Set(CURLOPT_TIMEOUT_MS, static_cast<long>(deadline_ms)) &&
         Set(CURLOPT_HEADERDATA, static_cast<void*>(&transfer)) &&
         Set(CURLOPT_WRITEDATA, static_cast<void*>(&transfer));
}

Status CurlHttp::Impl::Finish(CURLcode code, Transfer& transfer) {
  if (transfer.error) return std::unexpected(*std::move(transfer.error));
  if (code != CURLE_OK) {
    const std::string why = message[0] != '\0' ? message.data() : curl_easy_strerror(code);
    return Fail(CodeOf(code, transfer), Format("{}: {}", transfer.Where(), why));
  }
  PAWL_TRY(transfer.CheckHead());  // an empty body never came to OnBody
  if (transfer.request->range && transfer.received != transfer.request->range->length) {
    return Fail(ErrorCode::kTransferTruncated,
                Format("{}: expected {} bytes, found {}", transfer.Where(),
                       transfer.request->range->length, transfer.received));
  }
  return {};
}

CurlHttp::CurlHttp(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
CurlHttp::~CurlHttp() = default;

Result<std::unique_ptr<CurlHttp>> CurlHttp::Create(CurlHttpOptions options) {
  auto impl = std::make_unique<Impl>();
  impl->options = std::move(options);
  if (!StartLibrary() || !impl->Configure()) {
    return Fail(ErrorCode::kInternal,
                Format("libcurl with OpenSSL is needed, found {}", curl_version()));
  }
  return std::unique_ptr<CurlHttp>(new CurlHttp(std::move(impl)));
}

Status CurlHttp::Get(const HttpRequest& request, ByteSink& sink) {
  if (request.range && (request.range->length == 0 || request.max_bytes < request.range->length ||
                        request.range->offset > UINT64_MAX - request.range->length)) {
    return Fail(ErrorCode::kInputInvalid, "expected a range that is not empty and not capped away");
  }
  Transfer transfer;
  transfer.sink = &sink;
  if (!impl_->Prepare(request, transfer)) {
    return Fail(ErrorCode::kInputInvalid, Format("{}: not a request", PublicUrl(request.url)));
  }
  return impl_->Finish(curl_easy_perform(impl_->handle.get()), transfer);
}

}  // namespace pawl::client
