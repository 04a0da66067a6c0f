// SPDX-License-Identifier: Apache-2.0
// Orders: strict codec, and the decision of who obeys when, and only once.

#include "manifest/order.h"

#include <gtest/gtest.h>

#include "tests/unit/manifest/document_test_util.h"

namespace pawl::manifest::testing {
namespace {

constexpr UtcTime kNow{1'795'000'000};

Order Example() {
  Order order;
  order.target = DeviceOrderPath("gw-1");
  order.counter = 5;
  order.action = OrderAction::kRollback;
  order.release_path = "releases/gateway/1.0/manifest.json";
  order.release_sha256 = HashSha256(AsBytes("manifest"));
  order.not_before = kNow;
  order.not_after = kNow.PlusSeconds(24 * 3600);
  order.reason = "modem resets";
  order.ticket = "S-17";
  return order;
}

OrderFacts Facts() {
  return {"gw-1", {"lab"}, 4, kNow.PlusSeconds(-kSecondsPerDay), kNow.PlusSeconds(60)};
}

Json ExampleJson() { return ParseJson(EncodeOrder(Example())).value(); }
bool Refused(const Json& document) {
  const auto parsed = ParseOrder(AsBytes(document.dump()));
  return !parsed && parsed.error().code() == ErrorCode::kOrderMalformed;
}
bool RefusedWith(const std::string& place, const Json& value) {
  Json document = ExampleJson();
  document[Json::json_pointer(place)] = value;
  return Refused(document);
}
ErrorCode Judged(const Order& order, const OrderFacts& facts) {
  const auto judged = JudgeOrder(order, order.target, facts);
  return judged ? ErrorCode::kInternal : judged.error().code();
}

TEST(OrderTest, RoundTripIsExactForEveryAction) {
  for (const OrderAction action : {OrderAction::kRollback, OrderAction::kInstall,
                                   OrderAction::kHold, OrderAction::kReleaseHold}) {
    Order order = Example();
    order.action = action;
    if (action == OrderAction::kHold || action == OrderAction::kReleaseHold) {
      order.release_path.reset();
      order.release_sha256.reset();
    }
    const std::string text = EncodeOrder(order);
    const auto read = ParseOrder(AsBytes(text));
    ASSERT_TRUE(read) << read.error().Message();
    EXPECT_EQ(EncodeOrder(*read), text);
  }
}

TEST(OrderTest, UnknownMembersArePassedOver) {
  Json document = ExampleJson();
  document["x-new"] = 1;
  document["release"]["x-new"] = "y";
  EXPECT_TRUE(ParseOrder(AsBytes(document.dump())));
}

TEST(OrderTest, EveryMemberMissingOrOfAnotherTypeIsRefused) {
  ForEachMutation(ExampleJson(), [](const Json& changed, const std::string& what) {
    if (what.ends_with("as \"text\"")) return;
    EXPECT_TRUE(Refused(changed)) << what;
  });
}

TEST(OrderTest, LimitsHold) {
  EXPECT_TRUE(RefusedWith("/schema", "pawl.order/2"));
  EXPECT_TRUE(RefusedWith("/counter", 0));
  EXPECT_TRUE(RefusedWith("/action", "reboot"));
  EXPECT_TRUE(RefusedWith("/reason", std::string(501, 'x')));
  EXPECT_TRUE(RefusedWith("/ticket", std::string(101, 'x')));
  for (const char* const drawing : {"x\nfloor 0", "\x1b[2J", "\x7f", "\xc2\x9b" "2J"}) {
    EXPECT_TRUE(RefusedWith("/reason", drawing));
    EXPECT_TRUE(RefusedWith("/ticket", drawing));
  }
  EXPECT_TRUE(RefusedWith("/release/sha256", "00"));
  EXPECT_TRUE(RefusedWith("/not_after", FormatUtcTime(kNow)));
  EXPECT_TRUE(RefusedWith("/not_after", FormatUtcTime(kNow.PlusSeconds(-1))));
  EXPECT_TRUE(
      RefusedWith("/not_after", FormatUtcTime(kNow.PlusSeconds(kMaxOrderWindowSeconds + 1))));
  EXPECT_FALSE(RefusedWith("/not_after", FormatUtcTime(kNow.PlusSeconds(kMaxOrderWindowSeconds))));
  const std::string big(kMaxOrderBytes + 1, ' ');
  EXPECT_FALSE(ParseOrder(AsBytes(big)));
}

TEST(OrderTest, UnsafePathsAreRefused) {
  for (const char* path : kUnsafePaths) {
    EXPECT_TRUE(RefusedWith("/target", path)) << path;
    EXPECT_TRUE(RefusedWith("/release/path", path)) << path;
  }
  EXPECT_TRUE(RefusedWith("/target", std::string("a\0b", 3)));
}

TEST(OrderTest, AHoldThatNamesAReleaseIsRefused) {
  EXPECT_TRUE(RefusedWith("/action", "hold"));
  EXPECT_TRUE(RefusedWith("/action", "release-hold"));
}

TEST(OrderPathTest, ShowsNoDeviceId) {
  EXPECT_EQ(DeviceOrderPath("gw-1"),
            "orders/device/" + HashSha256(AsBytes("gw-1")).Hex() + ".json");
  EXPECT_EQ(GroupOrderPath("lab"), "orders/group/lab.json");
}

TEST(JudgeOrderTest, MyOrderInItsWindowIsObeyed) {
  EXPECT_EQ(Judged(Example(), Facts()), ErrorCode::kInternal);
  Order group = Example();
  group.target = GroupOrderPath("lab");
  EXPECT_EQ(Judged(group, Facts()), ErrorCode::kInternal);
}

// M-61, T-ORDER-REPLAY
TEST(JudgeOrderTest, AReplayedOrderIsRefused) {
  OrderFacts facts = Facts();
  for (const std::uint64_t last : {5U, 6U}) {
    facts.last_counter = last;
    EXPECT_EQ(Judged(Example(), facts), ErrorCode::kOrderReplayed);
  }
}

TEST(JudgeOrderTest, AnOrderForAnotherDeviceOrGroupIsRefused) {
  Order other = Example();
  other.target = DeviceOrderPath("gw-2");
  EXPECT_EQ(Judged(other, Facts()), ErrorCode::kOrderNotForThisDevice);
  other.target = GroupOrderPath("factory");
  EXPECT_EQ(Judged(other, Facts()), ErrorCode::kOrderNotForThisDevice);
}

// M-60
TEST(JudgeOrderTest, AnOrderCopiedToAnotherPathIsRefused) {
  const auto judged = JudgeOrder(Example(), GroupOrderPath("lab"), Facts());
  ASSERT_FALSE(judged);
  EXPECT_EQ(judged.error().code(), ErrorCode::kOrderNotForThisDevice);
}

// M-62
TEST(JudgeOrderTest, OutsideItsWindowItIsRefused) {
  OrderFacts facts = Facts();
  facts.now = kNow.PlusSeconds(-1);
  EXPECT_EQ(Judged(Example(), facts), ErrorCode::kOrderOutsideWindow);
  facts.now = kNow.PlusSeconds(24 * 3600 + 1);
  EXPECT_EQ(Judged(Example(), facts), ErrorCode::kOrderOutsideWindow);
}

// M-63
TEST(JudgeOrderTest, OlderThanTheStoreItIsRefused) {
  OrderFacts facts = Facts();
  facts.store_created = kNow.PlusSeconds(1);
  EXPECT_EQ(Judged(Example(), facts), ErrorCode::kOrderPredatesStore);
}

ErrorCode JudgedOffline(const Order& order, const OfflineOrderFacts& facts) {
  const auto judged = JudgeOfflineOrder(order, order.target, facts);
  return judged ? ErrorCode::kInternal : judged.error().code();
}

Order OfflineExample() {
  Order order = Example();
  order.nonce = "5eed";
  return order;
}

// M-77
TEST(OfflineOrderTest, OnlyTheAnswerToTheOutstandingChallengeCounts) {
  const OfflineOrderFacts facts{"gw-1", "5eed", kNow.PlusSeconds(60)};
  EXPECT_TRUE(JudgeOfflineOrder(OfflineExample(), OfflineExample().target, facts));
  EXPECT_EQ(JudgedOffline(Example(), facts), ErrorCode::kOrderNonce);  // a published order
  EXPECT_EQ(JudgedOffline(OfflineExample(), {"gw-1", "5eee", facts.now}), ErrorCode::kOrderNonce);
  EXPECT_EQ(JudgedOffline(OfflineExample(), {"gw-1", "", facts.now}), ErrorCode::kOrderNonce);
  Order empty = OfflineExample();
  empty.nonce = "";
  EXPECT_EQ(JudgedOffline(empty, {"gw-1", "", facts.now}), ErrorCode::kOrderNonce);
}

// M-77
TEST(OfflineOrderTest, AnAnswerIsForOneDeviceAndNeverForAGroup) {
  const OfflineOrderFacts facts{"gw-1", "5eed", kNow.PlusSeconds(60)};
  EXPECT_EQ(JudgedOffline(OfflineExample(), {"gw-2", "5eed", facts.now}),
            ErrorCode::kOrderNotForThisDevice);
  Order group = OfflineExample();
  group.target = GroupOrderPath("lab");
  EXPECT_EQ(JudgedOffline(group, facts), ErrorCode::kOrderNotForThisDevice);
  EXPECT_FALSE(JudgeOfflineOrder(group, DeviceOrderPath("gw-1"), facts));
}

// M-77: the counter and the age of the store do not matter, the window does.
TEST(OfflineOrderTest, TheWindowHoldsOfflineToo) {
  EXPECT_EQ(JudgedOffline(OfflineExample(), {"gw-1", "5eed", kNow.PlusSeconds(-1)}),
            ErrorCode::kOrderOutsideWindow);
  EXPECT_EQ(JudgedOffline(OfflineExample(), {"gw-1", "5eed", kNow.PlusSeconds(24 * 3600 + 1)}),
            ErrorCode::kOrderOutsideWindow);
}

}  // namespace
}  // namespace pawl::manifest::testing
