// SPDX-License-Identifier: Apache-2.0
#include "delta/apply/recipe.h"

#include <algorithm>
#include <string>

#include "delta/apply/plain_stream.h"

namespace pawl::delta {
namespace {

std::unexpected<Error> Malformed(const std::string& what) {
  return Fail(ErrorCode::kContainerMalformed, "recipe: " + what);
}

// Reads a number of 1 (or `least`) to `most`.
Result<std::uint64_t> ReadNumber(ByteReader& in, std::uint64_t least, std::uint64_t most,
                                 const char* what) {
  PAWL_ASSIGN_OR_RETURN(const std::uint64_t value, in.Varint());
  if (value < least || value > most) return Malformed(std::string(what) + " is out of range");
  return value;
}

class Parser {
 public:
  Parser(const Head& head, std::size_t index, ByteView bytes)
      : head_(head), target_bytes_(head.FrameTargetBytes(index)), in_(bytes) {}

  Result<Recipe> Run() {
    PAWL_TRY(ReadExtents());
    PAWL_TRY(ReadSegments());
    //= docs/container-format.md#C-29
    if (!in_.done()) return Malformed("bytes behind its end");
    return std::move(recipe_);
  }

 private:
  Status ReadExtents() {
    //= docs/container-format.md#C-29
    PAWL_ASSIGN_OR_RETURN(const std::uint64_t count,
                          ReadNumber(in_, 0, kMaxRecipeExtents, "number of extents"));
    if (count != 0 && !head_.source) return Malformed("extents, but there is no source");
    std::uint64_t at = 0;
    for (std::uint64_t i = 0; i < count; ++i) PAWL_TRY(ReadExtent(at));
    return {};
  }

  // `at`: the end of the extent before; moved behind this one.
  Status ReadExtent(std::uint64_t& at) {
    //= docs/container-format.md#C-30
    SourceExtent extent;
    PAWL_ASSIGN_OR_RETURN(const std::uint64_t gap,
                          ReadNumber(in_, 0, head_.source->bytes - at, "gap between extents"));
    extent.offset = at + gap;
    PAWL_ASSIGN_OR_RETURN(const std::uint64_t bytes,
                          ReadNumber(in_, 1, kMaxExtentBytes, "length of an extent"));
    if (!Contains(head_.source->bytes, extent.offset, bytes)) {
      return Malformed("extent behind the source");
    }
    extent.bytes = static_cast<std::uint32_t>(bytes);
    PAWL_ASSIGN_OR_RETURN(const ByteView digest, in_.Take(extent.sha256.bytes.size()));
    std::ranges::copy(digest, extent.sha256.bytes.begin());
    recipe_.extents.push_back(extent);
    at = extent.offset + bytes;
    PAWL_ASSIGN_OR_RETURN(
        const std::uint64_t count,
        ReadNumber(in_, 1, kMaxRecipeBlocks - recipe_.blocks.size(), "number of blocks"));
    std::uint64_t from = extent.offset;
    for (std::uint64_t i = 0; i < count; ++i) PAWL_TRY(ReadBlock(from, at));
    return {};
  }

  // A block of the last extent, between `from` and `end`; `from` is moved behind it.
  Status ReadBlock(std::uint64_t& from, std::uint64_t end) {
    //= docs/container-format.md#C-30
    SourceBlock block;
    PAWL_ASSIGN_OR_RETURN(const std::uint64_t gap, ReadNumber(in_, 0, end - from, "gap"));
    block.offset = from + gap;
    PAWL_ASSIGN_OR_RETURN(const std::uint64_t coded,
                          ReadNumber(in_, 1, end - block.offset, "coded length"));
    PAWL_ASSIGN_OR_RETURN(const std::uint64_t plain,
                          ReadNumber(in_, 1, kMaxBlockBytes, "plain length"));
    PAWL_ASSIGN_OR_RETURN(const std::uint64_t coding,
                          ReadNumber(in_, 1, kMaxBlockCoding, "coding"));
    block.coded = static_cast<std::uint32_t>(coded);
    block.plain = static_cast<std::uint32_t>(plain);
    block.coding = static_cast<BlockCoding>(coding);
    block.extent = static_cast<std::uint32_t>(recipe_.extents.size() - 1);
    //= docs/container-format.md#C-34
    PAWL_ASSIGN_OR_RETURN(
        block.unused,
        ReadNumber(in_, 0, kMaxImageBytes - recipe_.SourcePlainEnd(), "unused addresses"));
    block.plain_begin = recipe_.SourcePlainEnd() + block.unused;
    source_plain_ += plain;
    if (source_plain_ > kMaxFramePlainBytes) return Malformed("too much to decompress");
    if (block.plain_begin + plain > kMaxImageBytes) return Malformed("addresses over the limit");
    from = block.offset + coded;
    recipe_.blocks.push_back(block);
    return {};
  }

