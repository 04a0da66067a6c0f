// SPDX-License-Identifier: Apache-2.0
// What a signer is shown: what is about to be signed, what it replaces and who gets it when.

#include <gmock/gmock.h>

#include <filesystem>

#include "base/format.h"
#include "signer/delta_builder.h"
#include "signer/describe_targets.h"
#include "signer/roles.h"
#include "signer/signing.h"
#include "tests/unit/signer/signer_test_util.h"

namespace pawl::signer::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class DescribeTest : public SignerTest {
 protected:
  std::string Shown(const std::string& role) const {
    const Workspace workspace = Open();
    const auto roles = Roles::Load(workspace);
    EXPECT_TRUE(roles) << roles.error().Message();
    return Join(DescribeDraft(workspace, *roles, role, now_), "\n");
  }
  void SetStable(const std::string& version, std::uint64_t percent,
                 const std::optional<std::string>& salt = {}) {
    RolloutRequest rollout;
    rollout.product = "gateway";
    rollout.channel = "stable";
    rollout.version = version;
    rollout.percent = percent;
    rollout.salt = salt;
    const auto set = SetRollout(Open(), rollout, now_);
    ASSERT_TRUE(set) << set.error().Message();
  }
  void PublishSigned(const std::vector<std::string>& names) {
    SignBy(names);
    const auto published = PublishAll();
    ASSERT_TRUE(published) << published.error().Message();
  }
  void List(const std::string& version, std::uint64_t build, std::uint64_t epoch,
            const std::string& notes) {
    BuildRequest request = ImageOf(version, build, epoch);
    request.notes = notes;
    request.health_hooks = {"network", "modem"};
    request.confirm = Format("epoch-{}", epoch);
    const auto built = BuildRelease(Open(), request);
    ASSERT_TRUE(built) << built.error().Message();
    ASSERT_TRUE(AddRelease(Open(), "gateway", version, now_));
  }
};

TEST_F(DescribeTest, AReleaseWithWhatItInstallsAndWhoGetsIt) {
  StartRepository();
  List("1.0", 1, 1, "first");
  std::string shown = Shown("releases-gateway");
  EXPECT_THAT(
      shown,
      HasSubstr("+ release gateway 1.0: build 1, epoch 1, channel stable, manifest sha256 "));
  EXPECT_THAT(shown, HasSubstr("    for hardware gw3, gw4; other devices refuse it"));
  EXPECT_THAT(shown, HasSubstr("    rootfs: image of 2.4 MiB, sha256 "));
  EXPECT_THAT(shown, HasSubstr(" in full"));
  EXPECT_THAT(
      shown, HasSubstr("checks pass after the trial boot: network, modem; within 120 s, one boot"));
  EXPECT_THAT(shown, HasSubstr("    notes: \"first\""));
  EXPECT_THAT(shown, HasSubstr("    nobody gets it yet: channel stable has no rollout"));
  PublishSigned({"dora", "emil"});
  SetStable("1.0", 100);
  PublishSigned({"rolf"});

  List("1.1", 2, 1, "");
  DeltaRequest delta;
  delta.product = "gateway";
  delta.from = "1.0";
  delta.to = "1.1";
  delta.generate.effort = delta::Effort::kFast;
  ASSERT_TRUE(AddDeltas(Open(), delta));
  ASSERT_TRUE(AddRelease(Open(), "gateway", "1.1", now_));
  shown = Shown("releases-gateway");
  EXPECT_THAT(shown, HasSubstr(" as delta from 1.0"));
  EXPECT_THAT(shown, HasSubstr("the newest in its channel; before it: 1.0 (build 1)"));
  EXPECT_THAT(shown,
              HasSubstr("nobody gets it before a rollout names it: channel stable gets 1.0"));
  EXPECT_THAT(shown, Not(HasSubstr("!")));
  SetStable("1.1", 10);
  EXPECT_THAT(Shown("releases-gateway"),
              HasSubstr("once public, 10 % of the devices in channel stable get it (as drafted)"));
}

