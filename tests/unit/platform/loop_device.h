// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "client/platform/spawn.h"

namespace pawl::client {

// A loop device over a file, for tests that run as root; detached at the end.
class LoopDevice {
 public:
  // Empty where loop devices cannot be had.
  static std::optional<LoopDevice> Attach(const std::string& file) {
    const auto outcome = Spawn({"losetup", {"--show", "-f", file}, "", Deadline()});
    if (!outcome || outcome->exit_status != 0) return std::nullopt;
    return LoopDevice(outcome->LastLine());
  }
  ~LoopDevice() {
    if (path_.empty()) return;
    [[maybe_unused]] const auto ignored = Spawn({"losetup", {"-d", path_}, "", Deadline()});
  }
  LoopDevice(LoopDevice&& other) noexcept : path_(std::move(other.path_)) { other.path_.clear(); }
  LoopDevice(const LoopDevice&) = delete;
  LoopDevice& operator=(const LoopDevice&) = delete;
  const std::string& path() const { return path_; }

 private:
  explicit LoopDevice(std::string path) : path_(std::move(path)) {}
  static std::chrono::steady_clock::time_point Deadline() {
    return std::chrono::steady_clock::now() + std::chrono::seconds(30);
  }
  std::string path_;
};

}  // namespace pawl::client
