// SPDX-License-Identifier: Apache-2.0
#pragma once

// Offline bundles as tests need them: entries by name, laid down in the right order and form, or in
// any other; and a stick that can be pulled out. The headers come from the one encoder there is; a
// test of its own compares that with the system's tar.

#include <algorithm>
#include <cstdlib>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/block_io.h"
#include "base/bytes.h"
#include "manifest/bundle.h"
#include "tests/fakes/cut_schedule.h"

namespace pawl::fakes {

using BundleFiles = std::vector<std::pair<std::string, Bytes>>;

// Lays the files down in this order, right or wrong.
inline Bytes LayDown(const BundleFiles& files) {
  Bytes out;
  for (const auto& [name, content] : files) {
    const auto header = manifest::EncodeBundleHeader(name, content.size());
    if (!header) std::abort();
    out.insert(out.end(), header->begin(), header->end());
    out.insert(out.end(), content.begin(), content.end());
    out.resize(out.size() + manifest::BundlePadding(content.size()));
  }
  out.resize(out.size() + 2 * manifest::kBundleBlockBytes);
  return out;
}

class SimBundle {
 public:
  void Put(const std::string& name, Bytes content) { files_[name] = std::move(content); }
  void Put(const std::string& name, std::string_view content) {
    Put(name, Bytes(content.begin(), content.end()));
  }
  void Remove(const std::string& name) { files_.erase(name); }
  Bytes& file(const std::string& name) { return files_.at(name); }
  const std::map<std::string, Bytes>& files() const { return files_; }

  // The bytes of the file; once changed by hand, those.
  Bytes Encode() const {
    if (raw) return *raw;
    std::vector<std::pair<manifest::BundleKey, std::string>> order;
    for (const auto& [name, content] : files_) {
      const auto key = manifest::KeyOfBundleName(name);
      if (!key) std::abort();
      order.emplace_back(*key, name);
    }
    std::ranges::sort(order);
    BundleFiles sorted;
    for (const auto& [key, name] : order) sorted.emplace_back(name, files_.at(name));
    return LayDown(sorted);
  }

  std::optional<Bytes> raw;
  std::optional<std::uint64_t> pulled_after;  // reads, then the stick is gone

 private:
  std::map<std::string, Bytes> files_;
};

// The file on a stick: reading it is an effect like others, and the stick can be pulled out.
class StickReader : public RandomReader {
 public:
  StickReader(const SimBundle& bundle, CutSchedule& cuts)
      : bytes_(bundle.Encode()), cuts_(cuts), left_(bundle.pulled_after) {}
  Status ReadAt(std::uint64_t offset, ByteSpan out) override {
    if (cuts_.Tick() != CutSchedule::Fate::kDone) return CutSchedule::Lost();
    if (left_ && (*left_)-- == 0) {
      left_ = 0;
      return Fail(ErrorCode::kIo, "the stick is gone");
    }
    if (!Contains(bytes_.size(), offset, out.size())) return Fail(ErrorCode::kIo, "past the end");
    const auto from = bytes_.begin() + static_cast<std::ptrdiff_t>(offset);
    std::copy(from, from + static_cast<std::ptrdiff_t>(out.size()), out.begin());
    return {};
  }
  std::uint64_t SizeBytes() const override { return bytes_.size(); }

 private:
  Bytes bytes_;
  CutSchedule& cuts_;
  std::optional<std::uint64_t> left_;
};

}  // namespace pawl::fakes
