// SPDX-License-Identifier: Apache-2.0
// The archive reader against everything that an archive can be: one spelling is right.

#include "manifest/bundle.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <filesystem>

#include "base/file.h"
#include "base/format.h"
#include "base/hash.h"
#include "tests/fakes/sim_bundle.h"
#include "tests/matchers.h"

namespace pawl::manifest {
namespace {

using fakes::BundleFiles;
using fakes::LayDown;
using pawl::testing::IsError;
using pawl::testing::IsOk;

class BytesReader : public RandomReader {
 public:
  explicit BytesReader(const Bytes& bytes) : bytes_(bytes) {}
  Status ReadAt(std::uint64_t offset, ByteSpan out) override {
    if (!Contains(bytes_.size(), offset, out.size())) return Fail(ErrorCode::kIo, "past the end");
    read_ += out.size();
    const auto from = bytes_.begin() + static_cast<std::ptrdiff_t>(offset);
    std::copy(from, from + static_cast<std::ptrdiff_t>(out.size()), out.begin());
    return {};
  }
  std::uint64_t SizeBytes() const override { return bytes_.size(); }
  std::uint64_t read() const { return read_; }

 private:
  const Bytes& bytes_;
  std::uint64_t read_ = 0;
};

Bytes Text(std::string_view text) { return Bytes(text.begin(), text.end()); }

const std::string kDigest(64, 'a');

// One of everything, in order.
BundleFiles Everything() {
  return {{"metadata/1.root.json", Text("root 1")},
          {"metadata/2.root.json", Text("root 2")},
          {"metadata/timestamp.json", Text("timestamp")},
          {"metadata/7.snapshot.json", Text("snapshot")},
          {"metadata/3.targets.json", Text("targets")},
          {"metadata/9.releases-gateway.json", Text("releases")},
          {"offline/order.json", Text("order")},
          {"offline/orders.json", Text("orders")},
          {"targets/releases/gateway/1.0+b/" + kDigest + ".manifest.json", Text("manifest")},
          {"payloads/aa/" + kDigest + ".chunks", Text("")},
          {"payloads/bb/" + kDigest + ".pawl", Bytes(1500, 0x5a)}};
}

Result<Bundle> Open(const Bytes& bytes) {
  BytesReader reader(bytes);
  auto bundle = Bundle::Open(reader);
  if (!bundle) return std::unexpected(std::move(bundle).error());
  return Fail(ErrorCode::kInternal, "opened");  // the reader goes away: only the verdict leaves
}

Bytes Only(const std::string& name) { return LayDown({{name, Text("content")}}); }

TEST(BundleTest, FindsEveryFileByTheNameThatADeviceAsksFor) {
  const Bytes bytes = LayDown(Everything());
  BytesReader reader(bytes);
  const auto bundle = Bundle::Open(reader);
  ASSERT_THAT(bundle, IsOk());
  BundleFetcher fetcher(*bundle);
  for (const auto& [name, content] : Everything()) {
    std::string asked = name;
    if (const auto plus = asked.find('+'); plus != asked.npos) asked.replace(plus, 1, "%2B");
    EXPECT_EQ(fetcher.Fetch(asked, 2000).value(), content) << name;
  }
  EXPECT_EQ(bundle->release_path(), "releases/gateway/1.0+b/manifest.json");
  EXPECT_THAT(fetcher.Fetch("payloads/bb/" + kDigest + ".pawl", 1499),
              IsError(ErrorCode::kTransferTooLarge));
  EXPECT_THAT(fetcher.Fetch("metadata/3.root.json", 9), IsError(ErrorCode::kNotFound));
  EXPECT_THAT(fetcher.Fetch("metadata/8.snapshot.json", 9), IsError(ErrorCode::kBundleIncomplete));
}

// M-73
TEST(BundleTest, ContentIsReadWhenItIsAskedForAndNeverBefore) {
  const Bytes bytes = LayDown({{"payloads/aa/big", Bytes(1'000'000, 1)}});
  BytesReader reader(bytes);
  const auto bundle = Bundle::Open(reader);
  ASSERT_THAT(bundle, IsOk());
  EXPECT_LE(reader.read(), 4 * kBundleBlockBytes);
  Bytes part(10);
  const Bundle::Entry* entry = bundle->Find("payloads/aa/big");
  ASSERT_NE(entry, nullptr);
  EXPECT_THAT(bundle->Read(*entry, 999'990, part), IsOk());
  EXPECT_THAT(bundle->Read(*entry, 999'991, part), IsError(ErrorCode::kPayloadLength));
  EXPECT_THAT(bundle->Read(*entry, UINT64_MAX, part), IsError(ErrorCode::kPayloadLength));
}

// M-70: every bit of every byte that is no content.
TEST(BundleTest, RefusesEveryChangedByteOfHeadersPaddingAndEnd) {
  const Bytes good = LayDown(Everything());
  BytesReader reader(good);
  const auto bundle = Bundle::Open(reader);
  ASSERT_THAT(bundle, IsOk());
  std::vector<bool> content(good.size());
  for (const auto& entry : bundle->entries()) {
    for (std::uint64_t i = 0; i < entry.size; ++i) content[entry.offset + i] = true;
  }
  std::size_t tried = 0;
  for (std::size_t at = 0; at < good.size(); ++at) {
    if (content[at]) continue;
    for (const int flip : {0x01, 0x20, 0x80}) {
      Bytes bad = good;
      bad[at] = static_cast<std::uint8_t>(bad[at] ^ flip);
      EXPECT_THAT(Open(bad), IsError(ErrorCode::kBundleMalformed)) << at;
      ++tried;
    }
  }
  EXPECT_GT(tried, 10'000U);
}

// M-72
TEST(BundleTest, RefusesEveryTruncationAndEveryExtension) {
  const Bytes good = LayDown(Everything());
  for (std::size_t size = 0; size < good.size(); ++size) {
    const Bytes cut(good.begin(), good.begin() + static_cast<std::ptrdiff_t>(size));
    EXPECT_THAT(Open(cut), IsError(ErrorCode::kBundleMalformed)) << size;
  }
  for (const std::size_t more : {1U, 512U, 1024U, 10240U}) {
    Bytes longer = good;
    longer.resize(good.size() + more);
    EXPECT_THAT(Open(longer), IsError(ErrorCode::kBundleMalformed)) << more;
  }
  Bytes twice = good;
  twice.insert(twice.end(), good.begin(), good.end());
  EXPECT_THAT(Open(twice), IsError(ErrorCode::kBundleMalformed));
}

// M-71
TEST(BundleTest, RefusesNamesThatLeadElsewhere) {
  for (const std::string name : {"../metadata/timestamp.json",
                                 "metadata/../timestamp.json",
                                 "metadata/./timestamp.json",
                                 "metadata//timestamp.json",
                                 "metadata/timestamp.json/",
                                 "metadata",
                                 "metadata/",
                                 "metadata/timestamp.json ",
                                 "metadata/1.timestamp.json",
                                 "metadata/01.root.json",
                                 "metadata/0.root.json",
                                 "metadata/-1.root.json",
                                 "metadata/99999999999999999999.root.json",
                                 "metadata/root.json",
                                 "metadata/1.json",
                                 "metadata/1..json",
                                 "metadata/.json",
                                 "metadata/x/1.targets.json",
                                 "etc/passwd",
                                 "payloads",
                                 "payloads/..",
                                 "payloads/a\\b",
                                 "payloads/a\nb",
                                 "offline/other.json",
                                 "offline/order.json/x",
                                 "targets/x",
                                 "targets/releases/gateway/1.0/manifest.json",
                                 "targets/orders/device/x.json"}) {
    EXPECT_THAT(KeyOfBundleName(name), IsError(ErrorCode::kBundleMalformed)) << name;
    if (name.empty()) continue;
    EXPECT_THAT(Open(Only(name)), IsError(ErrorCode::kBundleMalformed)) << name;
  }
  EXPECT_THAT(KeyOfBundleName("/metadata/timestamp.json"), IsError(ErrorCode::kBundleMalformed));
  EXPECT_THAT(EncodeBundleHeader("/metadata/timestamp.json", 1),
              IsError(ErrorCode::kBundleMalformed));
}

// M-71
TEST(BundleTest, RefusesDuplicatesAndEveryOtherOrder) {
  const BundleFiles good = Everything();
  for (std::size_t i = 0; i + 1 < good.size(); ++i) {
    BundleFiles swapped = good;
    std::swap(swapped[i], swapped[i + 1]);
    EXPECT_THAT(Open(LayDown(swapped)), IsError(ErrorCode::kBundleMalformed)) << good[i].first;
    BundleFiles doubled = good;
    doubled.insert(doubled.begin() + static_cast<std::ptrdiff_t>(i), good[i]);
    EXPECT_THAT(Open(LayDown(doubled)), IsError(ErrorCode::kBundleMalformed)) << good[i].first;
  }
  // Two of a kind under two names: which one counts must not be a question.
  for (const std::string second : {"metadata/8.snapshot.json", "metadata/4.targets.json",
                                   "metadata/10.releases-gateway.json", "metadata/4.root.json"}) {
    BundleFiles files = good;
    for (std::size_t at = 0; at <= good.size(); ++at) {
      BundleFiles more = good;
      more.insert(more.begin() + static_cast<std::ptrdiff_t>(at), {second, Text("x")});
      EXPECT_THAT(Open(LayDown(more)), IsError(ErrorCode::kBundleMalformed)) << second << at;
    }
  }
  BundleFiles two = good;
  two.insert(two.begin() + 9,
             {"targets/releases/gateway/2.0/" + kDigest + ".manifest.json", Text("x")});
  EXPECT_THAT(Open(LayDown(two)), IsError(ErrorCode::kBundleMalformed));
}

// A header of another type with a right checksum: what `tar` would follow, make or skip.
Bytes WithType(char type, const std::string& link = "") {
  Bytes bytes = Only("metadata/timestamp.json");
  bytes[156] = static_cast<std::uint8_t>(type);
  std::copy(link.begin(), link.end(), bytes.begin() + 157);
  unsigned sum = 8 * ' ';
  for (std::size_t i = 0; i < 512; ++i) sum += i >= 148 && i < 156 ? 0U : bytes[i];
  const std::string text = Format("{:06o}", sum);
  std::copy(text.begin(), text.end(), bytes.begin() + 148);
  return bytes;
}

// M-70
TEST(BundleTest, RefusesLinksFoldersDevicesAndExtendedHeaders) {
  EXPECT_THAT(Open(WithType('0')), IsError(ErrorCode::kInternal));  // opened: the checksum is right
  for (const char type : {'\0', '1', '2', '3', '4', '5', '6', '7', 'x', 'g', 'L', 'K', 'S', 'V'}) {
    EXPECT_THAT(Open(WithType(type)), IsError(ErrorCode::kBundleMalformed)) << type;
    EXPECT_THAT(Open(WithType(type, "/etc/shadow")), IsError(ErrorCode::kBundleMalformed)) << type;
  }
  EXPECT_THAT(Open(WithType('0', "/etc/shadow")), IsError(ErrorCode::kBundleMalformed));
}

// M-70
TEST(BundleTest, RefusesSizesThatTheFileDoesNotHave) {
  EXPECT_THAT(EncodeBundleHeader("payloads/a", kMaxBundleEntryBytes), IsOk());
  EXPECT_THAT(EncodeBundleHeader("payloads/a", kMaxBundleEntryBytes + 1),
              IsError(ErrorCode::kBundleMalformed));
  for (const std::uint64_t size : {std::uint64_t{513}, std::uint64_t{1025}, kMaxBundleEntryBytes}) {
    Bytes bytes = Only("payloads/a");
    const BundleBlock header = EncodeBundleHeader("payloads/a", size).value();
    std::copy(header.begin(), header.end(), bytes.begin());
    EXPECT_THAT(Open(bytes), IsError(ErrorCode::kBundleMalformed)) << size;
  }
  Bytes binary = Only("payloads/a");
  binary[124] = 0x80;  // GNU's binary sizes
  EXPECT_THAT(Open(binary), IsError(ErrorCode::kBundleMalformed));
}

// M-71
TEST(BundleTest, RefusesMoreEntriesThanItsLimit) {
  BundleFiles files;
  for (std::size_t i = 0; i <= kMaxBundleEntries; ++i) {
    files.emplace_back(Format("payloads/{:05}", i), Bytes());
  }
  EXPECT_THAT(Open(LayDown(files)), IsError(ErrorCode::kBundleMalformed));
  files.pop_back();
  EXPECT_THAT(Open(LayDown(files)), IsError(ErrorCode::kInternal));  // opened
}

// M-71: the index of a file that nobody has signed is held in memory.
TEST(BundleTest, RefusesMoreNamesThanItsLimit) {
  BundleFiles files;
  const std::string folder(94, '+');
  for (std::size_t i = 0; i * 108 <= kMaxBundleNameBytes; ++i) {
    files.emplace_back(Format("payloads/{}/{:04}", folder, i), Bytes());
  }
  EXPECT_THAT(Open(LayDown(files)), IsError(ErrorCode::kBundleMalformed));
  files.pop_back();
  EXPECT_THAT(Open(LayDown(files)), IsError(ErrorCode::kInternal));  // opened
}

TEST(BundleTest, LongNamesAreCutWhereTheFormatWantsIt) {
  const std::string product(64, 'p');
  const std::string version(64, 'v');
  const std::string name =
      "targets/releases/" + product + "/" + version + "/" + kDigest + ".manifest.json";
  ASSERT_GT(name.size(), 200U);
  const Bytes bytes = Only(name);
  BytesReader reader(bytes);
  const auto bundle = Bundle::Open(reader);
  ASSERT_THAT(bundle, IsOk());
  EXPECT_EQ(bundle->entries()[0].name, name);
  // No component may be longer than the name field.
  EXPECT_THAT(EncodeBundleHeader("payloads/" + std::string(101, 'x'), 1),
              IsError(ErrorCode::kBundleMalformed));
}

// An empty archive says nothing, and absence is a refusal.
TEST(BundleTest, RefusesAnEmptyArchive) {
  EXPECT_THAT(Open(Bytes(1024)), IsError(ErrorCode::kBundleMalformed));
  EXPECT_THAT(Open(Bytes(1536)), IsError(ErrorCode::kBundleMalformed));
  EXPECT_THAT(Open(Bytes(10240)), IsError(ErrorCode::kBundleMalformed));
}

// Other programs read what we write: the same names and bytes come out of the system's tar.
TEST(BundleTest, TheSystemsTarReadsIt) {
  const std::string folder =
      (std::filesystem::path(::testing::TempDir()) / "pawl_bundle_tar").string();
  std::filesystem::remove_all(folder);
  ASSERT_THAT(MakeDirectories(folder), IsOk());
  ASSERT_THAT(AtomicWriteFile(folder + "/b.tar", LayDown(Everything())), IsOk());
  ASSERT_EQ(std::system(("tar -xf " + folder + "/b.tar -C " + folder).c_str()), 0);
  for (const auto& [name, content] : Everything()) {
    EXPECT_EQ(ReadFile(folder + "/" + name, 2000).value(), content) << name;
  }
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace pawl::manifest
