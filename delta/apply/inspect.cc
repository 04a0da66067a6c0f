// SPDX-License-Identifier: Apache-2.0
#include "delta/apply/apply_container.h"
#include "delta/apply/container_file.h"
#include "delta/apply/control_reader.h"
#include "delta/apply/payload.h"
#include "delta/apply/recipe.h"

namespace pawl::delta {
namespace {

void Count(const Operation& operation, OperationReport& report) {
  ++report.operations;
  switch (operation.kind) {
    case OperationKind::kZero:
      report.zero_bytes += operation.length;
      return;
    case OperationKind::kLiteral:
      report.literal_bytes += operation.length;
      return;
    case OperationKind::kCopy:
      report.copy_bytes += operation.length;
      return;
    case OperationKind::kAdd:
      report.add_bytes += operation.length;
      return;
    case OperationKind::kMix:
      report.mix_bytes += operation.length;
      return;
  }
}

RecipeReport Count(const Recipe& recipe) {
  RecipeReport report;
  for (const Segment& segment : recipe.segments) {
    if (segment.kind != SegmentKind::kBlock) continue;
    ++report.encoded_blocks;
    report.encoded_plain_bytes += segment.plain;
    report.encoded_target_bytes += segment.take;
  }
  report.source_blocks = recipe.blocks.size();
  report.source_plain_bytes = recipe.SourcePlainBytes();
  for (const SourceBlock& block : recipe.blocks) report.source_coded_bytes += block.coded;
  return report;
}

// REQUIRES: the payload's hash has been checked.
Result<FrameReport> InspectFrame(const Head& head, std::size_t index, ByteView payload) {
  PAWL_ASSIGN_OR_RETURN(const PayloadStreams streams, SplitPayload(head, index, payload));
  FrameReport report;
  for (std::size_t i = 0; i < kStreamCount; ++i) {
    report.streams[i] = {streams[i].codec, streams[i].plain_bytes, streams[i].coded.size()};
  }
  PAWL_ASSIGN_OR_RETURN(const Recipe recipe, ReadRecipe(head, index, streams));
  report.recipe = Count(recipe);
  PAWL_ASSIGN_OR_RETURN(PlainStream plain,
                        PlainStream::Open(StreamOf(streams, StreamKind::kControl)));
  ControlReader control(std::move(plain));
  std::uint64_t left = recipe.PlainBytes();
  while (!control.done()) {
    PAWL_ASSIGN_OR_RETURN(const Operation operation, control.Next());
    if (operation.length > left) {
      return Fail(ErrorCode::kContainerMalformed, "payload: more than the frame makes");
    }
    left -= operation.length;
    Count(operation, report.operations);
  }
  PAWL_TRY(control.Finish());
  return report;
}

void AddUp(const FrameReport& frame, ContainerReport& total) {
  for (std::size_t i = 0; i < kStreamCount; ++i) {
    if (frame.streams[i].codec != CodecId::kStored) total.streams[i].codec = frame.streams[i].codec;
    total.streams[i].plain_bytes += frame.streams[i].plain_bytes;
    total.streams[i].coded_bytes += frame.streams[i].coded_bytes;
  }
  total.operations.zero_bytes += frame.operations.zero_bytes;
  total.operations.literal_bytes += frame.operations.literal_bytes;
  total.operations.copy_bytes += frame.operations.copy_bytes;
  total.operations.add_bytes += frame.operations.add_bytes;
  total.operations.mix_bytes += frame.operations.mix_bytes;
  total.operations.operations += frame.operations.operations;
  total.recipe.encoded_blocks += frame.recipe.encoded_blocks;
  total.recipe.encoded_plain_bytes += frame.recipe.encoded_plain_bytes;
  total.recipe.encoded_target_bytes += frame.recipe.encoded_target_bytes;
  total.recipe.source_blocks += frame.recipe.source_blocks;
  total.recipe.source_coded_bytes += frame.recipe.source_coded_bytes;
  total.recipe.source_plain_bytes += frame.recipe.source_plain_bytes;
}

}  // namespace

Result<ContainerReport> Inspect(RandomReader& container) {
  PAWL_ASSIGN_OR_RETURN(ContainerHead read, ReadContainerHead(container));
  ContainerReport report;
  report.head_bytes = read.head.HeadBytes();
  report.head_sha256 = read.sha256;
  report.file_bytes = container.SizeBytes();
  Bytes payload;
  for (std::size_t i = 0; i < read.head.frames.size(); ++i) {
    const Frame& frame = read.head.frames[i];
    payload.resize(frame.payload_bytes);
    PAWL_TRY(container.ReadAt(frame.payload_offset, payload));
    //= docs/container-format.md#C-04
    if (HashSha256(payload) != frame.payload_sha256) {
      return Fail(ErrorCode::kFrameHashMismatch, "frame " + std::to_string(i));
    }
    PAWL_ASSIGN_OR_RETURN(const FrameReport inspected, InspectFrame(read.head, i, payload));
    AddUp(inspected, report);
    report.frames.push_back(inspected);
  }
  report.head = std::move(read.head);
  return report;
}

Result<ContainerReport> Inspect(const std::string& container_path) {
  PAWL_ASSIGN_OR_RETURN(FileReader container, FileReader::Open(container_path));
  return Inspect(container);
}

}  // namespace pawl::delta
