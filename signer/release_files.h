// SPDX-License-Identifier: Apache-2.0
#pragma once

// The files of a built release: content-addressed payloads beside their manifest, and the checks
// that they still are what was built. The same relative paths hold below
// releases/<product>/<version>/ and below public/.

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/hash.h"
#include "base/result.h"
#include "delta/generate/generator.h"
#include "manifest/release.h"
#include "signer/workspace.h"

namespace pawl::signer {

struct FileDigest {
  std::uint64_t length = 0;  // bytes
  Sha256Digest sha256;
};
// ERRORS: kInputMissing, kIo.
Result<FileDigest> DigestFile(const std::string& path);

// "payloads/ab/<sha256>.<ending>"
std::string PayloadPath(const Sha256Digest& sha256, std::string_view ending);

// Moves a finished temporary file to its content-addressed place below `directory`.
Result<manifest::FileReference> AdoptPayload(const std::string& temporary, const FileDigest& digest,
                                             std::string_view ending, const std::string& directory);
// Writes bytes to their content-addressed place below `directory`.
Result<manifest::FileReference> StorePayload(ByteView bytes, std::string_view ending,
                                             const std::string& directory);

// What a container says of itself, as the manifest refers to it.
manifest::ContainerReference MakeContainerReference(manifest::FileReference file,
                                                    const delta::ContainerInfo& info);

// All files that a manifest refers to, each once.
std::vector<manifest::FileReference> FilesOf(const manifest::ReleaseManifest& release);

// Where the file with a given relative path lies.
using Locator = std::function<std::string(const std::string& relative)>;
Locator Below(const std::string& directory);

enum class Depth {
  kLengths,  // files are there and as long as they must be; heads of containers are read and hashed
  kHashes,   // all bytes are hashed too
};

// ERRORS: kReleaseFileMismatch (also when it is missing).
Status CheckReleaseFile(const std::string& path, const manifest::FileReference& file, Depth depth);
// The same for all of them, and that the heads of the containers say what the manifest says.
// ERRORS: kReleaseFileMismatch, kManifestMismatch.
Status CheckReleaseFiles(const Locator& locate, const manifest::ReleaseManifest& release,
                         Depth depth);

// A release as `build` left it.
struct BuiltRelease {
  std::string directory;
  Bytes manifest_bytes;
  manifest::ReleaseManifest manifest;
};
// ERRORS: kUnknownName listing what is built; kManifestMalformed; kManifestMismatch when the
// manifest is of another product or version than its folder.
Result<BuiltRelease> LoadBuiltRelease(const Workspace& workspace, const std::string& product,
                                      const std::string& version);
// Versions with a manifest, sorted bytewise.
Result<std::vector<std::string>> BuiltVersions(const Workspace& workspace,
                                               const std::string& product);
// The highest epoch of the releases that the published or drafted releases role lists; 0 for none.
Result<std::uint64_t> HighestListedEpoch(const Workspace& workspace, const std::string& product);

}  // namespace pawl::signer
