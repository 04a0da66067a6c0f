// SPDX-License-Identifier: Apache-2.0
#pragma once

// Orders of the support desk: the TUF targets orders/device/<sha256 of device id>.json and orders/group/<name>.json.
// Codec and the pure decision. Specification: docs/manifest-format.md, part 4.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/hash.h"
#include "base/json.h"
#include "base/result.h"
#include "base/time.h"

namespace pawl::manifest {

inline constexpr std::uint64_t kMaxOrderBytes = 16 * 1024;
inline constexpr std::string_view kOrderSchema = "pawl.order/1";
inline constexpr std::int64_t kMaxOrderWindowSeconds = 7 * kSecondsPerDay;

enum class OrderAction { kRollback, kInstall, kHold, kReleaseHold };
std::string_view OrderActionName(OrderAction action);

struct Order {
  std::string target;  // its own TUF path: an order copied to another path is refused
  std::uint64_t counter = 0;  // rises with every order for this path; 1 …
  OrderAction action = OrderAction::kHold;
  std::optional<std::string> release_path;      // for rollback and install: the release's TUF path …
  std::optional<Sha256Digest> release_sha256;   // … and the exact digest of its manifest
  UtcTime not_before;
  UtcTime not_after;  // not_before < not_after <= not_before + 7 d
  std::string reason;  // for people, <= 500 bytes
  std::string ticket;  // <= 100 bytes
  std::optional<std::string> nonce;  // offline orders only
};

Result<Order> ParseOrder(ByteView bytes);  // ERRORS: kOrderMalformed
std::string EncodeOrder(const Order& order);

// "orders/device/<hex>.json": the repository's list is public, so it shows no device id.
std::string DeviceOrderPath(std::string_view device_id);
std::string GroupOrderPath(std::string_view group);

// What the device knows when it judges an order.
struct OrderFacts {
  std::string device_id;
  std::vector<std::string> groups;
  std::uint64_t last_counter = 0;   // for this path and the current key set of the orders role; 0: none yet
  UtcTime store_created;
  UtcTime now;                      // effective time
};

// What the device knows when it judges an order that came on a medium.
struct OfflineOrderFacts {
  std::string device_id;
  std::string nonce;  // of the challenge that is outstanding; empty: none
  UtcTime now;        // effective time
};

// As JudgeOrder, for the answer to a challenge: the nonce takes the place of the counter and of the age of the store, since both lie in
// the store. Groups have no challenges. ERRORS: kOrderNotForThisDevice, kOrderNonce, kOrderOutsideWindow.
Status JudgeOfflineOrder(const Order& order, std::string_view found_at_path, const OfflineOrderFacts& facts);

// Decides everything that needs no release: path, addressee, counter, window, age of the store. Pure.
// ERRORS: kOrderNotForThisDevice, kOrderReplayed (counter not above the last), kOrderOutsideWindow, kOrderPredatesStore.
Status JudgeOrder(const Order& order, std::string_view found_at_path, const OrderFacts& facts);

}  // namespace pawl::manifest
