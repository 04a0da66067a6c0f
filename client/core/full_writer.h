// SPDX-License-Identifier: Apache-2.0
#pragma once

// Writes chunks of the target slot from the full container: fetches the frames that are missing, takes the other blocks from the device
// itself where a block index has found them (any-base updates), and writes nothing that is not as signed.
//
// A chunk that does not come out right with the device's own blocks (a hint that lied, a sector that changed) is fetched whole, once;
// so is one that was written before and has changed since.
// Memory: two chunks, one payload and the decoder's bound. Source: docs/adr/0016-any-base-updates.md.

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "client/core/frame_stream.h"
#include "client/ports/block_device.h"
#include "client/ports/http.h"
#include "delta/apply/decoder.h"
#include "delta/apply/head.h"
#include "delta/apply/local_blocks.h"

namespace pawl::client {

// All borrowed.
struct FullJob {
  const std::string& url;                   // of the full container
  const delta::Head& head;                  // of it
  const std::vector<Sha256Digest>& chunks;  // signed digests of the target image
  BlockDevice& target;
  RandomReader* source = nullptr;              // the booted slot; null: nothing is taken from there
  const delta::LocalBlocks* local = nullptr;   // what the device has; null: nothing
  std::uint64_t decoder_memory = 0;            // bytes
};

class FullWriter : private delta::ChunkSink {
 public:
  // After a chunk lies in the slot as signed. An error ends the run.
  using OnChunk = std::function<Status(std::uint64_t chunk)>;

  FullWriter(Http& http, const FullJob& job, OnChunk on_chunk) : http_(http), job_(job), on_chunk_(std::move(on_chunk)) {}

  // Makes the wanted chunks, in ascending order. `wanted` has a flag for each chunk; those that are made lose it.
  // What lies before a wanted chunk and is not wanted itself was written already; where it has changed since, it is made again.
  // ERRORS: E03xx, E04xx, of the target: kIo, kNoSpace. Chunks that were made stay made.
  Status Run(std::vector<bool>& wanted);

  std::uint64_t bytes_fetched() const { return bytes_fetched_; }  // of payloads
  std::uint64_t chunks_fetched_again() const { return again_; }   // whose local blocks were not what they seemed

 private:
  Status Pass(std::vector<bool>& wanted);
  Status FetchRun(const delta::FrameRun& run, std::vector<bool>& wanted);
  Status TakeFrame(std::size_t index, ByteView payload, std::vector<bool>& wanted);
  Status FillTo(std::uint64_t end, std::vector<bool>& wanted);
  Status FillLocally(std::uint64_t end);
  Status Begin(std::uint64_t chunk, std::vector<bool>& wanted);
  void KeepEnd();
  Status FinishChunk(std::vector<bool>& wanted);
  Status Take(std::uint64_t begin, ByteView data) override;
  std::unexpected<Error> Distrust(Error why);
  std::uint64_t ChunkEnd() const;
  ByteSpan Room(std::uint64_t begin, std::uint64_t length);

  Http& http_;
  FullJob job_;
  OnChunk on_chunk_;
  std::optional<delta::Decoder> decoder_;
  std::vector<bool> distrusted_;
  // What is being made: the target from buffer_begin_ on, with what frames look back at in front of it.
  Bytes buffer_;
  std::uint64_t chunk_ = 0;
  std::uint64_t position_ = 0;     // of the next byte to be made
  bool begun_ = false;
  bool used_local_ = false;        // blocks of this chunk came from the device
  bool changed_ = false;           // something of it has to be written
  std::optional<std::uint64_t> wrong_;  // the chunk that ended a pass
  std::uint64_t bytes_fetched_ = 0;
  std::uint64_t again_ = 0;
};

}  // namespace pawl::client
