// SPDX-License-Identifier: Apache-2.0
#pragma once

// Shows the progress of the delta engine, whose total is only known when it starts.

#include <memory>
#include <string>

#include "base/progress.h"
#include "delta/apply/chunks.h"

namespace pawl::signer {

class ProgressBar {
 public:
  explicit ProgressBar(std::string phase) : phase_(std::move(phase)) {}

  // Borrows this object.
  delta::ProgressFunction Function() {
    return [this](std::uint64_t done, std::uint64_t total) {
      if (!bar_ || total != total_) bar_ = std::make_unique<Progress>(phase_, total);
      total_ = total;
      bar_->Update(done);
    };
  }
  void Finish() {
    if (bar_) bar_->Finish();
    bar_.reset();
  }

 private:
  std::string phase_;
  std::uint64_t total_ = 0;
  std::unique_ptr<Progress> bar_;
};

}  // namespace pawl::signer
