// SPDX-License-Identifier: Apache-2.0
#pragma once

// Reads /usr/lib/pawl/release out of an image, so that an image cannot be published under another
// name, version or epoch than its own. File systems are read by their own tools from Debian
// (debugfs of e2fsprogs, unsquashfs of squashfs-tools), found in the system's folders only.

#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "manifest/release.h"

namespace pawl::signer {

enum class ImageKind { kExt, kSquashfs, kOther };

// By the magic number. ERRORS: kInputMissing, kIo.
Result<ImageKind> KindOfImage(const std::string& path);

// The identity inside an image; empty when the image is of another kind or has no such file.
// ERRORS: kToolMissing naming the package; kManifestMalformed when the file is there and not as it
// must be.
Result<std::optional<manifest::ImageIdentity>> ReadImageIdentity(const std::string& path);

}  // namespace pawl::signer
