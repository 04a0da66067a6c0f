// SPDX-License-Identifier: Apache-2.0
#pragma once

// Taking releases back: out of the list of what devices may install. Devices that run them are left
// alone; rollouts and orders that name them are passed over from then on.

#include <map>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "manifest/release.h"
#include "signer/drafts.h"
#include "signer/roles.h"
#include "signer/workspace.h"

namespace pawl::signer {

// A rollout or an order that names a release.
struct ReleaseUse {
  std::string role;   // "rollout-gateway"
  std::string words;  // "channel stable (100 % of its devices)"
  // What will be public once all drafts are names it. False: devices see it now, and a draft of the
  // role ends that.
  bool lasting = true;
};

// By path of the release's target. Orders whose time is over name nothing any more.
std::map<std::string, std::vector<ReleaseUse>> UsesOfReleases(const Workspace& workspace,
                                                              const Roles& roles, UtcTime now);

// Versions of the listed releases that could go first, the lowest build first: those that no
// rollout and no live order names and that are not the newest of their channel.
std::vector<std::string> RetireCandidates(const Workspace& workspace, const Roles& roles,
                                          const std::string& product, UtcTime now);

// What it means for devices that the draft of a releases role does not list `path` any more, one
// line each. Empty when the published role does not list it either.
std::vector<std::string> DescribeRetirement(const Workspace& workspace, const Roles& roles,
                                            const std::string& product, const std::string& path);

struct RetireRequest {
  std::string product;
  std::vector<std::string> versions;
  // "retire-1.0" for each release that is retired although a rollout or an order names it.
  std::vector<std::string> confirmed;
};

struct RetiredRelease {
  std::string version;
  bool published = false;  // else it was only drafted, and no device has seen it
  std::vector<ReleaseUse> uses;
  std::vector<std::string> lines;  // what it means for whom
};

struct RetireChange {
  DraftChange draft;
  std::vector<RetiredRelease> retired;
};

// Writes the draft of the product's releases role without these releases; what else the draft
// changes stays. ERRORS: kUnknownName listing what is listed; kReleaseInUse naming who names it and
// the confirmation.
Result<RetireChange> RetireReleases(const Workspace& workspace, const RetireRequest& request,
                                    UtcTime now);

}  // namespace pawl::signer
