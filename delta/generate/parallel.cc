// SPDX-License-Identifier: Apache-2.0
#include "delta/generate/parallel.h"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

namespace pawl::delta {

unsigned ThreadCount(unsigned asked) {
  return asked != 0 ? asked : std::max(1U, std::thread::hardware_concurrency());
}

Status ParallelFor(unsigned threads, std::size_t count,
                   const std::function<Status(std::size_t)>& work) {
  std::atomic<std::size_t> next = 0;
  std::mutex mutex;
  std::size_t failed_index = count;
  std::optional<Error> failure;
  const auto run = [&] {
    for (std::size_t i = next++; i < count; i = next++) {
      Status status = work(i);
      if (status.has_value()) continue;
      const std::scoped_lock lock(mutex);
      if (i < failed_index) {
        failed_index = i;
        failure = std::move(status).error();
      }
      next = count;  // indices below i are already being worked on
    }
  };
  {
    std::vector<std::jthread> others;
    for (std::size_t i = 1; i < std::min<std::size_t>(threads, count); ++i) {
      others.emplace_back(run);
    }
    run();
  }
  if (failure.has_value()) return std::unexpected(*std::move(failure));
  return {};
}

}  // namespace pawl::delta
