// SPDX-License-Identifier: Apache-2.0
#include "tests/fakes/sim_ports.h"

#include <algorithm>

namespace pawl::fakes {

Status SimHttp::Get(const client::HttpRequest& request, client::ByteSink& sink) {
  if (cuts_.dead()) return CutSchedule::Lost();
  requests_.push_back(request.url);
  if (request.range) ranges_.emplace_back(request.url, *request.range);
  if (offline_) return Fail(ErrorCode::kNetworkUnreachable, "the simulated network is down");
  const std::string name = request.url.starts_with(base_) ? request.url.substr(base_.size()) : request.url;
  const auto found = files_.find(name);
  if (found == files_.end()) return Fail(ErrorCode::kNotFound, request.url);
  ByteView body = found->second;
  if (request.range) {
    if (!Contains(body.size(), request.range->offset, request.range->length)) {
      return Fail(ErrorCode::kRangeUnsupported, "the range lies outside of the file");
    }
    body = body.subspan(static_cast<std::size_t>(request.range->offset), static_cast<std::size_t>(request.range->length));
  }
  if (body.size() > request.max_bytes) return Fail(ErrorCode::kTransferTooLarge, request.url);
  std::uint64_t until_break = UINT64_MAX;
  if (!breaks_.empty() && body.size() > breaks_.front()) {
    until_break = breaks_.front();
    breaks_.erase(breaks_.begin());
  }
  constexpr std::size_t kPacket = 16 * 1024;  // as a network hands data over, not file by file
  std::uint64_t sent = 0;
  while (!body.empty()) {
    if (cuts_.Tick() != CutSchedule::Fate::kDone) return CutSchedule::Lost();
    if (sent >= until_break) return Fail(ErrorCode::kTransferTruncated, request.url);
    const std::size_t part = static_cast<std::size_t>(std::min<std::uint64_t>({kPacket, body.size(), until_break - sent}));
    PAWL_TRY(sink.Write(body.first(part)));
    body = body.subspan(part);
    sent += part;
    bytes_sent_ += part;
  }
  return {};
}

std::vector<client::ByteRange> SimHttp::RangesOf(const std::string& path) const {
  std::vector<client::ByteRange> ranges;
  for (const auto& [url, range] : ranges_) {
    if (url == base_ + path) ranges.push_back(range);
  }
  return ranges;
}

Result<std::optional<Bytes>> SimMetadataStore::Load(std::string_view name) {
  if (cuts_.dead()) return CutSchedule::Lost();
  const auto found = files_.find(name);
  if (found == files_.end()) return std::optional<Bytes>();
  return std::optional<Bytes>(found->second);
}

Status SimMetadataStore::Save(std::string_view name, ByteView bytes) {
  Bytes copy(bytes.begin(), bytes.end());
  switch (cuts_.Tick()) {
    case CutSchedule::Fate::kDone: files_[std::string(name)] = std::move(copy); return {};
    case CutSchedule::Fate::kCutDuring: undecided_ = {std::string(name), std::move(copy)}; break;
    case CutSchedule::Fate::kDead: break;
  }
  return CutSchedule::Lost();
}

Status SimMetadataStore::Remove(std::string_view name) {
  switch (cuts_.Tick()) {
    case CutSchedule::Fate::kDone: files_.erase(std::string(name)); return {};
    case CutSchedule::Fate::kCutDuring: undecided_ = {std::string(name), std::nullopt}; break;
    case CutSchedule::Fate::kDead: break;
  }
  return CutSchedule::Lost();
}

void SimMetadataStore::LosePower(Dice& dice) {
  if (undecided_ && dice.Below(2) == 1) {
    if (undecided_->second) {
      files_[undecided_->first] = *undecided_->second;
    } else {
      files_.erase(undecided_->first);
    }
  }
  undecided_.reset();
}

Result<Json> SimStateStore::Load() {
  if (cuts_.dead()) return CutSchedule::Lost();
  return document_;
}

Status SimStateStore::Commit(const Json& document, const std::vector<client::HistoryEntry>& entries) {
  switch (cuts_.Tick()) {
    case CutSchedule::Fate::kDone:
      document_ = document;
      history_.insert(history_.end(), entries.begin(), entries.end());
      ++commits_;
      return {};
    case CutSchedule::Fate::kCutDuring: undecided_ = {document, entries}; break;
    case CutSchedule::Fate::kDead: break;
  }
  return CutSchedule::Lost();
}

Result<std::vector<client::HistoryEntry>> SimStateStore::History(std::size_t limit) {
  std::vector<client::HistoryEntry> newest(history_.rbegin(), history_.rend());
  newest.resize(std::min(limit, newest.size()));
  return newest;
}

void SimStateStore::LosePower(Dice& dice) {
  if (undecided_ && dice.Below(2) == 1) {
    document_ = undecided_->first;
    history_.insert(history_.end(), undecided_->second.begin(), undecided_->second.end());
  }
  undecided_.reset();
}

SimVault::SimVault(CutSchedule& cuts)
    : cuts_(cuts), key_(*Ed25519Key::FromSeed(SecretBuffer(kEd25519SeedBytes))) {}

Result<Bytes> SimVault::Sign(ByteView message) { return key_.Sign(message); }
Result<Bytes> SimVault::PublicKey() { return key_.public_key(); }

Result<std::uint64_t> SimVault::ReadFloor() {
  if (cuts_.dead()) return CutSchedule::Lost();
  return floor_;
}

Status SimVault::RaiseFloor(std::uint64_t epoch) {
  switch (cuts_.Tick()) {
    case CutSchedule::Fate::kDone: floor_ = std::max(floor_, epoch); return {};
    case CutSchedule::Fate::kCutDuring: undecided_ = epoch; break;
    case CutSchedule::Fate::kDead: break;
  }
  return CutSchedule::Lost();
}

void SimVault::LosePower(Dice& dice) {
  if (undecided_ && dice.Below(2) == 1) floor_ = std::max(floor_, *undecided_);
  undecided_.reset();
}

Status SimHealth::Probe(const std::vector<std::string>&, std::uint64_t) {
  ++probes_;
  if (failure_) return std::unexpected(*failure_);
  return {};
}

}  // namespace pawl::fakes
