// SPDX-License-Identifier: Apache-2.0
#include "client/core/agent_state.h"

#include <gtest/gtest.h>

#include "tests/matchers.h"

namespace pawl::client {
namespace {

using pawl::testing::IsError;
using pawl::testing::IsOk;

AgentState FullState() {
  AgentState state;
  state.update.phase = Phase::kWriting;
  state.update.transaction = 9;
  state.update.target = Slot::kA;
  state.update.release = {"releases/gateway/1.1/manifest.json", HashSha256(AsBytes("m")), "1.1", 11, 2, "{}"};
  state.update.order_id = "abc";
  state.update.order_reason = "ticket";
  state.update.left_build = 12;
  state.update.tries = 3;
  state.update.progress.push_back({"rootfs", HashSha256(AsBytes("h")), "part", 42, {1, 5}, false});
  state.slots["a"] = {"p", HashSha256(AsBytes("x")), "1.0", 10, 1, "{\"a\":1}"};
  state.floor = 2;
  state.created = {1000};
  state.time_floor = UtcTime{2000};
  state.time_floor_keyset = HashSha256(AsBytes("k")).Hex();
  state.last_refresh = UtcTime{3000};
  state.hold = true;
  state.held_build = 12;
  state.held_reason = "why";
  state.orders["orders/group/lab.json"] = {4, "keyset", "id", "mark"};
  state.offline = {std::string(64, 'e'), UtcTime{4000}, "obeyed"};
  state.statement_seq = 5;
  state.boots = 6;
  state.measurement = Measurement{"boot", "rootfs", Slot::kB, 3 << 20, {HashSha256(AsBytes("1")), HashSha256(AsBytes("2"))}};
  return state;
}

TEST(AgentStateTest, SurvivesARoundTrip) {
  Json first = Json::object();
  EncodeAgentState(FullState(), first);
  const auto parsed = ParseJson(PrettyJson(first));
  ASSERT_THAT(parsed, IsOk());
  const auto state = DecodeAgentState(*parsed);
  ASSERT_THAT(state, IsOk());
  Json second = Json::object();
  EncodeAgentState(*state, second);
  EXPECT_EQ(PrettyJson(first), PrettyJson(second));
}

TEST(AgentStateTest, AnEmptyStoreHasDefaults) {
  const auto state = DecodeAgentState(Json::object());
  ASSERT_THAT(state, IsOk());
  EXPECT_EQ(state->update.phase, Phase::kIdle);
  EXPECT_EQ(state->floor, 0U);
}

// Both slots' agents share the store: what a newer agent wrote must survive an older one.
TEST(AgentStateTest, KeepsMembersOfANewerAgent) {
  Json document = Json::object();
  EncodeAgentState(FullState(), document);
  document["future"] = "kept";
  document["update"]["future"] = 1;
  document["slots"]["a"]["future"] = 2;
  const auto state = DecodeAgentState(document);
  ASSERT_THAT(state, IsOk());
  EncodeAgentState(*state, document);
  EXPECT_EQ(document["future"], "kept");
  EXPECT_EQ(document["update"]["future"], 1);
  EXPECT_EQ(document["slots"]["a"]["future"], 2);
}

TEST(AgentStateTest, ASlotThatIsBeingOverwrittenIsForgotten) {
  Json document = Json::object();
  EncodeAgentState(FullState(), document);
  AgentState state = FullState();
  state.slots.erase("a");
  EncodeAgentState(state, document);
  EXPECT_FALSE(document["slots"].contains("a"));
}

// Every member with another type is corruption, never a default: "missing" and "damaged" are different things.
TEST(AgentStateTest, EveryMemberOfAWrongTypeIsCorruption) {
  Json document = Json::object();
  EncodeAgentState(FullState(), document);
  for (const auto& [name, value] : document.items()) {
    Json damaged = document;
    damaged[name] = value.is_array() ? Json("text") : Json::array();
    EXPECT_THAT(DecodeAgentState(damaged), IsError(ErrorCode::kStoreCorrupt)) << name;
  }
  for (const auto& [name, value] : document["update"].items()) {
    Json damaged = document;
    damaged["update"][name] = value.is_array() ? Json("text") : Json::array();
    EXPECT_THAT(DecodeAgentState(damaged), IsError(ErrorCode::kStoreCorrupt)) << name;
  }
}

}  // namespace
}  // namespace pawl::client
