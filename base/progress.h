// SPDX-License-Identifier: Apache-2.0
#pragma once

// Progress for people: a bar with rate and remaining time on a terminal, one line per phase elsewhere, JSON lines with
// --progress=json, nothing with --progress=none. Always on stderr.

#include <cstdint>
#include <string>
#include <string_view>

namespace pawl {

enum class ProgressMode { kAuto, kNone, kJson };
void SetProgressMode(ProgressMode mode);

class Progress {
 public:
  // `total` in the unit of Update(); 0 when unknown. Unit "bytes" is shown as MiB.
  Progress(std::string_view phase, std::uint64_t total, std::string_view unit = "bytes");
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  void Update(std::uint64_t done);
  // Ends the bar and leaves one line: "writing slot b: 235.0 MiB".
  void Finish(std::string_view note = {});

 private:
  void Draw();
  std::string phase_;
  std::string unit_;
  std::uint64_t total_;
  std::uint64_t done_ = 0;
  std::int64_t started_ms_;
  std::int64_t drawn_ms_ = 0;
  bool finished_ = false;
};

// "18.7 MiB", "412 B"
std::string HumanBytes(std::uint64_t bytes);

}  // namespace pawl
