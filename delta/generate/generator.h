// SPDX-License-Identifier: Apache-2.0
#pragma once

// Makes containers: deltas between two images, and full containers of one.
//
// Deterministic: the same images, effort, memory bound and compression libraries give the same
// bytes, whatever the number of threads. Images are read by pread through bounded buffers, never mapped, so that a
// file that shrinks or vanishes is an error, not a signal. Method and sources:
// delta/generate/README.md.

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "base/block_io.h"
#include "base/result.h"
#include "delta/apply/apply_container.h"
#include "delta/apply/chunks.h"
#include "delta/apply/encoder_names.h"
#include "delta/apply/head.h"

namespace pawl::delta {

enum class Effort : std::uint8_t {
  kFast,  // for development and continuous builds
  kBest,  // for releases: slower, a few per cent smaller
};

// Parts of the engine that can be left out, to measure what each gains.
enum class Layer : std::uint8_t { kBlocks, kShifted, kSimilar, kRecode, kLzma, kContextMixing };
inline constexpr std::array<std::string_view, 6> kLayerNames = {
    "blocks", "shifted", "similar", "recode", "lzma", "context-mixing"};

struct GenerateOptions {
  Effort effort = Effort::kFast;
  unsigned threads = 0;                      // 0: one per core
  std::uint64_t memory_bytes = 1ULL << 30;   // of working memory, kMinGenerateMemory or more; a
                                             // smaller bound may give a different, larger delta
  std::set<Layer> without = {};              // for measurements only: larger deltas
  // Compressed blocks are looked into only as far as decoders may spend this, in bytes.
  std::uint64_t decoder_memory_bytes = kDefaultDecoderMemory;
  // What the agents that will apply the delta have; compressed blocks of others stay as they are.
  // None: the same as this build has.
  std::optional<EncoderFamilies> encoders = {};
  // Where content that is looked into is kept meanwhile: about as much as both images hold
  // unpacked. Empty: $TMPDIR, or else /tmp; GenerateDelta takes the place of its output.
  std::string scratch_directory = {};
  ProgressFunction progress = {};            // in bytes of estimated work; may be empty
};

// One thread's streams and compressor fit, and windows of the old image that are worth sorting.
inline constexpr std::uint64_t kMinGenerateMemory = 128ULL << 20;

// How the bytes of the target came about.
struct GenerateStatistics {
  std::uint64_t zero_bytes = 0;
  std::uint64_t block_match_bytes = 0;    // equal 4 KiB blocks of the source
  std::uint64_t shifted_match_bytes = 0;  // equal bytes at any distance, found by rolling hash
  std::uint64_t suffix_match_bytes = 0;   // similar bytes, found by suffix sorting
  std::uint64_t literal_bytes = 0;
  // Compressed blocks of the target. When blocks are encoded, the bytes above count the plain
  // content of these in place of the blocks.
  std::uint64_t blocks_found = 0;
  std::uint64_t blocks_kept = 0;              // the source has the same coded bytes
  std::uint64_t blocks_encoded = 0;           // proved to be made exactly by an encoder here
  std::uint64_t blocks_not_reproducible = 0;  // tried, and left as they are
  // Not tried and left as they are, because GenerateOptions::encoders lacks what made them.
  std::map<TransformId, std::uint64_t> blocks_left_out = {};
};

struct ContainerInfo {
  std::uint64_t file_bytes = 0;
  Sha256Digest sha256;  // of the whole container
  std::uint64_t head_bytes = 0;
  Sha256Digest head_sha256;
  Head head;  // source, target, codecs, memory, frames
  std::vector<Sha256Digest> target_chunks;  // SHA-256 of each chunk of the target
  GenerateStatistics statistics;
};

// Writes the container `out_path` that makes `new_path` from `old_path`. The file appears only when
// it is complete. Prove a delta with ApplyContainer before it is signed. ERRORS: kInputMissing,
// kInputInvalid (not a regular file; larger than the format admits; changed while it was read),
// kMemoryLimit (memory_bytes below kMinGenerateMemory), kIo, kNoSpace.
Result<ContainerInfo> GenerateDelta(const std::string& old_path, const std::string& new_path,
                                    const std::string& out_path,
                                    const GenerateOptions& options = {});

// Writes a full container: one frame per unit, so that single parts can be fetched by range.
// ERRORS: as GenerateDelta.
Result<ContainerInfo> GenerateFull(const std::string& new_path, const std::string& out_path,
                                   const GenerateOptions& options = {});

// Receives a container: all payloads in order, then the head.
class ContainerSink {
 public:
  virtual ~ContainerSink() = default;
  virtual Status AddPayload(ByteView payload) = 0;
  virtual Status Finish(ByteView head) = 0;
};

// The same engine on readers. `old_image` null: a full container. ContainerInfo::sha256 is left
// zero: the sink sees the bytes in another order than the file has them.
Result<ContainerInfo> Generate(RandomReader* old_image, RandomReader& new_image,
                               ContainerSink& sink, const GenerateOptions& options);

}  // namespace pawl::delta
