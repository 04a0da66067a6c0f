// SPDX-License-Identifier: Apache-2.0
#include "signer/release_builder.h"

#include <algorithm>
#include <cstdio>
#include <filesystem>

#include "base/file.h"
#include "base/format.h"
#include "delta/apply/apply_container.h"
#include "delta/apply/block_index.h"
#include "delta/apply/chunks.h"
#include "signer/encoder_list.h"
#include "signer/image_identity.h"
#include "signer/scratch.h"

namespace pawl::signer {
namespace {

using manifest::Component;
using manifest::ImageIdentity;
using manifest::ReleaseManifest;

std::unexpected<Error> Mismatch(const std::string& what) {
  return Fail(ErrorCode::kManifestMismatch, what);
}

//= docs/manifest-format.md#M-47
Status CheckSame(const std::string& where, const ImageIdentity& a, const ImageIdentity& b) {
  if (a.product == b.product && a.version == b.version && a.build == b.build &&
      a.epoch == b.epoch && a.built == b.built) {
    return {};
  }
  const auto text = [](const ImageIdentity& id) {
    return Format("{} {} build {} epoch {} of {}", id.product, id.version, id.build, id.epoch,
                  FormatUtcTime(id.built));
  };
  return Mismatch(
      Format("{} says {}, another image of the same release says {}", where, text(a), text(b)));
}

// What all images say; every one that says something must say the same.
Result<ImageIdentity> FindIdentity(const BuildRequest& request) {
  std::optional<ImageIdentity> known;
  const auto take = [&](const std::string& where, const ImageIdentity& found) -> Status {
    if (known) return CheckSame(where, found, *known);
    known = found;
    return {};
  };
  for (const NamedImage& image : request.images) {
    PAWL_ASSIGN_OR_RETURN(const auto found, ReadImageIdentity(image.path));
    if (found) PAWL_TRY(take(image.path, *found));
  }
  if (request.identity_path) {
    PAWL_ASSIGN_OR_RETURN(const Bytes bytes,
                          ReadFile(*request.identity_path, manifest::kMaxImageIdentityBytes));
    PAWL_ASSIGN_OR_RETURN(const ImageIdentity found, manifest::ParseImageIdentity(bytes));
    PAWL_TRY(take(*request.identity_path, found));
  }
  if (known) return *std::move(known);
  return Fail(
      ErrorCode::kInputInvalid,
      Format(
          "none of the images shows /usr/lib/pawl/release (ext4 and squashfs can be read: {}); put "
          "the file into the image, or give --identity FILE for another kind of file system",
          request.images.front().path));
}

Status CheckFlags(const BuildRequest& request, const ImageIdentity& identity) {
  if (request.product != identity.product) {
    return Fail(ErrorCode::kProductMismatch, Format("expected an image of {}, the image says {}",
                                                    request.product, identity.product));
  }
  if (request.version && *request.version != identity.version) {
    return Mismatch(
        Format("--version is {}, the image says {}", *request.version, identity.version));
  }
  if (request.build && *request.build != identity.build) {
    return Mismatch(Format("--build is {}, the image says {}", *request.build, identity.build));
  }
  if (request.epoch && *request.epoch != identity.epoch) {
    return Mismatch(Format("--epoch is {}, the image says {}", *request.epoch, identity.epoch));
  }
  return {};
}

// Against the other releases that are built here: epochs rise by one, build numbers are unique.
Status CheckHistory(const Workspace& workspace, const BuildRequest& request,
                    const ImageIdentity& identity) {
  std::uint64_t highest = 0;
  PAWL_ASSIGN_OR_RETURN(const auto versions, BuiltVersions(workspace, request.product));
  for (const std::string& version : versions) {
    PAWL_ASSIGN_OR_RETURN(const BuiltRelease other,
                          LoadBuiltRelease(workspace, request.product, version));
    highest = std::max(highest, other.manifest.epoch);
    if (other.manifest.build == identity.build) {
      return Fail(
          ErrorCode::kInputInvalid,
          Format("build {} is release {} already; every release needs a build number of its own",
                 identity.build, version));
    }
  }
  PAWL_ASSIGN_OR_RETURN(const std::uint64_t published,
                        HighestListedEpoch(workspace, request.product));
  highest = std::max(highest, published);
  const std::string word = Format("epoch-{}", identity.epoch);
  //= docs/manifest-format.md#M-48
  if (identity.epoch > highest + 1 && request.confirm != word) {
    return Fail(ErrorCode::kEpochJump, Format("the highest epoch so far is {}, this release has "
                                              "{}: devices that confirm it can never go "
                                              "back below. Add --confirm {} if that is meant",
                                              highest, identity.epoch, word));
  }
  return {};
}

Status CheckNames(const Workspace& workspace, const BuildRequest& request,
                  ReleaseManifest& release) {
  const ProductPolicy& policy = workspace.policy().products.at(request.product);
  release.hardware = request.hardware.empty() ? policy.hardware : request.hardware;
  std::ranges::sort(release.hardware);
  for (const std::string& id : release.hardware) {
    if (std::ranges::find(policy.hardware, id) == policy.hardware.end()) {
      return Fail(ErrorCode::kUnknownName, Format("expected hardware out of {}, found '{}'",
                                                  Join(policy.hardware, ", "), id));
    }
  }
  release.channel = request.channel.value_or(policy.channels.front());
  if (std::ranges::find(policy.channels, release.channel) == policy.channels.end()) {
    return Fail(ErrorCode::kUnknownName, Format("expected a channel out of {}, found '{}'",
                                                Join(policy.channels, ", "), release.channel));
  }
  return {};
}

Result<Component> BuildComponent(const BuildRequest& request, const NamedImage& image,
                                 const std::string& directory) {
  const std::string container = JoinPath(directory, "full.tmp");
  const delta::GenerateOptions options{
      .effort = request.effort, .threads = request.threads, .progress = request.progress};
  PAWL_ASSIGN_OR_RETURN(const delta::ContainerInfo info,
                        delta::GenerateFull(image.path, container, options));
  // Proved with the device's decoder under its memory limit; ApplyContainer compares the whole
  // digest.
  const std::string proof = JoinPath(directory, "proof.tmp");
  PAWL_TRY(delta::ApplyContainer(std::nullopt, container, proof));
  PAWL_TRY(RemoveFileIfExists(proof));
  Component component;
  component.name = image.name;
  component.size = info.head.target.bytes;
  component.sha256 = info.head.target.sha256;
  PAWL_ASSIGN_OR_RETURN(
      component.chunks.file,
      StorePayload(manifest::EncodeChunkList(info.target_chunks), "chunks", directory));
  PAWL_ASSIGN_OR_RETURN(manifest::FileReference file,
                        AdoptPayload(container, {info.file_bytes, info.sha256}, "pawl", directory));
  component.full = MakeContainerReference(std::move(file), info);
  PAWL_ASSIGN_OR_RETURN(delta::FileReader reader, delta::FileReader::Open(image.path));
  PAWL_ASSIGN_OR_RETURN(const Bytes index, delta::MakeBlockIndex(reader));
  PAWL_ASSIGN_OR_RETURN(component.index, StorePayload(index, "index", directory));
  // Read once more since its digest was taken: another content must not get that digest's hints.
  PAWL_TRY(reader.CheckUnchanged());
  return component;
}

Result<ReleaseManifest> StartManifest(const Workspace& workspace, const BuildRequest& request) {
  PAWL_ASSIGN_OR_RETURN(const ImageIdentity identity, FindIdentity(request));
  PAWL_TRY(CheckFlags(request, identity));
  PAWL_TRY(CheckHistory(workspace, request, identity));
  ReleaseManifest release;
  release.product = identity.product;
  release.version = identity.version;
  release.build = identity.build;
  release.epoch = identity.epoch;
  release.built = identity.built;
  release.min_agent = 1;
  release.health_hooks = request.health_hooks;
  release.health = request.health;
  release.notes = request.notes;
  PAWL_ASSIGN_OR_RETURN(release.encoders, ReadEncoders(request.encoders));
  PAWL_TRY(CheckNames(workspace, request, release));
  return release;
}

}  // namespace

Result<std::vector<NamedImage>> ParseImages(const std::vector<std::string>& arguments) {
  std::vector<NamedImage> images;
  for (const std::string& argument : arguments) {
    const std::size_t equals = argument.find('=');
    NamedImage image{argument.substr(0, equals),
                     equals == std::string::npos ? "" : argument.substr(equals + 1)};
    if (!manifest::IsPlainName(image.name) || image.path.empty()) {
      return Fail(
          ErrorCode::kUsage,
          Format("expected --image NAME=FILE, as rootfs=out/root.ext4, found '{}'", argument));
    }
    images.push_back(std::move(image));
  }
  return images;
}

Result<BuiltRelease> BuildRelease(const Workspace& workspace, const BuildRequest& request) {
  if (request.images.empty())
    return Fail(ErrorCode::kUsage, "expected at least one --image NAME=FILE");
  PAWL_ASSIGN_OR_RETURN(ReleaseManifest release, StartManifest(workspace, request));
  const std::string place = workspace.ReleaseDirectory(release.product, release.version);
  if (PathExists(place)) {
    return Fail(
        ErrorCode::kOutputExists,
        Format("{} is built already; remove that folder if it is not published, or give the image "
               "another version",
               place));
  }
  PAWL_ASSIGN_OR_RETURN(const ScratchDirectory scratch,
                        ScratchDirectory::Create(workspace.Path("releases/" + release.product)));
  for (const NamedImage& image : request.images) {
    PAWL_ASSIGN_OR_RETURN(Component component, BuildComponent(request, image, scratch.path()));
    release.components.push_back(std::move(component));
  }
  const std::string text = manifest::EncodeReleaseManifest(release);
  // What we write must be what devices accept.
  PAWL_TRY(manifest::ParseReleaseManifest(AsBytes(text)));
  PAWL_TRY(manifest::ParseReleaseSummary(manifest::EncodeReleaseSummary(release)));
  PAWL_TRY(AtomicWriteFile(JoinPath(scratch.path(), "manifest.json"), AsBytes(text)));
  if (std::rename(scratch.path().c_str(), place.c_str()) != 0) {
    return std::unexpected(ErrnoError(errno, place));
  }
  PAWL_TRY(SyncDirectory(workspace.Path("releases/" + release.product)));
  return LoadBuiltRelease(workspace, release.product, release.version);
}

}  // namespace pawl::signer
