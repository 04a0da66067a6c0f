// SPDX-License-Identifier: Apache-2.0
#include "client/platform/command_health.h"

#include <sys/stat.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "base/file.h"
#include "base/format.h"
#include "client/platform/spawn.h"

namespace pawl::client {
namespace {

constexpr std::uint64_t kMaxDeadlineSeconds = 24 * 60 * 60;
constexpr std::size_t kMaxNameBytes = 64;

bool IsPlainName(const std::string& name) {
  return !name.empty() && name.size() <= kMaxNameBytes && name[0] != '.' &&
         std::ranges::all_of(name, [](char c) {
           return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
                  c == '.' || c == '_' || c == '-';
         });
}

Status CheckHook(const std::string& name, const std::string& path) {
  struct stat info{};
  if (lstat(path.c_str(), &info) != 0) {
    return Fail(ErrorCode::kHealthCheckFailed,
                Format("hook {} is not in this image ({})", name, path));
  }
  if (!S_ISREG(info.st_mode) || (info.st_mode & S_IXUSR) == 0) {
    return Fail(ErrorCode::kHealthCheckFailed,
                Format("hook {}: {} is not an executable file", name, path));
  }
  if ((info.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
    return Fail(ErrorCode::kHealthCheckFailed,
                Format("hook {}: {} may be changed by others than its owner", name, path));
  }
  return {};
}

}  // namespace

CommandHealth::CommandHealth(std::string directory) : directory_(std::move(directory)) {}

Status CommandHealth::Probe(const std::vector<std::string>& hooks, std::uint64_t deadline_s) {
  const auto deadline = std::chrono::steady_clock::now() +
                        std::chrono::seconds(std::min(deadline_s, kMaxDeadlineSeconds));
  // All are looked at first: a release whose last hook is missing need not run the others.
  for (const std::string& name : hooks) {
    if (!IsPlainName(name)) {
      return Fail(ErrorCode::kHealthCheckFailed,
                  Format("expected the name of a hook, found \"{}\"", EncodeFileName(name)));
    }
    PAWL_TRY(CheckHook(name, JoinPath(directory_, name)));
  }
  for (const std::string& name : hooks) {
    auto outcome = Spawn({JoinPath(directory_, name), {}, {}, deadline});
    if (!outcome) {
      return Fail(ErrorCode::kHealthCheckFailed,
                  Format("hook {} cannot be started: {}", name, outcome.error().Message()));
    }
    const std::string said =
        outcome->LastLine().empty() ? "it said nothing" : "it said: " + outcome->LastLine();
    if (outcome->timed_out) {
      return Fail(ErrorCode::kHealthTimeout,
                  Format("hook {} did not end within {} s; {}", name, deadline_s, said));
    }
    if (outcome->exit_status != 0) {
      return Fail(ErrorCode::kHealthCheckFailed,
                  Format("hook {} ended with status {}; {}", name, outcome->exit_status, said));
    }
  }
  return {};
}

}  // namespace pawl::client
