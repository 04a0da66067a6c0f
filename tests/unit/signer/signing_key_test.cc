// SPDX-License-Identifier: Apache-2.0
// Keys of any kind behind one interface: P-256 keys in metadata, and keys that fail while signing.

#include "signer/signing_key.h"

#include <algorithm>

#include "manifest/refresh.h"
#include "signer/metadata_writer.h"
#include "signer/roles.h"
#include "signer/signing.h"
#include "signer/tree_check.h"
#include "tests/unit/signer/signer_test_util.h"

namespace pawl::signer::testing {
namespace {

// Signs some messages and then is gone, like a token that is pulled out.
class LeavingKey : public SecretKey {
 public:
  LeavingKey(SigningKey key, int signatures) : key_(std::move(key)), left_(signatures) {}
  Result<Bytes> Sign(ByteView message) const override {
    if (left_-- == 0) return Fail(ErrorCode::kSigningFailed, "the token is gone");
    return key_.Sign(message);
  }

 private:
  SigningKey key_;
  mutable int left_;
};

// A token that answers with the signature of something else.
class WrongKey : public SecretKey {
 public:
  Result<Bytes> Sign(ByteView) const override { return Bytes(kEd25519SignatureBytes); }
};

class SigningKeyTest : public SignerTest {
 protected:
  // All of the ceremony with P-256 keys only.
  CeremonyRequest RequestOfP256() {
    CeremonyRequest request = Request();
    for (RoleKeys* role : {&request.root, &request.targets, &request.releases, &request.rollout,
                           &request.orders, &request.snapshot, &request.timestamp}) {
      for (NamedKey& key : role->keys) {
        if (!p256_.contains(key.name)) p256_.emplace(key.name, MakeP256Key(key.name));
        key = p256_.at(key.name).named;
      }
    }
    return request;
  }
  Status SignDraftsWith(const SigningKey& key) const {
    const Workspace workspace = Open();
    PAWL_ASSIGN_OR_RETURN(const Roles roles, Roles::Load(workspace));
    PAWL_ASSIGN_OR_RETURN(const SignPlan plan, PlanSigning(workspace, roles, key.named, {}, now_));
    PAWL_TRY(Sign(workspace, roles, plan, key));
    return {};
  }
  std::map<std::string, SigningKey> p256_;
};

TEST_F(SigningKeyTest, ADeviceAcceptsARepositoryOfP256KeysOnly) {
  ASSERT_TRUE(HoldCeremony(RequestOfP256()));
  for (const char* name : {"anna", "ben", "dora", "emil", "rolf", "olga"}) {
    const auto done = SignDraftsWith(p256_.at(name));
    ASSERT_TRUE(done) << name << ": " << done.error().Message();
  }
  std::vector<SigningKey> online;
  online.push_back(std::move(p256_.at("snap")));
  online.push_back(std::move(p256_.at("time")));
  DirectoryTreeWriter writer(repo_ + "/public");
  const auto published = Publish(Open(), {Purpose::kPublish, {}, &online, now_}, writer);
  ASSERT_TRUE(published) << published.error().Message();
  TreeFetcher tree(repo_ + "/public");
  MemoryMetadataStore store;
  const std::string root = ReadText(repo_ + "/public/metadata/1.root.json");
  auto device = manifest::TufClient::Open(store, AsBytes(root), now_);
  ASSERT_TRUE(device) << device.error().Message();
  const auto refreshed = device->Refresh(tree);
  ASSERT_TRUE(refreshed) << refreshed.error().Message();
  EXPECT_NE(root.find("-----BEGIN PUBLIC KEY-----\\n"), std::string::npos);
  EXPECT_EQ(root.find("ed25519"), std::string::npos);
}

TEST_F(SigningKeyTest, ATokenThatLeavesBetweenTwoSignaturesChangesNothing) {
  HoldUsualCeremony();
  const auto before = ReadTree(repo_);
  // anna signs root and targets: the second signature fails.
  SigningKey leaving{keys_.at("anna").named, std::make_unique<LeavingKey>(KeyOf("anna"), 1)};
  EXPECT_EQ(CodeOf(SignDraftsWith(leaving)), ErrorCode::kSigningFailed);
  EXPECT_EQ(ReadTree(repo_), before);
}

TEST_F(SigningKeyTest, ASignatureThatDoesNotVerifyNeverLeaves) {
  HoldUsualCeremony();
  const auto before = ReadTree(repo_);
  SigningKey wrong{keys_.at("anna").named, std::make_unique<WrongKey>()};
  EXPECT_EQ(CodeOf(SignDraftsWith(wrong)), ErrorCode::kSigningFailed);
  // ben's secret under anna's name: the token was exchanged.
  SigningKey exchanged{keys_.at("anna").named, KeyOf("ben").secret};
  EXPECT_EQ(CodeOf(SignDraftsWith(exchanged)), ErrorCode::kSigningFailed);
  EXPECT_EQ(ReadTree(repo_), before);
}

TEST_F(SigningKeyTest, LineFeedsAreAllowedInPemKeysAlone) {
  const SigningKey key = MakeP256Key("anna");
  const RoleKeys keys{{key.named}, 1};
  const std::map<std::string, RoleKeys> roles{
      {"root", keys}, {"targets", keys}, {"snapshot", keys}, {"timestamp", keys}};
  MetadataFile root{MakeRoot(1, now_, roles), {}};
  ASSERT_TRUE(EncodeMetadataFile(root));
  EXPECT_NE(root.SignedBytes().find("-----BEGIN PUBLIC KEY-----\nMF"), std::string::npos);
  ASSERT_TRUE(
      EncodeMetadataFile({MakeTargets(1, now_, {{"orders", keys, {"orders/device/*"}}}), {}}));

  root.content["x-note"] = "two\nlines";
  EXPECT_EQ(CodeOf(EncodeMetadataFile(root)), ErrorCode::kInputInvalid);
  root.content.erase("x-note");
  Json& value = root.content["keys"].begin().value()["keyval"];
  const std::string pem = value["public"].get<std::string>();
  value["public"] = "note\n" + pem;  // clients would take the PEM out of it
  EXPECT_EQ(CodeOf(EncodeMetadataFile(root)), ErrorCode::kInputInvalid);
  value["public"] = pem + "\t";
  EXPECT_EQ(CodeOf(EncodeMetadataFile(root)), ErrorCode::kInputInvalid);
  value["public"] = pem;
  root.content["keys"].begin().value()["x-note"] = pem;
  EXPECT_EQ(CodeOf(EncodeMetadataFile(root)), ErrorCode::kInputInvalid);
}

TEST(P256PublicKeyFileTest, RoundTrip) {
  const NamedKey key = MakeP256Key("anna").named;
  const auto read = ParsePublicKey(AsBytes(EncodePublicKey(key)), "anna.pub");
  ASSERT_TRUE(read) << read.error().Message();
  EXPECT_EQ(read->keyid, key.keyid);
  EXPECT_EQ(read->tuf["keytype"], "ecdsa");
  EXPECT_EQ(read->tuf["scheme"], "ecdsa-sha2-nistp256");
  EXPECT_TRUE(DescribeKey(*read).starts_with("P-256 04")) << DescribeKey(*read);
}

// Two spellings would be two key ids of one key.
TEST(P256PublicKeyFileTest, OtherSpellingsOfThePemAreRefused) {
  const NamedKey key = MakeP256Key("anna").named;
  const std::string pem = key.tuf["keyval"]["public"].get<std::string>();
  std::string windows;
  for (const char c : pem) windows += c == '\n' ? std::string("\r\n") : std::string(1, c);
  for (const std::string& text :
       {pem.substr(0, pem.size() - 1), pem + "\n", windows, "see below\n" + pem}) {
    Json tuf = key.tuf;
    tuf["keyval"]["public"] = text;
    EXPECT_EQ(CodeOf(ReadNamedKey("anna", tuf)), ErrorCode::kKeyFileMalformed) << text;
  }
}

TEST(P256PublicKeyFileTest, APointThatIsNotOnTheCurveIsRefused) {
  const NamedKey key = MakeP256Key("anna").named;
  Bytes point(key.key.identity().end() - kP256PointBytes, key.key.identity().end());
  ASSERT_TRUE(MakeNamedP256Key("anna", point));
  for (const std::size_t length : {std::size_t{0}, std::size_t{33}, std::size_t{64}}) {
    EXPECT_EQ(CodeOf(MakeNamedP256Key("anna", ByteView(point).first(length))),
              ErrorCode::kKeyInvalid);
  }
  point.back() ^= 1;
  EXPECT_EQ(CodeOf(MakeNamedP256Key("anna", point)), ErrorCode::kKeyInvalid);
  point.back() ^= 1;
  point.front() = point.back() % 2 == 0 ? 6 : 7;  // the hybrid form of X9.62
  EXPECT_EQ(CodeOf(MakeNamedP256Key("anna", point)), ErrorCode::kKeyInvalid);
}

}  // namespace
}  // namespace pawl::signer::testing