TEST_F(DescribeTest, AnEpochThatJumpsAndABuildThatIsOlderAreWarnedOf) {
  StartRepository();
  List("2.0", 5, 1, "");
  PublishSigned({"dora", "emil"});
  List("3.0", 6, 4, "");
  std::string shown = Shown("releases-gateway");
  EXPECT_THAT(shown,
              HasSubstr("! security epoch 1 → 4: a device that confirms it never goes back below"));
  EXPECT_THAT(shown, HasSubstr("! that is a jump of 3"));
  PublishSigned({"dora", "emil"});
  List("2.9", 4, 1, "");
  shown = Shown("releases-gateway");
  EXPECT_THAT(shown, HasSubstr("! older than 3.0 (build 6) in the same channel"));
  EXPECT_THAT(shown, HasSubstr("! epoch 1 is below the 4 of 3.0"));
}

TEST_F(DescribeTest, AManifestThatReplacesAPublishedOneSaysWhichImageChanged) {
  StartRepository();
  List("1.0", 1, 1, "first");
  PublishSigned({"dora", "emil"});
  std::filesystem::remove_all(repo_ + "/releases/gateway/1.0");
  List("1.0", 1, 1, "second");
  const std::string shown = Shown("releases-gateway");
  EXPECT_THAT(shown, HasSubstr("~ release gateway 1.0"));
  EXPECT_THAT(shown, HasSubstr("! replaces the published manifest of this version"));
  EXPECT_THAT(shown, HasSubstr("rootfs is the same image; deltas 0 → 0"));
}

// Notes and reasons are free text: it must not be able to paint over what is signed.
TEST_F(DescribeTest, FreeTextCannotWriteOnTheTerminal) {
  StartRepository();
  List("1.0", 1, 1, "good\n+ release gateway 9.9\x1b[2K\x1b[1A\rnothing changes");
  const std::string shown = Shown("releases-gateway");
  EXPECT_EQ(shown.find('\x1b'), std::string::npos);
  EXPECT_EQ(shown.find('\r'), std::string::npos);
  EXPECT_EQ(shown.find("\n+ release gateway 9.9"), std::string::npos) << shown;
  EXPECT_EQ(PlainText("a\tb\nc\x7f\xc3\xa4", 100), "a b c???");
  EXPECT_EQ(PlainText("abcdef", 3), "abc…");
}

TEST_F(DescribeTest, ADraftCarriedAloneSaysThatItsContentCannotBeShown) {
  StartRepository();
  List("1.0", 1, 1, "");
  SetStable("1.0", 5);
  std::filesystem::remove_all(repo_ + "/releases");
  std::filesystem::remove_all(repo_ + "/draft/targets");
  EXPECT_THAT(Shown("releases-gateway"), HasSubstr("! its manifest is not in this workspace"));
  EXPECT_THAT(Shown("rollout-gateway"), HasSubstr("! its content is not in this workspace"));
}

TEST_F(DescribeTest, ARolloutSaysWhatItWasAndNamesNoNumberOfDevices) {
  StartRepository();
  List("1.0", 1, 1, "");
  List("1.1", 2, 1, "");
  PublishSigned({"dora", "emil"});
  SetStable("1.1", 10);
  std::string shown = Shown("rollout-gateway");
  EXPECT_THAT(shown, HasSubstr("+ channel stable of gateway gets 1.1 (manifest sha256 "));
  EXPECT_THAT(shown,
              HasSubstr("10 % of the devices, which of them is decided by the salt \"1.1\""));
  EXPECT_THAT(shown, HasSubstr("release 1.1: build 2, epoch 1, for hardware gw3, gw4"));
  EXPECT_THAT(shown, HasSubstr("then nobody installs by this channel unless it is signed again"));
  PublishSigned({"rolf"});
  SetStable("1.1", 50);
  EXPECT_THAT(Shown("rollout-gateway"), HasSubstr("was 10 %: those go on, others are added"));
  SetStable("1.1", 5);
  EXPECT_THAT(Shown("rollout-gateway"), HasSubstr("was 10 %: those who have not begun drop out"));
  SetStable("1.1", 50, "other");
  EXPECT_THAT(Shown("rollout-gateway"), HasSubstr("! was 10 % with another salt"));
  SetStable("1.0", 100);
  shown = Shown("rollout-gateway");
  EXPECT_THAT(shown, HasSubstr("~ channel stable of gateway gets 1.1 → 1.0"));
  EXPECT_THAT(shown, HasSubstr("! a step back from build 2: devices that run that one stay on it"));
}

