// SPDX-License-Identifier: Apache-2.0
#pragma once

// What all commands that install share: progress, the answer, the restart at the end.

#include <memory>
#include <string>
#include <string_view>

#include "base/command_line.h"
#include "base/progress.h"
#include "client/device.h"

namespace pawl::client {

// Shows steps as lines and writing as a bar, on stderr.
class ProgressObserver {
 public:
  AgentObserver Observer() {
    return {[this](std::string_view step) {
              Finish();
              step_ = step;
              if (!step.starts_with("writing")) Progress(step, 0).Finish("…");
            },
            [this](std::uint64_t done, std::uint64_t total) {
              if (!bar_) bar_ = std::make_unique<Progress>(step_, total);
              bar_->Update(done);
            }};
  }
  void Finish() {
    if (bar_) bar_->Finish();
    bar_.reset();
  }

 private:
  std::string step_;
  std::unique_ptr<Progress> bar_;
};

// Asks the service manager to restart. ERRORS: kIo with its words.
Status Reboot();

// Schema "pawl.update/1".
Answer ToAnswer(const UpdateOutcome& outcome, const Device& device);

}  // namespace pawl::client
