// SPDX-License-Identifier: Apache-2.0
// Drafts that somebody changed on their way: what those who read, show or sign them are up against.
// Rules: docs/repository-layout.md M-DRAFT-1, M-DRAFT-2, M-DRAFT-3.

#include <gmock/gmock.h>

#include <filesystem>
#include <functional>

#include "base/format.h"
#include "base/hash.h"
#include "signer/drafts.h"
#include "signer/recovery.h"
#include "signer/retire.h"
#include "signer/role_changes.h"
#include "signer/roles.h"
#include "signer/signing.h"
#include "signer/status.h"
#include "tests/unit/signer/signer_test_util.h"

namespace pawl::signer::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class CarriedDraftTest : public SignerTest {
 protected:
  // What `renew` drafts, changed in a way that no command offers.
  void Carry(const std::string& role, const std::function<void(Json&)>& change) {
    std::filesystem::remove(repo_ + "/draft/" + role + ".json");
    const auto roles = Roles::Load(Open());
    ASSERT_TRUE(roles) << roles.error().Message();
    auto draft = roles->NextDraft(role, now_.PlusSeconds(Open().policy().expiry.Of(role)));
    ASSERT_TRUE(draft) << draft.error().Message();
    change(draft->content);
    const Json file{{"signed", draft->content}, {"signatures", Json::array()}};
    std::filesystem::create_directories(repo_ + "/draft");
    WriteText(repo_ + "/draft/" + role + ".json", file.dump());
  }
  ErrorCode Loading() const { return CodeOf(Roles::Load(Open())); }
  Result<SignPlan> Plan(const std::string& name) const {
    const Workspace workspace = Open();
    PAWL_ASSIGN_OR_RETURN(const Roles roles, Roles::Load(workspace));
    return PlanSigning(workspace, roles, keys_.at(name).named, {}, now_);
  }
  ErrorCode Signing(const std::string& name) const { return CodeOf(Plan(name)); }
  std::string Shown(const std::string& role) const {
    const Workspace workspace = Open();
    const auto roles = Roles::Load(workspace);
    EXPECT_TRUE(roles) << roles.error().Message();
    return roles ? Join(DescribeDraft(workspace, *roles, role, now_), "\n") : "";
  }
  std::string IdOf(const std::string& name) const { return keys_.at(name).named.keyid; }
};

// Two of three people would sign, for names that they know, that a stranger's keys are the root.
TEST_F(CarriedDraftTest, ForeignKeysUnderFamiliarIdsAreRefused) {
  StartRepository();
  Carry("root", [&](Json& root) {
    root["keys"][IdOf("ben")] = NewKey("thief-1").tuf;
    root["keys"][IdOf("chloe")] = NewKey("thief-2").tuf;
  });
  EXPECT_EQ(Loading(), ErrorCode::kInputInvalid);
  std::filesystem::remove(repo_ + "/draft/root.json");
  Carry("targets", [&](Json& targets) {
    targets["delegations"]["keys"][IdOf("emil")] = keys_.at("mallory").named.tuf;
  });
  EXPECT_EQ(Loading(), ErrorCode::kInputInvalid);
  ChangeRequest request;
  request.title = "role renew";
  request.now = now_;
  request.renew = {"targets"};
  EXPECT_EQ(CodeOf(MakeChange(Open(), request)), ErrorCode::kInputInvalid);
  std::filesystem::remove(repo_ + "/draft/targets.json");
  // Where another member would be taken for the place of the keys.
  Carry("root", [&](Json& root) {
    root["delegations"] = Json::object();
    root["keys"][IdOf("ben")] = keys_.at("mallory").named.tuf;
  });
  EXPECT_EQ(Loading(), ErrorCode::kInputInvalid);
}

