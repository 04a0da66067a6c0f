// SPDX-License-Identifier: Apache-2.0
#include "base/progress.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>

#include "base/format.h"
#include "base/json.h"

namespace pawl {
namespace {

ProgressMode g_mode = ProgressMode::kAuto;  // set once, while the command line is parsed

constexpr std::int64_t kFirstDrawMs = 200;  // short phases do not flicker
constexpr std::int64_t kRedrawMs = 100;
constexpr int kBarCells = 24;

std::int64_t NowMs() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

bool OnTerminal() { return isatty(STDERR_FILENO) == 1; }

std::string Amount(std::uint64_t value, const std::string& unit) {
  return unit == "bytes" ? HumanBytes(value) : Format("{} {}", value, unit);
}

}  // namespace

void SetProgressMode(ProgressMode mode) { g_mode = mode; }

std::string HumanBytes(std::uint64_t bytes) {
  constexpr std::array<std::string_view, 5> units{"B", "KiB", "MiB", "GiB", "TiB"};
  auto value = static_cast<double>(bytes);
  std::size_t unit = 0;
  while (value >= 1024 && unit + 1 < units.size()) {
    value /= 1024;
    ++unit;
  }
  return unit == 0 ? Format("{} B", bytes) : Format("{:.1f} {}", value, units[unit]);
}

Progress::Progress(std::string_view phase, std::uint64_t total, std::string_view unit)
    : phase_(phase), unit_(unit), total_(total), started_ms_(NowMs()) {}

Progress::~Progress() {
  if (!finished_ && drawn_ms_ != 0 && g_mode == ProgressMode::kAuto && OnTerminal()) {
    std::fputs("\n", stderr);  // an unfinished phase keeps its last bar, the error follows on its own line
  }
}

void Progress::Update(std::uint64_t done) {
  done_ = done;
  const std::int64_t now = NowMs();
  const std::int64_t last = drawn_ms_ == 0 ? started_ms_ + kFirstDrawMs - kRedrawMs : drawn_ms_;
  if (now - last < kRedrawMs) return;
  if (g_mode == ProgressMode::kJson || (g_mode == ProgressMode::kAuto && OnTerminal())) {
    drawn_ms_ = now;
    Draw();
  }
}

void Progress::Draw() {
  if (g_mode == ProgressMode::kJson) {
    const Json line{{"schema", "pawl.progress/1"}, {"phase", phase_}, {"done", done_}, {"total", total_}, {"unit", unit_}};
    std::fputs((line.dump() + "\n").c_str(), stderr);
    return;
  }
  const double seconds = static_cast<double>(std::max<std::int64_t>(drawn_ms_ - started_ms_, 1)) / 1000.0;
  const double rate = static_cast<double>(done_) / seconds;
  std::string line = "\r" + phase_ + "  ";
  if (total_ > 0) {
    const double share = std::min(1.0, static_cast<double>(done_) / static_cast<double>(total_));
    const int cells = static_cast<int>(share * kBarCells);
    std::string bar = "[";
    for (int i = 0; i < kBarCells; ++i) bar += i < cells ? "#" : "·";
    line += Format("{}] {:3.0f} %  {} / {}", bar, share * 100, Amount(done_, unit_), Amount(total_, unit_));
    if (rate > 0) line += Format("  {}/s  {:.0f} s left", Amount(static_cast<std::uint64_t>(rate), unit_),
                                 static_cast<double>(total_ - std::min(done_, total_)) / rate);
  } else {
    line += Amount(done_, unit_);
  }
  std::fputs((line + "\033[K").c_str(), stderr);
  std::fflush(stderr);
}

void Progress::Finish(std::string_view note) {
  finished_ = true;
  if (g_mode == ProgressMode::kNone) return;
  if (g_mode == ProgressMode::kJson) {
    drawn_ms_ = NowMs();
    Draw();
    return;
  }
  const std::string clear = OnTerminal() ? "\r\033[K" : "";
  const std::string what = note.empty() ? Amount(done_, unit_) : std::string(note);
  std::fputs(Format("{}{}: {}\n", clear, phase_, what).c_str(), stderr);
}

}  // namespace pawl
