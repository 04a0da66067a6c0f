// SPDX-License-Identifier: Apache-2.0
#include "client/core/full_route.h"

#include "base/format.h"
#include "base/log.h"
#include "delta/apply/block_index.h"

namespace pawl::client {
namespace {

class CollectingSink : public ByteSink {
 public:
  explicit CollectingSink(Bytes& out) : out_(out) {}
  Status Write(ByteView bytes) override {
    out_.insert(out_.end(), bytes.begin(), bytes.end());
    return {};
  }

 private:
  Bytes& out_;
};

// Its bytes are gone before the search begins.
Result<delta::BlockIndex> FetchIndex(Http& http, const std::string& base_url, const manifest::Component& component) {
  PAWL_ASSIGN_OR_RETURN(const Bytes bytes, FetchFile(http, base_url, *component.index));
  return delta::BlockIndex::Parse(bytes, component.size);
}

Result<delta::LocalBlocks> FindLocalBlocks(Http& http, const std::string& base_url, const manifest::Component& component,
                                           const LocalSlots& slots) {
  PAWL_ASSIGN_OR_RETURN(delta::BlockIndex index, FetchIndex(http, base_url, component));
  return delta::LocalBlocks::Find(std::move(index), slots.target, slots.booted);
}

}  // namespace

Result<Bytes> FetchFile(Http& http, const std::string& base_url, const manifest::FileReference& file) {
  Bytes bytes;
  CollectingSink sink(bytes);
  PAWL_TRY(http.Get({base_url + file.path, std::nullopt, file.length}, sink));
  //= docs/manifest-format.md#M-43
  if (bytes.size() != file.length || HashSha256(bytes) != file.sha256) {
    return Fail(ErrorCode::kMetadataHashMismatch, Format("{}: expected {} bytes with SHA-256 {}, found {} bytes with {}", file.path,
                                                         file.length, file.sha256.Hex(), bytes.size(), HashSha256(bytes).Hex()));
  }
  return bytes;
}

Result<delta::Head> FetchHead(Http& http, const std::string& base_url, const manifest::ContainerReference& container,
                              const manifest::Component& component) {
  Bytes bytes;
  CollectingSink sink(bytes);
  PAWL_TRY(http.Get({base_url + container.file.path, ByteRange{0, container.head_length}, container.head_length}, sink));
  //= docs/threat-model.md#T-BOUNDARY-3: the head is authenticated before it is parsed.
  if (bytes.size() != container.head_length || HashSha256(bytes) != container.head_sha256) {
    return Fail(ErrorCode::kContainerHeadMismatch,
                Format("{}: expected {} bytes with SHA-256 {}, found {} bytes with {}", container.file.path, container.head_length,
                       container.head_sha256.Hex(), bytes.size(), HashSha256(bytes).Hex()));
  }
  delta::HeadLimits limits;
  limits.target_bytes = component.size;
  PAWL_ASSIGN_OR_RETURN(delta::Head head, delta::ParseHead(bytes, limits));
  if (head.target.bytes != component.size || head.target.sha256 != component.sha256 ||
      head.ContainerBytes() != container.file.length) {
    return Fail(ErrorCode::kManifestMismatch, Format("{}: the container makes another image than the release has", container.file.path));
  }
  return head;
}

Result<FullRoute> PrepareFullRoute(Http& http, const std::string& base_url, const manifest::Component& component, bool look,
                                   const LocalSlots& slots) {
  FullRoute route;
  PAWL_ASSIGN_OR_RETURN(route.head, FetchHead(http, base_url, component.full, component));
  if (route.head.source) return Fail(ErrorCode::kManifestMismatch, Format("{}: the full container names a source", component.full.file.path));
  route.bytes_fetched = component.full.head_length;
  route.expected_bytes = component.full.file.length - component.full.head_length;
  if (!look) return route;
  auto local = FindLocalBlocks(http, base_url, component, slots);
  if (!local) {
    if (local.error().code() == ErrorCode::kPowerLost) return std::unexpected(std::move(local).error());
    // Hints only save work; a bundle does not carry them at all.
    const bool bundle = local.error().code() == ErrorCode::kBundleIncomplete;
    Log(bundle ? LogLevel::kInfo : LogLevel::kWarning,
        Format("event=index-skipped code={} {}", CodeName(local.error().code()), local.error().Message()));
    return route;
  }
  route.bytes_fetched += component.index->length;
  const std::uint64_t bytes = delta::PlanFetch(route.head, *local).payload_bytes;
  if (bytes >= route.expected_bytes) return route;  // nothing of it is here
  route.expected_bytes = bytes;
  route.local = *std::move(local);
  return route;
}

}  // namespace pawl::client
