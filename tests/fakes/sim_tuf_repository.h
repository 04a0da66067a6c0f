// SPDX-License-Identifier: Apache-2.0
#pragma once

// A TUF repository in memory: it makes keys, signs with them and serves what was published, honest
// or not. Nothing here uses code under test but base/: the metadata is written as JSON, so a test
// can put anything into it before it is signed (Part), after that (tamper), or instead of it
// (files).

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/json.h"
#include "base/result.h"
#include "base/signature.h"
#include "base/time.h"
#include "manifest/refresh.h"

namespace pawl::fakes {

// An Ed25519 key as TUF metadata shows it. The same seed number gives the same key in every run.
struct SimTufKey {
  std::string keyid;
  Json object;
  Ed25519Key key;
};

class SimTufRepository {
 public:
  // root, timestamp, snapshot and targets with one key each, published in version 1 and valid at
  // `now`.
  explicit SimTufRepository(UtcTime now = DefaultTime());
  static UtcTime DefaultTime() { return {1'795'478'400}; }  // 2026-11-24T00:00:00Z

  // --- What it will publish next
  // ------------------------------------------------------------------- The "signed" part of a
  // role, to be changed at will. Version and meta are filled in by Publish*.
  Json& Part(std::string_view role);
  // Who signs the role's next file; need not agree with what root or the delegator says.
  std::vector<const SimTufKey*>& SigningKeys(std::string_view role);
  const SimTufKey& NewKey();
  // Names new keys for a role in root, or in the role that delegates to it, and signs with them
  // from now on. The next root is signed by the old root keys too. Takes effect with PublishRoot or
  // Publish.
  void SetKeys(std::string_view role, std::size_t count, std::uint64_t threshold);
  // A delegation in `parent`; `fields` holds "paths" or "path_hash_prefixes" and what else the test
  // wants.
  void Delegate(std::string_view parent, const std::string& name, const Json& fields,
                std::size_t keys = 1, std::uint64_t threshold = 1);
  // TAP 15: 2^bit_length roles with one key. Makes them all.
  void DelegateBins(std::string_view parent, const std::string& prefix, std::uint32_t bit_length);
  // Lists a target in the role and serves its content.
  void AddTarget(std::string_view role, const std::string& path, std::string_view content,
                 const Json& custom = nullptr);
  void SetConsistentSnapshot(bool on);

  // --- Publishing
  // ----------------------------------------------------------------------------------
  void PublishRoot();
  // Raises and writes the targets roles named, then snapshot, then timestamp.
  void Publish(const std::vector<std::string>& roles = {"targets"});
  // Writes one file with the version it has now. Names in `with_hashes` below get hashes and
  // length.
  void WriteTargets(const std::string& role);
  void WriteSnapshot();
  void WriteTimestamp();
  void RaiseVersion(std::string_view role, std::uint64_t by = 1);
  std::uint64_t Version(std::string_view role);

  bool hashes_in_meta = true;
  // Sees every envelope after signing. Empty: honest.
  std::function<void(const std::string& role, Json& envelope)> tamper;

  // What is served, by name ("metadata/timestamp.json"); change, remove, keep copies to play back.
  std::map<std::string, Bytes, std::less<>> files;
  // The root of version 1, as an image would embed it.
  Bytes embedded_root;
  UtcTime now;

  // Signs `part` with `keys`: a whole file.
  static Bytes Sign(const Json& part, const std::vector<const SimTufKey*>& keys);

 private:
  Bytes SignRole(const std::string& role);
  Json FileEntry(const std::string& role, const Bytes& bytes);
  std::string FileName(const std::string& role, bool versioned);
  Json* DelegationOf(const std::string& role, Json** keys);

  std::deque<SimTufKey> keys_;  // stable addresses
  std::map<std::string, Json, std::less<>> parts_;
  std::map<std::string, std::vector<const SimTufKey*>, std::less<>> signing_;
  std::vector<const SimTufKey*> next_root_keys_;
  std::map<std::string, Bytes, std::less<>> written_;  // newest file of each role
};

// Serves a repository's files, keeps to the cap, notes every request.
class SimTufFetcher : public manifest::Fetcher {
 public:
  explicit SimTufFetcher(const SimTufRepository& repository) : files_(&repository.files) {}
  explicit SimTufFetcher(const std::map<std::string, Bytes, std::less<>>& files) : files_(&files) {}
  Result<Bytes> Fetch(std::string_view name, std::uint64_t max_bytes) override;

  std::vector<std::string> requests;
  std::vector<std::uint64_t> caps;                         // max_bytes of each request
  std::map<std::string, ErrorCode, std::less<>> failures;  // instead of the file

 private:
  const std::map<std::string, Bytes, std::less<>>* files_;
};

// Keeps metadata in memory. Saving is atomic, as the real store's is; power can fail before or
// after it.
class MemoryMetadataStore : public manifest::MetadataStore {
 public:
  Result<std::optional<Bytes>> Load(std::string_view name) override;
  Status Save(std::string_view name, ByteView bytes) override;
  Status Remove(std::string_view name) override;

  // The save number `at` (from 0) is the last thing that happens, or just does not.
  void CutAtSave(std::uint64_t at, bool saved);
  void RestorePower() { cut_.reset(), dead_ = false, saves_ = 0; }

  std::map<std::string, Bytes, std::less<>> files;
  std::map<std::string, ErrorCode, std::less<>> load_failures;
  bool keep_root_chain = true;  // false: drops "root/…", as a client that is given its root may
  std::uint64_t saves() const { return saves_; }

 private:
  std::optional<std::uint64_t> cut_;
  bool saved_at_cut_ = false;
  bool dead_ = false;
  std::uint64_t saves_ = 0;
};

}  // namespace pawl::fakes
