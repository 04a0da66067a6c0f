// SPDX-License-Identifier: Apache-2.0
#pragma once

// The claims of an integrity statement: an EAT (RFC 9711) with profile kStatementProfile.
// docs/integrity-statement.md is the specification; the rules cited here as S-nn are its.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/hash.h"
#include "base/result.h"
#include "base/time.h"
#include "client/integrity/model/judgement.h"

namespace pawl::integrity {

inline constexpr std::string_view kStatementProfile = "tag:pawl.invalid,2026:ota-integrity#1";
inline constexpr std::string_view kDefaultAudience = "fleet";
inline constexpr std::int64_t kMaxLifetimeSeconds = 300;
inline constexpr std::int64_t kClockLeewaySeconds = 60;  // between device and verifier
inline constexpr std::size_t kMinNonceBytes = 16;
inline constexpr std::size_t kMaxNonceBytes = 64;
inline constexpr std::size_t kMaxFindings = 256;
inline constexpr std::size_t kMaxSlots = 16;

// One measured slot component.
struct SlotEvidence {
  std::string slot;       // "a", "b"
  std::string component;  // "rootfs"
  std::string version;    // of the release that the manifest names; empty: unknown
  std::uint64_t bytes = 0;
  std::uint64_t chunks = 0;        // of kChunkBytes
  std::uint64_t wrong_chunks = 0;  // that differ from the signed manifest
  Sha256Digest image;              // as measured
  UtcTime measured_at;
};

// The last update, or attempt.
struct LastUpdate {
  std::string id;      // transaction
  std::string result;  // "none", "success", "failed", "rolled-back", "running"
  std::string code;    // "E0603"; empty when there is none
  std::string phase;   // "health"
  std::optional<UtcTime> at;
};

// Plain facts of the update subsystem ("submods.update.ota_update"). Absent members are not known.
struct UpdateView {
  std::string active_slot;  // "a"
  std::string version;      // running, confirmed or on trial
  std::optional<std::uint64_t> epoch;
  std::optional<std::uint64_t> floor;
  std::optional<std::uint64_t> trial_left;
  std::optional<std::uint64_t> root_version;
  std::optional<UtcTime> metadata_expires;
  std::optional<LastUpdate> last;
  std::string staged;  // version waiting in the other slot; empty: none
};

struct StatementClaims {
  UtcTime issued;
  UtcTime expires;
  std::string audience;
  std::optional<Bytes> nonce;
  Bytes ueid;
  std::string hwmodel;
  std::string hwversion;  // empty: not claimed
  std::string swname;
  std::string swversion;
  std::uint64_t uptime_seconds = 0;
  std::uint64_t boot_count = 0;
  Bytes boot_seed;  // 32 bytes, new with every boot

  std::uint64_t seq = 0;             // 1 for the first statement of a key
  std::optional<Sha256Digest> prev;  // of the compact form of statement seq-1; absent for seq 1
  std::string key_protection;        // "software", "tpm-sealed", "tee"
  std::string agent_version;
  std::optional<Sha256Digest> agent_digest;
  Sha256Digest profile_digest;
  std::uint64_t catalogue = kCatalogueVersion;
  std::uint64_t collect_ms = 0;
  bool test_mode = false;
  std::string slot_kind;  // "block devices", "regular files"
  std::vector<SlotEvidence> slots;

  std::vector<Finding> findings;
  UpdateView update;
  Judgement own_view;  // the device's; never believed (S-14)
};

// Deterministic JSON of the claims. REQUIRES: texts are SafeText (statement_builder makes them so).
std::string WriteClaims(const StatementClaims& claims);

// ERRORS: kStatementMalformed naming the claim.
Result<StatementClaims> ReadClaims(ByteView payload);

// The nonce of a verifier from its text: base64url, or "hex:" and hexadecimal digits.
// ERRORS: kStatementNonce unless it has kMinNonceBytes … kMaxNonceBytes.
Result<Bytes> ParseNonce(std::string_view text);

// The hash that the next statement names as "prev", and by which a verifier knows it.
inline Sha256Digest StatementHash(std::string_view compact) { return HashSha256(AsBytes(compact)); }

}  // namespace pawl::integrity