// Other programs make ids otherwise, and TUF lets them.
TEST_F(CarriedDraftTest, AForeignIdGoesOnWhereItIsPublishedAndNamesNobodyHere) {
  StartRepository();
  const std::string path = repo_ + "/public/metadata/1.root.json";
  auto root = ParseJson(ReadText(path));
  ASSERT_TRUE(root);
  const std::string own(64, 'a');
  const auto rename = [&](const std::string& id) {
    Json& content = (*root)["signed"];
    content["keys"][id] = keys_.at("mallory").named.tuf;
    content["roles"]["root"]["keyids"].push_back(id);
    WriteText(path, root->dump());
    Carry("root", [](Json&) {});
  };
  rename(own);
  EXPECT_TRUE(Roles::Load(Open()));
  Carry("root", [&](Json& next) { next["keys"][own] = NewKey("thief").tuf; });
  EXPECT_EQ(Loading(), ErrorCode::kInputInvalid);
  std::filesystem::remove(repo_ + "/draft/root.json");
  rename(IdOf("dora"));
  EXPECT_EQ(Loading(), ErrorCode::kInputInvalid);
}

TEST_F(CarriedDraftTest, ATargetPathOutOfTheFolderRemovesNothing) {
  StartRepository();
  const std::string outside = directory_.Path("outside");
  WriteText(outside, "precious");
  for (const std::string path : {"../../keys/anna.pub", "../../../outside", "orders//x", "/x"}) {
    Carry("orders", [&](Json& orders) { orders["targets"][path] = MakeTarget({}, nullptr); });
    EXPECT_EQ(Loading(), ErrorCode::kInputInvalid) << path;
    RecoveryRequest request;
    request.what = RecoveryCase::kOrders;
    request.names = {"olga"};
    request.now = now_;
    request.stolen = true;
    request.replacements = {keys_.at("mallory").named};
    EXPECT_FALSE(Recover(Open(), request)) << path;
  }
  EXPECT_TRUE(std::filesystem::exists(repo_ + "/keys/anna.pub"));
  EXPECT_EQ(ReadText(outside), "precious");
}

TEST_F(CarriedDraftTest, NamesCannotWriteOnTheTerminal) {
  StartRepository();
  Carry("targets", [](Json& targets) {
    targets["delegations"]["roles"][0]["paths"].push_back("x\x1b[2K\n- nothing");
  });
  EXPECT_EQ(Loading(), ErrorCode::kInputInvalid);
  std::filesystem::remove(repo_ + "/draft/targets.json");
  Carry("targets",
        [](Json& targets) { targets["delegations"]["roles"][0]["name"] = "releases\x1b[1A"; });
  EXPECT_EQ(Loading(), ErrorCode::kInputInvalid);
  std::filesystem::remove(repo_ + "/draft/targets.json");
  // Blanks to the end of the line do the same.
  Carry("targets", [](Json& targets) {
    targets["delegations"]["roles"][0]["paths"].push_back("x" + std::string(70, ' ') + "nothing");
  });
  EXPECT_EQ(Signing("anna"), ErrorCode::kInputInvalid);
}

// A signature does not say for which role it was given: the content has to.
TEST_F(CarriedDraftTest, ARootInThePlaceOfAnotherRoleIsRefused) {
  StartRepository();
  Carry("root", [](Json&) {});
  std::filesystem::rename(repo_ + "/draft/root.json", repo_ + "/draft/targets.json");
  EXPECT_EQ(Loading(), ErrorCode::kRoleTypeMismatch);
  std::filesystem::remove(repo_ + "/draft/targets.json");
  Carry("orders", [](Json&) {});
  std::filesystem::rename(repo_ + "/draft/orders.json", repo_ + "/draft/root.json");
  EXPECT_EQ(Loading(), ErrorCode::kRoleTypeMismatch);
}

