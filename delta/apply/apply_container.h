// SPDX-License-Identifier: Apache-2.0
#pragma once

// Whole-file work on containers, for `pawl-signer delta apply` and `delta show` and for the proof
// that every new delta gets. ApplyContainer runs exactly the device's decoder.

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "delta/apply/chunks.h"
#include "delta/apply/head.h"

namespace pawl::delta {

// What a decoder may spend: containers that encode no blocks need 2 to 12 MiB, others up to this.
inline constexpr std::uint64_t kDefaultDecoderMemory = 32ULL << 20;

struct ApplyOptions {
  std::uint64_t memory_limit = kDefaultDecoderMemory;  // bytes, for the decoder
  unsigned threads = 0;  // that encode blocks, as far as memory allows; 0: one per core
  ProgressFunction progress = {};                      // of target bytes; may be empty
};

// Applies the container at `container_path` to `source_path` (empty optional for a full container)
// and writes `target_path`. The target's SHA-256 is compared with the head; that of the source only
// when something is wrong, to say why: a source that differs where nothing is taken from it does no
// harm. The target appears under its name only when complete and right; what was there before is
// replaced.
// ERRORS: as ParseHead and DecodeFrame; kSourceMismatch; kImageDigestMismatch; kContainerMalformed
// when the file ends early or goes on after its last frame; kIo, kNoSpace, kInputMissing.
Status ApplyContainer(const std::optional<std::string>& source_path,
                      const std::string& container_path, const std::string& target_path,
                      const ApplyOptions& options = {});

enum class StreamKind : std::uint8_t {
  kRecipe = 0,
  kControl = 1,
  kDifference = 2,
  kMixed = 3,
  kLiteral = 4
};

struct StreamReport {
  CodecId codec = CodecId::kStored;
  std::uint64_t plain_bytes = 0;
  std::uint64_t coded_bytes = 0;
};

// Plain bytes of frames by the operation that makes them, and the number of operations.
struct OperationReport {
  std::uint64_t zero_bytes = 0;
  std::uint64_t literal_bytes = 0;
  std::uint64_t copy_bytes = 0;
  std::uint64_t add_bytes = 0;
  std::uint64_t mix_bytes = 0;
  std::uint64_t operations = 0;
};

// Compressed blocks that frames make, and those of the source that they decompress.
struct RecipeReport {
  std::uint64_t encoded_blocks = 0;
  std::uint64_t encoded_plain_bytes = 0;
  std::uint64_t encoded_target_bytes = 0;  // what of the target these blocks make
  std::uint64_t source_blocks = 0;
  std::uint64_t source_coded_bytes = 0;
  std::uint64_t source_plain_bytes = 0;
};

struct FrameReport {
  std::array<StreamReport, kStreamCount> streams;  // by StreamKind
  OperationReport operations;
  RecipeReport recipe;
};

struct ContainerReport {
  Head head;
  std::uint64_t head_bytes = 0;
  Sha256Digest head_sha256;
  std::uint64_t file_bytes = 0;
  std::vector<FrameReport> frames;  // one per head.frames
  // Sums over all frames.
  std::array<StreamReport, kStreamCount> streams;
  OperationReport operations;
  RecipeReport recipe;
};

// Reads a container without its source: every payload's hash is checked, control streams are
// decoded, nothing else. ERRORS: as ApplyContainer where they apply.
Result<ContainerReport> Inspect(const std::string& container_path);

// The same for a container held behind a reader.
Result<ContainerReport> Inspect(RandomReader& container);

}  // namespace pawl::delta
