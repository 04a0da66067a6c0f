// SPDX-License-Identifier: Apache-2.0
#include "delta/generate/encodable_share.h"

#include <algorithm>
#include <vector>

#include "delta/apply/apply_container.h"
#include "delta/generate/block_prover.h"
#include "delta/generate/parallel.h"

namespace pawl::delta {
namespace {

// The sample in this many passes over the image, so that one that ends early is spread as well.
constexpr std::size_t kPasses = 16;

// Every n-th compressed block, as many as the bounds allow.
std::vector<std::size_t> ChooseSample(const std::vector<FoundBlock>& blocks,
                                      const std::vector<std::size_t>& compressed) {
  std::uint64_t plain = 0;
  for (const std::size_t index : compressed) plain += blocks[index].plain;
  const auto by_bytes = static_cast<std::size_t>((plain + kMaxSampleBytes - 1) / kMaxSampleBytes);
  const std::size_t by_count = (compressed.size() + kMaxSampleBlocks - 1) / kMaxSampleBlocks;
  const std::size_t step = std::max<std::size_t>({by_bytes, by_count, 1});
  std::vector<std::size_t> sample;
  for (std::size_t i = step / 2; i < compressed.size(); i += step) sample.push_back(compressed[i]);
  return sample;
}

std::vector<std::size_t> Pass(const std::vector<std::size_t>& sample, std::size_t number) {
  std::vector<std::size_t> pass;
  for (std::size_t i = number; i < sample.size(); i += kPasses) pass.push_back(sample[i]);
  return pass;
}

class Sampler {
 public:
  Sampler(RandomReader& image, const FoundBlocks& found, unsigned threads, EncodableShare& share)
      : found_(found),
        prover_(image, found, kDefaultDecoderMemory),
        ranking_(found.choices),
        threads_(ThreadCount(threads)),
        share_(share) {}

  Status Try(const std::vector<std::size_t>& list) {
    return InBatches(found_.blocks, list, list.size(), [&](std::size_t first, std::size_t count) {
      return TryBatch(list, first, count);
    });
  }
  std::uint64_t work() const { return work_; }

 private:
  Status TryBatch(const std::vector<std::size_t>& list, std::size_t first, std::size_t count) {
    std::vector<BlockProver::Attempt> attempts(count);
    PAWL_TRY(ParallelFor(threads_, count, [&](std::size_t i) -> Status {
      const std::size_t index = list[first + i];
      PAWL_ASSIGN_OR_RETURN(attempts[i],
                            prover_.Try(index, ranking_.Order(found_.blocks[index].choice)));
      attempts[i].input = Bytes();
      return {};
    }));
    for (std::size_t i = 0; i < count; ++i) {
      const FoundBlock& block = found_.blocks[list[first + i]];
      EncodableShare::Count& counted = share_.sample[EncoderOf(block.coding)];
      ++counted.tried;
      counted.encodable += attempts[i].proof ? 1U : 0U;
      work_ += attempts[i].encoded_bytes;
      ranking_.Count(block.choice, attempts[i].proof);
    }
    ranking_.Settle();
    return {};
  }

  const FoundBlocks& found_;
  BlockProver prover_;
  Ranking ranking_;
  unsigned threads_;
  EncodableShare& share_;
  std::uint64_t work_ = 0;
};

}  // namespace

EncodableShare::Count EncodableShare::Total() const {
  Count total;
  for (const auto& [id, count] : sample) {
    total.tried += count.tried;
    total.encodable += count.encodable;
  }
  return total;
}

std::uint64_t EncodableShare::Percent() const {
  const Count total = Total();
  return total.tried == 0 ? 100 : total.encodable * 100 / total.tried;
}

Result<EncodableShare> MeasureEncodable(RandomReader& image, unsigned threads) {
  PAWL_ASSIGN_OR_RETURN(const FoundBlocks found, FindBlocks(image));
  EncodableShare share;
  share.holder = found.holder;
  share.image_bytes = image.SizeBytes();
  std::vector<std::size_t> compressed;
  for (std::size_t i = 0; i < found.blocks.size(); ++i) {
    if (found.blocks[i].stored) continue;
    compressed.push_back(i);
    share.coded_bytes += found.blocks[i].coded;
  }
  share.blocks = compressed.size();
  const std::vector<std::size_t> sample = ChooseSample(found.blocks, compressed);
  Sampler sampler(image, found, threads, share);
  for (std::size_t pass = 0; pass < kPasses && sampler.work() < kMaxSampleWork; ++pass) {
    PAWL_TRY(sampler.Try(Pass(sample, pass)));
  }
  return share;
}

}  // namespace pawl::delta
