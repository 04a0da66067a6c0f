// SPDX-License-Identifier: Apache-2.0
#include "delta/generate/window_choice.h"

#include <algorithm>

#include "delta/generate/fast_hash.h"

namespace pawl::delta {
namespace {

// One position in 256 is a sample, of this many bytes.
constexpr std::uint64_t kSampleMask = 255;
constexpr std::size_t kSampleBytes = 24;

// Calls visit(fingerprint) for every sample of `text`.
template <class Visit>
void ForEachSample(ByteView text, Visit visit) {
  std::uint64_t previous = 0;
  for (std::size_t i = 0; i + kSampleBytes <= text.size(); ++i) {
    const std::uint64_t first = Mix(Load64(text.data() + i));
    // Within a run of one byte all positions look alike: they would all be samples, or none.
    const bool in_run = first == previous;
    previous = first;
    if (in_run || (first >> 40 & kSampleMask) != 0) continue;
    visit(Mix(Mix(first + Load64(text.data() + i + 8)) + Load64(text.data() + i + 16)));
  }
}

}  // namespace

Result<WindowChoice> WindowChoice::Build(RandomReader& old_image,
                                         const std::vector<std::vector<Range>>& windows) {
  WindowChoice choice;
  Bytes buffer;
  for (std::size_t window = 0; window < windows.size(); ++window) {
    choice.window_begins_.push_back(windows[window].front().begin);
    for (const Range& range : windows[window]) {
      for (std::uint64_t at = range.begin; at < range.end(); at += kChunkBytes) {
        buffer.resize(static_cast<std::size_t>(std::min(kChunkBytes, range.end() - at)));
        PAWL_TRY(old_image.ReadAt(at, buffer));
        ForEachSample(buffer, [&](std::uint64_t fingerprint) {
          choice.samples_.push_back({fingerprint, window});
        });
      }
    }
  }
  const auto before = [](const Sample& a, const Sample& b) {
    return a.fingerprint != b.fingerprint ? a.fingerprint < b.fingerprint : a.window < b.window;
  };
  std::ranges::sort(choice.samples_, before);
  const auto same = [](const Sample& a, const Sample& b) {
    return a.fingerprint == b.fingerprint && a.window == b.window;
  };
  const auto rest = std::ranges::unique(choice.samples_, same);
  choice.samples_.erase(rest.begin(), rest.end());
  return choice;
}

std::size_t WindowChoice::Choose(ByteView text, std::uint64_t near) const {
  std::vector<std::size_t> votes(window_begins_.size());
  ForEachSample(text, [&](std::uint64_t fingerprint) {
    auto sample = std::ranges::lower_bound(samples_, fingerprint, {}, &Sample::fingerprint);
    for (; sample != samples_.end() && sample->fingerprint == fingerprint; ++sample) {
      ++votes[sample->window];
    }
  });
  const auto behind = std::ranges::upper_bound(window_begins_, near);
  std::size_t chosen = behind == window_begins_.begin()
                           ? 0
                           : static_cast<std::size_t>(behind - window_begins_.begin() - 1);
  for (std::size_t i = 0; i < votes.size(); ++i) {
    if (votes[i] > votes[chosen]) chosen = i;
  }
  return chosen;
}

}  // namespace pawl::delta
