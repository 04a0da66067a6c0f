// SPDX-License-Identifier: Apache-2.0
// How much heap the TUF client takes under a device's caps, whatever the files hold: counted as
// bytes asked for, in a program of its own. The client is the product's, with its store in a folder
// and its requests over HTTP's port; the server's side lies on disk and takes no heap.

#include <gtest/gtest.h>
#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <functional>
#include <string>
#include <utility>

#include "base/file.h"
#include "base/format.h"
#include "base/json.h"
#include "client/core/directory_metadata_store.h"
#include "client/core/http_fetcher.h"
#include "manifest/refresh.h"
#include "tests/fakes/heap_meter.h"
#include "tests/fakes/sim_tuf_repository.h"
#include "tests/unit/manifest/tuf_test_util.h"
#include "tests/unit/platform/temp_dir.h"

namespace pawl::manifest {
namespace {

using fakes::SimTufRepository;

constexpr std::size_t kMostHeapBytes = 8U << 20U;
constexpr std::string_view kBase = "folder:/";
constexpr std::size_t kReceivedAtOnce = 16 * 1024;  // as libcurl gives it

// A web server whose files lie in a folder.
class FolderHttp : public client::Http {
 public:
  explicit FolderHttp(std::string folder) : folder_(std::move(folder)) {}

  Status Get(const client::HttpRequest& request, client::ByteSink& sink) override {
    const std::string path = JoinPath(folder_, EncodeFileName(request.url.substr(kBase.size())));
    if (!PathExists(path)) return Fail(ErrorCode::kNotFound, path);
    PAWL_ASSIGN_OR_RETURN(const UniqueFd file, OpenFile(path, 0));
    PAWL_ASSIGN_OR_RETURN(const std::uint64_t size, FileSize(path));
    if (size > request.max_bytes) return Fail(ErrorCode::kTransferTooLarge, path);
    std::array<std::uint8_t, kReceivedAtOnce> block{};
    for (std::uint64_t at = 0; at < size; at += block.size()) {
      const ByteSpan part = ByteSpan(block).first(std::min<std::size_t>(block.size(), size - at));
      PAWL_TRY(ReadExactAt(file.get(), at, part, path));
      PAWL_TRY(sink.Write(part));
    }
    return {};
  }

