// SPDX-License-Identifier: Apache-2.0
#pragma once

// Finds the orders that concern this device and judges them. A missing, failed or expired order is never obeyed and never blocks
// releases; it is reported. Source: trust.md, "Orders"; docs/manifest-format.md, part 4.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "client/core/agent_state.h"
#include "client/core/planner.h"
#include "client/core/release_finder.h"
#include "manifest/order.h"
#include "manifest/refresh.h"

namespace pawl::client {

// Whom an order may be for.
struct Addressee {
  std::string device_id;
  std::string product;
  std::string hardware;
  std::vector<std::string> groups;
};

// An order that passed every check, not yet obeyed.
struct AcceptedOrder {
  std::string id;    // SHA-256 of its bytes, hex
  std::string path;
  std::string keyset;
  manifest::Order order;
  std::optional<FoundRelease> release;  // for rollback and install
};

// What was found at one path and why it is not obeyed. `id` is empty when the order itself could not be read.
struct RefusedOrder {
  std::string path;
  std::string id;
  Error why;
};

struct OrderFindings {
  std::optional<AcceptedOrder> accepted;  // the first in the order device, groups
  std::vector<RefusedOrder> refused;
};

// Looks at the paths of this device and its groups. `facts` is the policy of this device. Changes nothing.
OrderFindings LookForOrders(manifest::TufClient& tuf, manifest::Fetcher& fetcher, const Addressee& identity, const AgentState& state,
                            const PolicyFacts& facts, UtcTime now);

// The device as an order finds it. Borrows everything.
struct DeskFacts {
  const Addressee& identity;
  const AgentState& state;
  const PolicyFacts& policy;
  UtcTime now;
};
// What an offline bundle brings for an order.
struct OfflineAnswer {
  ByteView role_file;  // of "orders", pinned by no snapshot
  ByteView order;
};
// Judges the answer to this device's challenge. Changes nothing. ERRORS: those of TufClient::FindUnpinned and JudgeOfflineOrder,
// kOrderReplayed when it was obeyed before, kOrderReleaseUnknown, kAlreadyDone, E07xx.
Result<AcceptedOrder> JudgeOfflineAnswer(manifest::TufClient& tuf, manifest::Fetcher& fetcher, const DeskFacts& facts,
                                         const OfflineAnswer& answer);

// Notes that an order was accepted: its counter, or its nonce, will not be obeyed again. To be committed together with what it starts.
void RememberOrder(const AcceptedOrder& order, AgentState& state);

}  // namespace pawl::client
