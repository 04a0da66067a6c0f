// SPDX-License-Identifier: Apache-2.0
#pragma once

// Independent pieces of work on several threads. Internal to delta/generate.

#include <algorithm>
#include <cstddef>
#include <functional>
#include <mutex>

#include "base/result.h"
#include "delta/apply/chunks.h"

namespace pawl::delta {

// Calls work(0) … work(count - 1) on at most `threads` threads; the order is not defined, so
// results go to places of their own. Returns the error of the lowest index that failed; later work
// may then be left out.
Status ParallelFor(unsigned threads, std::size_t count,
                   const std::function<Status(std::size_t)>& work);

// 0 means one thread per core. At least 1.
unsigned ThreadCount(unsigned asked);

// Adds up work that several threads report; passes it on one call at a time.
class ProgressCounter {
 public:
  // `report` is borrowed and may be empty.
  ProgressCounter(const ProgressFunction& report, std::uint64_t total)
      : report_(report), total_(total) {}

  void Add(std::uint64_t amount) {
    const std::scoped_lock lock(mutex_);
    done_ = std::min(done_ + amount, total_);
    if (report_) report_(done_, total_);
  }

 private:
  const ProgressFunction& report_;
  std::uint64_t total_;
  std::uint64_t done_ = 0;
  std::mutex mutex_;
};

}  // namespace pawl::delta