  Status ReadSegments() {
    //= docs/container-format.md#C-29
    PAWL_ASSIGN_OR_RETURN(const std::uint64_t count,
                          ReadNumber(in_, 1, kMaxRecipeSegments, "number of segments"));
    for (std::uint64_t i = 0; i < count; ++i) PAWL_TRY(ReadSegment());
    return CheckSums();
  }

  Status ReadSegment() {
    //= docs/container-format.md#C-32
    PAWL_ASSIGN_OR_RETURN(const std::uint64_t first, in_.Varint());
    Segment segment;
    segment.plain = first / 3;
    segment.kind = static_cast<SegmentKind>(first % 3);
    if (segment.plain == 0 || segment.plain > kMaxFramePlainBytes) {
      return Malformed("length of a segment is out of range");
    }
    if (segment.kind == SegmentKind::kBlock) PAWL_TRY(ReadBlockSegment(segment));
    recipe_.segments.push_back(segment);
    return {};
  }

  Status ReadBlockSegment(Segment& segment) {
    //= docs/container-format.md#C-32
    if (segment.plain > kMaxBlockBytes) return Malformed("block is too long");
    if (head_.transforms.empty()) return Malformed("block, but the head lists no transform");
    PAWL_ASSIGN_OR_RETURN(const std::uint64_t transform,
                          ReadNumber(in_, 0, head_.transforms.size() - 1, "transform"));
    PAWL_ASSIGN_OR_RETURN(const std::uint64_t ahead,
                          ReadNumber(in_, 0, kMaxBlockBytes - segment.plain, "length ahead"));
    const TransformEntry& entry = head_.transforms[transform];
    //= docs/container-format.md#C-24
    if (EncoderBytes(entry.transform, segment.plain + ahead) > entry.memory_bytes) {
      return Fail(ErrorCode::kMemoryLimit, "a block needs more memory than its transform's entry");
    }
    const std::uint64_t most = MaxCodedBytes(entry.transform, segment.plain);
    PAWL_ASSIGN_OR_RETURN(const std::uint64_t coded,
                          ReadNumber(in_, 1, std::min(most, kMaxExtentBytes), "coded length"));
    PAWL_ASSIGN_OR_RETURN(const std::uint64_t zeros,
                          ReadNumber(in_, 0, kMaxLeadingZeros, "zeros before a block"));
    const std::uint64_t made = zeros + coded;
    PAWL_ASSIGN_OR_RETURN(const std::uint64_t skip, ReadNumber(in_, 0, made - 1, "skip"));
    PAWL_ASSIGN_OR_RETURN(const std::uint64_t left,
                          ReadNumber(in_, 0, made - skip - 1, "rest of a block"));
    PAWL_ASSIGN_OR_RETURN(const std::uint64_t advance, ReadNumber(in_, 0, kMaxAdvance, "advance"));
    segment.advance = static_cast<std::uint32_t>(advance);
    segment.transform = static_cast<std::uint16_t>(transform);
    segment.ahead = static_cast<std::uint32_t>(ahead);
    segment.zeros = static_cast<std::uint32_t>(zeros);
    segment.coded = static_cast<std::uint32_t>(coded);
    segment.skip = static_cast<std::uint32_t>(skip);
    segment.take = static_cast<std::uint32_t>(made - skip - left);
    return {};
  }

  Status CheckSums() const {
    //= docs/container-format.md#C-32
    // At most 2^14 segments of at most 2^27 bytes: no overflow.
    std::uint64_t plain = 0;
    std::uint64_t target = 0;
    std::uint64_t encoded = 0;
    std::uint64_t looked_at = 0;  // the furthest plain byte that an encoder sees
    for (const Segment& segment : recipe_.segments) {
      plain += segment.plain;
      if (segment.kind == SegmentKind::kRaw) target += segment.plain;
      if (segment.kind != SegmentKind::kBlock) continue;
      target += segment.take;
      encoded += segment.plain + segment.ahead;
      looked_at = std::max(looked_at, plain + segment.ahead);
    }
    if (plain > kMaxFramePlainBytes) return Malformed("too many plain bytes");
    if (encoded > kMaxFrameEncodedBytes) return Malformed("too much to encode");
    if (looked_at > plain) return Malformed("a block looks behind the plain bytes");
    if (target != target_bytes_) return Malformed("segments do not make the frame's target");
    return {};
  }