TEST_F(CarriedDraftTest, WhatIsNeverWrittenIsNotSigned) {
  StartRepository();
  const auto refused = [&](const std::string& role, const std::string& name,
                           const std::function<void(Json&)>& change) {
    Carry(role, change);
    EXPECT_EQ(Signing(name), ErrorCode::kInputInvalid) << Shown(role);
    EXPECT_THAT(Shown(role), Not(HasSubstr("nothing changes")));
    std::filesystem::remove(repo_ + "/draft/" + role + ".json");
  };
  refused("root", "anna", [](Json& root) { root["consistent_snapshot"] = false; });
  refused("root", "anna", [](Json& root) { root["x-mirrors"] = "evil"; });
  refused("targets", "anna", [](Json& targets) {
    Json& role = targets["delegations"]["roles"][0];
    role["path_hash_prefixes"] = {"ab"};
    role.erase("paths");
  });
  refused("targets", "anna", [&](Json& targets) {
    Json& delegations = targets["delegations"];
    delegations.erase("roles");
    delegations["succinct_roles"] = {
        {"keyids", {IdOf("dora")}}, {"threshold", 1}, {"bit_length", 1}, {"name_prefix", "x"}};
  });
  refused("orders", "olga", [](Json& orders) { orders["x-more"] = Json::object(); });
  refused("orders", "olga", [](Json& orders) {
    orders["targets"]["orders/group/a.json"] = MakeTarget({}, Json{{"a", 1}});
  });
  refused("orders", "olga", [](Json& orders) {
    Json& entry = orders["targets"]["orders/group/a.json"];
    entry = MakeTarget({}, nullptr);
    entry["hashes"]["sha512"] = std::string(128, 'a');
  });
}

TEST_F(CarriedDraftTest, EveryOtherDifferenceIsShown) {
  StartRepository();
  const auto shown = [&](const std::string& role, const std::string& line,
                         const std::function<void(Json&)>& change) {
    Carry(role, change);
    EXPECT_THAT(Shown(role), HasSubstr(line));
    EXPECT_THAT(Shown(role), Not(HasSubstr("nothing changes")));
  };
  shown("root", "! \"spec_version\" changes: \"1.0.31\" → \"1.0.30\"",
        [](Json& root) { root["spec_version"] = "1.0.30"; });
  shown("root", "! it holds the key " + IdOf("mallory").substr(0, 16),
        [&](Json& root) { root["keys"][IdOf("mallory")] = keys_.at("mallory").named.tuf; });
  shown("root", "! root: \"x-note\" changes: none → 7",
        [](Json& root) { root["roles"]["root"]["x-note"] = 7; });
  shown("root", "! root: it names other keys that devices cannot use",
        [](Json& root) { root["roles"]["root"]["keyids"].push_back(std::string(64, 'b')); });
  shown("targets", "! the roles stand in another order: ", [](Json& targets) {
    Json& roles = targets["delegations"]["roles"];
    std::swap(roles[0], roles[1]);
  });
  shown("targets", "~ orders: may list orders/", [](Json& targets) {
    for (Json& role : targets["delegations"]["roles"]) {
      if (role["name"] == "orders") role["paths"].push_back("releases/*/*/*");
    }
  });
  Carry("root", [](Json&) {});
  EXPECT_THAT(Shown("root"), HasSubstr("nothing changes but version and expiry"));
  EXPECT_THAT(Shown("root"), Not(HasSubstr("!")));
}

TEST_F(CarriedDraftTest, TheSameContentListedOtherwiseIsShown) {
  StartRepository();
  BuildAndList("1.0", 1, 1);
  SignBy({"dora", "emil"});
  ASSERT_TRUE(PublishAll());
  const auto carry = [&](const std::function<void(Json&)>& change) {
    Carry("releases-gateway", [&](Json& releases) {
      change(releases["targets"]["releases/gateway/1.0/manifest.json"]);
    });
    return Shown("releases-gateway");
  };
  EXPECT_THAT(carry([](Json& entry) { entry["length"] = 5; }),
              HasSubstr("    ! \"length\" changes: "));
  EXPECT_EQ(Signing("dora"), ErrorCode::kReleaseFileMismatch);
  EXPECT_THAT(carry([](Json& entry) { entry["hashes"]["sha512"] = std::string(128, 'a'); }),
              HasSubstr("    ! \"hashes\" changes: "));
  EXPECT_EQ(Signing("dora"), ErrorCode::kInputInvalid);
  EXPECT_THAT(carry([](Json& entry) { entry["custom"]["x-more"] = true; }),
              HasSubstr("    ! custom: \"x-more\" changes: none → true"));
  EXPECT_EQ(Signing("dora"), ErrorCode::kManifestMismatch);
  EXPECT_THAT(carry([](Json&) {}), HasSubstr("nothing changes but version and expiry"));
  EXPECT_TRUE(Plan("dora"));
}

