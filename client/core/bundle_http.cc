// SPDX-License-Identifier: Apache-2.0
#include "client/core/bundle_http.h"

#include <algorithm>

#include "base/format.h"

namespace pawl::client {

//= docs/manifest-format.md#M-73
Status BundleHttp::Get(const HttpRequest& request, ByteSink& sink) {
  std::string_view name = request.url;
  if (!name.starts_with(kBundleUrl)) {
    return Fail(ErrorCode::kInternal, Format("{} was asked of a bundle", request.url));
  }
  name.remove_prefix(kBundleUrl.size());
  PAWL_ASSIGN_OR_RETURN(const manifest::Bundle::Entry* entry, bundle_.Require(name));
  const ByteRange wanted = request.range.value_or(ByteRange{0, entry->size});
  if (wanted.length > request.max_bytes) {
    return Fail(ErrorCode::kTransferTooLarge, Format("{}: expected at most {} bytes, found {}",
                                                     name, request.max_bytes, wanted.length));
  }
  constexpr std::uint64_t kPart = 64 * 1024;
  Bytes buffer(static_cast<std::size_t>(std::min(kPart, wanted.length)));
  for (std::uint64_t done = 0; done < wanted.length;) {
    const ByteSpan part =
        ByteSpan(buffer).first(static_cast<std::size_t>(std::min(kPart, wanted.length - done)));
    PAWL_TRY(bundle_.Read(*entry, wanted.offset + done, part));
    PAWL_TRY(sink.Write(part));
    done += part.size();
  }
  return {};
}

}  // namespace pawl::client