 private:
  std::string folder_;
};

// Adds entries to `list` until the file of `part` has just under `bytes`. `entry` makes the n-th.
void FillUp(const Json& part, std::size_t bytes, std::size_t entry_bytes,
            const std::function<void(std::size_t)>& entry) {
  const std::size_t used = part.dump().size() + 1024;  // envelope and signature
  for (std::size_t n = 0; used + (n + 1) * entry_bytes <= bytes; ++n) entry(n);
}

// Six characters that no other n has.
std::string Name(std::size_t n) { return Format("{:06x}", n); }

// What a hostile signer may fill a targets role with. Each is the densest of its kind.
using Filler = std::function<void(Json& part, std::size_t bytes)>;

void WithTargets(Json& part, std::size_t bytes) {
  const Json entry = {{"hashes", {{"x", ""}}}, {"length", 0}};
  FillUp(part, bytes, entry.dump().size() + 10,
         [&](std::size_t n) { part["targets"][Name(n)] = entry; });
}

void WithUnknownValues(Json& part, std::size_t bytes) {
  part["x"] = Json::array();
  FillUp(part, bytes, 2, [&](std::size_t) { part["x"].push_back(0); });
}

void WithUnknownObjects(Json& part, std::size_t bytes) {
  part["x"] = Json::array();
  FillUp(part, bytes, 3, [&](std::size_t) { part["x"].push_back(Json::object()); });
}

void WithUnknownNames(Json& part, std::size_t bytes) {
  part["x"] = Json::array();
  FillUp(part, bytes, 7, [&](std::size_t) { part["x"].push_back({{"", 0}}); });
}

void WithOneLongText(Json& part, std::size_t bytes) {
  part["x"] = "";
  part["x"] = std::string(bytes - part.dump().size() - 1024, 'x');
}

// Of the target that is looked for.
void WithCustom(Json& part, std::size_t bytes) {
  Json& custom = part["targets"]["a/wanted"];
  custom = {{"hashes", {{"x", ""}}}, {"length", 0}, {"custom", {{"x", Json::array()}}}};
  FillUp(part, bytes, 3, [&](std::size_t) { custom["custom"]["x"].push_back(Json::object()); });
}

Json& Delegations(Json& part) {
  Json& delegations = part["delegations"];
  if (!delegations.is_object()) delegations = {{"keys", Json::object()}, {"roles", Json::array()}};
  return delegations;
}

void WithPatterns(Json& part, std::size_t bytes) {
  Json& roles = Delegations(part)["roles"];
  FillUp(part, bytes, 4100, [&](std::size_t n) {
    if (n >= 1000) return;
    Json paths(1000, "?");
    roles.push_back({{"name", Name(n)},
                     {"keyids", Json::array()},
                     {"threshold", 1},
                     {"terminating", false},
                     {"paths", paths}});
  });
}

// Up to 240 keys, by id.
Json SomeKeys() {
  Json keys = Json::object();
  for (std::size_t n = 0; n < 240; ++n) {
    keys[Name(n)] = {{"keytype", "ed25519"},
                     {"scheme", "ed25519"},
                     {"keyval", {{"public", Format("{:064x}", n + 1)}}}};
  }
  return keys;
}

// Roles that all cover the path, with as many keys and names as long as may be.
void WithCoveringRoles(Json& part, std::size_t bytes) {
  Json& delegations = Delegations(part);
  delegations["keys"].update(SomeKeys());
  Json entry = {{"name", Name(0) + std::string(190, 'n')},
                {"keyids", Json::array()},
                {"threshold", 1},
                {"terminating", false},
                {"paths", Json(15, "a/*")}};
  for (std::size_t n = 0; n < 8; ++n) entry["keyids"].push_back(Name(n));
  FillUp(part, bytes, entry.dump().size() + 1, [&](std::size_t n) {
    entry["name"] = Name(n) + std::string(190, 'n');
    delegations["roles"].push_back(entry);
  });
}

// An RSA key of 4096 bits that nobody has, as PEM.
std::string RsaPem(std::uint8_t number) {
  Bytes der = HexDecode("30820222300d06092a864886f70d01010105000382020f003082020a0282020100")
                  .value();
  const std::size_t modulus = der.size();
  for (std::size_t i = 0; i < 512; ++i) {
    der.push_back(static_cast<std::uint8_t>(i * 37 + number));
  }
  der[modulus] |= 0x80;
  der.back() |= 1;
  constexpr std::array<std::uint8_t, 5> kExponent{0x02, 0x03, 0x01, 0x00, 0x01};  // 65537
  der.insert(der.end(), kExponent.begin(), kExponent.end());
  std::string text((der.size() + 2) / 3 * 4 + 1, '\0');
  text.resize(static_cast<std::size_t>(
      EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()), der.data(),
                      static_cast<int>(der.size()))));
  std::string pem = "-----BEGIN PUBLIC KEY-----\n";
  for (std::size_t at = 0; at < text.size(); at += 64) pem += text.substr(at, 64) + "\n";
  return pem + "-----END PUBLIC KEY-----\n";
}

// Each file brings large keys of its own, for a delegation that covers the path and leads nowhere
// new.
void WithRsaKeys(Json& part, std::size_t bytes) {
  static const Json keys = [] {
    Json made = Json::object();
    for (std::size_t n = 0; n < 240; ++n) {
      made[Name(n)] = {{"keytype", "rsa"},
                       {"scheme", "rsassa-pss-sha256"},
                       {"keyval", {{"public", RsaPem(static_cast<std::uint8_t>(n))}}}};
    }
    return made;
  }();
  Json& delegations = Delegations(part);
  delegations["keys"] = keys;
  Json entry = {{"name", "r0"},
                {"keyids", Json::array()},
                {"threshold", 1},
                {"terminating", false},
                {"paths", {"a/*"}}};
  for (const auto& [keyid, key] : keys.items()) entry["keyids"].push_back(keyid);
  delegations["roles"].push_back(entry);
  WithOneLongText(part, bytes);
}

struct Case {
  const char* name;
  Filler fill;
  int roles = 8;       // delegated roles that are filled
  bool chain = false;  // each delegates to the next; else all stand side by side
  bool too_much = false;  // the search is to end before it finds the target
  friend void PrintTo(const Case& c, std::ostream* out) { *out << c.name; }
};

