// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "client/integrity/model/device_key.h"
#include "client/integrity/model/profile.h"
#include "tests/unit/integrity/integrity_test_util.h"

namespace pawl::integrity {
namespace {

TEST(DeviceKeyTest, ThumbprintIsTheOneOfRfc8037) {
  const Bytes key =
      *Base64UrlDecode("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo");  // RFC 8037, appendix A.2
  EXPECT_EQ(KeyThumbprint(key), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");  // appendix A.3
}

TEST(DeviceKeyTest, ReadsWhatItWrites) {
  TestVault vault;
  const DeviceKey key = KeyOf(vault);
  const auto read = ParseDeviceKey(AsBytes(EncodeDeviceKey(key)));
  ASSERT_TRUE(read) << read.error().Message();
  EXPECT_EQ(read->device, key.device);
  EXPECT_EQ(read->ueid, key.ueid);
  EXPECT_EQ(read->public_key, key.public_key);
}

TEST(DeviceKeyTest, ReadsTheRecordOfProvisioningAndTufNames) {
  const std::string hex(64, 'a');
  const auto record = ParseDeviceKey(AsBytes(
      R"({"schema":"pawl.device-key/1","device":"gw-1","product":"gateway","hardware":"gw-x1",)"
      R"("algorithm":"ed25519","protection":"software","public_key":")" +
      hex + "\"}"));
  ASSERT_TRUE(record) << record.error().Message();
  EXPECT_EQ(record->ueid, UeidOfKey(record->public_key));
  const auto tuf =
      ParseDeviceKey(AsBytes(R"({"schema":"pawl.device-key/1","device":"gw-1","ueid":"01)" + hex +
                             R"(","keytype":"ed25519","public":")" + hex + "\"}"));
  ASSERT_TRUE(tuf) << tuf.error().Message();
  EXPECT_EQ(HexEncode(tuf->ueid), "01" + hex);
}

TEST(DeviceKeyTest, RefusesWhatIsNotAKey) {
  TestVault vault;
  const Json good = *ParseJson(EncodeDeviceKey(KeyOf(vault)));
  const auto refused = [&](const char* name, const Json& value) {
    Json bad = good;
    bad[name] = value;
    const auto read = ParseDeviceKey(AsBytes(PrettyJson(bad)));
    return !read && read.error().code() == ErrorCode::kKeyInvalid;
  };
  EXPECT_TRUE(refused("schema", "pawl.device-key/2"));
  EXPECT_TRUE(refused("algorithm", "rsa"));
  EXPECT_TRUE(refused("device", ""));
  EXPECT_TRUE(refused("device", "gw\n1"));
  EXPECT_TRUE(refused("public_key", "00"));
  EXPECT_TRUE(refused("ueid", "02" + std::string(64, '0')));
  EXPECT_FALSE(ParseDeviceKey(AsBytes("{}")));
  EXPECT_FALSE(ParseDeviceKey(AsBytes(std::string(5000, ' '))));
}

TEST(DeviceProfileTest, ReadsAllMembers) {
  const std::string hex(64, '1');
  const std::string text =
      R"({"schema":"pawl.device-profile/1","name":"gw-x1","not_applicable":["hw.tpm"],"cmdline":["ro","root=*"],)"
      R"("lsm":"selinux","sysrq_allowed":16,"clock_sync_required":true,"max_check_age_seconds":60,)"
      R"("suid_set_sha256":")" +
      hex + R"(","authorized_keys_sha256":")" + hex + R"(","agent_sha256":")" + hex + "\"}";
  const auto profile = ParseDeviceProfile(AsBytes(text));
  ASSERT_TRUE(profile) << profile.error().Message();
  EXPECT_TRUE(profile->not_applicable.contains("hw.tpm"));
  EXPECT_EQ(profile->cmdline.size(), 2U);
  EXPECT_EQ(profile->lsm, "selinux");
  EXPECT_EQ(profile->sysrq_allowed, 16U);
  EXPECT_TRUE(profile->clock_sync_required);
  EXPECT_EQ(profile->max_check_age_seconds, 60U);
  EXPECT_EQ(profile->agent->Hex(), hex);
  EXPECT_EQ(profile->digest, HashSha256(AsBytes(text)));
}

TEST(DeviceProfileTest, RefusesMistypedExemptionsAndMembers) {
  const auto refused = [](std::string_view members) {
    const auto read = ParseDeviceProfile(
        AsBytes(R"({"schema":"pawl.device-profile/1","name":"x")" + std::string(members) + "}"));
    return !read && read.error().code() == ErrorCode::kConfigInvalid;
  };
  EXPECT_FALSE(refused(R"(,"not_applicable":[])"));
  EXPECT_TRUE(refused(R"(,"not_applicable":["hw.tmp"])"));
  EXPECT_TRUE(refused(R"(,"not_aplicable":[])"));
  EXPECT_TRUE(refused(R"(,"lsm":"tomoyo")"));
  EXPECT_TRUE(refused(R"(,"agent_sha256":"12")"));
  EXPECT_TRUE(refused(R"(,"sysrq_allowed":-1)"));
}

}  // namespace
}  // namespace pawl::integrity