  const Head& head_;
  std::uint64_t target_bytes_;
  ByteReader in_;
  Recipe recipe_;
  std::uint64_t source_plain_ = 0;
};

}  // namespace

std::uint64_t Recipe::PlainBytes() const {
  std::uint64_t sum = 0;
  for (const Segment& segment : segments) sum += segment.plain;
  return sum;
}

std::uint64_t Recipe::SourcePlainBytes() const {
  std::uint64_t sum = 0;
  for (const SourceBlock& block : blocks) sum += block.plain;
  return sum;
}

std::vector<Leap> Recipe::Leaps() const {
  std::vector<Leap> leaps;
  std::uint64_t plain = 0;
  for (const Segment& segment : segments) {
    if (segment.advance != 0) leaps.push_back({plain, segment.advance});
    plain += segment.plain;
  }
  return leaps;
}

Result<Recipe> ParseRecipe(const Head& head, std::size_t index, ByteView bytes) {
  if (bytes.empty()) {
    Recipe raw;
    raw.segments.push_back({SegmentKind::kRaw, 0, head.FrameTargetBytes(index)});
    return raw;
  }
  auto recipe = Parser(head, index, bytes).Run();
  if (!recipe.has_value() && recipe.error().code() == ErrorCode::kInputInvalid) {
    return Malformed("ends early");
  }
  return recipe;
}

Result<Recipe> ReadRecipe(const Head& head, std::size_t index, const PayloadStreams& streams) {
  const CodedStream& coded = StreamOf(streams, StreamKind::kRecipe);
  PAWL_ASSIGN_OR_RETURN(PlainStream stream, PlainStream::Open(coded));
  //= docs/container-format.md#C-24
  // Decoded before anything else is opened: its decoder's memory is free again then.
  if (kDecoderBaseBytes + stream.memory_bytes() > head.memory_bytes) {
    return Fail(ErrorCode::kMemoryLimit,
                "the recipe's stream needs more memory than the head says");
  }
  Bytes bytes(static_cast<std::size_t>(coded.plain_bytes));
  PAWL_TRY(stream.Read(bytes));
  PAWL_TRY(stream.Finish());
  PAWL_ASSIGN_OR_RETURN(Recipe recipe, ParseRecipe(head, index, bytes));
  //= docs/container-format.md#C-14
  std::uint64_t data = 0;
  for (const auto kind : {StreamKind::kDifference, StreamKind::kMixed, StreamKind::kLiteral}) {
    data += StreamOf(streams, kind).plain_bytes;
  }
  if (data > recipe.PlainBytes()) {
    return Malformed("streams are longer than what the frame makes");
  }
  return recipe;
}

Bytes EncodeRecipe(const Recipe& recipe) {
  Bytes bytes;
  ByteWriter out(bytes);
  out.Varint(recipe.extents.size());
  std::uint64_t at = 0;
  auto block = recipe.blocks.begin();
  for (std::size_t i = 0; i < recipe.extents.size(); ++i) {
    const SourceExtent& extent = recipe.extents[i];
    out.Varint(extent.offset - at);
    out.Varint(extent.bytes);
    out.Append(extent.sha256.bytes);
    const auto end = std::find_if(block, recipe.blocks.end(),
                                  [i](const SourceBlock& other) { return other.extent != i; });
    out.Varint(static_cast<std::uint64_t>(end - block));
    for (std::uint64_t from = extent.offset; block != end; ++block) {
      out.Varint(block->offset - from);
      out.Varint(block->coded);
      out.Varint(block->plain);
      out.Varint(static_cast<std::uint64_t>(block->coding));
      out.Varint(block->unused);
      from = block->offset + block->coded;
    }
    at = extent.offset + extent.bytes;
  }
  out.Varint(recipe.segments.size());
  for (const Segment& segment : recipe.segments) {
    out.Varint(segment.plain * 3 + static_cast<std::uint64_t>(segment.kind));
    if (segment.kind != SegmentKind::kBlock) continue;
    out.Varint(segment.transform);
    out.Varint(segment.ahead);
    out.Varint(segment.coded);
    out.Varint(segment.zeros);
    out.Varint(segment.skip);
    out.Varint(segment.zeros + segment.coded - segment.skip - segment.take);
    out.Varint(segment.advance);
  }
  return bytes;
}

RecipeMemory MemoryOf(const Recipe& recipe, const std::vector<TransformEntry>& transforms) {
  //= docs/container-format.md#C-24
  RecipeMemory memory;
  if (recipe.empty()) return memory;
  memory.fixed = kRecipeTableBytes;
  if (!recipe.extents.empty()) {
    memory.fixed += std::ranges::max(recipe.extents, {}, &SourceExtent::bytes).bytes;
    memory.fixed += kDecodedCacheBytes + kBlockDecoderBytes;
    memory.fixed += std::ranges::max(recipe.blocks, {}, &SourceBlock::plain).plain;
  }
  for (const Segment& segment : recipe.segments) {
    if (segment.kind != SegmentKind::kBlock) continue;
    const TransformEntry& entry = transforms[segment.transform];
    const std::uint64_t input = segment.plain + segment.ahead;
    // Twice the input: the next block is collected while this one is encoded.
    memory.per_block = std::max(
        memory.per_block, 2 * input + MaxCodedBytes(entry.transform, input) + entry.memory_bytes);
  }
  return memory;
}

}  // namespace pawl::delta