class TufHeapTest : public testing::TestWithParam<Case> {
 protected:
  // root → targets → "r0", "r1" …, all at their caps, and a last one that lists the target.
  SimTufRepository Hostile() {
    SimTufRepository repository;
    const MetadataLimits limits;
    std::vector<std::string> names{"targets"};
    for (int i = 0; i < GetParam().roles; ++i) names.push_back(Format("r{}", i));
    names.emplace_back("last");
    for (std::size_t i = 1; i < names.size(); ++i) {
      const bool below = GetParam().chain && i > 1 && i <= limits.delegation_depth;
      repository.Delegate(below ? names[i - 1] : "targets", names[i], {{"paths", {"a/*"}}});
    }
    for (std::size_t i = 1; i + 1 < names.size(); ++i) {
      GetParam().fill(repository.Part(names[i]), limits.targets_bytes);
    }
    repository.AddTarget("last", "a/wanted", "x");
    FillRoot(repository, limits.root_bytes);
    FillSnapshot(repository, limits.snapshot_bytes);
    repository.Part("timestamp")["x"] = std::string(limits.timestamp_bytes - 1024, 'x');
    // Without hashes: a mirror could fill the files, too, and the snapshot has more entries.
    repository.hashes_in_meta = false;
    repository.PublishRoot();
    repository.embedded_root = repository.files["metadata/2.root.json"];
    repository.Publish(names);
    return repository;
  }

  static void FillRoot(SimTufRepository& repository, std::size_t bytes) {
    Json& root = repository.Part("root");
    FillUp(root, bytes, 210, [keys = SomeKeys(), &root](std::size_t n) {
      const auto key = keys.find(Name(n));
      if (key == keys.end()) return;
      root["keys"][Name(n)] = *key;
      for (const char* role : {"root", "timestamp", "snapshot", "targets"}) {
        root["roles"][role]["keyids"].push_back(Name(n));
      }
    });
  }

  static void FillSnapshot(SimTufRepository& repository, std::size_t bytes) {
    Json& part = repository.Part("snapshot");
    FillUp(part, bytes - 8192, 25,
           [&](std::size_t n) { part["meta"][Name(n)] = {{"version", 1}}; });
  }

  void WriteFiles(const SimTufRepository& repository) const {
    for (const auto& [name, bytes] : repository.files) {
      const std::string path = JoinPath(folder_.path(), EncodeFileName(name));
      std::ofstream(path, std::ios::binary)
          .write(AsText(bytes).data(), static_cast<std::streamsize>(bytes.size()));
      EXPECT_TRUE(!name.ends_with(".snapshot.json") || bytes.size() <= 256U << 10U);
      EXPECT_TRUE(!name.ends_with(".root.json") || bytes.size() <= 64U << 10U);
    }
  }

  client::TempDir folder_;
  client::TempDir store_;
};

// The first run fetches all; the second finds everything stored and a newer snapshot beside the
// old.
TEST_P(TufHeapTest, StaysBelowEightMebibytesUnderTheCapsOfADevice) {
  Bytes root;
  UtcTime now;
  {
    SimTufRepository repository = Hostile();
    const std::size_t hostile = repository.files["metadata/2.r0.json"].size();
    EXPECT_GT(hostile, 490'000U);
    EXPECT_LE(hostile, 512U << 10U);
    WriteFiles(repository);
    root = repository.embedded_root;
    now = repository.now;
    repository.Publish({});
    WriteFiles(repository);
  }
  std::size_t peak = 0;
  for (int run = 0; run < 2; ++run) {
    const fakes::HeapMeter meter;
    FolderHttp http(folder_.path());
    client::DirectoryMetadataStore store(store_.path());
    client::HttpFetcher fetcher(http, std::string(kBase));
    auto client = TufClient::Open(store, root, now);
    ASSERT_TRUE(Succeeds(client));
    ASSERT_TRUE(Succeeds(client->Refresh(fetcher)));
    const auto found = client->FindTarget("a/wanted", &fetcher);
    EXPECT_TRUE(GetParam().too_much ? FailsWith(found, ErrorCode::kTooManyItems) : Succeeds(found));
    peak = std::max(peak, meter.PeakBytes());
  }
  RecordProperty("worst_case", GetParam().name);
  RecordProperty("peak_bytes", std::to_string(peak));
  EXPECT_LT(peak, kMostHeapBytes);
}

INSTANTIATE_TEST_SUITE_P(
    Fillings, TufHeapTest,
    testing::Values(  // As many as a search may visit, with the last one.
        Case{"targets", WithTargets, 63}, Case{"unknown values", WithUnknownValues},
        Case{"unknown objects", WithUnknownObjects}, Case{"unknown names", WithUnknownNames},
        Case{"one long text", WithOneLongText}, Case{"custom of the target", WithCustom},
        Case{"patterns", WithPatterns}, // Covering roles come before the last one, and the snapshot does not list them.
        Case{"covering roles", WithCoveringRoles, 8, true, true},
        Case{"keys of RSA", WithRsaKeys, 33, false, true}),
    [](const testing::TestParamInfo<Case>& test) {
      std::string name = test.param.name;
      std::ranges::replace(name, ' ', '_');
      return name;
    });

}  // namespace
}  // namespace pawl::manifest
