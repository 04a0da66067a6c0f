// SPDX-License-Identifier: Apache-2.0
// Any bytes as an offline bundle, and as a challenge. What opens has one spelling: laid down again
// from its entries it is the same file, byte for byte.

#include <cstdlib>

#include "manifest/bundle.h"
#include "manifest/challenge.h"
#include "tests/fakes/sim_bundle.h"

namespace pawl::manifest {
namespace {

void Require(bool holds) {
  if (!holds) std::abort();
}

class BytesReader : public RandomReader {
 public:
  explicit BytesReader(ByteView bytes) : bytes_(bytes) {}
  Status ReadAt(std::uint64_t offset, ByteSpan out) override {
    Require(Contains(bytes_.size(), offset, out.size()));  // nobody asks beyond the end
    const ByteView part = bytes_.subspan(static_cast<std::size_t>(offset), out.size());
    std::copy(part.begin(), part.end(), out.begin());
    return {};
  }
  std::uint64_t SizeBytes() const override { return bytes_.size(); }

 private:
  ByteView bytes_;
};

void Run(ByteView bytes) {
  if (const auto challenge = ParseChallenge(bytes)) {
    Require(challenge->nonce.size() == 2 * kNonceBytes);
    const std::string again = PrettyJson(EncodeChallenge(*challenge));
    Require(ParseChallenge(AsBytes(again)).has_value());
  }
  BytesReader reader(bytes);
  const auto bundle = Bundle::Open(reader);
  if (!bundle) return;
  fakes::BundleFiles files;
  for (const Bundle::Entry& entry : bundle->entries()) {
    Bytes content(static_cast<std::size_t>(entry.size));
    Require(bundle->Read(entry, 0, content).has_value());
    files.emplace_back(entry.name, std::move(content));
  }
  const Bytes again = fakes::LayDown(files);
  Require(std::equal(again.begin(), again.end(), bytes.begin(), bytes.end()));
}

}  // namespace
}  // namespace pawl::manifest

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  pawl::manifest::Run({data, size});
  return 0;
}
