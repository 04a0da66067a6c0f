// SPDX-License-Identifier: Apache-2.0
// The whole client over real HTTP and TLS on the loopback, with its metadata in real files: servers
// that never end, never begin, or answer at the wrong time, for every kind of file.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/format.h"
#include "client/config.h"
#include "client/core/directory_metadata_store.h"
#include "client/core/http_fetcher.h"
#include "client/core/run_time.h"
#include "client/platform/curl_http.h"
#include "manifest/time_floor.h"
#include "tests/fakes/sim_tuf_repository.h"
#include "tests/matchers.h"
#include "tests/unit/platform/loopback_server.h"
#include "tests/unit/platform/temp_dir.h"

namespace pawl::client {
namespace {

using fakes::SimTufRepository;
using manifest::TufClient;
using pawl::testing::IsError;
using pawl::testing::IsOk;
using Then = LoopbackReply::Then;

// A repository behind a web server. Answers of `odd` come instead of the file of that name.
class Site {
 public:
  explicit Site(SimTufRepository& repository, const TlsIdentity* tls = nullptr)
      : repository_(repository),
        server_([this](const LoopbackRequest& r) { return Find(r); }, tls) {}

  std::string Url() const { return server_.Url("/repo/"); }
  std::map<std::string, LoopbackReply> odd;  // changed between runs only

 private:
  LoopbackReply Find(const LoopbackRequest& request) const {
    const std::string name = request.target.substr(std::string("/repo/").size());
    if (const auto reply = odd.find(name); reply != odd.end()) return reply->second;
    const auto file = repository_.files.find(name);
    if (file == repository_.files.end()) return StatusOnly(404, "", "no such file");
    return Ok(AsText(file->second));
  }
  SimTufRepository& repository_;
  LoopbackServer server_;
};

// One run of a device, as Device puts it together.
struct DeviceRun {
  UtcTime clock;
  UtcTime built;
  manifest::MetadataLimits limits;
  std::string authorities;
  HttpPatience patience;
};

class TransportTest : public ::testing::Test {
 protected:
  TransportTest() {
    repository.Delegate("targets", "a", {{"paths", {"a/*"}}});
    repository.AddTarget("a", "a/x", "content");
    repository.Publish({"targets", "a"});
    run.clock = repository.now;
    run.built = repository.now.PlusSeconds(-1000);
  }

  Result<Bytes> Fetch(const Site& site) {
    DirectoryMetadataStore store(metadata.path(), run.limits);
    PAWL_ASSIGN_OR_RETURN(const UtcTime now, EffectiveRunTime(state, run.clock, run.built, store,
                                                              repository.embedded_root));
    PAWL_ASSIGN_OR_RETURN(const auto http,
                          CurlHttp::Create({CertificateTime(run.clock, run.built, now),
                                            run.authorities, run.patience}));
    HttpFetcher fetcher(*http, site.Url());
    PAWL_ASSIGN_OR_RETURN(auto tuf,
                          TufClient::Open(store, repository.embedded_root, now, run.limits));
    PAWL_ASSIGN_OR_RETURN(const auto refreshed, tuf.Refresh(fetcher));
    const auto floor =
        manifest::RaiseFloor(std::nullopt, refreshed.issued, refreshed.timestamp_keyset);
    if (floor) {
      state.time_floor = floor->value;
      state.time_floor_keyset = floor->timestamp_keyset.Hex();
    }
    PAWL_ASSIGN_OR_RETURN(const auto target, tuf.FindTarget("a/x", &fetcher));
    return tuf.FetchTarget(target, fetcher, 1000);
  }
  std::vector<std::string> Stored() { return *ListDirectory(metadata.path()); }

