// SPDX-License-Identifier: Apache-2.0
#pragma once

// Images → an unsigned release: chunk lists, full containers, manifest. No key is present, and the
// same images give the same bytes.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "delta/generate/generator.h"
#include "manifest/release.h"
#include "signer/release_files.h"
#include "signer/workspace.h"

namespace pawl::signer {

struct NamedImage {
  std::string name;  // of the component, "rootfs"
  std::string path;
};
// "rootfs=out/root.ext4". ERRORS: kUsage.
Result<std::vector<NamedImage>> ParseImages(const std::vector<std::string>& arguments);

struct BuildRequest {
  std::string product;
  std::vector<NamedImage> images;
  std::optional<std::string> identity_path;  // for images that cannot carry or show one
  // Facts come from the images; these are only compared with them.
  std::optional<std::string> version;
  std::optional<std::uint64_t> build;
  std::optional<std::uint64_t> epoch;
  std::vector<std::string> hardware;   // empty: all of the product
  std::optional<std::string> channel;  // empty: the first of the product
  std::vector<std::string> health_hooks;
  manifest::HealthPolicy health;
  std::string notes;
  // Of the agent inside the image: what ReadEncoders understands. When it is told wrongly, devices
  // refuse the deltas before they write, and fetch more.
  std::string encoders = "own";
  delta::Effort effort = delta::Effort::kFast;
  unsigned threads = 0;
  std::string confirm;  // "epoch-N" for a jump of more than one
  delta::ProgressFunction progress;
};

// Builds below releases/<product>/<version>; the folder appears only when complete.
// ERRORS: kOutputExists; kManifestMismatch (an image or a flag disagrees); kEpochJump naming the
// confirmation; kInputInvalid (no identity anywhere; build number taken); kUnknownName (hardware or
// channel that pawl-repo.toml does not list); kToolMissing; what the generator says.
Result<BuiltRelease> BuildRelease(const Workspace& workspace, const BuildRequest& request);

}  // namespace pawl::signer
