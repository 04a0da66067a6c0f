// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/signer/signer_test_util.h"

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <random>

#include "base/format.h"
#include "signer/roles.h"
#include "signer/signing.h"

namespace pawl::signer::testing {

TemporaryDirectory::TemporaryDirectory() {
  std::string pattern = (std::filesystem::temp_directory_path() / "pawl-signer-XXXXXX").string();
  path_ = mkdtemp(pattern.data()) == nullptr ? "" : pattern;
}

TemporaryDirectory::~TemporaryDirectory() {
  std::error_code ignored;
  if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
}

void WriteText(const std::string& path, const std::string& text) {
  std::filesystem::create_directories(std::filesystem::path(path).parent_path());
  std::ofstream(path, std::ios::binary) << text;
}

std::string ReadText(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

std::map<std::string, std::string> ReadTree(const std::string& directory) {
  std::map<std::string, std::string> files;
  std::error_code absent;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(directory, absent)) {
    if (!entry.is_regular_file()) continue;
    files[std::filesystem::relative(entry.path(), directory).string()] =
        ReadText(entry.path().string());
  }
  return files;
}

Status FailingWriter::Write(const std::string& path, ByteView bytes) {
  if (writes_++ == fail_at_) return Fail(ErrorCode::kNoSpace, path);
  return real_.Write(path, bytes);
}

Status FailingWriter::Copy(const std::string& source, const std::string& path,
                           const manifest::FileReference& reference) {
  if (writes_++ == fail_at_) return Fail(ErrorCode::kNoSpace, path);
  return real_.Copy(source, path, reference);
}

namespace {

class P256InMemory : public SecretKey {
 public:
  P256InMemory() : key_(EVP_EC_gen("P-256"), EVP_PKEY_free) {}
  Result<Bytes> Sign(ByteView message) const override {
    const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(),
                                                                          EVP_MD_CTX_free);
    Bytes signature(80);
    std::size_t length = signature.size();
    EXPECT_EQ(EVP_DigestSignInit(context.get(), nullptr, EVP_sha256(), nullptr, key_.get()), 1);
    EXPECT_EQ(
        EVP_DigestSign(context.get(), signature.data(), &length, message.data(), message.size()),
        1);
    signature.resize(length);
    return signature;
  }
  Bytes Point() const {
    std::uint8_t* raw = nullptr;
    const std::size_t length = EVP_PKEY_get1_encoded_public_key(key_.get(), &raw);
    Bytes point(raw, raw + length);
    OPENSSL_free(raw);
    return point;
  }

 private:
  std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key_;
};

}  // namespace

SigningKey MakeP256Key(const std::string& name) {
  auto secret = std::make_unique<P256InMemory>();
  NamedKey named = MakeNamedP256Key(name, secret->Point()).value();
  return {std::move(named), std::move(secret)};
}

SignerTest::SignerTest() {
  for (const char* name :
       {"anna", "ben", "chloe", "dora", "emil", "rolf", "olga", "snap", "time", "mallory"}) {
    NewKey(name);
  }
}

const NamedKey& SignerTest::NewKey(const std::string& name) {
  auto key = Ed25519Key::Generate();
  auto named = MakeNamedKey(name, key->public_key());
  return keys_.emplace(name, OpenedKey{*std::move(named), *std::move(key)}).first->second.named;
}

RoleKeys SignerTest::Keys(const std::vector<std::string>& names, std::uint64_t threshold) const {
  RoleKeys role{{}, threshold};
  for (const std::string& name : names) role.keys.push_back(keys_.at(name).named);
  return role;
}

CeremonyRequest SignerTest::Request() const {
  CeremonyRequest request;
  request.directory = repo_;
  request.product = "gateway";
  request.hardware = {"gw3", "gw4"};
  request.channels = {"stable", "beta"};
  request.root = Keys({"anna", "ben", "chloe"}, 2);
  request.targets = request.root;
  request.releases = Keys({"dora", "emil"}, 2);
  request.rollout = Keys({"rolf"}, 1);
  request.orders = Keys({"olga"}, 1);
  request.snapshot = Keys({"snap"}, 1);
  request.timestamp = Keys({"time"}, 1);
  request.now = now_;
  return request;
}

void SignerTest::HoldUsualCeremony() {
  const auto ceremony = HoldCeremony(Request());
  ASSERT_TRUE(ceremony) << ceremony.error().Message();
}

Workspace SignerTest::Open() const {
  auto workspace = Workspace::Open(repo_);
  EXPECT_TRUE(workspace) << workspace.error().Message();
  return *std::move(workspace);
}

SigningKey SignerTest::KeyOf(const std::string& name) const {
  const OpenedKey& key = keys_.at(name);
  return ToSigningKey({key.named, Ed25519Key::FromSeed(key.key.Seed()).value()});
}

std::vector<SigningKey> SignerTest::KeysOf(const std::vector<std::string>& names) const {
  std::vector<SigningKey> keys;
  for (const std::string& name : names) keys.push_back(KeyOf(name));
  return keys;
}

void SignerTest::SignBy(const std::vector<std::string>& names) {
  const Workspace workspace = Open();
  for (const std::string& name : names) {
    const auto roles = Roles::Load(workspace);
    ASSERT_TRUE(roles) << roles.error().Message();
    const auto plan = PlanSigning(workspace, *roles, keys_.at(name).named, {}, now_);
    ASSERT_TRUE(plan) << name << ": " << plan.error().Message();
    const auto outcome = Sign(workspace, *roles, *plan, KeyOf(name));
    ASSERT_TRUE(outcome) << outcome.error().Message();
  }
}

Result<Publication> SignerTest::PublishWith(TreeWriter& writer,
                                            const std::vector<std::string>& roles) const {
  const std::vector<SigningKey> online = KeysOf(online_);
  return Publish(Open(), {Purpose::kPublish, roles, &online, now_}, writer);
}

Result<Publication> SignerTest::PublishAll(const std::vector<std::string>& roles) const {
  DirectoryTreeWriter writer(repo_ + "/public");
  return PublishWith(writer, roles);
}

void SignerTest::StartRepository() {
  HoldUsualCeremony();
  SignBy({"anna", "ben", "dora", "emil", "rolf", "olga"});
  const auto published = PublishAll();
  ASSERT_TRUE(published) << published.error().Message();
}

BuildRequest SignerTest::ImageOf(const std::string& version, std::uint64_t build,
                                 std::uint64_t epoch) const {
  std::mt19937 random(7);
  std::string image(2'500'000, '\0');
  for (char& c : image) c = static_cast<char>(random());
  for (std::size_t i = 0; i < image.size(); i += 100'000) image[i] = static_cast<char>(build);
  const std::string path = directory_.Path(version + ".image");
  WriteText(path, image);
  const manifest::ImageIdentity identity{"gateway", version, build, epoch, {1'790'000'000}};
  WriteText(path + ".identity", manifest::EncodeImageIdentity(identity));
  BuildRequest request;
  request.product = "gateway";
  request.images = {{"rootfs", path}};
  request.identity_path = path + ".identity";
  request.threads = 1;
  request.encoders = "none";  // their self-tests take a while
  return request;
}

void SignerTest::BuildAndList(const std::string& version, std::uint64_t build,
                              std::uint64_t epoch) {
  const Workspace workspace = Open();
  const auto built = BuildRelease(workspace, ImageOf(version, build, epoch));
  ASSERT_TRUE(built) << built.error().Message();
  const auto listed = AddRelease(workspace, "gateway", version, now_);
  ASSERT_TRUE(listed) << listed.error().Message();
}

}  // namespace pawl::signer::testing
