// SPDX-License-Identifier: Apache-2.0
#include "signer/curl_probe.h"

#include <curl/curl.h>

#include <algorithm>
#include <array>
#include <ctime>
#include <utility>

#include "base/command_line.h"
#include "base/format.h"

namespace pawl::signer {
namespace {

constexpr long kConnectSeconds = 30;
constexpr long kStallSeconds = 60;  // below kStallBytesPerSecond for that long
constexpr long kStallBytesPerSecond = 16;
constexpr std::size_t kMaxHeaderBytes = 64 * 1024;

struct Transfer {
  const WebRequest* request = nullptr;
  WebAnswer answer;
  std::size_t header_bytes = 0;
};

std::string_view Trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && std::string_view(" \t\r\n").contains(text.back())) text.remove_suffix(1);
  return text;
}

std::size_t OnHeader(char* data, std::size_t, std::size_t count, void* user) {
  auto& transfer = *static_cast<Transfer*>(user);
  transfer.header_bytes += count;
  if (transfer.header_bytes > kMaxHeaderBytes) return 0;
  const std::string_view line(data, count);
  if (line.starts_with("HTTP/")) transfer.answer.headers.clear();  // as after "100 Continue"
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos || line.starts_with("HTTP/")) return count;
  std::string name(line.substr(0, colon));
  std::ranges::transform(name, name.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  });
  std::string& value = transfer.answer.headers[name];
  if (!value.empty()) value += ", ";  // a header may stand several times
  value += Trim(line.substr(colon + 1));
  return count;
}

std::size_t OnBody(char* data, std::size_t, std::size_t count, void* user) {
  auto& transfer = *static_cast<Transfer*>(user);
  WebAnswer& answer = transfer.answer;
  const std::uint64_t room = transfer.request->max_bytes - answer.body_bytes;
  const std::size_t taken = static_cast<std::size_t>(std::min<std::uint64_t>(room, count));
  const ByteView bytes = AsBytes(std::string_view(data, taken));
  if (transfer.request->sink) {
    transfer.request->sink(bytes);
  } else {
    answer.body.insert(answer.body.end(), bytes.begin(), bytes.end());
  }
  answer.body_bytes += taken;
  answer.cut = taken < count;
  return answer.cut ? 0 : count;
}

// The server's certificate is the first of the chain; libcurl tells its dates as text.
std::optional<UtcTime> CertificateUntil(CURL* handle) {
  curl_certinfo* chain = nullptr;
  if (curl_easy_getinfo(handle, CURLINFO_CERTINFO, &chain) != CURLE_OK || chain == nullptr ||
      chain->num_of_certs < 1) {
    return {};
  }
  for (const curl_slist* row = chain->certinfo[0]; row != nullptr; row = row->next) {
    std::string_view text(row->data);
    constexpr std::string_view kName = "Expire date:";
    if (!text.starts_with(kName)) continue;
    const std::string date(Trim(text.substr(kName.size())));
    std::tm parts{};
    if (strptime(date.c_str(), "%b %d %H:%M:%S %Y", &parts) == nullptr) return {};
    return UtcTime{static_cast<std::int64_t>(timegm(&parts))};
  }
  return {};
}

ErrorCode CodeOf(CURLcode code) {
  switch (code) {
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
      return ErrorCode::kInputInvalid;
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_INVALIDCERTSTATUS:
      return ErrorCode::kTlsFailed;
    case CURLE_OPERATION_TIMEDOUT:
      return ErrorCode::kTransferTooSlow;
    case CURLE_PARTIAL_FILE:
    case CURLE_RECV_ERROR:
    case CURLE_GOT_NOTHING:
      return ErrorCode::kTransferTruncated;
    default:
      return ErrorCode::kNetworkUnreachable;
  }
}

}  // namespace

struct CurlProbe::Impl {
  struct Free {
    void operator()(CURL* handle) const { curl_easy_cleanup(handle); }
    void operator()(curl_slist* list) const { curl_slist_free_all(list); }
  };

  bool Configure();
  bool Prepare(const WebRequest& request, Transfer& transfer);

  template <class T>
  bool Set(CURLoption option, T value) {
    return curl_easy_setopt(handle.get(), option, value) == CURLE_OK;
  }

  std::string authorities_file;
  ProbePatience patience;
  std::string agent = Format("pawl-signer/{}", PawlVersion());
  std::array<char, CURL_ERROR_SIZE> message{};
  std::unique_ptr<curl_slist, Free> plain;
  std::unique_ptr<curl_slist, Free> compressed;
  std::unique_ptr<CURL, Free> handle;  // destroyed first: it refers to the others
};