TEST_F(DescribeTest, ARolloutOfWhatIsNotPublicSaysSo) {
  StartRepository();
  List("1.0", 1, 1, "");
  SetStable("1.0", 100);
  EXPECT_THAT(Shown("rollout-gateway"), HasSubstr("! the release is not public yet"));
}

TEST_F(DescribeTest, AnOrderSaysWhomItSendsWhere) {
  StartRepository();
  List("1.0", 1, 1, "");
  PublishSigned({"dora", "emil"});
  OrderRequest order;
  order.product = "gateway";
  order.device = "gw-0001";
  order.action = manifest::OrderAction::kRollback;
  order.version = "1.0";
  order.reason = "modem\u202e resets";
  order.ticket = "S-17";
  order.not_before = now_;
  order.not_after = now_.PlusSeconds(3600);
  ASSERT_TRUE(AddOrder(Open(), order, now_));
  order.device.reset();
  order.group = "lab";
  order.action = manifest::OrderAction::kHold;
  order.version.reset();
  ASSERT_TRUE(AddOrder(Open(), order, now_));
  const std::string shown = Shown("orders");
  EXPECT_THAT(shown, HasSubstr("+ order 1 (rollback): the device whose id has the sha256 "));
  EXPECT_THAT(shown, HasSubstr("goes back to 1.0, and keeps away from what it left"));
  EXPECT_THAT(shown, HasSubstr("because \"modem??? resets\", ticket S-17"));
  EXPECT_THAT(shown,
              HasSubstr("+ order 1 (hold): every device of the group lab installs nothing more"));
}

TEST_F(DescribeTest, ChangedSignersSayWhoComesWhoGoesAndWhatMustBeSignedAnew) {
  StartRepository();
  const Workspace workspace = Open();
  auto roles = Roles::Load(workspace);
  auto targets = roles->NextDraft("targets", now_.PlusSeconds(300 * kSecondsPerDay));
  Json& delegations = targets->content["delegations"];
  const NamedKey& in = keys_.at("mallory").named;
  const NamedKey& out = keys_.at("emil").named;
  delegations["keys"][in.keyid] = in.tuf;
  for (Json& role : delegations["roles"]) {
    if (role["name"] != "releases-gateway") continue;
    for (Json& keyid : role["keyids"]) {
      if (keyid == out.keyid) keyid = in.keyid;
    }
    role["threshold"] = 1;
  }
  ASSERT_TRUE(workspace.WriteDraft("targets", *targets));
  const std::string shown = Shown("targets");
  EXPECT_THAT(shown, HasSubstr("~ releases-gateway: 2 of dora, emil → 1 of "));
  EXPECT_THAT(shown, HasSubstr(" may sign from now on"));
  EXPECT_THAT(shown, HasSubstr("emil may not sign any more: devices refuse that key"));
  EXPECT_THAT(shown, HasSubstr("! fewer signatures than before: 1 instead of 2"));
  EXPECT_THAT(shown, Not(HasSubstr("must be signed anew")));  // dora's signature is enough now
  for (Json& role : delegations["roles"]) {
    if (role["name"] == "releases-gateway") role["threshold"] = 2;
  }
  ASSERT_TRUE(workspace.WriteDraft("targets", *targets));
  EXPECT_THAT(Shown("targets"), HasSubstr("! releases-gateway must be signed anew by them"));
}

}  // namespace
}  // namespace pawl::signer::testing
