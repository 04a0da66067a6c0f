// SPDX-License-Identifier: Apache-2.0
#include "delta/generate/block_prover.h"

#include <algorithm>
#include <array>
#include <functional>

namespace pawl::delta {
namespace {

// What an encoder that is given room may look at behind its block, tried in this order. Nothing
// where mkfs.erofs came to the end of what it had read of a file.
constexpr std::array<std::size_t, 5> kAheadBytes = {512, 0, 4096, 64U << 10, 512U << 10};
// What a decoder needs besides the encoder of one block.
constexpr std::uint64_t kOtherMemory = 16ULL << 20;

bool Encodes(const Transform& transform, std::size_t plain, ByteView coded,
             BlockProver::Attempt& attempt) {
  attempt.encoded_bytes += attempt.input.size();
  Bytes made(static_cast<std::size_t>(MaxCodedBytes(transform, attempt.input.size())));
  const auto lengths = EncodeBlock(transform, attempt.input, made);
  return lengths.has_value() && lengths->plain == plain &&
         std::ranges::equal(ByteView(made).first(lengths->coded), coded);
}

}  // namespace

Result<Bytes> ReadFound(RandomReader& image, const FoundBlock& block) {
  Bytes coded(block.coded);
  PAWL_TRY(image.ReadAt(block.offset, coded));
  return coded;
}

Result<Bytes> DecodeFound(RandomReader& image, const FoundBlock& block, Bytes& coded) {
  PAWL_ASSIGN_OR_RETURN(coded, ReadFound(image, block));
  Bytes plain(block.plain);
  const auto made = DecodeBlockUpTo(block.coding, coded, plain);
  if (!made.has_value() || (block.exact && *made != block.plain)) return Bytes();
  plain.resize(*made);
  return plain;
}

TransformId EncoderOf(BlockCoding coding) {
  switch (coding) {
    case BlockCoding::kZstd:
      return TransformId::kZstd;
    case BlockCoding::kXz:
      return TransformId::kXz;
    case BlockCoding::kZlib:
    case BlockCoding::kRawDeflate:
      return TransformId::kDeflate;
    case BlockCoding::kLz4:
      return TransformId::kLz4;
  }
  return TransformId::kZstd;
}

void KeepAllowed(const std::optional<EncoderFamilies>& families, FoundBlocks& found) {
  if (!families) return;
  for (auto& list : found.choices) {
    std::erase_if(list, [&](const Transform& item) { return !families->contains(FamilyOf(item)); });
  }
}

Ranking::Ranking(const std::vector<std::vector<Transform>>& choices) {
  for (const auto& list : choices) {
    lists_.emplace_back();
    for (const Transform& transform : list) lists_.back().push_back({transform, 0});
  }
}

std::vector<Transform> Ranking::Order(std::size_t choice) const {
  std::vector<Transform> order;
  for (const Entry& entry : lists_[choice]) order.push_back(entry.transform);
  return order;
}

void Ranking::Count(std::size_t choice, const std::optional<Proof>& proof) {
  ++tried_;
  if (!proof) return;
  auto& list = lists_[choice];
  ++std::ranges::find(list, proof->transform, &Entry::transform)->hits;
}

void Ranking::Settle() {
  for (auto& list : lists_) {
    std::ranges::stable_sort(list, std::ranges::greater(), &Entry::hits);
    const bool any = !list.empty() && list.front().hits != 0;
    if (tried_ >= kTrialBlocks && any) {
      std::erase_if(list, [](const Entry& entry) { return entry.hits == 0; });
    }
  }
}

BlockProver::BlockProver(RandomReader& image, const FoundBlocks& found,
                         std::uint64_t decoder_memory)
    : image_(image),
      found_(found),
      block_memory_(decoder_memory - std::min(decoder_memory, kOtherMemory)) {}

// Plain bytes of the same file behind block `index`, as many as `want` or as there are.
Result<Bytes> BlockProver::Ahead(std::size_t index, std::size_t want) const {
  Bytes ahead;
  while (ahead.size() < want && found_.blocks[index].continues) {
    const FoundBlock& next = found_.blocks[++index];
    PAWL_ASSIGN_OR_RETURN(const Bytes coded, ReadFound(image_, next));
    if (next.stored) {
      ahead.insert(ahead.end(), coded.begin(), coded.end());
      continue;
    }
    Bytes plain(next.plain);
    if (!DecodeBlock(next.coding, coded, plain).has_value()) break;
    ahead.insert(ahead.end(), plain.begin(), plain.end());
  }
  if (ahead.size() > want) ahead.resize(want);
  return ahead;
}

bool BlockProver::FitsMemory(const Transform& transform, std::uint64_t input) const {
  return 2 * input + MaxCodedBytes(transform, input) + EncoderBytes(transform, input) <=
         block_memory_;
}

// The same with bytes ahead, which stay in the attempt's input when it succeeds.
Result<bool> BlockProver::TryAhead(std::size_t index, const Transform& transform, ByteView coded,
                                   Attempt& attempt) const {
  const std::size_t own = attempt.plain_bytes;
  for (const std::size_t want : kAheadBytes) {
    PAWL_ASSIGN_OR_RETURN(const Bytes ahead, Ahead(index, want));
    if (own + ahead.size() > kMaxBlockBytes) break;
    attempt.input.resize(own);
    attempt.input.insert(attempt.input.end(), ahead.begin(), ahead.end());
    if (Encodes(transform, own, coded, attempt)) {
      attempt.proof = Proof{transform, static_cast<std::uint32_t>(ahead.size())};
      return true;
    }
    if (want > kAheadBytes.front() && ahead.size() < want) break;  // longer ones see no more
  }
  attempt.input.resize(own);
  return false;
}

Result<BlockProver::Attempt> BlockProver::Try(std::size_t index,
                                              const std::vector<Transform>& order) const {
  const FoundBlock& block = found_.blocks[index];
  Attempt attempt;
  Bytes coded;
  PAWL_ASSIGN_OR_RETURN(attempt.input, DecodeFound(image_, block, coded));
  attempt.plain_bytes = static_cast<std::uint32_t>(attempt.input.size());
  if (attempt.plain_bytes == 0) return attempt;
  for (const Transform& transform : order) {
    if (!Supports(transform) || !FitsMemory(transform, attempt.plain_bytes)) continue;
    const bool looks_ahead = transform.id == TransformId::kLz4 && transform.parameters >> 32 != 0;
    if (looks_ahead && block.continues) {
      PAWL_ASSIGN_OR_RETURN(const bool made, TryAhead(index, transform, coded, attempt));
      if (made) return attempt;
    } else if (Encodes(transform, attempt.plain_bytes, coded, attempt)) {
      attempt.proof = Proof{transform, 0};
      return attempt;
    }
  }
  return attempt;
}

}  // namespace pawl::delta
