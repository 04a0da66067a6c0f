// SPDX-License-Identifier: Apache-2.0
#include "manifest/order.h"

#include <algorithm>
#include <array>

#include "base/format.h"
#include "base/printable.h"
#include "manifest/release.h"

namespace pawl::manifest {
namespace {

constexpr ErrorCode kMalformed = ErrorCode::kOrderMalformed;
constexpr std::size_t kMaxReasonBytes = 500;
constexpr std::size_t kMaxTicketBytes = 100;
constexpr std::size_t kMaxNonceBytes = 100;

constexpr std::array<std::string_view, 4> kActions{"rollback", "install", "hold", "release-hold"};

std::unexpected<Error> Malformed(std::string_view what) { return Fail(kMalformed, Format("order: {}", what)); }

Result<OrderAction> ReadAction(const JsonObject& object) {
  PAWL_ASSIGN_OR_RETURN(const std::string text, object.String("action"));
  for (std::size_t i = 0; i < kActions.size(); ++i) {
    if (kActions.at(i) == text) return static_cast<OrderAction>(i);
  }
  return std::unexpected(object.Malformed("action", "rollback, install, hold or release-hold"));
}

Result<UtcTime> ReadTime(const JsonObject& object, std::string_view name) {
  PAWL_ASSIGN_OR_RETURN(const std::string text, object.String(name));
  auto time = ParseUtcTime(text);
  if (!time) return Malformed(Format("\"{}\": {}", name, time.error().Message()));
  return time;
}

Result<std::string> ReadShort(const JsonObject& object, std::string_view name, std::size_t max_bytes) {
  PAWL_ASSIGN_OR_RETURN(std::string text, object.String(name));
  if (text.size() > max_bytes) return Malformed(Format("\"{}\" is longer than {} bytes", name, max_bytes));
  // Devices show these to people: a stolen support key must not draw on their terminals.
  if (Printable(text) != text) return Malformed(Format("\"{}\" has control characters", name));
  return text;
}

Status ReadRelease(const JsonObject& object, Order& order) {
  const bool named = order.action == OrderAction::kRollback || order.action == OrderAction::kInstall;
  if (!named) {
    if (object.Has("release")) return Malformed("hold and release-hold name no release");
    return {};
  }
  PAWL_ASSIGN_OR_RETURN(const JsonObject release, object.Object("release"));
  PAWL_ASSIGN_OR_RETURN(order.release_path, release.String("path"));
  if (!CheckRelativePath(*order.release_path)) return Malformed("expected a plain path as release.path");
  PAWL_ASSIGN_OR_RETURN(const std::string digest, release.String("sha256"));
  auto parsed = Sha256Digest::FromHex(digest);
  if (!parsed) return Malformed("expected a SHA-256 digest as release.sha256");
  order.release_sha256 = *parsed;
  return {};
}

Status CheckWindow(const Order& order) {
  const std::int64_t seconds = order.not_after.seconds - order.not_before.seconds;
  if (seconds <= 0 || seconds > kMaxOrderWindowSeconds) {
    return Malformed(Format("expected a window of at most 7 days, found {} to {}", FormatUtcTime(order.not_before), FormatUtcTime(order.not_after)));
  }
  return {};
}

Status CheckPlace(const Order& order, std::string_view found_at_path) {
  if (order.target == found_at_path) return {};
  return Fail(ErrorCode::kOrderNotForThisDevice, Format("expected an order for {}, found one for {}", found_at_path, order.target));
}

//= docs/manifest-format.md#M-62
Status CheckTime(const Order& order, UtcTime now) {
  if (now >= order.not_before && now <= order.not_after) return {};
  return Fail(ErrorCode::kOrderOutsideWindow, Format("it is {}, the order is valid from {} to {}", FormatUtcTime(now),
                                                     FormatUtcTime(order.not_before), FormatUtcTime(order.not_after)));
}

}  // namespace

std::string_view OrderActionName(OrderAction action) { return kActions.at(static_cast<std::size_t>(action)); }

Result<Order> ParseOrder(ByteView bytes) {
  if (bytes.size() > kMaxOrderBytes) return Malformed(Format("expected at most {} bytes, found {}", kMaxOrderBytes, bytes.size()));
  auto document = ParseJson(bytes);
  if (!document) return Malformed(document.error().Message());
  PAWL_ASSIGN_OR_RETURN(const JsonObject object, JsonObject::From(*document, "order", kMalformed));
  PAWL_ASSIGN_OR_RETURN(const std::string schema, object.String("schema"));
  // An order of a form that this agent does not know is refused whole: half an order is a wrong order.
  if (schema != kOrderSchema) return Malformed(Format("expected the schema {}, found \"{}\"", kOrderSchema, schema.substr(0, 40)));
  Order order;
  PAWL_ASSIGN_OR_RETURN(order.target, object.String("target"));
  if (!CheckRelativePath(order.target)) return Malformed("expected a plain path as \"target\"");
  PAWL_ASSIGN_OR_RETURN(order.counter, object.Unsigned("counter"));
  if (order.counter == 0) return Malformed("expected a \"counter\" above 0");
  PAWL_ASSIGN_OR_RETURN(order.action, ReadAction(object));
  PAWL_TRY(ReadRelease(object, order));
  PAWL_ASSIGN_OR_RETURN(order.not_before, ReadTime(object, "not_before"));
  PAWL_ASSIGN_OR_RETURN(order.not_after, ReadTime(object, "not_after"));
  PAWL_TRY(CheckWindow(order));
  PAWL_ASSIGN_OR_RETURN(order.reason, ReadShort(object, "reason", kMaxReasonBytes));
  PAWL_ASSIGN_OR_RETURN(order.ticket, ReadShort(object, "ticket", kMaxTicketBytes));
  if (object.Has("nonce")) {
    PAWL_ASSIGN_OR_RETURN(order.nonce, ReadShort(object, "nonce", kMaxNonceBytes));
  }
  return order;
}

std::string EncodeOrder(const Order& order) {
  Json out{{"schema", kOrderSchema},
           {"target", order.target},
           {"counter", order.counter},
           {"action", OrderActionName(order.action)},
           {"not_before", FormatUtcTime(order.not_before)},
           {"not_after", FormatUtcTime(order.not_after)},
           {"reason", order.reason},
           {"ticket", order.ticket}};
  if (order.release_path && order.release_sha256) {
    out["release"] = Json{{"path", *order.release_path}, {"sha256", order.release_sha256->Hex()}};
  }
  if (order.nonce) out["nonce"] = *order.nonce;
  return PrettyJson(out);
}

std::string DeviceOrderPath(std::string_view device_id) {
  return Format("orders/device/{}.json", HashSha256(AsBytes(device_id)).Hex());
}

std::string GroupOrderPath(std::string_view group) { return Format("orders/group/{}.json", group); }

Status JudgeOrder(const Order& order, std::string_view found_at_path, const OrderFacts& facts) {
  //= docs/manifest-format.md#M-60
  PAWL_TRY(CheckPlace(order, found_at_path));
  const bool mine = found_at_path == DeviceOrderPath(facts.device_id) ||
                    std::ranges::any_of(facts.groups, [&](const std::string& group) { return found_at_path == GroupOrderPath(group); });
  if (!mine) return Fail(ErrorCode::kOrderNotForThisDevice, Format("{} is not this device and none of its groups", found_at_path));
  //= docs/threat-model.md#T-ORDER-REPLAY: counters only rise.
  //= docs/manifest-format.md#M-61
  if (order.counter <= facts.last_counter) {
    return Fail(ErrorCode::kOrderReplayed, Format("expected a counter above {}, found {}", facts.last_counter, order.counter));
  }
  PAWL_TRY(CheckTime(order, facts.now));
  // A store that was lost has forgotten which orders it obeyed: only orders made after its creation are certainly new.
  //= docs/manifest-format.md#M-63
  if (order.not_before < facts.store_created) {
    return Fail(ErrorCode::kOrderPredatesStore, Format("the order is valid from {}, this device's memory begins at {}",
                                                       FormatUtcTime(order.not_before), FormatUtcTime(facts.store_created)));
  }
  return {};
}

//= docs/manifest-format.md#M-77
Status JudgeOfflineOrder(const Order& order, std::string_view found_at_path, const OfflineOrderFacts& facts) {
  PAWL_TRY(CheckPlace(order, found_at_path));
  if (found_at_path != DeviceOrderPath(facts.device_id)) {
    return Fail(ErrorCode::kOrderNotForThisDevice, Format("{} is not this device", found_at_path));
  }
  if (!order.nonce || order.nonce->empty()) return Fail(ErrorCode::kOrderNonce, "the order answers no challenge");
  if (facts.nonce.empty()) return Fail(ErrorCode::kOrderNonce, "this device has no challenge outstanding");
  if (*order.nonce != facts.nonce) {
    return Fail(ErrorCode::kOrderNonce, Format("expected an answer to the challenge {}…, found one to {}…", facts.nonce.substr(0, 8),
                                               order.nonce->substr(0, 8)));
  }
  return CheckTime(order, facts.now);
}

}  // namespace pawl::manifest
