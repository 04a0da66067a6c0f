// SPDX-License-Identifier: Apache-2.0
#pragma once

// The release manifest: what one release is made of, as the TUF target releases/<product>/<version>/manifest.json.
// Its authenticity comes from TUF alone; this is data model and strict codec. Specification: docs/manifest-format.md, part 2.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/result.h"
#include "base/time.h"

namespace pawl::manifest {

inline constexpr std::uint64_t kMaxReleaseManifestBytes = 256 * 1024;  // trust.md, device caps
inline constexpr std::uint64_t kMaxContainerHeadBytes = 4U << 20;      // the same
inline constexpr std::size_t kMaxComponents = 16;
inline constexpr std::size_t kMaxDeltasPerComponent = 32;
inline constexpr std::size_t kMaxHardwareIds = 64;

// A file that lies beside the metadata and is authenticated by value: path relative to the repository's base URL,
// ASCII, no "..", no leading '/'.
struct FileReference {
  std::string path;
  std::uint64_t length = 0;  // bytes
  Sha256Digest sha256;
};

// A delta container (docs/container-format.md). `file.sha256` covers all of it; the head is checked alone first.
struct ContainerReference {
  FileReference file;
  std::uint64_t head_length = 0;  // bytes; the head is the start of the file
  Sha256Digest head_sha256;
  std::uint64_t memory = 0;          // bytes that decoding needs
  std::vector<std::string> codecs;   // ids, as "zstd"
};

// The digests of an image's 1 MiB chunks lie in a file of their own (32 bytes each, in order): long things go by reference.
struct ChunkListReference {
  FileReference file;
};

struct Delta {
  Sha256Digest source_sha256;      // of the whole source image
  std::uint64_t source_size = 0;   // bytes
  ChunkListReference source_chunks;
  ContainerReference container;
};

enum class Place { kSlot };  // bound to each slot; other places are refused by this version

struct Component {
  std::string name;  // "rootfs"
  Place place = Place::kSlot;
  std::uint64_t size = 0;  // bytes of the image
  Sha256Digest sha256;     // of the whole image
  ChunkListReference chunks;
  ContainerReference full;
  std::vector<Delta> deltas;
  std::optional<FileReference> index;  // block index of the image, for devices that no delta fits
};

struct HealthPolicy {
  std::uint64_t deadline_s = 120;  // for all health hooks together, 1 … 3600
  std::uint64_t tries = 1;         // boots of the trial before falling back, 1 … 3
};

struct ReleaseManifest {
  std::string product;
  std::string version;  // any text; never compared
  std::uint64_t build = 0;  // order of releases; 1 …
  std::uint64_t epoch = 0;  // security floor ratchet
  std::vector<std::string> hardware;
  std::string channel;
  std::uint64_t min_agent = 0;  // lowest agent protocol that may install this; 1 is the first
  std::vector<std::string> encoders;  // encoder ids of the agent inside this image; empty: none
  std::vector<Component> components;
  std::vector<std::string> health_hooks;  // file names below /usr/lib/pawl/health.d in the image, never paths
  HealthPolicy health;
  UtcTime built;  // build time of the image; the time floor of a device that runs it
  std::string notes;
};

inline constexpr std::string_view kReleaseSchema = "pawl.release/1";

// ERRORS: kManifestMalformed (what, where, found), kAgentTooOld for a schema of a later major version.
// Unknown members are ignored within schema 1 (additions only).
Result<ReleaseManifest> ParseReleaseManifest(ByteView bytes);
// Deterministic pretty JSON. REQUIRES: a manifest that ParseReleaseManifest would accept.
std::string EncodeReleaseManifest(const ReleaseManifest& manifest);

// Parses a chunk list file for an image of `image_size` bytes. ERRORS: kManifestMalformed unless it holds exactly one digest a chunk.
Result<std::vector<Sha256Digest>> ParseChunkList(ByteView bytes, std::uint64_t image_size);
Bytes EncodeChunkList(const std::vector<Sha256Digest>& chunks);

// What `custom` of the target says, enough to choose without a download; at most 300 bytes. Must agree with the manifest.
struct ReleaseSummary {
  std::string product;
  std::string version;
  std::string channel;
  std::uint64_t build = 0;
  std::uint64_t epoch = 0;
  std::vector<std::string> hardware;
};
Result<ReleaseSummary> ParseReleaseSummary(const Json& custom);
Json EncodeReleaseSummary(const ReleaseManifest& manifest);
// ERRORS: kManifestMismatch naming the member that differs.
Status CheckSummary(const ReleaseSummary& summary, const ReleaseManifest& manifest);

// Names that become path or URL components: [a-z0-9][a-z0-9._-]{0,63}, no "..". Versions also allow upper case and '+'.
bool IsPlainName(std::string_view name);
bool IsPlainVersion(std::string_view version);
// A relative path of plain components. ERRORS: kManifestMalformed.
Status CheckRelativePath(std::string_view path);

// "releases/<product>/<version>/manifest.json"
std::string ReleasePath(std::string_view product, std::string_view version);

// /usr/lib/pawl/release inside an image: the same facts, so that an image cannot be published under another name.
struct ImageIdentity {
  std::string product;
  std::string version;
  std::uint64_t build = 0;
  std::uint64_t epoch = 0;
  UtcTime built;
};
inline constexpr std::uint64_t kMaxImageIdentityBytes = 4096;
Result<ImageIdentity> ParseImageIdentity(ByteView bytes);  // JSON object, schema "pawl.image/1"
std::string EncodeImageIdentity(const ImageIdentity& identity);

}  // namespace pawl::manifest
