// SPDX-License-Identifier: Apache-2.0
#pragma once

// The walk through targets and its delegations (TUF specification 1.0.33, section 5.6.7). Internal
// to TufClient; no trust decision of its own beyond who delegates what to whom.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "manifest/metadata_files.h"
#include "manifest/path_pattern.h"
#include "manifest/refresh.h"
#include "manifest/trusted_set.h"

namespace pawl::manifest {

class RoleSearch {
 public:
  // All borrowed. REQUIRES: `trusted` has a snapshot. A null fetcher: stored files only.
  RoleSearch(TrustedSet& trusted, MetadataFiles& files, const MetadataLimits& limits,
             Fetcher* fetcher)
      : trusted_(trusted), files_(files), limits_(limits), fetcher_(fetcher) {}

  // The role as its delegator's signers vouch for it: verified before in this run, else the stored
  // file, else fetched and kept. Of its entries what a search for `path` needs; kWholeRole: all;
  // kNoEntries: none. ERRORS: E02xx, E04xx, E05xx.
  Result<const Metadata*> Load(std::string_view role, const Signers& signers,
                               std::string_view path);
  static constexpr std::string_view kWholeRole = "";
  static constexpr std::string_view kNoEntries = "//";  // no client asks for such a path

  // As TufClient::FindTarget, FindUnpinned and ListTargets.
  Result<TrustedTarget> Find(std::string_view path);
  Result<TrustedTarget> FindUnpinned(std::string_view role, std::string_view path, ByteView file);
  Result<std::vector<TrustedTarget>> List(std::string_view role);

 private:
  // One delegation on the way from "targets" to a role. Points into verified metadata, which the
  // trusted set keeps for the whole search.
  struct Step {
    std::string role;
    const Signers* signers = nullptr;
    const Delegation* delegation = nullptr;   // one of these two …
    const SuccinctRoles* succinct = nullptr;  // … or neither for "targets" itself
    std::shared_ptr<const Step> parent;       // shared by all children; null for "targets"
    std::uint32_t depth = 0;
  };
  using StepPtr = std::shared_ptr<const Step>;

  StepPtr FirstStep() const;
  static StepPtr StepTo(const StepPtr& parent, const Delegation& delegation);
  static StepPtr StepTo(const StepPtr& parent, const SuccinctRoles& succinct, std::string bin);
  // The delegations of `targets` that cover `path`, in order, up to the first terminating one.
  static std::vector<StepPtr> StepsFor(const StepPtr& parent, const Targets& targets,
                                       std::string_view path, bool& terminated);
  static bool WholeChainCovers(const Step& step, std::string_view path);
  static std::vector<std::string> ChainOf(const Step& step);
  static TrustedTarget Describe(const Step& step, std::string_view path, const TargetFile& file);
  static StepPtr FindDelegationOf(const StepPtr& parent, const Targets& targets,
                                  std::string_view role);
  Status CheckBounds(const Step& step, std::size_t visited, std::uint64_t held_per_byte) const;
  Result<StepPtr> FindStepTo(std::string_view role);
  void MakeRoom();

  TrustedSet& trusted_;
  MetadataFiles& files_;
  const MetadataLimits& limits_;
  Fetcher* fetcher_;
};

}  // namespace pawl::manifest
