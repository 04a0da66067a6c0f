// SPDX-License-Identifier: Apache-2.0
// Updates without a delta that fits, and deltas that turn out to be broken: what is fetched, and that the image is exact or nothing armed.

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>

#include "base/format.h"
#include "client/core/release_finder.h"
#include "delta/apply/block_index.h"
#include "tests/fakes/sim_world.h"
#include "tests/matchers.h"

namespace pawl::fakes {
namespace {

using client::Phase;
using client::Slot;
using pawl::testing::IsError;
using pawl::testing::IsOk;

constexpr std::size_t kBlock = 4096;

class AnyBaseFlowTest : public ::testing::Test {
 protected:
  // No delta leads to the new release, unless `from` says so.
  explicit AnyBaseFlowTest(const std::vector<std::string>& from = {}) {
    world.AddRelease("1.0", 10, 1, world.MakeImage("1.0", 10, 1, 1, 4));
    world.AddRelease("1.1", 11, 1, world.MakeImage("1.1", 11, 1, 2, 4), from);
    Offer("1.1");
  }
  void Offer(const std::string& version) {
    world.Rollout(version);
    world.Publish();
  }
  manifest::Component& Of(const std::string& version) { return world.release(version).manifest.components[0]; }
  Bytes& IndexOf(const std::string& version) { return world.http.file(Of(version).index->path); }
  Bytes& DeltaOf(const std::string& version) { return world.http.file(Of(version).deltas[0].container.file.path); }
  delta::Head FullHead(const std::string& version) {
    const manifest::ContainerReference& full = Of(version).full;
    return *delta::ParseHead(ByteView(world.http.file(full.file.path)).first(full.head_length), {});
  }
  bool Holds(SimDevice& device, const std::string& version) {
    return world.Identify(device.slots.disk(Slot::kB).durable()) == &world.release(version);
  }
  // A release whose manifest is another one than AddRelease made.
  void Resign(const std::string& version) {
    SimRelease& release = world.release(version);
    const std::string encoded = manifest::EncodeReleaseManifest(release.manifest);
    release.sha256 = HashSha256(AsBytes(encoded));
    world.repository.AddTarget(client::ReleasesRole(kProduct), release.path, encoded, manifest::EncodeReleaseSummary(release.manifest));
    Offer(version);
  }
  // The release gets this file as its index, properly signed: what a signer that lies, or digests that collide, would do.
  void SignIndex(const std::string& version, Bytes index) {
    const Sha256Digest sha256 = HashSha256(index);
    Of(version).index = manifest::FileReference{Format("payloads/{}.index", sha256.Hex()), index.size(), sha256};
    world.http.Serve(Of(version).index->path, std::move(index));
    Resign(version);
  }
  SimWorld world;
};

TEST_F(AnyBaseFlowTest, FetchesOnlyWhatTheDeviceDoesNotHave) {
  SimDevice device(world, "1.0");
  const auto outcome = device.Update();
  ASSERT_THAT(outcome, IsOk());
  EXPECT_TRUE(Holds(device, "1.1"));
  // One part in eight of the images differs, and frames are twice as long as these parts.
  EXPECT_LT(outcome->bytes_fetched, outcome->bytes_full * 4 / 10);
  EXPECT_TRUE(device.State().update.route.starts_with("blocks of this device")) << device.State().update.route;
  EXPECT_TRUE(device.RunToRest(1));
  EXPECT_EQ(device.RunningVersion(), "1.1");
}

// M-54. Blocks of the slot that is written over count only where they already lie at their own place.
TEST_F(AnyBaseFlowTest, TheSlotBeingWrittenHelpsWithBlocksAtTheirOwnPlaceOnly) {
  SimDevice device(world, "1.0");
  const Bytes& wanted = world.release("1.1").image;
  SimDisk& running = device.slots.disk(Slot::kA);
  running.Plant(kBlock, Bytes(4 * kChunkBytes - kBlock, 0x11));  // nothing of it is of use
  SimDisk& other = device.slots.disk(Slot::kB);
  other.Plant(0, ByteView(wanted).first(2 * kChunkBytes));
  // The third chunk's content lies where the fourth's belongs: it would be overwritten while it is needed.
  other.Plant(3 * kChunkBytes, ByteView(wanted).subspan(2 * kChunkBytes, kChunkBytes));
  const auto outcome = device.Update();
  ASSERT_THAT(outcome, IsOk());
  EXPECT_TRUE(Holds(device, "1.1"));
  EXPECT_GT(outcome->bytes_fetched, outcome->bytes_full * 4 / 10);
  EXPECT_LT(outcome->bytes_fetched, outcome->bytes_full * 6 / 10);
}

TEST_F(AnyBaseFlowTest, ContentThatMovedIsTakenFromTheRunningSlot) {
  Bytes moved = world.release("1.1").image;
  std::rotate(moved.begin() + kBlock, moved.begin() + kBlock + 300 * kBlock, moved.end());
  world.AddRelease("1.3", 13, 1, [&] {
    Bytes image = world.MakeImage("1.3", 13, 1, 9, 4);
    std::copy(moved.begin() + kBlock, moved.end(), image.begin() + kBlock);
    return image;
  }());
  Offer("1.3");
  SimDevice device(world, "1.1");
  const auto outcome = device.Update();
  ASSERT_THAT(outcome, IsOk());
  EXPECT_TRUE(Holds(device, "1.3"));
  EXPECT_LT(outcome->bytes_fetched, outcome->bytes_full / 10);
}

// M-54. Hints that are wrong, in every way that a collision or a liar could make them: they cost bytes, never the image.
TEST_F(AnyBaseFlowTest, AnIndexThatLiesCostsBytesAndNothingElse) {
  const Bytes honest = IndexOf("1.1");
  const std::size_t digests = 16 + (4 * kChunkBytes / kBlock + 7) / 8;
  const auto lie = [&](std::size_t block, std::size_t like, std::size_t count) {
    Bytes lying = honest;
    std::copy_n(honest.begin() + static_cast<std::ptrdiff_t>(digests + 8 * like), 8 * count,
                lying.begin() + static_cast<std::ptrdiff_t>(digests + 8 * block));
    return lying;
  };
  struct Lie {
    std::size_t block, like, count;
  };
  // Blocks that the device lacks have the names of others that it has, so that their frame is not fetched; and single blocks that it has
  // have another one's name, first and last of a frame and of the image.
  for (const auto& [block, like, count] : {Lie{48, 64, 16}, {64, 400, 1}, {95, 2, 1}, {326, 325, 1}, {1023, 5, 1}}) {
    SignIndex("1.1", lie(block, like, count));
    SimDevice device(world, "1.0");
    const auto outcome = device.Update();
    ASSERT_THAT(outcome, IsOk()) << block;
    EXPECT_TRUE(Holds(device, "1.1")) << block;
    EXPECT_EQ(outcome->chunks_repaired, 1U) << block;
  }
  Bytes all_alike = honest;  // every block has one and the same hint
  for (std::size_t at = digests; at < all_alike.size(); at += 8) std::copy_n(honest.begin() + static_cast<std::ptrdiff_t>(digests + 8), 8, all_alike.begin() + static_cast<std::ptrdiff_t>(at));
  SignIndex("1.1", all_alike);
  SimDevice device(world, "1.0");
  const auto outcome = device.Update();
  ASSERT_THAT(outcome, IsOk());
  EXPECT_TRUE(Holds(device, "1.1"));
}

TEST_F(AnyBaseFlowTest, AnIndexThatCallsABlockZeroIsFoundOut) {
  Bytes lying(16 + 4 * kChunkBytes / kBlock / 8);
  std::copy_n(IndexOf("1.1").begin(), 16, lying.begin());
  SignIndex("1.1", lying);  // "all of it is zeros"
  SimDevice device(world, "1.0");
  const auto outcome = device.Update();
  ASSERT_THAT(outcome, IsOk());
  EXPECT_TRUE(Holds(device, "1.1"));
  EXPECT_EQ(outcome->chunks_repaired, 4U);
}

TEST_F(AnyBaseFlowTest, WithoutAUsableIndexTheFullImageComes) {
  const std::string path = Of("1.1").index->path;
  const Bytes honest = IndexOf("1.1");
  Bytes flipped = honest;
  flipped[100] ^= 1U;
  Bytes longer = honest;
  longer.push_back(0);
  const Bytes shorter(honest.begin(), honest.end() - 1);
  for (const Bytes& served : {flipped, longer, shorter, Bytes()}) {
    world.http.Serve(path, served);
    if (served.empty()) world.http.Remove(path);
    SimDevice device(world, "1.0");
    ASSERT_THAT(device.Update(), IsOk());
    EXPECT_EQ(device.State().update.route, "full image");
    EXPECT_TRUE(Holds(device, "1.1"));
  }
  // Signed, and no index at all.
  for (Bytes signed_nonsense : {shorter, longer, Bytes(20), Bytes()}) {
    SignIndex("1.1", std::move(signed_nonsense));
    SimDevice device(world, "1.0");
    ASSERT_THAT(device.Update(), IsOk());
    EXPECT_EQ(device.State().update.route, "full image");
  }
}

TEST_F(AnyBaseFlowTest, AnIndexAboveTheCapIsNotEvenFetched) {
  Of("1.1").index->length = delta::kMaxBlockIndexBytes + 1;
  Resign("1.1");
  SimDevice device(world, "1.0");
  ASSERT_THAT(device.Update(), IsOk());
  EXPECT_EQ(device.State().update.route, "full image");
  EXPECT_EQ(std::ranges::count_if(world.http.requests(), [](const std::string& url) { return url.ends_with(".index"); }), 0);
}

// The slot changes between looking and taking: bit rot, or somebody at work.
TEST_F(AnyBaseFlowTest, UnreadableAndHostileBlocksOfTheRunningSlotDoNotTravel) {
  SimDevice device(world, "1.0");
  device.slots.disk(Slot::kA).FailReadsIn(1);
  device.slots.disk(Slot::kA).Plant(2 * kChunkBytes + kBlock, Bytes(512, 0xEE));
  const auto outcome = device.Update();
  ASSERT_THAT(outcome, IsOk());
  EXPECT_TRUE(Holds(device, "1.1"));
  EXPECT_LT(outcome->bytes_fetched, outcome->bytes_full * 6 / 10);
}

TEST_F(AnyBaseFlowTest, ABrokenFrameOfTheFullContainerArmsNothing) {
  Bytes& full = world.http.file(Of("1.1").full.file.path);
  full[full.size() - 1] ^= 1U;
  world.http.Remove(Of("1.1").index->path);
  SimDevice device(world, "1.0");
  EXPECT_THAT(device.Update(), IsError(ErrorCode::kFrameHashMismatch));
  EXPECT_FALSE(device.boot.environment().trying.has_value());
  full[full.size() - 1] ^= 1U;
  EXPECT_TRUE(device.RunToRest(1));
  EXPECT_EQ(device.RunningVersion(), "1.1");
}

TEST_F(AnyBaseFlowTest, AFullSlotIsAClearErrorAndNoReasonToTryAnotherRoute) {
  SimDevice device(world, "1.0");
  device.slots.disk(Slot::kB).FillUp();
  EXPECT_THAT(device.Update(), IsError(ErrorCode::kNoSpace));
  EXPECT_FALSE(device.boot.environment().trying.has_value());
}

TEST_F(AnyBaseFlowTest, ABrokenConnectionGoesOnAtTheNextChunk) {
  SimDevice device(world, "1.0");
  world.http.Remove(Of("1.1").index->path);
  world.http.BreakAfter(world.http.file(Of("1.1").full.file.path).size() / 2);
  const auto outcome = device.Update();
  ASSERT_THAT(outcome, IsOk());
  EXPECT_LT(outcome->bytes_fetched, outcome->bytes_full * 15 / 10);
}

// What was written in an earlier run is what the next frames look back at.
TEST_F(AnyBaseFlowTest, ASectorThatRotsBetweenTwoRunsIsMadeAgainAndTheUpdateEnds) {
  for (const std::uint64_t distance : {512U, 4096U, 65536U, 126976U, 500000U}) {
    SCOPED_TRACE(distance);
    const std::string path = Of("1.1").full.file.path;
    world.http.Remove(Of("1.1").index->path);
    const Bytes full = world.http.file(path);
    SimDevice device(world, "1.0");
    world.http.file(path).back() ^= 1U;
    ASSERT_THAT(device.Update(), IsError(ErrorCode::kFrameHashMismatch));
    world.http.file(path) = full;
    ASSERT_EQ(device.State().update.progress.size(), 1U);
    const std::uint64_t next = device.State().update.progress[0].next_frame;
    ASSERT_GT(next, 0U);
    device.slots.disk(Slot::kB).Plant(next * kChunkBytes - distance, Bytes(512, 0xA5));
    EXPECT_TRUE(device.RunToRest(2));
    EXPECT_EQ(device.RunningVersion(), "1.1");
  }
}

class BrokenDeltaTest : public AnyBaseFlowTest {
 protected:
  BrokenDeltaTest() : AnyBaseFlowTest({"1.0"}) {}
  // A delta that `honest` and `bytes` are of, with another head, properly signed. Says what `forge`
  // says.
  ErrorCode SignDelta(const std::string& version, std::size_t index,
                      const manifest::ContainerReference& honest, const Bytes& bytes,
                      const std::function<ErrorCode(delta::Head&)>& forge) {
    delta::Head head = *delta::ParseHead(ByteView(bytes).first(honest.head_length), {});
    const ErrorCode why = forge(head);
    delta::PlaceFrames(head);
    Bytes forged = delta::EncodeHead(head);
    manifest::ContainerReference container = honest;
    container.head_length = forged.size();
    container.head_sha256 = HashSha256(forged);
    forged.insert(forged.end(), bytes.begin() + static_cast<std::ptrdiff_t>(honest.head_length),
                  bytes.end());
    const Sha256Digest sha256 = HashSha256(forged);
    container.file = {Format("payloads/{}.pawl", sha256.Hex()), forged.size(), sha256};
    world.http.Serve(container.file.path, std::move(forged));
    Of(version).deltas[index].container = container;
    Resign(version);
    return why;
  }
  // The update ends well in one run, the reason is told and written down.
  void ExpectGivenUp(SimDevice& device, ErrorCode why) {
    const auto outcome = device.Update();
    ASSERT_THAT(outcome, IsOk());
    EXPECT_TRUE(Holds(device, "1.1"));
    ASSERT_TRUE(outcome->delta_given_up.has_value());
    EXPECT_EQ(outcome->delta_given_up->code(), why);
    EXPECT_TRUE(device.State().update.route.ends_with(Format("(the delta was given up: {})", CodeName(why)))) << device.State().update.route;
    const auto history = *device.store.History(100);
    EXPECT_TRUE(std::ranges::any_of(history, [&](const client::HistoryEntry& entry) {
      return entry.event == "delta-given-up" && entry.code == CodeName(why);
    }));
    EXPECT_LT(outcome->bytes_fetched, outcome->bytes_full / 2) << "what the device has is not fetched";
  }
};

TEST_F(BrokenDeltaTest, TheIndexIsNotFetchedWhereADeltaFits) {
  SimDevice device(world, "1.0");
  ASSERT_THAT(device.Update(), IsOk());
  EXPECT_EQ(device.State().update.route, "delta, 0 foreign chunks");
  EXPECT_EQ(std::ranges::count_if(world.http.requests(), [](const std::string& url) { return url.ends_with(".index"); }), 0);
}

TEST_F(BrokenDeltaTest, AMissingDeltaIsNoReasonToStop) {
  world.http.Remove(Of("1.1").deltas[0].container.file.path);
  SimDevice device(world, "1.0");
  ExpectGivenUp(device, ErrorCode::kNotFound);
}

TEST_F(BrokenDeltaTest, AFlippedByteInTheHeadGivesTheDeltaUp) {
  DeltaOf("1.1")[20] ^= 1U;
  SimDevice device(world, "1.0");
  ExpectGivenUp(device, ErrorCode::kContainerHeadMismatch);
}

// An authentic head that this agent cannot make use of: nothing is written before another route is taken.
TEST_F(BrokenDeltaTest, ADeltaThatThisAgentCannotDecodeIsGivenUpBeforeAnythingIsWritten) {
  manifest::ContainerReference& container = Of("1.1").deltas[0].container;
  Bytes& bytes = DeltaOf("1.1");
  bytes[delta::kHeadFixedBytes + 2] = 0x7F;  // a codec of a later version
  container.head_sha256 = HashSha256(ByteView(bytes).first(container.head_length));
  Resign("1.1");
  SimDevice device(world, "1.0");
  ExpectGivenUp(device, ErrorCode::kCodecUnsupported);
}

// M-57. In each way that a head can ask for what this agent does not have.
TEST_F(BrokenDeltaTest, AContainerForOtherEncodersIsGivenUpBeforeAnythingIsWritten) {
  const manifest::ContainerReference honest = Of("1.1").deltas[0].container;
  const Bytes bytes = DeltaOf("1.1");
  const std::string full = Of("1.1").full.file.path;
  const Bytes full_bytes = world.http.file(full);
  delta::TransformEntry entry;
  entry.transform = delta::ZstdTransform(15, false, true);
  const auto lacks = [&](delta::Head& head) {
    entry.transform.version = 9;
    head.transforms = {entry};
    return ErrorCode::kTransformUnsupported;
  };
  const auto differs = [&](delta::Head& head) {
    entry = *delta::DescribeTransform(delta::ZstdTransform(15, false, true), 128U << 10);
    entry.self_test = {};
    head.transforms = {entry};
    head.memory_bytes = std::max<std::uint64_t>(head.memory_bytes, 2 * kChunkBytes + entry.memory_bytes);
    return ErrorCode::kEncoderDiffers;
  };
  const auto understates = [&](delta::Head& head) {
    entry.memory_bytes = 0;
    head.transforms = {entry};
    return ErrorCode::kMemoryLimit;
  };
  const auto hungry = [](delta::Head& head) {
    head.memory_bytes = 60U << 20;
    return ErrorCode::kMemoryLimit;
  };
  for (const std::function<ErrorCode(delta::Head&)>& forge :
       {std::function<ErrorCode(delta::Head&)>(lacks), {differs}, {understates}, {hungry}}) {
    const ErrorCode why = SignDelta("1.1", 0, honest, bytes, forge);
    // First without another route: nothing of the slot has changed when the run ends.
    SimDevice device(world, "1.0");
    device.slots.disk(Slot::kB).Plant(0, Bytes(4 * kChunkBytes, 0x5A));
    const Bytes before = device.slots.disk(Slot::kB).durable();
    world.http.Remove(full);
    EXPECT_THAT(device.Update(), IsError(ErrorCode::kNotFound));
    EXPECT_TRUE(device.slots.disk(Slot::kB).durable() == before) << CodeName(why);
    world.http.Serve(full, full_bytes);
    ExpectGivenUp(device, why);
  }
}

// The device runs 1.0; the delta from 1.0 is of no use, one from a sister of 1.0 nearly fits.
TEST_F(BrokenDeltaTest, AnotherDeltaIsTriedBeforeTheFullContainer) {
  Bytes sister = world.release("1.0").image;
  sister[3 * kChunkBytes + 5] ^= 1U;
  world.AddRelease("0.9", 9, 1, std::move(sister));
  world.AddRelease("1.2", 12, 1, world.MakeImage("1.2", 12, 1, 2, 4), {"1.0", "0.9"});
  const Bytes bytes = world.http.file(Of("1.2").deltas[0].container.file.path);
  SignDelta("1.2", 0, Of("1.2").deltas[0].container, bytes, [](delta::Head& head) {
    head.memory_bytes = 60U << 20;
    return ErrorCode::kMemoryLimit;
  });
  Of("1.2").index.reset();  // else blocks of this device are cheaper than delta and chunk
  Resign("1.2");
  SimDevice device(world, "1.0");
  const auto outcome = device.Update();
  ASSERT_THAT(outcome, IsOk());
  EXPECT_TRUE(Holds(device, "1.2"));
  ASSERT_TRUE(outcome->delta_given_up.has_value());
  EXPECT_EQ(outcome->delta_given_up->code(), ErrorCode::kMemoryLimit);
  EXPECT_EQ(device.State().update.route,
            "delta, 1 foreign chunk (another was given up: E0309)");
}

TEST_F(BrokenDeltaTest, ABrokenFrameCostsItsChunksAndTheyAloneAreFetched) {
  Bytes& delta = DeltaOf("1.1");
  delta[delta.size() - 1] ^= 1U;
  SimDevice device(world, "1.0");
  const auto outcome = device.Update();
  ASSERT_THAT(outcome, IsOk());
  EXPECT_TRUE(Holds(device, "1.1"));
  EXPECT_GE(outcome->chunks_repaired, 1U);
  EXPECT_FALSE(outcome->delta_given_up.has_value());
}

// One rotten sector of the source: exactly the frames of that chunk are asked for.
TEST_F(BrokenDeltaTest, ARottenChunkOfTheSourceIsFetchedByItselfAsRanges) {
  SimDevice device(world, "1.0");
  device.slots.disk(Slot::kA).Plant(2 * kChunkBytes + kBlock, Bytes(512, 0xEE));
  world.http.Remove(Of("1.1").index->path);  // else blocks of this device are cheaper than delta and chunk
  ASSERT_THAT(device.Update(), IsOk());
  EXPECT_EQ(device.State().update.route, "delta, 1 foreign chunk");
  EXPECT_TRUE(Holds(device, "1.1"));
  const manifest::ContainerReference& full = Of("1.1").full;
  const delta::Head head = FullHead("1.1");
  std::uint64_t begin = UINT64_MAX;
  std::uint64_t end = 0;
  for (std::size_t i = 0; i < head.frames.size(); ++i) {
    if (head.FrameBegin(i) / kChunkBytes != 2) continue;
    begin = std::min(begin, head.frames[i].payload_offset);
    end = std::max(end, head.frames[i].payload_offset + head.frames[i].payload_bytes);
  }
  std::vector<client::ByteRange> ranges = world.http.RangesOf(full.file.path);
  ASSERT_FALSE(ranges.empty());
  EXPECT_EQ(ranges.front().length, full.head_length);
  ASSERT_EQ(ranges.size(), 2U);
  EXPECT_EQ(ranges.back().offset, begin);
  EXPECT_EQ(ranges.back().length, end - begin);
}

TEST_F(BrokenDeltaTest, NothingIsArmedWhenTheFullContainerIsGoneToo) {
  world.http.Remove(Of("1.1").deltas[0].container.file.path);
  const std::string full = Of("1.1").full.file.path;
  const Bytes kept = world.http.file(full);
  world.http.Remove(full);
  SimDevice device(world, "1.0");
  EXPECT_THAT(device.Update(), IsError(ErrorCode::kNotFound));
  EXPECT_FALSE(device.boot.environment().trying.has_value());
  world.http.Serve(full, kept);
  EXPECT_TRUE(device.RunToRest(1));
  EXPECT_EQ(device.RunningVersion(), "1.1");
}

// Errors of the network are for later: a delta is not given up for a dead link.
TEST_F(BrokenDeltaTest, AnUnreachableServerGivesNoDeltaUp) {
  SimDevice device(world, "1.0");
  for (int i = 0; i < 3; ++i) world.http.BreakAfter(100'000);
  EXPECT_THAT(device.Update(), IsError(ErrorCode::kTransferTruncated));
  EXPECT_TRUE(device.RunToRest(1));
  EXPECT_EQ(device.State().update.route, "delta, 0 foreign chunks");
}

}  // namespace
}  // namespace pawl::fakes
