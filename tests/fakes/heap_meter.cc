// SPDX-License-Identifier: Apache-2.0
#include "tests/fakes/heap_meter.h"

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <new>

namespace {

std::atomic<std::size_t> live{0};
std::atomic<std::size_t> peak{0};

// Before each block stands its size; the block stays aligned as operator new promises.
constexpr std::size_t kHead = __STDCPP_DEFAULT_NEW_ALIGNMENT__;
static_assert(kHead >= sizeof(std::size_t));

void* Take(std::size_t size) {
  void* block = std::malloc(size + kHead);
  if (block == nullptr) std::abort();  // no test goes on without memory
  *static_cast<std::size_t*>(block) = size;
  const std::size_t now = live.fetch_add(size) + size;
  std::size_t highest = peak.load();
  while (now > highest && !peak.compare_exchange_weak(highest, now)) {
  }
  return static_cast<char*>(block) + kHead;
}

void Return(void* pointer) {
  if (pointer == nullptr) return;
  void* block = static_cast<char*>(pointer) - kHead;
  live.fetch_sub(*static_cast<std::size_t*>(block));
  std::free(block);
}

}  // namespace

void* operator new(std::size_t size) { return Take(size); }
void* operator new[](std::size_t size) { return Take(size); }
void* operator new(std::size_t size, const std::nothrow_t&) noexcept { return Take(size); }
void* operator new[](std::size_t size, const std::nothrow_t&) noexcept { return Take(size); }
void operator delete(void* pointer) noexcept { Return(pointer); }
void operator delete[](void* pointer) noexcept { Return(pointer); }
void operator delete(void* pointer, std::size_t) noexcept { Return(pointer); }
void operator delete[](void* pointer, std::size_t) noexcept { Return(pointer); }
void operator delete(void* pointer, const std::nothrow_t&) noexcept { Return(pointer); }
void operator delete[](void* pointer, const std::nothrow_t&) noexcept { Return(pointer); }

namespace pawl::fakes {

HeapMeter::HeapMeter() : before_(live.load()) { peak.store(before_); }

std::size_t HeapMeter::PeakBytes() const { return peak.load() - std::min(before_, peak.load()); }

}  // namespace pawl::fakes
