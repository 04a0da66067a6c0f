// SPDX-License-Identifier: Apache-2.0
#pragma once

// The remaining ports of a simulated device. Each keeps the state that it pretends to have.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/signature.h"
#include "client/ports/clock.h"
#include "client/ports/health.h"
#include "client/ports/http.h"
#include "client/ports/key_vault.h"
#include "client/ports/state_store.h"
#include "manifest/refresh.h"
#include "tests/fakes/cut_schedule.h"

namespace pawl::fakes {

// A static file server in memory, with the faults of real networks.
class SimHttp : public client::Http {
 public:
  explicit SimHttp(CutSchedule& cuts) : cuts_(cuts) {}
  Status Get(const client::HttpRequest& request, client::ByteSink& sink) override;

  void Serve(const std::string& path, Bytes bytes) { files_[path] = std::move(bytes); }
  Bytes& file(const std::string& path) { return files_.at(path); }
  bool Has(const std::string& path) const { return files_.contains(path); }
  void Remove(const std::string& path) { files_.erase(path); }
  void SetBase(std::string base) { base_ = std::move(base); }
  void GoOffline(bool offline) { offline_ = offline; }
  // Breaks the connection after so many bytes, once for each entry.
  void BreakAfter(std::uint64_t bytes) { breaks_.push_back(bytes); }
  const std::vector<std::string>& requests() const { return requests_; }
  // The parts of a file that were asked for, in order.
  std::vector<client::ByteRange> RangesOf(const std::string& path) const;
  std::uint64_t bytes_sent() const { return bytes_sent_; }

 private:
  CutSchedule& cuts_;
  std::string base_ = "http://repository/";
  std::map<std::string, Bytes> files_;
  std::vector<std::uint64_t> breaks_;
  std::vector<std::string> requests_;
  std::vector<std::pair<std::string, client::ByteRange>> ranges_;
  std::uint64_t bytes_sent_ = 0;
  bool offline_ = false;
};

class SimMetadataStore : public manifest::MetadataStore {
 public:
  explicit SimMetadataStore(CutSchedule& cuts) : cuts_(cuts) {}
  Result<std::optional<Bytes>> Load(std::string_view name) override;
  Status Save(std::string_view name, ByteView bytes) override;
  Status Remove(std::string_view name) override;
  // The write that the cut hit: it happened (rename is atomic) or it did not.
  void LosePower(Dice& dice);
  std::map<std::string, Bytes, std::less<>>& files() { return files_; }

 private:
  CutSchedule& cuts_;
  std::map<std::string, Bytes, std::less<>> files_;
  std::optional<std::pair<std::string, std::optional<Bytes>>> undecided_;
};

class SimStateStore : public client::StateStore {
 public:
  explicit SimStateStore(CutSchedule& cuts) : cuts_(cuts) {}
  Result<Json> Load() override;
  Status Commit(const Json& document, const std::vector<client::HistoryEntry>& entries) override;
  Result<std::vector<client::HistoryEntry>> History(std::size_t limit) override;
  void LosePower(Dice& dice);
  Json& document() { return document_; }
  std::uint64_t commits() const { return commits_; }

 private:
  CutSchedule& cuts_;
  Json document_ = Json::object();
  std::vector<client::HistoryEntry> history_;
  std::optional<std::pair<Json, std::vector<client::HistoryEntry>>> undecided_;
  std::uint64_t commits_ = 0;
};

class SimVault : public client::KeyVault {
 public:
  explicit SimVault(CutSchedule& cuts);
  Result<Bytes> Sign(ByteView message) override;
  Result<Bytes> PublicKey() override;
  std::string Protection() const override { return "software"; }
  Result<std::uint64_t> ReadFloor() override;
  Status RaiseFloor(std::uint64_t epoch) override;
  void LosePower(Dice& dice);

 private:
  CutSchedule& cuts_;
  Ed25519Key key_;
  std::uint64_t floor_ = 0;
  std::optional<std::uint64_t> undecided_;
};

class SimHealth : public client::Health {
 public:
  Status Probe(const std::vector<std::string>& hooks, std::uint64_t deadline_s) override;
  void FailWith(ErrorCode code, std::string text) { failure_ = Error(code, std::move(text)); }
  void Recover() { failure_.reset(); }
  std::uint64_t probes() const { return probes_; }

 private:
  std::optional<Error> failure_;
  std::uint64_t probes_ = 0;
};

class SimClock : public client::Clock {
 public:
  UtcTime SystemTime() override { return std::exchange(now, now.PlusSeconds(seconds_per_look)); }
  Result<std::string> BootId() override { return "boot-" + std::to_string(boots); }
  UtcTime now{1'790'000'000};
  std::int64_t seconds_per_look = 0;  // it goes on by so much whenever somebody looks
  std::uint64_t boots = 1;
};

}  // namespace pawl::fakes
