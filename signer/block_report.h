// SPDX-License-Identifier: Apache-2.0
#pragma once

// What a build says about an image's compressed blocks: how many of them deltas can look into, and
// how to make an image where that is more.

#include <cstdint>
#include <string>

#include "base/json.h"
#include "base/result.h"
#include "delta/generate/encodable_share.h"

namespace pawl::signer {

// Below it a build warns. Every block that is not encodable costs its coded bytes when it changes.
inline constexpr std::uint64_t kGoodBlockPercent = 95;

struct BlockReport {
  std::string text;  // lines; empty without compressed blocks
  Json json;         // null without compressed blocks
};

// Samples the image at `path`. `threads` 0: one for each core. ERRORS: those of the file.
Result<BlockReport> ReportBlocks(const std::string& path, unsigned threads);

// The words alone. Warns when few blocks are encodable and they make up a twentieth of the image
// or more: a few strange archives in an ext4 image are no reason to build it otherwise.
BlockReport DescribeShare(const delta::EncodableShare& share);

}  // namespace pawl::signer
