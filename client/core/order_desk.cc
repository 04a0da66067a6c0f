// SPDX-License-Identifier: Apache-2.0
#include "client/core/order_desk.h"

#include "base/format.h"

namespace pawl::client {
namespace {

struct Desk {
  manifest::TufClient& tuf;
  manifest::Fetcher& fetcher;
  const Addressee& identity;
  const AgentState& state;
  const PolicyFacts& facts;
  UtcTime now;
};

//= docs/manifest-format.md#M-64
Status FindReleaseOf(const Desk& desk, AcceptedOrder& accepted) {
  const manifest::Order& order = accepted.order;
  if (order.action != manifest::OrderAction::kRollback && order.action != manifest::OrderAction::kInstall) return {};
  if (!order.release_path || !order.release_sha256) {
    return Fail(ErrorCode::kOrderMalformed, "expected a release and its digest");
  }
  auto release = FetchRelease(desk.tuf, desk.fetcher, desk.identity.product, *order.release_path, order.release_sha256);
  if (!release) {
    if (release.error().code() == ErrorCode::kTargetMissing) {
      return Fail(ErrorCode::kOrderReleaseUnknown, Format("the releases role does not list {}", *order.release_path));
    }
    return std::unexpected(std::move(release).error());
  }
  if (release->manifest.build == desk.facts.running_build) {
    return Fail(ErrorCode::kAlreadyDone, Format("{} is what runs", release->manifest.version));
  }
  const Purpose purpose = order.action == manifest::OrderAction::kRollback ? Purpose::kRollback : Purpose::kInstall;
  PAWL_TRY(CheckPolicy(release->manifest, purpose, desk.facts));
  accepted.release = std::move(*release);
  return {};
}

Status Judge(const Desk& desk, AcceptedOrder& accepted) {
  manifest::OrderFacts facts;
  facts.device_id = desk.identity.device_id;
  facts.groups = desk.identity.groups;
  facts.store_created = desk.state.created;
  facts.now = desk.now;
  // Counters belong to a key set: after the support key was replaced, its thief's high counters block nobody.
  if (const auto memory = desk.state.orders.find(accepted.path); memory != desk.state.orders.end()) {
    if (memory->second.keyset == accepted.keyset) facts.last_counter = memory->second.counter;
    // The same file under a new key set is still the same order.
    if (memory->second.id == accepted.id) {
      return Fail(ErrorCode::kOrderReplayed, Format("order {} was obeyed before; expected a new one", accepted.order.counter));
    }
  }
  PAWL_TRY(manifest::JudgeOrder(accepted.order, accepted.path, facts));
  if (accepted.order.nonce) {
    return Fail(ErrorCode::kOrderNotForThisDevice, "the order answers an offline challenge; use pawl-agent order apply");
  }
  return FindReleaseOf(desk, accepted);
}

// Empty when there is no order at `path`.
std::optional<std::expected<AcceptedOrder, RefusedOrder>> LookAt(const Desk& desk, const std::string& path) {
  const auto refuse = [&](std::string id, Error why) { return std::unexpected(RefusedOrder{path, std::move(id), std::move(why)}); };
  auto target = desk.tuf.FindTarget(path, &desk.fetcher);
  if (!target) {
    if (target.error().code() == ErrorCode::kTargetMissing) return std::nullopt;
    return refuse("", std::move(target).error());
  }
  if (auto chain = CheckChain(*target, kOrdersRole, /*allow_bins=*/true); !chain) return refuse("", std::move(chain).error());
  auto bytes = desk.tuf.FetchTarget(*target, desk.fetcher, manifest::kMaxOrderBytes);
  if (!bytes) return refuse("", std::move(bytes).error());
  AcceptedOrder accepted;
  accepted.id = HashSha256(*bytes).Hex();
  accepted.path = path;
  accepted.keyset = target->role_keyset.Hex();
  auto order = manifest::ParseOrder(*bytes);
  if (!order) return refuse(accepted.id, std::move(order).error());
  accepted.order = std::move(*order);
  if (auto judged = Judge(desk, accepted); !judged) return refuse(accepted.id, std::move(judged).error());
  return accepted;
}

}  // namespace

//= docs/manifest-format.md#M-65
OrderFindings LookForOrders(manifest::TufClient& tuf, manifest::Fetcher& fetcher, const Addressee& identity, const AgentState& state,
                            const PolicyFacts& facts, UtcTime now) {
  const Desk desk{tuf, fetcher, identity, state, facts, now};
  std::vector<std::string> paths{manifest::DeviceOrderPath(identity.device_id)};
  for (const std::string& group : identity.groups) paths.push_back(manifest::GroupOrderPath(group));
  OrderFindings findings;
  for (const std::string& path : paths) {
    auto found = LookAt(desk, path);
    if (!found) continue;
    if (!*found) {
      findings.refused.push_back(std::move(*found).error());
    } else if (!findings.accepted) {
      findings.accepted = std::move(**found);
    }
  }
  return findings;
}

//= docs/manifest-format.md#M-76
Result<AcceptedOrder> JudgeOfflineAnswer(manifest::TufClient& tuf, manifest::Fetcher& fetcher, const DeskFacts& facts,
                                         const OfflineAnswer& answer) {
  AcceptedOrder accepted;
  accepted.id = HashSha256(answer.order).Hex();
  accepted.path = manifest::DeviceOrderPath(facts.identity.device_id);
  auto target = tuf.FindUnpinned(kOrdersRole, accepted.path, answer.role_file);
  if (!target && target.error().code() == ErrorCode::kTargetMissing) {
    return Fail(ErrorCode::kOrderNotForThisDevice, target.error().Message());
  }
  if (!target) return std::unexpected(std::move(target).error());
  PAWL_TRY(manifest::TufClient::CheckTarget(*target, answer.order));
  accepted.keyset = target->role_keyset.Hex();
  PAWL_ASSIGN_OR_RETURN(accepted.order, manifest::ParseOrder(answer.order));
  if (facts.state.offline.obeyed == accepted.id) {
    return Fail(ErrorCode::kOrderReplayed, "this answer was obeyed before; expected one to a new challenge");
  }
  PAWL_TRY(manifest::JudgeOfflineOrder(accepted.order, accepted.path, {facts.identity.device_id, facts.state.offline.nonce, facts.now}));
  PAWL_TRY(FindReleaseOf({tuf, fetcher, facts.identity, facts.state, facts.policy, facts.now}, accepted));
  return accepted;
}

//= docs/manifest-format.md#M-78
void RememberOrder(const AcceptedOrder& order, AgentState& state) {
  if (order.order.nonce) {
    // The counters of published orders are another story: an answer must not stand in the way of the next published one.
    state.offline = {"", std::nullopt, order.id};
    return;
  }
  state.orders[order.path] = OrderMemory{order.order.counter, order.keyset, order.id, ""};
}

}  // namespace pawl::client