// The next hundred honest versions would be refused as rollbacks.
TEST_F(CarriedDraftTest, AVersionThatIsNotTheNextIsNotSigned) {
  StartRepository();
  for (const std::uint64_t version : {1ULL, 3ULL, 9'000'000'000'000'000'000ULL}) {
    Carry("orders", [&](Json& orders) {
      orders["version"] = version;
      orders["expires"] = FormatUtcTime(now_.PlusSeconds(60));
    });
    EXPECT_EQ(Signing("olga"), ErrorCode::kVersionMismatch) << version;
  }
  Carry("orders", [](Json&) {});
  EXPECT_TRUE(Plan("olga"));
}

TEST_F(CarriedDraftTest, ALifeBeyondThePolicyIsWarnedOf) {
  StartRepository();
  Carry("orders", [](Json& orders) { orders["expires"] = "9999-01-01T00:00:00Z"; });
  EXPECT_THAT(Shown("orders"),
              HasSubstr("! valid until 9999-01-01T00:00:00Z: longer than the 7 d"));
  const auto status = ReportStatus(Open(), now_);
  ASSERT_TRUE(status) << status.error().Message();
  EXPECT_THAT(status->text, HasSubstr("! valid until 9999"));
  Carry("orders", [](Json&) {});
  EXPECT_THAT(Shown("orders"), Not(HasSubstr("!")));
}

TEST_F(CarriedDraftTest, NewKeysAreShownWithTheirIds) {
  HoldUsualCeremony();
  const auto with_id = [&](const std::string& name) {
    return Format("{} ({})", name, IdOf(name).substr(0, 16));
  };
  EXPECT_THAT(Shown("root"), HasSubstr(Format("+ root: 2 of {}, {}, {}", with_id("anna"),
                                              with_id("ben"), with_id("chloe"))));
  SignBy({"anna", "ben", "dora", "emil", "rolf", "olga"});
  ASSERT_TRUE(PublishAll());
  ChangeRequest request;
  request.title = "root add";
  request.now = now_;
  request.changes = {{"root", {NewKey("dirk")}, {}, std::nullopt}};
  ASSERT_TRUE(MakeChange(Open(), request));
  EXPECT_THAT(Shown("root"), HasSubstr(with_id("dirk") + " may sign from now on"));
}

TEST_F(CarriedDraftTest, StatusShowsReasonsInOneLineAndWhatTheyNoLongerReach) {
  StartRepository();
  BuildAndList("1.0", 1, 1);
  RolloutRequest rollout;
  rollout.product = "gateway";
  rollout.channel = "stable";
  rollout.version = "1.0";
  rollout.percent = 100;
  ASSERT_TRUE(SetRollout(Open(), rollout, now_));
  OrderRequest order;
  order.product = "gateway";
  order.group = "lab";
  order.action = manifest::OrderAction::kHold;
  order.reason = "because\u202e nothing to do";  // turns what follows around
  order.not_before = now_;
  order.not_after = now_.PlusSeconds(3600);
  ASSERT_TRUE(AddOrder(Open(), order, now_));
  SignBy({"dora", "emil", "rolf", "olga"});
  ASSERT_TRUE(PublishAll());
  auto status = ReportStatus(Open(), now_);
  ASSERT_TRUE(status) << status.error().Message();
  EXPECT_THAT(status->text, HasSubstr("(because??? nothing to do)"));
  EXPECT_THAT(status->text, Not(HasSubstr("not listed any more")));
  ASSERT_TRUE(RetireReleases(Open(), {"gateway", {"1.0"}, {"retire-1.0"}}, now_));
  SignBy({"dora", "emil"});
  ASSERT_TRUE(PublishAll());
  status = ReportStatus(Open(), now_);
  ASSERT_TRUE(status) << status.error().Message();
  EXPECT_THAT(status->text, HasSubstr("1.0/manifest.json: 100 %, release not listed any more"));
  EXPECT_EQ(status->json["rollouts"][0]["release_listed"], false);
}

}  // namespace
}  // namespace pawl::signer::testing
