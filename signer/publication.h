// SPDX-License-Identifier: Apache-2.0
#pragma once

// The tree as it is to be, worked out in memory before anything is written: which files come, in
// which order, and what the metadata will say.

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "signer/roles.h"
#include "signer/signing_key.h"
#include "signer/tree_check.h"
#include "signer/workspace.h"

namespace pawl::signer {

// A file that comes into public/.
struct PlannedFile {
  std::string path;                                  // below public/
  Bytes bytes;                                       // metadata and targets
  std::optional<std::string> source;                 // payloads: copied from here …
  std::optional<manifest::FileReference> reference;  // … and compared on the way
};

struct Publication {
  // In the order of writing: payloads, targets, delegated roles, targets role, root, snapshot,
  // timestamp.
  std::vector<PlannedFile> files;
  std::vector<std::string> roles;     // drafts that become public
  std::vector<std::string> finished;  // drafts that an interrupted run has published already
  std::optional<Bytes> started_from;  // the timestamp file that this builds on
  TreeReport report;                  // the judgement of the tree as it will be
  std::uint64_t snapshot_version = 0;
  std::uint64_t timestamp_version = 0;
  std::uint64_t payload_bytes = 0;  // to be copied
  std::vector<std::string> notes;
};

enum class Purpose {
  kPublish,  // drafts become public
  kRefresh,  // what is public gets new dates
};

struct PublicationRequest {
  Purpose purpose = Purpose::kPublish;
  std::vector<std::string> only_roles;  // of the drafts; empty: all
  const std::vector<SigningKey>* keys = nullptr;
  UtcTime now;
};

// Plans and judges; writes nothing.
// ERRORS: kSignatureThreshold naming who can still sign; kKeyNotEntitled; kAlreadyDone when there
// is nothing to publish; kVersionMismatch when a draft builds on another state than the published
// one; and what a device would say of the tree.
Result<Publication> PlanPublication(const Workspace& workspace, const PublicationRequest& request);

}  // namespace pawl::signer
