// SPDX-License-Identifier: Apache-2.0
// Any bytes as any metadata: parsing never crashes, what parses can be verified and searched, and
// the canonical form of what was signed is one that our parser takes back to the same canonical
// form.

#include <cstdlib>

#include "base/json.h"
#include "manifest/metadata.h"
#include "manifest/path_pattern.h"
#include "manifest/verify_role.h"

namespace pawl::manifest {
namespace {

void Require(bool holds) {
  if (!holds) std::abort();
}

// Canonical JSON is valid JSON but for control characters in texts, which stand in it raw.
void CheckCanonicalForm(const std::string& canonical) {
  for (const char c : canonical) {
    if (static_cast<unsigned char>(c) < 0x20) return;
  }
  const auto again = ParseJson(canonical);
  Require(again.has_value());
  Require(CanonicalJson(*again) == canonical);
}

void CheckSearch(const Targets& targets) {
  for (const Delegation& delegation : targets.delegations.roles) {
    Require(IsDelegatableName(delegation.name));
    for (const auto& [path, file] : targets.targets) static_cast<void>(Covers(delegation, path));
  }
  if (const auto& succinct = targets.delegations.succinct) {
    for (const auto& [path, file] : targets.targets) {
      Require(IsBinName(*succinct, BinName(*succinct, path)));
    }
  }
}

void Run(ByteView bytes) {
  const auto file = ParseMetadata("fuzz", bytes);
  if (!file) return;
  Require(file->metadata.version >= 1);
  CheckCanonicalForm(file->signed_bytes);
  if (const Targets* targets = file->metadata.targets()) CheckSearch(*targets);
  if (const Root* root = file->metadata.root()) {
    for (const Signers* signers :
         {&root->root, &root->timestamp, &root->snapshot, &root->targets}) {
      Require(signers->threshold >= 1);
      Require(signers->distinct_keys <= signers->keys.size());
    }
    static_cast<void>(VerifyEmbeddedRoot(bytes));
  }
}

}  // namespace
}  // namespace pawl::manifest

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  pawl::manifest::Run({data, size});
  return 0;
}
