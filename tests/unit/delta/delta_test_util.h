// SPDX-License-Identifier: Apache-2.0
#pragma once

// Containers in memory: made by the generator, or piece by piece as an attacker would.

#include <cstdint>
#include <optional>
#include <random>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "delta/apply/decoder.h"
#include "delta/apply/head.h"
#include "delta/apply/payload.h"
#include "delta/generate/generator.h"

namespace pawl::delta::testing {

// Collects a generated container.
class MemorySink : public ContainerSink {
 public:
  Status AddPayload(ByteView payload) override;
  Status Finish(ByteView head) override;
  Bytes Container() const;

 private:
  Bytes head_;
  Bytes payloads_;
};

// Collects decoded parts and checks that they come as promised.
class CollectingSink : public ChunkSink {
 public:
  Status Take(std::uint64_t begin, ByteView data) override;
  const Bytes& bytes() const { return bytes_; }
  // Where each part begins.
  const std::vector<std::uint64_t>& begins() const { return begins_; }

 private:
  Bytes bytes_;
  std::vector<std::uint64_t> begins_;
};

Result<Bytes> MakeDelta(ByteView old_image, ByteView new_image,
                        const GenerateOptions& options = {});
Result<Bytes> MakeFull(ByteView new_image, const GenerateOptions& options = {});

// Decodes a whole container. `source` null for full ones. Compares the target digest too.
Result<Bytes> Apply(ByteView container, const Bytes* source,
                    std::uint64_t memory_limit = 12ULL << 20);

// A one-frame container around a payload that may be anything.
struct Forged {
  Head head;
  Bytes payload;
};
// `source_bytes`: none for a full container. `target_bytes` at most 64 MiB.
Forged Forge(Bytes payload, std::optional<std::uint64_t> source_bytes, std::uint64_t target_bytes);
// Decodes the one frame. `source` null when the head has none.
Status DecodeForged(const Forged& forged, const Bytes* source, CollectingSink& sink,
                    std::uint64_t memory_limit = 12ULL << 20);

// A payload of stored streams.
Bytes StoredPayload(ByteView control, ByteView difference, ByteView literal,
                    ByteView recipe = {});
// A payload of streams in any codec.
Bytes JoinStreams(const CodedStream& control, const CodedStream& difference,
                  const CodedStream& literal, const CodedStream& mixed = {});
// A control stream of the given operations.
Bytes Control(const std::vector<Operation>& operations);
// `plain` as a zstd frame with the given window, as zstd would make it.
Bytes ZstdFrame(ByteView plain, int window_log = 20, bool content_size = true);

// `plain` in codec 2 with a dictionary of 2^log bytes.
Bytes LzmaStream(ByteView plain, unsigned log);

// What the transform makes of `plain`.
Bytes EncodeWith(const Transform& transform, const Bytes& plain);

Bytes RandomContent(std::mt19937_64& random, std::size_t size);

// Machine code as x86-64 has it: calls among other instructions.
struct Code {
  Bytes bytes;
  std::vector<std::size_t> calls;  // where their operands lie
};
Code MakeCode(std::mt19937_64& random, std::size_t size);
// Code whose calls go to ten functions behind it, each of which has moved by its own distance.
struct MovedCode {
  Bytes old_image;
  Bytes new_image;
  std::size_t calls = 0;
};
MovedCode MakeMovedCode(std::mt19937_64& random, std::uint32_t size);
void SetWord(Bytes& bytes, std::size_t at, std::uint32_t word);

Bytes FromText(std::string_view text);

}  // namespace pawl::delta::testing
