// SPDX-License-Identifier: Apache-2.0
#include "client/integrity/slot_measurement.h"

#include <algorithm>

#include "base/format.h"

namespace pawl::integrity {

Result<SlotMeasurement> MeasureSlot(RandomReader& slot, const ExpectedImage& expected,
                                    const MeasureProgress& progress) {
  const std::uint64_t count = ChunkCount(expected.bytes);
  if (expected.chunks.size() != count) {
    return Fail(ErrorCode::kInputInvalid,
                Format("an image of {} bytes has {} chunks, the manifest lists {}", expected.bytes,
                       count, expected.chunks.size()));
  }
  if (slot.SizeBytes() < expected.bytes) {
    return Fail(ErrorCode::kSlotTooSmall,
                Format("the image has {} bytes, the slot {}", expected.bytes, slot.SizeBytes()));
  }
  SlotMeasurement measured;
  measured.chunks.reserve(expected.chunks.size());
  Bytes buffer(static_cast<std::size_t>(std::min(kChunkBytes, expected.bytes)));
  Sha256 whole;
  for (std::uint64_t index = 0; index < count; ++index) {
    const std::uint64_t offset = index * kChunkBytes;
    const std::uint64_t length = std::min(kChunkBytes, expected.bytes - offset);
    const ByteSpan chunk = ByteSpan(buffer).first(static_cast<std::size_t>(length));
    PAWL_TRY(slot.ReadAt(offset, chunk));
    whole.Update(chunk);
    measured.chunks.push_back(HashSha256(chunk));
    if (measured.chunks.back() != expected.chunks[static_cast<std::size_t>(index)])
      measured.wrong_chunks.push_back(index);
    if (progress) progress(offset + length, expected.bytes);
  }
  measured.image = whole.Finish();
  measured.matches = measured.wrong_chunks.empty() && measured.image == expected.image;
  return measured;
}

SlotEvidence ToEvidence(const SlotMeasurement& measurement, const ExpectedImage& expected,
                        std::string slot, std::string component, std::string version,
                        UtcTime measured_at) {
  SlotEvidence evidence;
  evidence.slot = std::move(slot);
  evidence.component = std::move(component);
  evidence.version = std::move(version);
  evidence.bytes = expected.bytes;
  evidence.chunks = measurement.chunks.size();
  evidence.wrong_chunks = measurement.wrong_chunks.size();
  // Right chunks under a wrong image digest contradict the manifest: that is never reported as
  // clean.
  if (!measurement.matches)
    evidence.wrong_chunks = std::max<std::uint64_t>(evidence.wrong_chunks, 1);
  evidence.image = measurement.image;
  evidence.measured_at = measured_at;
  return evidence;
}

}  // namespace pawl::integrity
