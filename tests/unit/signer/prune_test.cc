// SPDX-License-Identifier: Apache-2.0
// Pruning: what a device may still ask for stays, whatever interrupts it.
// Rules: docs/repository-layout.md M-PRUNE-1, M-PRUNE-2, M-PRUNE-3.

#include "signer/prune.h"

#include <filesystem>
#include <set>

#include "base/format.h"
#include "manifest/refresh.h"
#include "signer/publisher.h"
#include "signer/retire.h"
#include "signer/role_changes.h"
#include "signer/roles.h"
#include "signer/tree_check.h"
#include "tests/unit/signer/signer_test_util.h"

namespace pawl::signer::testing {
namespace {

// Fails at removal number `fail_at`; before that it removes.
class FailingRemover : public TreeRemover {
 public:
  FailingRemover(std::string directory, std::size_t fail_at)
      : real_(std::move(directory)), fail_at_(fail_at) {}
  Status Remove(const std::string& path) override {
    if (removed_.size() == fail_at_) return Fail(ErrorCode::kPowerLost, path);
    removed_.push_back(path);
    return real_.Remove(path);
  }
  Status Settle(const std::string& folder) override { return real_.Settle(folder); }
  const std::vector<std::string>& removed() const { return removed_; }

 private:
  DirectoryTreeRemover real_;
  std::size_t fail_at_;
  std::vector<std::string> removed_;
};

class PruneTest : public SignerTest {
 protected:
  // Releases 1.0 and 2.0 public and in the stable channel one after the other, then 1.0 retired.
  void RetireTheFirstOfTwo() {
    StartRepository();
    Publish("1.0", 1);
    Publish("2.0", 2);
    const auto retired = RetireReleases(Open(), {"gateway", {"1.0"}, {}}, now_);
    ASSERT_TRUE(retired) << retired.error().Message();
    SignBy({"dora", "emil"});
    const auto published = PublishAll();
    ASSERT_TRUE(published) << published.error().Message();
  }
  void Publish(const std::string& version, std::uint64_t build) {
    BuildAndList(version, build, 1);
    RolloutRequest rollout;
    rollout.product = "gateway";
    rollout.channel = "stable";
    rollout.version = version;
    ASSERT_TRUE(SetRollout(Open(), rollout, now_));
    SignBy({"dora", "emil", "rolf"});
    const auto published = PublishAll();
    ASSERT_TRUE(published) << published.error().Message();
  }
  void RefreshTimes(int times) {
    for (int i = 0; i < times; ++i) {
      const std::vector<SigningKey> online = KeysOf({"snap", "time"});
      DirectoryTreeWriter writer(repo_ + "/public");
      const auto done = signer::Publish(Open(), {Purpose::kRefresh, {}, &online, now_}, writer);
      ASSERT_TRUE(done) << done.error().Message();
    }
  }
  PrunePlan PlanWith(std::optional<std::uint64_t> keep) const {
    auto plan = PlanPrune(Open(), {keep, now_});
    EXPECT_TRUE(plan) << plan.error().Message();
    return plan ? *std::move(plan) : PrunePlan{};
  }
  Result<PrunePlan> PruneWith(std::optional<std::uint64_t> keep) const {
    DirectoryTreeRemover remover(repo_ + "/public");
    return Prune(Open(), {keep, now_}, PlanWith(keep), remover);
  }
  static std::set<std::string> PathsOf(const PrunePlan& plan) {
    std::set<std::string> paths;
    for (const PruneFile& file : plan.remove) paths.insert(file.path);
    return paths;
  }
  std::set<std::string> PathsIn(const std::string& folder) const {
    std::set<std::string> paths;
    for (const auto& [path, bytes] : ReadTree(repo_ + "/public/" + folder)) paths.insert(path);
    return paths;
  }
  std::string Public(const std::string& path) const { return repo_ + "/public/" + path; }
};

TEST_F(PruneTest, WhatARetiredReleaseNeededGoesAndTheTreeStaysWhole) {
  RetireTheFirstOfTwo();
  const auto payloads = PathsIn("payloads");
  const auto done = PruneWith(2);
  ASSERT_TRUE(done) << done.error().Message();
  // Snapshot 3 still lists 1.0: nothing of it goes before another publication.
  EXPECT_EQ(PathsIn("payloads"), payloads);
  RefreshTimes(1);
  const auto again = PruneWith(2);
  ASSERT_TRUE(again) << again.error().Message();
  EXPECT_LT(PathsIn("payloads").size(), payloads.size());
  const auto verified = VerifyTree(repo_ + "/public", now_);
  ASSERT_TRUE(verified) << verified.error().Message();
  EXPECT_EQ(verified->releases.size(), 1U);
  EXPECT_FALSE(std::filesystem::exists(Public("targets/releases/gateway/1.0")));
}

// M-PRUNE-1
TEST_F(PruneTest, WithoutANumberSnapshotsThatAreStillValidKeepAllTheirFiles) {
  RetireTheFirstOfTwo();
  RefreshTimes(12);
  EXPECT_TRUE(PlanWith({}).remove.empty());
  now_ = now_.PlusSeconds(8 * kSecondsPerDay);  // beyond the life of those snapshots
  RefreshTimes(1);
  const PrunePlan plan = PlanWith({});
  EXPECT_EQ(plan.newest_kept, 17U);
  EXPECT_EQ(plan.oldest_kept, 10U);
  EXPECT_TRUE(PathsOf(plan).contains("metadata/9.snapshot.json"));
  EXPECT_FALSE(PathsOf(plan).contains("metadata/10.snapshot.json"));
}

TEST_F(PruneTest, ADeviceInTheMiddleOfARefreshFindsItsFiles) {
  RetireTheFirstOfTwo();
  // It was told of the present timestamp; then two refreshes and a pruning come in between.
  const std::string told = ReadText(Public("metadata/timestamp.json"));
  RefreshTimes(2);
  ASSERT_TRUE(PruneWith(3));
  WriteText(Public("metadata/timestamp.json"), told);
  const auto verified = VerifyTree(repo_ + "/public", now_);
  EXPECT_TRUE(verified) << verified.error().Message();
}

TEST_F(PruneTest, FewerThanTwoSnapshotsAreRefused) {
  StartRepository();
  EXPECT_EQ(CodeOf(PlanPrune(Open(), {1, now_})), ErrorCode::kUsage);
  EXPECT_EQ(CodeOf(PlanPrune(Open(), {0, now_})), ErrorCode::kUsage);
}

// M-PRUNE-2
TEST_F(PruneTest, NoRootEverGoesAndFormerRolesKeepWhatSnapshotPins) {
  RetireTheFirstOfTwo();
  // Two more roots, and orders is delegated no more.
  const Workspace workspace = Open();
  for (int i = 0; i < 2; ++i) {
    auto roles = Roles::Load(workspace);
    auto root = roles->NextDraft("root", now_.PlusSeconds(300 * kSecondsPerDay));
    ASSERT_TRUE(workspace.WriteDraft("root", *root));
    if (i == 0) {
      auto targets = roles->NextDraft("targets", now_.PlusSeconds(300 * kSecondsPerDay));
      Json& delegations = targets->content["delegations"]["roles"];
      ASSERT_EQ(delegations.back()["name"], "orders");
      delegations.erase(delegations.size() - 1);
      ASSERT_TRUE(workspace.WriteDraft("targets", *targets));
    }
    SignBy({"anna", "ben"});
    const auto published = PublishAll();
    ASSERT_TRUE(published) << published.error().Message();
  }
  RefreshTimes(3);
  const auto done = PruneWith(2);
  ASSERT_TRUE(done) << done.error().Message();
  for (const char* kept : {"1.root.json", "2.root.json", "3.root.json", "1.orders.json"}) {
    EXPECT_TRUE(PathsIn("metadata").contains(kept)) << kept;
  }
  EXPECT_TRUE(PathsIn("metadata").contains("1.targets.json"));
  EXPECT_FALSE(PathsIn("metadata").contains("1.releases-gateway.json"));
}

// M-PRUNE-2: a thief who kept a key that was taken out waits for somebody to tidy up.
TEST_F(PruneTest, AKeyThatWasTakenOutDoesNotComeBackAfterPruning) {
  StartRepository();
  const auto change = [&](const std::string& in, const std::string& out) {
    const NamedKey& key = keys_.contains(in) ? keys_.at(in).named : NewKey(in);
    ChangeRequest request;
    request.title = "role set releases-gateway";
    request.now = now_;
    request.changes.push_back({"releases-gateway", {key}, {out}, std::nullopt});
    return MakeChange(Open(), request);
  };
  ASSERT_TRUE(change("fritz", "emil"));
  SignBy({"anna", "ben", "dora", "fritz"});
  const auto published = PublishAll();
  ASSERT_TRUE(published) << published.error().Message();
  RefreshTimes(3);
  ASSERT_TRUE(PruneWith(2));
  EXPECT_FALSE(PathsIn("metadata").contains("1.snapshot.json"));
  EXPECT_EQ(CodeOf(change("emil", "fritz")), ErrorCode::kKeyRetired);
}

TEST_F(PruneTest, AFileNameCannotPaintOverTheQuestion) {
  RetireTheFirstOfTwo();
  WriteText(Public("targets/a\x1b[2K\nb"), "mine");
  const std::string text = PlanWith(2).Text(false);
  EXPECT_EQ(text.find('\x1b'), std::string::npos);
  EXPECT_NE(text.find("public/targets/a\\x1b[2K\\x0ab is not of ours"), std::string::npos) << text;
}

TEST_F(PruneTest, ADamagedOldSnapshotIsNamedWithTheWayOutAndNothingGoes) {
  RetireTheFirstOfTwo();
  RefreshTimes(3);
  WriteText(Public("metadata/2.snapshot.json"), "{");
  const auto before = ReadTree(repo_ + "/public");
  const auto refused = PlanPrune(Open(), {{}, now_});
  ASSERT_FALSE(refused);
  EXPECT_TRUE(refused.error().Message().contains("remove public/metadata/2.snapshot.json"))
      << refused.error().Message();
  EXPECT_EQ(ReadTree(repo_ + "/public"), before);
  std::filesystem::remove(Public("metadata/2.snapshot.json"));
  EXPECT_TRUE(PruneWith({}));
}

TEST_F(PruneTest, FilesOfOthersAreToldAndLeftAlone) {
  RetireTheFirstOfTwo();
  RefreshTimes(3);
  const std::string digest(64, 'a');
  const std::vector<std::string> foreign{"index.html",
                                         "metadata/1.notes.json",
                                         "metadata/01.targets.json",
                                         "metadata/README",
                                         "payloads/aa/readme",
                                         "payloads/bb/" + digest + ".pawl",
                                         "targets/" + digest + ".x"};
  for (const std::string& path : foreign) WriteText(Public(path), "mine");
  std::filesystem::create_symlink("/etc/hostname", Public("payloads/link"));
  const auto done = PruneWith(2);
  ASSERT_TRUE(done) << done.error().Message();
  EXPECT_EQ(done->unknown.size(), foreign.size() + 1);
  for (const std::string& path : foreign) EXPECT_EQ(ReadText(Public(path)), "mine") << path;
  EXPECT_TRUE(std::filesystem::is_symlink(Public("payloads/link")));
}

TEST_F(PruneTest, LeftoversOfInterruptedRunsGo) {
  StartRepository();
  const std::string name = "payloads/ab/" + std::string(64, 'a') + ".pawl.0123456789abcdef.tmp";
  WriteText(Public(name), "half");
  WriteText(Public("metadata/note.tmp"), "mine");
  EXPECT_EQ(PathsOf(PlanWith({})), std::set<std::string>{name});
}

// M-PRUNE-3
TEST_F(PruneTest, CutAtAnyRemovalTheTreeIsWholeAndASecondRunCompletesIt) {
  RetireTheFirstOfTwo();
  RefreshTimes(2);
  const TemporaryDirectory saved;
  const std::string copy = saved.Path("repo");
  std::filesystem::copy(repo_, copy, std::filesystem::copy_options::recursive);
  const PrunePlan shown = PlanWith(2);
  ASSERT_GT(shown.remove.size(), 5U);
  for (std::size_t fail_at = 0; fail_at < shown.remove.size(); ++fail_at) {
    std::filesystem::remove_all(repo_);
    std::filesystem::copy(copy, repo_, std::filesystem::copy_options::recursive);
    FailingRemover cut(repo_ + "/public", fail_at);
    EXPECT_EQ(CodeOf(Prune(Open(), {2, now_}, shown, cut)), ErrorCode::kPowerLost);
    const auto between = JudgeTree(repo_ + "/public", now_);
    ASSERT_TRUE(between) << fail_at << ": " << between.error().Message();
    ASSERT_TRUE(PruneWith(2));
    EXPECT_TRUE(PlanWith(2).remove.empty());
  }
}

TEST_F(PruneTest, WhatRefersGoesBeforeWhatItRefersTo) {
  RetireTheFirstOfTwo();
  RefreshTimes(2);
  std::vector<std::string> kinds;
  for (const PruneFile& file : PlanWith(2).remove) {
    std::string kind = file.path.substr(0, file.path.find('/'));
    if (file.path.ends_with(".snapshot.json")) kind = "snapshot";
    if (kinds.empty() || kinds.back() != kind) kinds.push_back(kind);
  }
  EXPECT_EQ(kinds, (std::vector<std::string>{"snapshot", "metadata", "targets", "payloads"}));
}

TEST_F(PruneTest, ABrokenOrExpiredTreeIsRefusedUntouched) {
  RetireTheFirstOfTwo();
  RefreshTimes(2);
  const auto before = ReadTree(repo_ + "/public");
  const UtcTime late = now_.PlusSeconds(3 * kSecondsPerDay);
  EXPECT_EQ(CodeOf(PlanPrune(Open(), {2, late})), ErrorCode::kMetadataExpired);
  EXPECT_EQ(ReadTree(repo_ + "/public"), before);
  for (const auto& [path, bytes] : before) {
    if (path.starts_with("payloads/")) std::filesystem::remove(Public(path));
  }
  EXPECT_EQ(CodeOf(PlanPrune(Open(), {2, now_})), ErrorCode::kReleaseFileMismatch);
}

TEST_F(PruneTest, APublicationThatWasCutOffKeepsItsFilesAndCanBeCompleted) {
  RetireTheFirstOfTwo();
  BuildAndList("3.0", 3, 1);
  SignBy({"dora", "emil"});
  FailingWriter cut(repo_ + "/public", 5);  // some payloads and metadata are there
  EXPECT_EQ(CodeOf(PublishWith(cut)), ErrorCode::kNoSpace);
  const auto payloads = PathsIn("payloads");
  const auto done = PruneWith(2);
  ASSERT_TRUE(done) << done.error().Message();
  EXPECT_EQ(PathsIn("payloads"), payloads);
  const auto completed = PublishAll();
  ASSERT_TRUE(completed) << completed.error().Message();
}

TEST_F(PruneTest, OnlyWhatWasShownIsRemoved) {
  RetireTheFirstOfTwo();
  const PrunePlan shown = PlanWith(2);
  RefreshTimes(2);  // while a person was reading
  DirectoryTreeRemover remover(repo_ + "/public");
  const auto done = Prune(Open(), {2, now_}, shown, remover);
  ASSERT_TRUE(done) << done.error().Message();
  EXPECT_EQ(PathsOf(*done), PathsOf(shown));
}

TEST_F(PruneTest, WaitsForNobodyWhoHoldsTheLock) {
  StartRepository();
  const auto lock = Open().Lock();
  ASSERT_TRUE(lock);
  DirectoryTreeRemover remover(repo_ + "/public");
  EXPECT_EQ(CodeOf(Prune(Open(), {{}, now_}, {}, remover)), ErrorCode::kLockHeld);
}

TEST_F(PruneTest, BuiltReleasesStay) {
  RetireTheFirstOfTwo();
  RefreshTimes(2);
  const auto built = ReadTree(repo_ + "/releases");
  ASSERT_TRUE(PruneWith(2));
  EXPECT_EQ(ReadTree(repo_ + "/releases"), built);
}

}  // namespace
}  // namespace pawl::signer::testing
