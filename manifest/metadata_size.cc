// SPDX-License-Identifier: Apache-2.0
#include "manifest/metadata_size.h"

#include <vector>

namespace pawl::manifest {
namespace {

// An entry of a tree or a list: pointers, colour and the allocator's own words.
constexpr std::size_t kNode = 64;

std::size_t OfText(const std::string& text) { return sizeof(std::string) + text.size(); }

std::size_t OfTexts(const std::vector<std::string>& texts) {
  std::size_t held = 0;
  for (const std::string& text : texts) held += OfText(text);
  return held;
}

std::size_t OfJson(const Json& value) {
  std::size_t held = 0;
  std::vector<const Json*> pending{&value};
  while (!pending.empty()) {
    const Json& item = *pending.back();
    pending.pop_back();
    held += sizeof(Json);
    if (item.is_string()) held += OfText(item.get_ref<const std::string&>());
    if (!item.is_structured()) continue;
    held += kNode;
    for (const auto& [name, child] : item.items()) {
      if (item.is_object()) held += kNode + OfText(name);
      pending.push_back(&child);
    }
  }
  return held;
}

std::size_t OfSigners(const Signers& signers) {
  std::size_t held = sizeof(Signers);
  for (const auto& [keyid, key] : signers.keys) {
    // The material too: copies within one file share it, those of different files do not.
    held += 2 * kNode + OfText(keyid) + sizeof(PublicKey) + key.identity().size();
  }
  return held;
}

std::size_t OfTargets(const Targets& targets) {
  std::size_t held = 0;
  for (const auto& [path, file] : targets.targets) {
    held += kNode + OfText(path) + sizeof(TargetFile) + OfJson(file.custom) +
            file.hashes.only_unknown.size() + (file.hashes.sha512 ? file.hashes.sha512->size() : 0);
  }
  for (const Delegation& delegation : targets.delegations.roles) {
    held += sizeof(Delegation) + OfText(delegation.name) + OfSigners(delegation.signers) +
            OfTexts(delegation.paths) + OfTexts(delegation.path_hash_prefixes);
  }
  if (const auto& succinct = targets.delegations.succinct) held += OfSigners(succinct->signers);
  return held;
}

}  // namespace

std::size_t HeldBytes(const Metadata& metadata) {
  std::size_t held = sizeof(Metadata);
  if (const Root* root = metadata.root()) {
    for (const Signers* role : {&root->root, &root->timestamp, &root->snapshot, &root->targets}) {
      held += OfSigners(*role);
    }
  }
  if (const Snapshot* snapshot = metadata.snapshot()) {
    for (const auto& [name, meta] : snapshot->meta) {
      held += kNode + OfText(name) + sizeof(FileMeta) + (meta.hashes ? sizeof(FileHashes) : 0);
    }
  }
  if (const Targets* targets = metadata.targets()) held += OfTargets(*targets);
  return held;
}

}  // namespace pawl::manifest