bool CurlProbe::Impl::Configure() {
  handle.reset(curl_easy_init());
  plain.reset(curl_slist_append(nullptr, "Accept-Encoding: identity"));
  compressed.reset(curl_slist_append(nullptr, "Accept-Encoding: gzip, deflate, br, zstd"));
  if (!handle || !plain || !compressed) return false;
  const bool ok = Set(CURLOPT_ERRORBUFFER, message.data()) && Set(CURLOPT_NOSIGNAL, 1L) &&
                  Set(CURLOPT_PROTOCOLS_STR, "http,https") && Set(CURLOPT_FOLLOWLOCATION, 0L) &&
                  Set(CURLOPT_PROXY, "") && Set(CURLOPT_PATH_AS_IS, 1L) &&
                  Set(CURLOPT_USERAGENT, agent.c_str()) && Set(CURLOPT_CERTINFO, 1L) &&
                  Set(CURLOPT_SSL_VERIFYPEER, 1L) && Set(CURLOPT_SSL_VERIFYHOST, 2L) &&
                  Set(CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2)) &&
                  Set(CURLOPT_CONNECTTIMEOUT, kConnectSeconds) &&
                  Set(CURLOPT_LOW_SPEED_TIME, kStallSeconds) &&
                  Set(CURLOPT_LOW_SPEED_LIMIT, kStallBytesPerSecond) &&
                  Set(CURLOPT_HEADERFUNCTION, &OnHeader) && Set(CURLOPT_WRITEFUNCTION, &OnBody);
  if (authorities_file.empty()) return ok;
  return ok && Set(CURLOPT_CAINFO, authorities_file.c_str()) &&
         Set(CURLOPT_CAPATH, static_cast<char*>(nullptr));
}

bool CurlProbe::Impl::Prepare(const WebRequest& request, Transfer& transfer) {
  // Range or not: a server that ignores the range sends no more than max_bytes that are read.
  const std::uint64_t rate = std::max<std::uint64_t>(patience.slowest_bytes_per_s, 1);
  const std::uint64_t seconds = std::min<std::uint64_t>(request.max_bytes / rate, INT32_MAX / 1000);
  const std::uint64_t deadline_ms =
      std::min<std::uint64_t>(std::min<std::uint64_t>(patience.base_ms, INT32_MAX) + seconds * 1000,
                              INT32_MAX);
  message[0] = '\0';
  std::string range;
  if (request.range) {
    range =
        Format("{}-{}", request.range->offset, request.range->offset + request.range->length - 1);
  }
  // HTTPGET takes back what NOBODY of the request before has set.
  return Set(CURLOPT_HTTPGET, 1L) && Set(CURLOPT_NOBODY, request.head ? 1L : 0L) &&
         Set(CURLOPT_URL, request.url.c_str()) &&
         Set(CURLOPT_TIMEOUT_MS, static_cast<long>(deadline_ms)) &&
         Set(CURLOPT_RANGE, request.range ? range.c_str() : static_cast<const char*>(nullptr)) &&
         Set(CURLOPT_HTTPHEADER, request.offer_compression ? compressed.get() : plain.get()) &&
         Set(CURLOPT_HEADERDATA, static_cast<void*>(&transfer)) &&
         Set(CURLOPT_WRITEDATA, static_cast<void*>(&transfer));
}

CurlProbe::CurlProbe(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
CurlProbe::~CurlProbe() = default;

Result<std::unique_ptr<CurlProbe>> CurlProbe::Create(const std::string& authorities_file,
                                                     ProbePatience patience) {
  auto impl = std::make_unique<Impl>();
  impl->authorities_file = authorities_file;
  impl->patience = patience;
  static const bool started = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
  if (!started || !impl->Configure()) {
    return Fail(ErrorCode::kInternal, Format("libcurl cannot be set up: {}", curl_version()));
  }
  return std::unique_ptr<CurlProbe>(new CurlProbe(std::move(impl)));
}

Result<WebAnswer> CurlProbe::Ask(const WebRequest& request) {
  Transfer transfer;
  transfer.request = &request;
  if (!impl_->Prepare(request, transfer)) {
    return Fail(ErrorCode::kInputInvalid, Format("{}: not a request", request.url));
  }
  CURL* handle = impl_->handle.get();
  const CURLcode code = curl_easy_perform(handle);
  // A body that we did not want to the end is an answer too.
  if (code != CURLE_OK && !(code == CURLE_WRITE_ERROR && transfer.answer.cut)) {
    const char* why = impl_->message[0] != '\0' ? impl_->message.data() : curl_easy_strerror(code);
    return Fail(CodeOf(code), Format("{}: {}", request.url, why));
  }
  curl_easy_getinfo(handle, CURLINFO_RESPONSE_CODE, &transfer.answer.status);
  transfer.answer.certificate_until = CertificateUntil(handle);
  return std::move(transfer.answer);
}

}  // namespace pawl::signer