  SimTufRepository repository;
  TempDir metadata;
  AgentState state;
  DeviceRun run;
};

// Every kind of file, and how much of the rest is trusted when it does not come.
const std::map<std::string, std::vector<std::string>> kFiles = {
    {"metadata/2.root.json", {"root.json"}},
    {"metadata/timestamp.json", {"root.json"}},
    {"metadata/2.snapshot.json", {"root.json", "timestamp.json"}},
    {"metadata/2.targets.json", {"root.json", "snapshot.json", "timestamp.json"}},
    {"metadata/2.a.json", {"root.json", "snapshot.json", "targets.json", "timestamp.json"}},
};

// Endless data: with and without chunks, and with signed lengths and without.
//= docs/manifest-format.md#M-25
TEST_F(TransportTest, EndlessBodyOfAnyRoleEndsAtItsCap) {
  Site site(repository);
  for (const bool hashes : {true, false}) {
    repository.hashes_in_meta = hashes;
    repository.Part("snapshot")["version"] = 1;
    for (const char* role : {"targets", "a", "snapshot"}) repository.Part(role)["version"] = 1;
    repository.Publish({"targets", "a"});
    for (const auto& [name, trusted] : kFiles) {
      for (const LoopbackReply& endless :
           {LoopbackReply{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", Then::kRepeat,
                          "1000\r\n" + std::string(0x1000, ' ') + "\r\n"},
            LoopbackReply{"HTTP/1.1 200 OK\r\n\r\n", Then::kRepeat, std::string(0x1000, '{')}}) {
        for (const std::string& file : Stored()) ASSERT_TRUE(RemoveFileIfExists(metadata.Of(file)));
        site.odd = {{name, endless}};
        EXPECT_THAT(Fetch(site), IsError(ErrorCode::kMetadataTooLarge)) << name;
        EXPECT_EQ(Stored(), trusted) << name;
      }
    }
    site.odd.clear();
    EXPECT_THAT(Fetch(site), IsOk());
  }
}

// Slow retrieval: a server that begins and stops, and one that never begins. Each transfer has its
// end, and the next run with an honest server goes on.
//= docs/manifest-format.md#M-38
TEST_F(TransportTest, SlowBodyOfAnyRoleIsGivenUp) {
  Site site(repository);
  HttpPatience short_patience;
  short_patience.base_ms = 1000;
  short_patience.slowest_bytes_per_s = 1U << 30U;
  for (const auto& [name, trusted] : kFiles) {
    for (const std::string& file : Stored()) ASSERT_TRUE(RemoveFileIfExists(metadata.Of(file)));
    site.odd = {{name, {"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{", Then::kStall}}};
    run.patience = short_patience;
    EXPECT_THAT(Fetch(site), IsError(ErrorCode::kTransferTooSlow)) << name;
    EXPECT_EQ(Stored(), trusted) << name;
    site.odd = {{name, {"", Then::kStall}}};
    EXPECT_THAT(Fetch(site), IsError(ErrorCode::kTransferTooSlow)) << name;
    EXPECT_EQ(Stored(), trusted) << name;
    site.odd.clear();
    run.patience = {};
    EXPECT_THAT(Fetch(site), IsOk()) << name;
  }
}

TEST_F(TransportTest, EndlessAndSlowTargetsAreGivenUpToo) {
  Site site(repository);
  const std::string name = "targets/a/" + HashSha256(AsBytes("content")).Hex() + ".x";
  site.odd = {{name, {"HTTP/1.1 200 OK\r\n\r\n", Then::kRepeat, "content"}}};
  EXPECT_THAT(Fetch(site), IsError(ErrorCode::kTransferTooLarge));
  site.odd = {{name, {"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\ncon", Then::kStall}}};
  run.patience.base_ms = 1000;
  EXPECT_THAT(Fetch(site), IsError(ErrorCode::kTransferTooSlow));
  run.patience = {};
  site.odd = {{name, Ok("CONTENT")}};
  EXPECT_THAT(Fetch(site), IsError(ErrorCode::kMetadataHashMismatch));
  site.odd.clear();
  EXPECT_THAT(Fetch(site), IsOk());
}

// Redirects, encodings, cut connections, pages of a captive portal.
//= docs/manifest-format.md#M-38
TEST_F(TransportTest, AnswersThatAreNoPlainFileEndTheRun) {
  Site site(repository);
  const std::vector<std::pair<LoopbackReply, ErrorCode>> answers = {
      {StatusOnly(302, "Location: /elsewhere\r\n"), ErrorCode::kHttpStatus},
      {StatusOnly(503, "", "later"), ErrorCode::kHttpStatus},
      {Ok("\x1f\x8b", "Content-Encoding: gzip\r\n"), ErrorCode::kContentEncoding},
      {{"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{", Then::kClose},
       ErrorCode::kTransferTruncated},
      {Ok("<html>please log in</html>"), ErrorCode::kMetadataMalformed}};
  for (const auto& [name, trusted] : kFiles) {
    for (const auto& [answer, code] : answers) {
      for (const std::string& file : Stored()) ASSERT_TRUE(RemoveFileIfExists(metadata.Of(file)));
      // Where hashes are signed they are looked at first; the portal's page never gets to a parser.
      const bool hashed = name.find(".root.") == name.npos && name.find("timestamp") == name.npos;
      const bool parsed = code == ErrorCode::kMetadataMalformed;
      site.odd = {{name, answer}};
      EXPECT_THAT(Fetch(site), IsError(parsed && hashed ? ErrorCode::kMetadataHashMismatch : code))
          << name;
      EXPECT_EQ(Stored(), trusted) << name;
    }
  }
}

// The operator's caps, from the configuration file to the write callback and to what is read back.
//= docs/manifest-format.md#M-29
TEST_F(TransportTest, CapsOfTheConfigurationReachTheTransferAndTheStore) {
  repository.hashes_in_meta = false;
  repository.Part("snapshot")["x-padding"] = std::string(5U << 20U, 'x');
  repository.Publish({"a"});
  Site site(repository);
  EXPECT_THAT(Fetch(site), IsError(ErrorCode::kMetadataTooLarge));
  TempDir sysroot;
  sysroot.Put("etc/pawl/agent.toml", "[limits]\nsnapshot_bytes = 6291456\n");
  sysroot.Put("var/lib/pawl/device.toml",
              "[device]\nid = \"gw-1\"\nproduct = \"gateway\"\nhardware = \"gw-x1\"\n"
              "[update]\nserver = \"http://updates.example/\"\n");
  const auto config = LoadConfig(Paths{sysroot.path()});
  ASSERT_THAT(config, IsOk());
  run.limits = config->metadata_limits;
  ASSERT_THAT(Fetch(site), IsOk());
  // The stored snapshot is a floor: rollback of a role that it lists is seen, also at this size.
  repository.Publish({"a"});
  ASSERT_THAT(Fetch(site), IsOk());
  repository.Part("a")["version"] = 2;
  repository.WriteTargets("a");
  repository.Publish({});
  EXPECT_THAT(Fetch(site), IsError(ErrorCode::kVersionRollback));
}

class TlsTransportTest : public TransportTest {
 protected:
  const TlsIdentity& Certificate(std::int64_t from, std::int64_t until) {
    identity_ = MakeTlsIdentity(from, until);
    run.authorities = authority_.Put("ca.pem", identity_->certificate_pem);
    return *identity_;
  }

