// SPDX-License-Identifier: Apache-2.0
#pragma once

// The agent's memory. Both slots' agents share it, so its document only ever grows new members: an older agent keeps what it does not
// know (client/core/agent_state.h).

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "base/time.h"

namespace pawl::client {

struct HistoryEntry {
  UtcTime at;
  std::string event;  // "armed", "confirmed", "rolled-back", "order-accepted", "refused" …
  std::string code;   // "E0603" or empty
  std::string text;   // one sentence for people
};

class StateStore {
 public:
  virtual ~StateStore() = default;
  // The document; an empty object when nothing was ever committed. ERRORS: kStoreCorrupt, kStoreSchema, kNotProvisioned.
  virtual Result<Json> Load() = 0;
  // Replaces the document and appends the entries, in one atomic and durable transaction.
  virtual Status Commit(const Json& document, const std::vector<HistoryEntry>& entries) = 0;
  // Newest first.
  virtual Result<std::vector<HistoryEntry>> History(std::size_t limit) = 0;
};

}  // namespace pawl::client
