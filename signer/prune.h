// SPDX-License-Identifier: Apache-2.0
#pragma once

// Removes from public/ what no device can ask for any more. What is kept and why:
// docs/adr/0014-what-prune-keeps.md and docs/repository-layout.md.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "base/time.h"
#include "signer/workspace.h"

namespace pawl::signer {

inline constexpr std::uint64_t kDefaultKeptSnapshots = 8;
// The present one, and the one that a device was told of a moment before a publication.
inline constexpr std::uint64_t kMinKeptSnapshots = 2;

struct PruneRequest {
  // The newest snapshots that keep all their files. Empty: kDefaultKeptSnapshots, and every other
  // one that has not expired: devices and caches may still be at work with it.
  std::optional<std::uint64_t> keep;
  UtcTime now;
};

struct PruneFile {
  std::string path;  // below public/
  std::uint64_t bytes = 0;
};

struct PrunePlan {
  std::vector<PruneFile> remove;  // in the order of removal: what refers before what is referred to
  std::uint64_t remove_bytes = 0;
  std::uint64_t kept_files = 0;
  std::uint64_t kept_bytes = 0;
  std::uint64_t oldest_kept = 0;     // snapshot version
  std::uint64_t newest_kept = 0;     // the present snapshot
  std::vector<std::string> unknown;  // not of ours, or not what their names say: left alone
  std::vector<std::string> notes;

  // For people; file names are shown as Printable does. `done`: it has been removed.
  std::string Text(bool done) const;
};

// Judges the tree as a device would and says what can go; changes nothing. ERRORS: kUsage for
// `keep` below kMinKeptSnapshots; what a device says of a broken or expired tree; as TreeReach.
Result<PrunePlan> PlanPrune(const Workspace& workspace, const PruneRequest& request);

// Takes files away. The real one works below public/.
class TreeRemover {
 public:
  virtual ~TreeRemover() = default;
  virtual Status Remove(const std::string& path) = 0;    // absent is fine
  virtual Status Settle(const std::string& folder) = 0;  // makes removals in `folder` durable
};

class DirectoryTreeRemover : public TreeRemover {
 public:
  explicit DirectoryTreeRemover(std::string directory) : directory_(std::move(directory)) {}
  Status Remove(const std::string& path) override;
  Status Settle(const std::string& folder) override;  // folders that are empty now go, too

 private:
  std::string directory_;
};

// Plans anew under the lock of the workspace, removes those of the `shown` files that can still
// go, and judges the tree again. Whatever interrupts it leaves a whole tree with less garbage.
// Returns what was removed. ERRORS: kLockHeld; as PlanPrune; storage.
Result<PrunePlan> Prune(const Workspace& workspace, const PruneRequest& request,
                        const PrunePlan& shown, TreeRemover& remover);

}  // namespace pawl::signer
