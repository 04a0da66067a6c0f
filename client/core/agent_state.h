// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the agent remembers, as a document of the state store. Both slots' agents share the store, therefore:
//  - members are only ever added, never renamed or given a new meaning;
//  - members that this agent does not know survive a load and commit (tests/unit/client/agent_state_test.cc);
//  - a member that is absent has its default.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/hash.h"
#include "base/json.h"
#include "base/result.h"
#include "base/time.h"
#include "client/core/state.h"
#include "client/ports/block_device.h"

namespace pawl::client {

// A signed release by its facts, as remembered.
struct ReleaseFacts {
  std::string path;  // TUF path; empty: unknown
  Sha256Digest manifest_sha256;
  std::string version;
  std::uint64_t build = 0;
  std::uint64_t epoch = 0;
  std::string manifest;  // its bytes; empty: not fetched yet
};

// How far writing has come. Another key starts afresh (delta.md, property 8).
struct WriteProgress {
  std::string component;
  Sha256Digest head_sha256;
  std::string partition_id;
  std::uint64_t next_frame = 0;       // of a delta; of the full container: the next chunk
  std::vector<std::uint64_t> repair;  // chunks that did not come out right, by index; the full container brings them
  bool done = false;
};

// The update under way, or the last one.
struct UpdateRecord {
  Phase phase = Phase::kIdle;
  std::uint64_t transaction = 0;  // rises with every plan
  Slot target = Slot::kB;
  ReleaseFacts release;
  std::string order_id;       // set when an order asked for it
  std::string order_reason;   // its words, for status and the hold that follows a rollback
  std::uint64_t left_build = 0;  // the build that ran when this was planned
  std::uint64_t tries = 1;    // boots of the trial
  std::string route;          // "delta, 0 foreign chunks", "full image", "already in the slot"
  std::string failure_code;   // "E0603"
  std::string failure_text;
  bool health_failed = false;  // the running trial was found unhealthy: a fall-back has this reason
  std::vector<WriteProgress> progress;
  std::uint64_t bytes_fetched = 0;
  std::uint64_t bytes_full = 0;
  bool floor_raised = false;  // after Confirmed
  std::string armed_boot_id;  // the boot in which the trial was armed
};

struct OrderMemory {
  std::uint64_t counter = 0;
  std::string keyset;  // hex identity of the orders role's key set; another set starts counting afresh
  std::string id;       // of the order obeyed last: not again, whatever the key set
  std::string refused;  // id and code of the last refusal, so that a standing order is noted once
};

// The challenge for an offline order, and the last answer that was obeyed.
struct OfflineMemory {
  std::string nonce;  // outstanding; empty: none
  std::optional<UtcTime> requested;
  std::string obeyed;  // id of the order: a second try is told why it is none
};

// Chunk digests of the booted slot, so that a resumed run need not measure again. Saves work, proves nothing.
struct Measurement {
  std::string boot_id;
  std::string component;
  Slot slot = Slot::kA;
  std::uint64_t size_bytes = 0;  // what was measured, from the start of the slot
  std::vector<Sha256Digest> chunks;
};

struct AgentState {
  UpdateRecord update;
  std::map<std::string, ReleaseFacts> slots;  // by slot name: what was last confirmed or verified there
  std::uint64_t floor = 0;                    // security epoch
  UtcTime created;                            // of this store: orders older than it are refused
  std::optional<UtcTime> time_floor;
  std::string time_floor_keyset;              // hex
  std::uint64_t highest_root = 0;             // version of the newest root ever trusted here
  std::optional<UtcTime> last_refresh;        // effective time of the last successful refresh
  bool hold = false;                          // an order said: install nothing new
  std::uint64_t held_build = 0;               // releases up to this build are not installed by channel
  std::string held_reason;
  std::string unconfirmed_release;            // manifest digest of a release whose trial ended without a verdict …
  std::uint64_t unconfirmed_trials = 0;       // … and how often: a power cut during a trial is not the release's fault
  std::map<std::string, OrderMemory> orders;  // by TUF path
  OfflineMemory offline;
  std::string accepted_order;                 // id of an order that was accepted and is not finished
  std::uint64_t statement_seq = 0;
  std::string statement_sha256;               // of the last statement, hex
  std::uint64_t boots = 0;                    // distinct boot ids seen
  std::string last_boot_id;
  std::optional<Measurement> measurement;
};

// ERRORS: kStoreCorrupt naming the member.
Result<AgentState> DecodeAgentState(const Json& document);
// Writes all members over `document`, keeping what it does not know.
void EncodeAgentState(const AgentState& state, Json& document);

}  // namespace pawl::client
