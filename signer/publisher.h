// SPDX-License-Identifier: Apache-2.0
#pragma once

// Makes a planned publication public: in an order in which every moment is a whole repository for
// devices, each file atomically, the timestamp last. Whatever interrupts it, running it again
// completes it.

#include <string>
#include <string_view>

#include "base/progress.h"
#include "base/result.h"
#include "signer/publication.h"
#include "signer/workspace.h"

namespace pawl::signer {

// Where the files of a publication go. The real one writes below public/.
class TreeWriter {
 public:
  virtual ~TreeWriter() = default;
  // Replaces the file `path` (below public/) atomically and durably.
  virtual Status Write(const std::string& path, ByteView bytes) = 0;
  // Copies a payload to `path` in the same way; bytes that are not as `reference` says never get
  // the name. ERRORS: kReleaseFileMismatch.
  virtual Status Copy(const std::string& source, const std::string& path,
                      const manifest::FileReference& reference) = 0;
};

class DirectoryTreeWriter : public TreeWriter {
 public:
  explicit DirectoryTreeWriter(std::string directory) : directory_(std::move(directory)) {}
  Status Write(const std::string& path, ByteView bytes) override;
  Status Copy(const std::string& source, const std::string& path,
              const manifest::FileReference& reference) override;

 private:
  std::string directory_;
};

// Plans, judges, writes, reads back and removes the drafts that are public now. Takes the lock of
// the workspace. ERRORS: as PlanPublication; kLockHeld; kVersionMismatch when the published
// timestamp changes meanwhile; storage.
Result<Publication> Publish(const Workspace& workspace, const PublicationRequest& request,
                            TreeWriter& writer);

// Judges the whole tree below `directory` as a device would, hashing every payload.
// ERRORS: kRootMissing; as CheckTree.
Result<TreeReport> VerifyTree(const std::string& directory, UtcTime now);
// The same with lengths and heads of the payloads only: seconds instead of minutes.
Result<TreeReport> JudgeTree(const std::string& directory, UtcTime now);

}  // namespace pawl::signer
