// SPDX-License-Identifier: Apache-2.0
#pragma once

// How many bytes this program has asked the heap for and not given back: exact, and the same with
// sanitizers and without. A program that links heap_meter.cc has its operator new counted; what C
// libraries take by malloc is not.

#include <cstddef>

namespace pawl::fakes {

// From its making on, above what was there then.
class HeapMeter {
 public:
  HeapMeter();
  std::size_t PeakBytes() const;

 private:
  std::size_t before_;
};

}  // namespace pawl::fakes