 private:
  std::optional<TlsIdentity> identity_;
  TempDir authority_;
};

//= docs/manifest-format.md#M-35
TEST_F(TlsTransportTest, DeviceWithoutAClockJudgesCertificatesAtTheBuildTime) {
  struct Case {
    std::int64_t from_built;
    std::int64_t until_built;
    bool fine;
  };
  for (const Case& c : {Case{-kSecondsPerDay, kSecondsPerDay, true},
                        {kSecondsPerDay, 2 * kSecondsPerDay, false},       // not yet valid
                        {-2 * kSecondsPerDay, -kSecondsPerDay, false}}) {  // expired
    run.clock = UtcTime{0};
    const Site site(repository, &Certificate(run.built.seconds + c.from_built,
                                             run.built.seconds + c.until_built));
    state = {};
    const auto fetched = Fetch(site);
    if (c.fine) {
      EXPECT_THAT(fetched, IsOk());
    } else {
      EXPECT_THAT(fetched, IsError(ErrorCode::kTlsFailed));
    }
  }
}

// What signed files have proven counts for a device without a clock, for certificates too.
TEST_F(TlsTransportTest, DeviceWithoutAClockGoesWithTheFloorItHasLearned) {
  run.clock = UtcTime{0};
  {
    const Site plain(repository);
    ASSERT_THAT(Fetch(plain), IsOk());
  }
  EXPECT_EQ(state.time_floor, repository.now);
  const Site site(repository, &Certificate(run.built.seconds + 10, run.built.seconds + 100'000));
  EXPECT_THAT(Fetch(site), IsOk());
}

// Stolen timestamp key, x-issued ten years ahead, then another key. With a clock the recovery comes
// through over TLS; without one it comes by plain HTTP (docs/adr/0008-time-of-tls.md).
//= docs/manifest-format.md#M-32
TEST_F(TlsTransportTest, StolenTimestampKeyIsOvercomeOverTls) {
  const UtcTime honest_time = repository.now;
  const UtcTime far = honest_time.PlusSeconds(3650 * kSecondsPerDay);
  const auto issue = [&](UtcTime time) {
    repository.Part("timestamp")["x-issued"] = FormatUtcTime(time);
    repository.Part("timestamp")["expires"] = FormatUtcTime(time.PlusSeconds(kSecondsPerDay));
    repository.Publish({});
  };
  const Site plain(repository);
  const Site tls(repository,
                 &Certificate(run.built.seconds - 10, run.built.seconds + 90 * kSecondsPerDay));
  for (const bool has_clock : {true, false}) {
    SCOPED_TRACE(has_clock);
    run.clock = has_clock ? honest_time : UtcTime{0};
    issue(honest_time);
    ASSERT_THAT(Fetch(tls), IsOk());
    issue(far);
    ASSERT_THAT(Fetch(tls), IsOk());
    EXPECT_EQ(state.time_floor, far);
    issue(honest_time);
    repository.SetKeys("timestamp", 1, 1);
    repository.PublishRoot();
    issue(honest_time);
    if (!has_clock) {
      EXPECT_THAT(Fetch(tls), IsError(ErrorCode::kTlsFailed)) << "a false floor";
    }
    const Site& way = has_clock ? tls : plain;
    EXPECT_THAT(Fetch(way), IsError(ErrorCode::kMetadataExpired)) << "learns the new root";
    EXPECT_THAT(Fetch(way), IsOk());
    EXPECT_EQ(state.time_floor, honest_time);
    EXPECT_THAT(Fetch(tls), IsOk()) << "and all is as before";
  }
}

}  // namespace
}  // namespace pawl::client
