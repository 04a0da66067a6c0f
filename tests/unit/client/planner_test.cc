// SPDX-License-Identifier: Apache-2.0
#include "client/core/planner.h"


#include <gtest/gtest.h>

#include "base/block_io.h"
#include "client/core/installer.h"
#include "delta/apply/block_index.h"
#include "tests/matchers.h"

namespace pawl::client {
namespace {

using pawl::testing::IsError;
using pawl::testing::IsOk;

manifest::ReleaseManifest Release(std::uint64_t build, std::uint64_t epoch) {
  manifest::ReleaseManifest release;
  release.product = "gateway";
  release.version = "x";
  release.build = build;
  release.epoch = epoch;
  release.hardware = {"gw-x1"};
  release.min_agent = 1;
  return release;
}

PolicyFacts Device() {
  PolicyFacts facts;
  facts.product = "gateway";
  facts.hardware = "gw-x1";
  facts.running_build = 10;
  facts.floor = 2;
  return facts;
}

TEST(PolicyTest, RefusesAReleaseForOtherHardware) {
  auto release = Release(11, 2);
  release.hardware = {"gw-x2", "gw-x9"};
  EXPECT_THAT(CheckPolicy(release, Purpose::kChannel, Device()), IsError(ErrorCode::kHardwareIncompatible));
}

TEST(PolicyTest, RefusesAnotherProduct) {
  auto release = Release(11, 2);
  release.product = "camera";
  EXPECT_THAT(CheckPolicy(release, Purpose::kChannel, Device()), IsError(ErrorCode::kProductMismatch));
}

TEST(PolicyTest, RefusesAReleaseThatNeedsANewerAgent) {
  auto release = Release(11, 2);
  release.min_agent = kAgentProtocol + 1;
  EXPECT_THAT(CheckPolicy(release, Purpose::kInstall, Device()), IsError(ErrorCode::kAgentTooOld));
}

// No purpose and no order goes below the security floor.
TEST(PolicyTest, NothingGoesBelowTheSecurityFloor) {
  for (const Purpose purpose : {Purpose::kChannel, Purpose::kInstall, Purpose::kRollback}) {
    EXPECT_THAT(CheckPolicy(Release(9, 1), purpose, Device()), IsError(ErrorCode::kEpochBelowFloor));
    EXPECT_THAT(CheckPolicy(Release(11, 1), purpose, Device()), IsError(ErrorCode::kEpochBelowFloor));
  }
}

TEST(PolicyTest, ChannelAndInstallGoForwardRollbackGoesBackward) {
  for (const Purpose purpose : {Purpose::kChannel, Purpose::kInstall}) {
    EXPECT_THAT(CheckPolicy(Release(11, 2), purpose, Device()), IsOk());
    EXPECT_THAT(CheckPolicy(Release(10, 2), purpose, Device()), IsError(ErrorCode::kBuildNotNewer));
    EXPECT_THAT(CheckPolicy(Release(9, 2), purpose, Device()), IsError(ErrorCode::kBuildNotNewer));
  }
  EXPECT_THAT(CheckPolicy(Release(9, 2), Purpose::kRollback, Device()), IsOk());
  EXPECT_THAT(CheckPolicy(Release(10, 2), Purpose::kRollback, Device()), IsError(ErrorCode::kBuildNotNewer));
  EXPECT_THAT(CheckPolicy(Release(11, 2), Purpose::kRollback, Device()), IsError(ErrorCode::kBuildNotNewer));
}

TEST(PolicyTest, AHeldBuildComesBackOnlyByOrderOrAsAHigherBuild) {
  PolicyFacts facts = Device();
  facts.held_build = 12;
  EXPECT_THAT(CheckPolicy(Release(12, 2), Purpose::kChannel, facts), IsError(ErrorCode::kHeldBack));
  EXPECT_THAT(CheckPolicy(Release(13, 2), Purpose::kChannel, facts), IsOk());
  EXPECT_THAT(CheckPolicy(Release(12, 2), Purpose::kInstall, facts), IsOk());
  facts.hold = true;
  EXPECT_THAT(CheckPolicy(Release(13, 2), Purpose::kChannel, facts), IsError(ErrorCode::kHeldBack));
}

manifest::Component ComponentWithDelta() {
  manifest::Component component;
  component.size = 10 * kChunkBytes;
  component.full.file.length = 1000;
  component.full.head_length = 10;
  component.deltas.resize(2);
  component.deltas[0].container.file.length = 300;
  component.deltas[1].container.file.length = 200;
  return component;
}

TEST(RouteTest, TakesTheSmallestDeltaThatFits) {
  const Route route = ChooseRoute(ComponentWithDelta(), {{0, 0}, {1, 0}});
  EXPECT_EQ(route.delta, 1U);
  EXPECT_EQ(route.expected_bytes, 200U);
}

TEST(RouteTest, CountsTheRepairsOfForeignChunks) {
  // 200 + 10 (head) + 2 * 100 is more than 300.
  const Route route = ChooseRoute(ComponentWithDelta(), {{0, 0}, {1, 2}});
  EXPECT_EQ(route.delta, 0U);
}

TEST(RouteTest, FallsBackToTheFullImageWhenNothingFits) {
  EXPECT_FALSE(ChooseRoute(ComponentWithDelta(), {}).delta.has_value());
  EXPECT_FALSE(ChooseRoute(ComponentWithDelta(), {{0, 10}, {1, 10}}).delta.has_value());
}

TEST(RouteTest, LooksForBlocksOnlyWhereThatCanPay) {
  manifest::Component component = ComponentWithDelta();
  const Route full{std::nullopt, 1000, 0};
  EXPECT_FALSE(MayPayToLook(component, full)) << "there is no index";
  component.index = manifest::FileReference{"payloads/x.index", 100, {}};
  EXPECT_TRUE(MayPayToLook(component, full));
  EXPECT_FALSE(MayPayToLook(component, {0, 300, 0})) << "a delta that fits exactly is taken as it is";
  EXPECT_TRUE(MayPayToLook(component, {0, 400, 1}));
  EXPECT_FALSE(MayPayToLook(component, {0, 110, 1})) << "index and head alone cost as much";
  component.index->length = delta::kMaxBlockIndexBytes + 1;
  EXPECT_FALSE(MayPayToLook(component, {std::nullopt, delta::kMaxBlockIndexBytes * 4, 0}));
}

TEST(RouteTest, ErrorsOfNetworkAndStorageEndNoDelta) {
  for (const ErrorCode code : {ErrorCode::kNotFound, ErrorCode::kContainerHeadMismatch, ErrorCode::kContainerMalformed,
                               ErrorCode::kCodecUnsupported, ErrorCode::kMemoryLimit, ErrorCode::kSourceMismatch, ErrorCode::kDecodeFailed}) {
    EXPECT_TRUE(EndsDelta(code)) << CodeName(code);
  }
  for (const ErrorCode code : {ErrorCode::kNetworkUnreachable, ErrorCode::kTransferTruncated, ErrorCode::kHttpStatus, ErrorCode::kNoSpace,
                               ErrorCode::kIo, ErrorCode::kPowerLost, ErrorCode::kTlsFailed, ErrorCode::kInternal}) {
    EXPECT_FALSE(EndsDelta(code)) << CodeName(code);
  }
}

TEST(RouteTest, ListsOfAnotherLengthAreForeignAltogether) {
  const std::vector<Sha256Digest> three(3);
  EXPECT_EQ(CountForeignChunks(three, std::vector<Sha256Digest>(2)), 3U);
  EXPECT_EQ(CountForeignChunks(three, three), 0U);
}

}  // namespace
}  // namespace pawl::client
