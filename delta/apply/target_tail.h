// SPDX-License-Identifier: Apache-2.0
#pragma once

// The bytes of the target that were made last, for frames that look back. Holds a few times
// kLookBackBytes.

#include <algorithm>

#include "base/bytes.h"
#include "delta/apply/format.h"

namespace pawl::delta {

class TargetTail {
 public:
  // Says that `bytes` of target follow what was given before. Leaves the last view as it is: the frame
  // that made these bytes may still be using it.
  void Append(ByteView bytes) { fresh_.insert(fresh_.end(), bytes.begin(), bytes.end()); }

  // What a frame that begins here may look back at, until the next view.
  ByteView View() {
    bytes_.insert(bytes_.end(), fresh_.begin(), fresh_.end());
    fresh_.clear();
    // Moved rarely: copying it for every frame would cost more than decoding it.
    if (bytes_.size() > 4 * kLookBackBytes) {
      bytes_.erase(bytes_.begin(), bytes_.end() - static_cast<std::ptrdiff_t>(kLookBackBytes));
    }
    return ByteView(bytes_).last(std::min<std::size_t>(bytes_.size(), kLookBackBytes));
  }

 private:
  Bytes bytes_;
  Bytes fresh_;
};

}  // namespace pawl::delta
