// SPDX-License-Identifier: Apache-2.0
#include "manifest/role_search.h"

#include <algorithm>
#include <deque>
#include <optional>
#include <set>
#include <utility>

#include "base/file.h"
#include "base/format.h"
#include "manifest/limits.h"

namespace pawl::manifest {

Result<const Metadata*> RoleSearch::Load(std::string_view role, const Signers& signers,
                                         std::string_view path) {
  if (const Metadata* known = trusted_.FindRole(role, signers, path)) return known;
  PAWL_ASSIGN_OR_RETURN(const FileMeta entry, trusted_.RoleEntry(role));
  PAWL_ASSIGN_OR_RETURN(std::optional<Bytes> stored, files_.Stored(role));
  if (stored) {
    auto added = trusted_.AddRole(role, signers, path, *stored);
    if (added) return added;
    // Without a network the reason why the stored file is no longer good is the answer.
    if (fetcher_ == nullptr) return std::unexpected(std::move(added).error());
    stored.reset();  // not held beside the one that is fetched
  }
  if (fetcher_ == nullptr) {
    return Fail(ErrorCode::kMetadataMissing,
                Format("{}: expected it among the stored metadata", role));
  }
  const std::string file =
      MetadataFileName(role, entry.version, trusted_.root().consistent_snapshot);
  PAWL_ASSIGN_OR_RETURN(
      const Bytes bytes,
      MetadataFiles::Fetch(*fetcher_, file, role, limits_.targets_bytes, entry.length));
  PAWL_ASSIGN_OR_RETURN(const Metadata* added, trusted_.AddRole(role, signers, path, bytes));
  PAWL_TRY(files_.Keep(role, bytes));
  return added;
}

RoleSearch::StepPtr RoleSearch::FirstStep() const {
  return std::make_shared<Step>(
      Step{std::string(kTargetsRole), &trusted_.root().targets, nullptr, nullptr, nullptr, 0});
}

RoleSearch::StepPtr RoleSearch::StepTo(const StepPtr& parent, const Delegation& delegation) {
  return std::make_shared<Step>(
      Step{delegation.name, &delegation.signers, &delegation, nullptr, parent, parent->depth + 1});
}

RoleSearch::StepPtr RoleSearch::StepTo(const StepPtr& parent, const SuccinctRoles& succinct,
                                       std::string bin) {
  return std::make_shared<Step>(
      Step{std::move(bin), &succinct.signers, nullptr, &succinct, parent, parent->depth + 1});
}

// In the order of the file: with overlapping patterns the earlier role wins (CVE-2024-47534).
std::vector<RoleSearch::StepPtr> RoleSearch::StepsFor(const StepPtr& parent, const Targets& targets,
                                                      std::string_view path, bool& terminated) {
  std::vector<StepPtr> steps;
  terminated = false;
  if (const auto& succinct = targets.delegations.succinct) {
    steps.push_back(StepTo(parent, *succinct, BinName(*succinct, path)));
    return steps;
  }
  for (const Delegation& delegation : targets.delegations.roles) {
    if (!Covers(delegation, path)) continue;
    steps.push_back(StepTo(parent, delegation));
    if (delegation.terminating) {
      terminated = true;
      break;
    }
  }
  return steps;
}

//= docs/manifest-format.md#M-26
Status RoleSearch::CheckBounds(const Step& step, std::size_t visited,
                               std::uint64_t held_per_byte) const {
  if (step.depth > limits_.delegation_depth) {
    return Fail(ErrorCode::kTooManyItems,
                Format("{}: expected at most {} delegations on the way to a role, found more",
                       step.role, limits_.delegation_depth));
  }
  // The top-level role does not count as delegated.
  if (visited > limits_.delegated_roles) {
    return Fail(ErrorCode::kTooManyItems,
                Format("{}: expected at most {} delegated roles in one search, found more",
                       step.role, limits_.delegated_roles));
  }
  //= docs/manifest-format.md#M-34
  const std::uint64_t most = limits_.targets_bytes * held_per_byte;
  if (trusted_.held_bytes() > most) {
    return Fail(ErrorCode::kTooManyItems,
                Format("{}: expected the roles of one search to take at most {} bytes of memory, "
                       "found more",
                       step.role, most));
  }
  return {};
}

// One search must not use up what another needs: the support desk's roles, say, what the releases
// need. What was kept for one path is of no use to another.
void RoleSearch::MakeRoom() { trusted_.ForgetRoles(); }

std::vector<std::string> RoleSearch::ChainOf(const Step& step) {
  std::vector<std::string> chain;
  for (const Step* at = &step; at != nullptr; at = at->parent.get()) chain.push_back(at->role);
  std::ranges::reverse(chain);
  return chain;
}

TrustedTarget RoleSearch::Describe(const Step& step, std::string_view path,
                                   const TargetFile& file) {
  TrustedTarget target;
  target.path = path;
  target.length = file.length;
  target.sha256 = file.hashes.sha256;
  target.sha512 = file.hashes.sha512;
  target.custom = file.custom;
  target.roles = ChainOf(step);
  target.role_keyset = step.signers->KeysetId();
  return target;
}

// Pre-order, depth first. `pending` is a stack: the next role to visit is its last.
//= docs/manifest-format.md#M-21
Result<TrustedTarget> RoleSearch::Find(std::string_view path) {
  MakeRoom();
  std::vector<StepPtr> pending{FirstStep()};
  std::set<std::string, std::less<>> visited;
  while (!pending.empty()) {
    const StepPtr step = std::move(pending.back());
    pending.pop_back();
    if (visited.contains(step->role)) continue;  // a cycle, or a second way to the same answer
    PAWL_TRY(CheckBounds(*step, visited.size(), kHeldPerTargetsByte));
    PAWL_ASSIGN_OR_RETURN(const Metadata* role, Load(step->role, *step->signers, path));
    const Targets* targets = role->targets();
    if (const auto file = targets->targets.find(path); file != targets->targets.end()) {
      return Describe(*step, path, file->second);
    }
    visited.insert(step->role);
    bool terminated = false;
    std::vector<StepPtr> next = StepsFor(step, *targets, path, terminated);
    // Terminating: nobody but this role's own descendants may still answer (CVE-2025-2886).
    if (terminated) pending.clear();
    pending.insert(pending.end(), next.rbegin(), next.rend());
  }
  return Fail(ErrorCode::kTargetMissing,
              Format("{}: expected it in a role entitled to it, found it in none of {}", path,
                     Join(visited, ", ")));
}

// The first delegation that covers the path decides, as in a search; only that it is not loaded.
Result<TrustedTarget> RoleSearch::FindUnpinned(std::string_view role, std::string_view path,
                                               ByteView file) {
  const StepPtr top = FirstStep();
  PAWL_ASSIGN_OR_RETURN(const Metadata* loaded, Load(kTargetsRole, *top->signers, path));
  const Targets& targets = *loaded->targets();
  bool terminated = false;
  const std::vector<StepPtr> next = StepsFor(top, targets, path, terminated);
  if (targets.targets.contains(path) || next.empty() || next.front()->role != role) {
    return Fail(ErrorCode::kTargetNotDelegated,
                Format("{}: expected that targets delegates it to {} before others", path, role));
  }
  PAWL_ASSIGN_OR_RETURN(const Metadata metadata,
                        trusted_.VerifyUnpinned(role, *next.front()->signers, file));
  const Targets& answer = *metadata.targets();
  const auto listed = answer.targets.find(path);
  if (listed == answer.targets.end()) {
    return Fail(ErrorCode::kTargetMissing,
                Format("{}: expected it in the offline file of {}", path, role));
  }
  const bool alone = answer.targets.size() == 1 && answer.delegations.roles.empty() &&
                     !answer.delegations.succinct;
  if (!alone) {
    return Fail(ErrorCode::kTooManyItems,
                Format("the offline file of {}: expected {} and nothing else", role, path));
  }
  return Describe(*next.front(), path, listed->second);
}

bool RoleSearch::WholeChainCovers(const Step& step, std::string_view path) {
  for (const Step* at = &step; at != nullptr; at = at->parent.get()) {
    if (at->delegation != nullptr && !Covers(*at->delegation, path)) return false;
    if (at->succinct != nullptr && BinName(*at->succinct, path) != at->role) return false;
  }
  return true;
}

RoleSearch::StepPtr RoleSearch::FindDelegationOf(const StepPtr& parent, const Targets& targets,
                                                 std::string_view role) {
  if (const auto& succinct = targets.delegations.succinct) {
    if (IsBinName(*succinct, role)) return StepTo(parent, *succinct, std::string(role));
  }
  for (const Delegation& delegation : targets.delegations.roles) {
    if (delegation.name == role) return StepTo(parent, delegation);
  }
  return nullptr;
}

// Breadth first, so that a role just below "targets" is found without loading its siblings. A role
// that fails on the way does not hide the others; its failure is the answer only if nobody
// delegates `role`.
Result<RoleSearch::StepPtr> RoleSearch::FindStepTo(std::string_view role) {
  if (role == kTargetsRole) return FirstStep();
  std::deque<StepPtr> pending{FirstStep()};
  std::set<std::string, std::less<>> visited;
  std::optional<Error> failure;
  while (!pending.empty()) {
    const StepPtr step = std::move(pending.front());
    pending.pop_front();
    if (!visited.insert(step->role).second) continue;
    PAWL_TRY(CheckBounds(*step, visited.size() - 1, kListedPerTargetsByte));
    auto loaded = Load(step->role, *step->signers, kWholeRole);
    if (!loaded) {
      if (!failure) failure = std::move(loaded).error();
      continue;
    }
    const Targets& targets = *(*loaded)->targets();
    if (StepPtr found = FindDelegationOf(step, targets, role)) return found;
    for (const Delegation& delegation : targets.delegations.roles) {
      pending.push_back(StepTo(step, delegation));
    }
  }
  if (failure) return std::unexpected(*std::move(failure));
  return Fail(ErrorCode::kDelegationMissing,
              Format("{}: expected a role that delegates to it, found none", role));
}

Result<std::vector<TrustedTarget>> RoleSearch::List(std::string_view role) {
  MakeRoom();
  PAWL_ASSIGN_OR_RETURN(const StepPtr step, FindStepTo(role));
  PAWL_ASSIGN_OR_RETURN(const Metadata* loaded, Load(step->role, *step->signers, kWholeRole));
  std::vector<TrustedTarget> listed;
  for (const auto& [path, file] : loaded->targets()->targets) {
    // A role may write what it likes into its file; only what it was given counts.
    if (WholeChainCovers(*step, path)) listed.push_back(Describe(*step, path, file));
  }
  return listed;
}

}  // namespace pawl::manifest
