// SPDX-License-Identifier: Apache-2.0
#include "client/platform/command_health.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>

#include <chrono>
#include <string>

#include "client/platform/spawn.h"
#include "tests/unit/platform/temp_dir.h"

namespace pawl::client {
namespace {

using testing::HasSubstr;

class CommandHealthTest : public testing::Test {
 protected:
  void Hook(std::string_view name, std::string_view script, mode_t mode = 0755) {
    const std::string path = dir_.Put(name, std::string("#!/bin/sh\n").append(script), mode);
    ASSERT_EQ(chmod(path.c_str(), mode), 0);
  }
  Error Failure(const std::vector<std::string>& hooks, std::uint64_t deadline_s = 30) {
    auto probed = health_.Probe(hooks, deadline_s);
    EXPECT_FALSE(probed);
    return probed ? Error(ErrorCode::kInternal, "passed") : std::move(probed).error();
  }
  TempDir dir_;
  CommandHealth health_{dir_.path()};
};

TEST_F(CommandHealthTest, PassesWhenAllHooksExitWithZeroInOrder) {
  Hook("10-first", "echo 1 >> " + dir_.Of("trace"));
  Hook("20-second", "echo 2 >> " + dir_.Of("trace"));
  EXPECT_TRUE(health_.Probe({"10-first", "20-second"}, 30));
  EXPECT_EQ(dir_.Get("trace"), "1\n2\n");
  EXPECT_TRUE(health_.Probe({}, 1));
}

TEST_F(CommandHealthTest, ReportsExitStatusAndLastLine) {
  Hook("web", "echo starting; echo 'port 80 is closed' >&2; exit 3\n");
  const Error error = Failure({"web"});
  EXPECT_EQ(error.code(), ErrorCode::kHealthCheckFailed);
  EXPECT_THAT(error.Message(),
              HasSubstr("hook web ended with status 3; it said: port 80 is closed"));
}

TEST_F(CommandHealthTest, HookKilledBySignalFails) {
  Hook("crash", "kill -SEGV $$\n");
  EXPECT_THAT(Failure({"crash"}).Message(), HasSubstr("status 139"));
}

TEST_F(CommandHealthTest, MissingHookFailsBeforeAnyRuns) {
  Hook("first", "touch " + dir_.Of("ran"));
  EXPECT_EQ(Failure({"first", "absent"}).code(), ErrorCode::kHealthCheckFailed);
  EXPECT_FALSE(PathExists(dir_.Of("ran")));
}

TEST_F(CommandHealthTest, RefusesNamesThatAreNotPlain) {
  for (const char* name : {"", ".", "..", "../sh", "/bin/true", "a/b", ".hidden", "a b", "a\n"}) {
    EXPECT_EQ(Failure({name}).code(), ErrorCode::kHealthCheckFailed) << name;
  }
}

TEST_F(CommandHealthTest, RefusesWritableAndNonExecutableHooksAndLinks) {
  Hook("writable", "exit 0\n", 0757);
  Hook("text", "exit 0\n", 0644);
  ASSERT_EQ(symlink("/bin/true", dir_.Of("link").c_str()), 0);
  for (const char* name : {"writable", "text", "link"}) {
    EXPECT_EQ(Failure({name}).code(), ErrorCode::kHealthCheckFailed) << name;
  }
}

TEST_F(CommandHealthTest, KillsAHangingHookWithItsChildrenAtTheCommonDeadline) {
  Hook("fine", "exit 0\n");
  // The lock stays held as long as any process of the group lives.
  Hook("hang", "exec 9>" + dir_.Of("lock") + "; flock 9; sleep 600 & echo waiting; wait\n");
  const Error error = Failure({"fine", "hang"}, 1);
  EXPECT_EQ(error.code(), ErrorCode::kHealthTimeout);
  EXPECT_THAT(error.Message(), HasSubstr("hook hang did not end within 1 s; it said: waiting"));
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  const auto freed = Spawn({"flock", {"-w", "15", dir_.Of("lock"), "true"}, "", deadline});
  ASSERT_TRUE(freed);
  EXPECT_EQ(freed->exit_status, 0) << "a child of the hook is still alive";
}

TEST_F(CommandHealthTest, KeepsOnlyTheEndOfAFlood) {
  Hook("flood", "head -c 3000000 /dev/zero | tr '\\0' x; echo; echo the end; exit 1\n");
  EXPECT_THAT(Failure({"flood"}).Message(), HasSubstr("it said: the end"));
}

TEST_F(CommandHealthTest, OneEndlessLineIsCut) {
  Hook("flood", "head -c 100000 /dev/zero | tr '\\0' x; exit 1\n");
  EXPECT_LT(Failure({"flood"}).Message().size(), 400U);
}

TEST_F(CommandHealthTest, FloodDoesNotPassTheDeadline) {
  Hook("flood", "yes\n");
  EXPECT_EQ(Failure({"flood"}, 1).code(), ErrorCode::kHealthTimeout);
}

TEST_F(CommandHealthTest, HookSeesNoInputAndASmallEnvironment) {
  Hook("look", "cat; env | sort | tr '\\n' ' '; exit 1\n");
  ASSERT_EQ(setenv("PAWL_LEAK", "yes", 1), 0);
  const std::string said = Failure({"look"}).Message();
  unsetenv("PAWL_LEAK");
  EXPECT_THAT(said, HasSubstr("LC_ALL=C"));
  EXPECT_THAT(said, testing::Not(HasSubstr("PAWL_LEAK")));
}

TEST(SpawnTest, SaysWhichToolIsMissing) {
  const auto outcome = Spawn({"no-such-tool-here", {}, "", std::chrono::steady_clock::now()});
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().code(), ErrorCode::kToolMissing);
  EXPECT_THAT(outcome.error().Message(), HasSubstr("no-such-tool-here"));
}

}  // namespace
}  // namespace pawl::client
