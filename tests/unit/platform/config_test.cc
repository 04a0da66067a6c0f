// SPDX-License-Identifier: Apache-2.0
#include "client/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <set>
#include <sstream>
#include <string>

#include "tests/unit/platform/temp_dir.h"

namespace pawl::client {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

constexpr std::string_view kDevice =
    "[device]\nid = \"gw-0001\"\nproduct = \"gateway\"\nhardware = \"gw-x1\"\ngroups = [\"lab\"]\n"
    "[update]\nserver = \"http://updates.example/pawl\"\n";

class ConfigTest : public testing::Test {
 protected:
  void Image(std::string_view text) { dir_.Put("usr/lib/pawl/agent.toml", text); }
  void Site(std::string_view text) { dir_.Put("etc/pawl/agent.toml", text); }
  void Device(std::string_view text) { dir_.Put("var/lib/pawl/device.toml", text); }
  AgentConfig Good() {
    auto config = LoadConfig(paths_);
    EXPECT_TRUE(config) << config.error().Message();
    return config ? *std::move(config) : AgentConfig{};
  }
  Error Bad(bool strict = false) {
    auto config = LoadConfig(paths_, strict);
    EXPECT_FALSE(config);
    return config ? Error(ErrorCode::kInternal, "loaded") : std::move(config).error();
  }
  TempDir dir_;
  Paths paths_{dir_.path()};
};

TEST_F(ConfigTest, DeviceFileAloneIsEnough) {
  Device(kDevice);
  const AgentConfig config = Good();
  EXPECT_EQ(config.device_id, "gw-0001");
  EXPECT_THAT(config.groups, ElementsAre("lab"));
  EXPECT_EQ(config.server, "http://updates.example/pawl/");
  EXPECT_EQ(config.channel, "stable");
  EXPECT_EQ(config.checkpoint_mib, 8U);
  EXPECT_TRUE(config.confirm_requires_refresh);
  EXPECT_FALSE(config.keep_below_floor_rescue);
  EXPECT_EQ(config.slot_a.at("rootfs"), dir_.path() + "/dev/disk/by-partlabel/pawl-a");
  EXPECT_EQ(config.boot_env, dir_.path() + "/boot/pawl/grubenv");
  EXPECT_EQ(config.metadata_limits.root_bytes, 64U * 1024);
  EXPECT_THAT(config.warnings, IsEmpty());
}

TEST_F(ConfigTest, LaterLayersWinKeyByKeyAndEveryValueKnowsItsSource) {
  Image("[update]\nchannel = \"stable\"\ncheckpoint_mib = 4\n[slots.a]\nrootfs = \"/dev/p2\"\n");
  Site("[update]\nchannel = \"beta\"\n");
  Device(kDevice);
  const AgentConfig config = Good();
  EXPECT_EQ(config.channel, "beta");
  EXPECT_EQ(config.checkpoint_mib, 4U);
  EXPECT_EQ(config.sources.at("update.channel"), dir_.path() + "/etc/pawl/agent.toml:2");
  EXPECT_EQ(config.sources.at("update.checkpoint_mib"), dir_.path() + "/usr/lib/pawl/agent.toml:3");
  EXPECT_EQ(config.sources.at("update.memory_mib"), "default");
  const Json shown = ShowConfig(config);
  EXPECT_EQ(shown["update.channel"]["value"], "beta");
  EXPECT_EQ(shown["slots.a.rootfs"]["value"], dir_.path() + "/dev/p2");
  EXPECT_EQ(shown["device.id"]["source"], dir_.path() + "/var/lib/pawl/device.toml:2");
  EXPECT_EQ(shown["policy.keep_below_floor_rescue"]["source"], "default");
}

TEST_F(ConfigTest, UnknownKeysWarnAndAreErrorsOnlyWhenStrict) {
  Device(std::string(kDevice) + "colour = \"red\"\n[future.thing]\nspeed = 9\n");
  const AgentConfig config = Good();
  EXPECT_THAT(config.warnings,
              UnorderedElementsAre(HasSubstr("device.toml:8: the key \"update.colour\""),
                                   HasSubstr("device.toml:10: the key \"future.thing.speed\"")));
  EXPECT_EQ(Bad(true).code(), ErrorCode::kConfigInvalid);
}

TEST_F(ConfigTest, WrongValuesNameFileLineKeyAndWhatIsExpected) {
  const std::vector<std::pair<std::string, std::string>> wrong = {
      {"[update]\nchannel = 7\n", "agent.toml:2: update.channel: expected a text"},
      {"[update]\n\ncheckpoint_mib = \"8\"\n",
       "agent.toml:3: update.checkpoint_mib: expected an integer"},
      {"[update]\ncheckpoint_mib = 0\n", "expected an integer from 1 to 256"},
      {"[update]\ncheckpoint_mib = -1\n", "expected an integer from 1 to 256"},
      {"[update]\nmemory_mib = 8.5\n", "expected an integer"},
      {"[update]\nconfirm_requires_refresh = 1\n", "expected true or false"},
      {"[update]\nserver = \"ftp://x/\"\n", "expected an http:// or https:// URL"},
      {"[update]\nserver = \"http://x/?a\"\n", "expected an http:// or https:// URL"},
      {"[device]\nid = \"a/b\"\n", "device.id: expected a name"},
      {"[device]\ngroups = \"lab\"\n", "device.groups: expected a list"},
      {"[device]\ngroups = [\"a\", 1]\n", "device.groups: expected a name"},
      {"[boot]\nbackend = \"lilo\"\n", "boot.backend: expected \"grub\""},
      {"[boot]\nenv = \"grubenv\"\n", "boot.env: expected an absolute path"},
      {"[slots.a]\nrootfs = \"/dev/../x\"\n", "slots.a.rootfs: expected an absolute path"},
      {"[limits]\nroot_bytes = 1024\n", "limits.root_bytes: expected an integer from 65536"},
      {"[limits]\nroot_bytes = 0\n", "limits.root_bytes: expected an integer from 65536"},
      {"[update\n", "agent.toml:1"},
  };
  Device(kDevice);
  for (const auto& [text, message] : wrong) {
    Site(text);
    const Error error = Bad();
    EXPECT_EQ(error.code(), ErrorCode::kConfigInvalid) << text;
    EXPECT_THAT(error.Message(), HasSubstr(message)) << text;
  }
}

TEST_F(ConfigTest, CapsCanBeRaised) {
  Device(kDevice);
  Site("[limits]\ntargets_bytes = 1048576\ndelegated_roles = 128\n");
  EXPECT_EQ(Good().metadata_limits.targets_bytes, 1048576U);
  EXPECT_EQ(Good().metadata_limits.delegated_roles, 128U);
}

TEST_F(ConfigTest, SlotsMustBeTwoDifferentPlacesForTheSameComponents) {
  Device(kDevice);
  Site("[slots.a]\nrootfs = \"/dev/x\"\n[slots.b]\nrootfs = \"/dev/x\"\n");
  EXPECT_THAT(Bad().Message(), HasSubstr("slots.a.rootfs"));
  Site("[slots.b]\nboot = \"/dev/y\"\n");
  EXPECT_EQ(Bad().code(), ErrorCode::kConfigInvalid);
}

TEST_F(ConfigTest, MissingFilesAndRequiredKeysAreNamed) {
  EXPECT_EQ(Bad().code(), ErrorCode::kConfigMissing);
  Device("[device]\nid = \"x\"\nproduct = \"p\"\nhardware = \"h\"\n");
  EXPECT_EQ(Bad().code(), ErrorCode::kConfigMissing);
  EXPECT_THAT(Bad().Message(), HasSubstr("update.server"));
}

TEST_F(ConfigTest, NoKeyTouchesTimeTrustCostOrChecks) {
  Device(kDevice);
  const Json shown = ShowConfig(Good());
  for (const auto& [key, value] : shown.items()) {
    for (const char* word :
         {"time", "clock", "root_path", "key", "insecure", "skip", "verify", "cost"}) {
      if (key == "limits.timestamp_bytes") continue;  // the cap of a role's file
      EXPECT_EQ(key.find(word), std::string::npos) << key;
    }
  }
}

TEST_F(ConfigTest, ShippedExampleLoadsWithoutWarnings) {
  std::ifstream example(PAWL_SOURCE_DIR "/packaging/agent/agent.toml");
  ASSERT_TRUE(example);
  std::stringstream text;
  text << example.rdbuf();
  Image(text.str());
  Device(kDevice);
  const auto config = LoadConfig(paths_, true);
  EXPECT_TRUE(config) << config.error().Message();
}

TEST_F(ConfigTest, DocumentationNamesExactlyTheKeysThereAre) {
  Device(kDevice);
  const Json shown = ShowConfig(Good());
  std::set<std::string> keys;
  for (const auto& [key, value] : shown.items()) keys.insert(key);
  std::ifstream page(PAWL_SOURCE_DIR "/docs/configuration.md");
  ASSERT_TRUE(page);
  std::set<std::string> documented;
  bool in_keys = false;
  for (std::string line; std::getline(page, line);) {
    if (line.starts_with("## ")) in_keys = line == "## Keys";
    if (!in_keys || !line.starts_with("| `")) continue;
    documented.insert(line.substr(3, line.find('`', 3) - 3));
  }
  EXPECT_EQ(documented, keys);
}

}  // namespace
}  // namespace pawl::client
