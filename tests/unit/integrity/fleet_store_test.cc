// SPDX-License-Identifier: Apache-2.0
#include "tools/fleet/fleet_store.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "tests/unit/integrity/integrity_test_util.h"

namespace pawl::fleet {
namespace {

using integrity::kNow;
using enum ErrorCode;

class FleetStoreTest : public testing::Test {
 protected:
  FleetStoreTest()
      : store_(*FleetStore::Open(tree_.Of("/fleet.db"))), key_(integrity::KeyOf(vault_)) {
    EXPECT_TRUE(*store_.Register(key_, kNow));
  }
  static SeenStatement Seen(std::uint64_t seq, std::string_view name,
                            std::optional<Sha256Digest> prev = {}) {
    return {seq, prev, HashSha256(AsBytes(name)), {}, kNow, "1", "warning", "1.0"};
  }
  ErrorCode Refusal(const SeenStatement& seen, bool demanded = false, UtcTime now = kNow) {
    const auto accepted = store_.Accept(key_, seen, demanded, now);
    return accepted ? kInternal : accepted.error().code();
  }
  bool Forked() { return store_.Devices()->front().forked.has_value(); }
  integrity::TempTree tree_;
  integrity::TestVault vault_;
  FleetStore store_;
  integrity::DeviceKey key_;
};

//= docs/integrity-statement.md#S-12
TEST_F(FleetStoreTest, AcceptsAChainAndCountsGaps) {
  EXPECT_TRUE(store_.Accept(key_, Seen(1, "one"), false, kNow)->first);
  EXPECT_EQ(store_.Accept(key_, Seen(2, "two", HashSha256(AsBytes("one"))), false, kNow)->missing,
            0U);
  EXPECT_EQ(store_.Accept(key_, Seen(5, "five", HashSha256(AsBytes("four"))), false, kNow)->missing,
            2U);
  const auto devices = store_.Devices();
  ASSERT_EQ(devices->size(), 1U);
  EXPECT_EQ(devices->front().last_seq, 5U);
  EXPECT_EQ(devices->front().last_tier, "warning");
  EXPECT_FALSE(Forked());
}

TEST_F(FleetStoreTest, RefusesARepeatedOrOlderStatementAlsoAfterARestart) {
  ASSERT_TRUE(store_.Accept(key_, Seen(1, "one"), false, kNow));
  ASSERT_TRUE(store_.Accept(key_, Seen(3, "three", HashSha256(AsBytes("two"))), false, kNow));
  EXPECT_EQ(Refusal(Seen(3, "three", HashSha256(AsBytes("two")))), kStatementReplayed);
  EXPECT_EQ(Refusal(Seen(1, "one")), kStatementReplayed);
  EXPECT_EQ(Refusal(Seen(2, "two", HashSha256(AsBytes("one")))), kStatementReplayed)
      << "late is too late";
  auto again = *FleetStore::Open(tree_.Of("/fleet.db"));
  EXPECT_EQ(again.Accept(key_, Seen(3, "three"), false, kNow).error().code(), kStatementReplayed);
  EXPECT_FALSE(Forked()) << "a repetition is not a fork";
}

TEST_F(FleetStoreTest, TwoStatementsWithOneNumberAreAFork) {
  ASSERT_TRUE(store_.Accept(key_, Seen(1, "one"), false, kNow));
  EXPECT_EQ(Refusal(Seen(1, "another one")), kStatementReplayed);
  EXPECT_TRUE(Forked());
}

TEST_F(FleetStoreTest, ASuccessorOfAnotherStatementIsAFork) {
  ASSERT_TRUE(store_.Accept(key_, Seen(1, "one"), false, kNow));
  EXPECT_EQ(Refusal(Seen(2, "two", HashSha256(AsBytes("another one")))), kStatementReplayed);
  EXPECT_TRUE(Forked());
  EXPECT_TRUE(store_.Accept(key_, Seen(2, "two", HashSha256(AsBytes("one"))), false, kNow));
  EXPECT_TRUE(Forked()) << "what was seen is not forgotten";
}

//= docs/integrity-statement.md#S-13
TEST_F(FleetStoreTest, ABindingNeverChanges) {
  EXPECT_FALSE(*store_.Register(key_, kNow)) << "the same again is no change";
  integrity::TestVault other;
  integrity::DeviceKey taken = integrity::KeyOf(other, "gw-0002");
  EXPECT_TRUE(*store_.Register(taken, kNow));
  integrity::TestVault third;
  integrity::DeviceKey name = integrity::KeyOf(third, key_.device);
  EXPECT_EQ(store_.Register(name, kNow).error().code(), kStatementKeyUnknown);
  integrity::DeviceKey ueid = integrity::KeyOf(third, "gw-0003");
  ueid.ueid = key_.ueid;
  EXPECT_EQ(store_.Register(ueid, kNow).error().code(), kStatementKeyUnknown);
  integrity::DeviceKey renamed = key_;
  renamed.device = "gw-0004";
  EXPECT_EQ(store_.Register(renamed, kNow).error().code(), kStatementKeyUnknown);
  EXPECT_EQ(store_.Devices()->size(), 2U);
}

TEST_F(FleetStoreTest, AnUnregisteredDeviceIsRefused) {
  integrity::TestVault other;
  EXPECT_EQ(store_.Accept(integrity::KeyOf(other, "x"), Seen(1, "one"), false, kNow).error().code(),
            kStatementKeyUnknown);
}

//= docs/integrity-statement.md#S-11
TEST_F(FleetStoreTest, ANonceIsAnsweredOnceInTimeAndByTheRightDevice) {
  const auto with = [&](std::uint64_t seq, std::uint8_t nonce) {
    SeenStatement seen =
        Seen(seq, std::to_string(seq), HashSha256(AsBytes(std::to_string(seq - 1))));
    seen.nonce = Bytes(32, nonce);
    return seen;
  };
  ASSERT_TRUE(store_.IssueNonce(Bytes(32, 1), "gw-0001", kNow));
  ASSERT_TRUE(store_.IssueNonce(Bytes(32, 2), "gw-0002", kNow));
  ASSERT_TRUE(store_.IssueNonce(Bytes(32, 3), "", kNow));
  EXPECT_EQ(Refusal(with(1, 1)), kInternal);
  EXPECT_EQ(Refusal(with(2, 1)), kStatementNonce) << "spent";
  EXPECT_EQ(Refusal(with(2, 2)), kStatementNonce) << "of another device";
  EXPECT_EQ(Refusal(with(2, 3), true, kNow.PlusSeconds(301)), kStatementNonce) << "too old";
  EXPECT_EQ(Refusal(with(2, 3), true, kNow.PlusSeconds(300)), kInternal)
      << "a refusal spends nothing";
  EXPECT_EQ(Refusal(with(3, 4), true), kInternal) << "issued elsewhere";
  EXPECT_EQ(Refusal(with(4, 4), true), kStatementNonce) << "but also only once";
}

TEST_F(FleetStoreTest, TheDatabaseIsPrivate) {
  struct stat info{};
  ASSERT_EQ(stat(tree_.Of("/fleet.db").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777U, 0600U);
}

TEST_F(FleetStoreTest, AForeignFileIsNotTakenForAStore) {
  tree_.Put("/text.db", std::string(4096, 'x'));
  EXPECT_EQ(FleetStore::Open(tree_.Of("/text.db")).error().code(), kStoreCorrupt);
}

}  // namespace
}  // namespace pawl::fleet
