// SPDX-License-Identifier: Apache-2.0
// The reader in Python, written from the format documents alone, and the decoder make the same
// target, and refuse the same containers.

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/wait.h>

#include <array>
#include <cstdlib>
#include <filesystem>
#include <random>
#include <string>
#include <vector>

#include "base/file.h"
#include "delta/apply/apply_container.h"
#include "delta/apply/mixed_stream_reader.h"
#include "tests/unit/delta/delta_test_util.h"

namespace pawl::delta {
namespace {

using testing::Control;
using enum OperationKind;

void PutWord(Bytes& bytes, std::size_t at, std::uint32_t word) {
  for (std::size_t i = 0; i < 4; ++i) bytes[at + i] = static_cast<std::uint8_t>(word >> 8 * i);
}

// Functions that name each other, and tables of their addresses, as a linker lays them out. With
// another `gap` between some of them everything that names a place changes, and nothing else.
class Program {
 public:
  Program(Machine machine, std::size_t gap) : machine_(machine) {
    std::mt19937_64 random(17);
    std::size_t end = 0;
    for (std::size_t i = 0; i < kFunctions; ++i) {
      if (i == 30 || i == 90) end += gap;
      begins_.push_back(end);
      sizes_.push_back(64 + random() % 16 * 16);
      end += sizes_.back();
    }
    bytes_.resize(end + 8 * kTableEntries);
    for (std::size_t i = 0; i < kFunctions; ++i) WriteFunction(random, i);
    for (std::size_t i = 0; i < kTableEntries; ++i) WriteTableEntry(random, end + 8 * i);
  }
  const Bytes& bytes() const { return bytes_; }

 private:
  static constexpr std::size_t kFunctions = 140;
  static constexpr std::size_t kTableEntries = 250;

  std::size_t AnyPlace(std::mt19937_64& random) const { return begins_[random() % kFunctions]; }

  void WriteFunction(std::mt19937_64& random, std::size_t index) {
    const std::size_t begin = begins_[index];
    const std::size_t end = begin + sizes_[index];
    // No filler looks like an operand of any machine.
    for (std::size_t at = begin; at < end; at += 4) {
      PutWord(bytes_, at, static_cast<std::uint32_t>(random()) & 0x0B7F7F7F);
    }
    if (machine_ == Machine::kNone) return;
    for (std::size_t at = begin + 8; at + 8 <= end; at += 16) {
      const std::size_t place = AnyPlace(random);
      if (machine_ == Machine::kX86) {
        WriteX86(random() % 3, at, place);
      } else {
        WriteArm64(random() % 3, at, place);
      }
    }
  }
  // A call, a conditional jump or a load.
  void WriteX86(std::uint64_t form, std::size_t at, std::size_t place) {
    bytes_[at + 2] = form == 0 ? 0x55 : form == 1 ? 0x0F : 0x8B;
    bytes_[at + 3] = form == 0 ? 0xE8 : form == 1 ? 0x84 : 0x0D;
    PutWord(bytes_, at + 4, static_cast<std::uint32_t>(place - (at + 8)));
  }
  // B, BL or ADRP.
  void WriteArm64(std::uint64_t form, std::size_t at, std::size_t place) {
    const auto way = static_cast<std::uint32_t>(place - at);
    const auto pages = static_cast<std::uint32_t>((place >> 12) - (at >> 12));
    PutWord(bytes_, at,
            form == 2 ? 0x90000003U | (pages & 3) << 29 | (pages >> 2 & 0x7FFFF) << 5
                      : (form == 0 ? 0x14000000U : 0x94000000U) | (way >> 2 & 0x03FFFFFF));
  }
  // An absolute address and one relative to itself.
  void WriteTableEntry(std::mt19937_64& random, std::size_t at) {
    PutWord(bytes_, at, static_cast<std::uint32_t>(0x00400000 + AnyPlace(random)));
    PutWord(bytes_, at + 4, static_cast<std::uint32_t>(AnyPlace(random) - (at + 4)));
  }

  Machine machine_;
  std::vector<std::size_t> begins_;
  std::vector<std::size_t> sizes_;
  Bytes bytes_;
};

// Records that LZMA models better than zstd does.
Bytes Records(std::size_t count) {
  std::mt19937_64 random(23);
  Bytes records;
  for (std::size_t i = 0; i < count; ++i) {
    records.resize(records.size() + 12);
    PutWord(records, 12 * i, static_cast<std::uint32_t>(i * 48));
    PutWord(records, 12 * i + 4, static_cast<std::uint32_t>(random() % 6 * 0x01010100));
    PutWord(records, 12 * i + 8, static_cast<std::uint32_t>(random() % 1000));
  }
  return records;
}

class ReferenceReaderTest : public ::testing::Test {
 protected:
  ReferenceReaderTest() {
    folder_ = (std::filesystem::temp_directory_path() / "pawl-reference-XXXXXX").string();
    EXPECT_NE(mkdtemp(folder_.data()), nullptr);
  }
  ~ReferenceReaderTest() override { std::filesystem::remove_all(folder_); }

  std::string Path(const char* name) const { return folder_ + "/" + name; }
  void Write(const char* name, const Bytes& bytes) const {
    ASSERT_TRUE(AtomicWriteFile(Path(name), bytes).has_value());
  }
  Bytes Read(const char* name) const {
    return ReadFile(Path(name), 1ULL << 30).value_or(Bytes());
  }

  // Exit status of the reference reader on the file "container", which makes "out". Paths are of
  // this test's own making and need no quoting.
  int RunReference(bool delta) const {
    std::filesystem::remove(Path("out"));
    const std::string command = std::string("python3 -B ") + PAWL_SOURCE_DIR +
                                "/tests/reference/container_reader.py " +
                                (delta ? "--source " + Path("old") + " " : std::string()) +
                                Path("container") + " " + Path("out");
    const int status = std::system(command.c_str());
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }

  std::string folder_;
};

TEST_F(ReferenceReaderTest, AgreesWithTheDecoder) {
  std::mt19937_64 random(41);
  const Bytes old_image = testing::RandomContent(random, 2 * kChunkBytes + 4242);
  Bytes new_image(old_image.begin() + 4096, old_image.end());
  for (std::size_t i = 300000; i < 500000; i += 70) new_image[i] ^= 5;
  new_image.insert(new_image.begin() + 100, 9000, 0);
  new_image.insert(new_image.end(), 700000, 'z');
  Write("old", old_image);
  Write("new", new_image);

  ASSERT_TRUE(GenerateDelta(Path("old"), Path("new"), Path("container")).has_value());
  ASSERT_EQ(RunReference(true), 0);
  EXPECT_TRUE(Read("out") == new_image);
  EXPECT_TRUE(ApplyContainer(Path("old"), Path("container"), Path("out")).has_value());

  ASSERT_TRUE(GenerateFull(Path("new"), Path("container")).has_value());
  ASSERT_EQ(RunReference(false), 0);
  EXPECT_TRUE(Read("out") == new_image);

  Bytes damaged = Read("container");
  damaged.back() ^= 1;
  Write("container", damaged);
  EXPECT_EQ(RunReference(false), 1);
}

// Best containers of programs of each machine: mixed streams, literals in codec 2.
class ReferenceReaderOnProgramsTest : public ReferenceReaderTest,
                                      public ::testing::WithParamInterface<Machine> {};

TEST_P(ReferenceReaderOnProgramsTest, AgreesWithTheDecoder) {
  const Bytes old_image = Program(GetParam(), 16).bytes();
  Bytes new_image = Program(GetParam(), 16 + 0x1230).bytes();
  const Bytes records = Records(2000);
  new_image.insert(new_image.end(), records.begin(), records.end());
  Write("old", old_image);
  Write("new", new_image);
  GenerateOptions options;
  options.effort = Effort::kBest;
  ASSERT_TRUE(GenerateDelta(Path("old"), Path("new"), Path("container"), options).has_value());

  const auto report = Inspect(Path("container"));
  ASSERT_TRUE(report.has_value());
  ASSERT_EQ(report->frames.size(), 1U);
  EXPECT_EQ(report->streams[IndexOf(StreamKind::kLiteral)].codec, CodecId::kLzma);
  if (GetParam() != Machine::kNone) {  // where there are no operands, little is worth mixing
    const StreamReport& mixed = report->streams[IndexOf(StreamKind::kMixed)];
    EXPECT_EQ(mixed.codec, CodecId::kContextMixing);
    EXPECT_GT(mixed.coded_bytes, 100U);
    EXPECT_LE(mixed.plain_bytes, 64U << 10);
    const Bytes container = Read("container");
    const Frame& frame = report->head.frames[0];
    const auto streams = SplitPayload(
        report->head, 0, ByteView(container).subspan(frame.payload_offset, frame.payload_bytes));
    ASSERT_TRUE(streams.has_value());
    EXPECT_EQ(StreamOf(*streams, StreamKind::kMixed).coded.front(),
              static_cast<std::uint8_t>(GetParam()));
  }

  ASSERT_EQ(RunReference(true), 0);
  EXPECT_TRUE(Read("out") == new_image);
  ASSERT_TRUE(ApplyContainer(Path("old"), Path("container"), Path("out")).has_value());
  EXPECT_TRUE(Read("out") == new_image);
}

// The same inside compressed blocks: addresses of decompressed bytes, positions with advances.
TEST_F(ReferenceReaderTest, AgreesInsideCompressedBlocks) {
  for (const bool changed : {false, true}) {
    const std::string tree = changed ? "b" : "a";
    std::filesystem::create_directories(Path(tree.c_str()));
    Write((tree + "/1-records").c_str(), Records(2000));
    Write((tree + "/2-program").c_str(), Program(Machine::kX86, changed ? 0x1240 : 16).bytes());
  }
  for (const char* compressor : {"gzip", "xz -Xbcj x86"}) {
    for (const bool changed : {false, true}) {
      const std::string command = "mksquashfs " + Path(changed ? "b " : "a ") +
                                  Path(changed ? "new" : "old") +
                                  " -noappend -all-root -mkfs-time 0 -all-time 0 -no-xattrs "
                                  "-b 16384 -comp " + compressor + " >/dev/null 2>&1";
      ASSERT_EQ(std::system(command.c_str()), 0) << "mksquashfs: tools/setup installs it";
    }
    GenerateOptions options;
    options.effort = Effort::kBest;
    ASSERT_TRUE(GenerateDelta(Path("old"), Path("new"), Path("container"), options).has_value());
    const auto report = Inspect(Path("container"));
    ASSERT_TRUE(report.has_value());
    EXPECT_EQ(report->streams[IndexOf(StreamKind::kMixed)].codec, CodecId::kContextMixing);
    EXPECT_GT(report->recipe.encoded_blocks, 1U);
    EXPECT_GT(report->recipe.source_blocks, 1U);

    ASSERT_EQ(RunReference(true), 0) << compressor;
    EXPECT_TRUE(Read("out") == Read("new"));
  }
}

// Code that no encoder made reaches states that encoders avoid. Every sequence of bytes is the
// beginning of a stream; it ends where the decoder has asked for the last byte.
class ReferenceReaderOnAnyCodeTest : public ReferenceReaderTest,
                                     public ::testing::WithParamInterface<Machine> {
 protected:
  struct Part {
    std::uint64_t source;
    std::uint64_t bytes;
  };
  // Code that ends with an operand of x86-64, random bytes, a table, code for AArch64.
  static constexpr std::array<Part, 4> kParts = {
      {{5, 1499}, {27001, 1400}, {25001, 600}, {8543, 701}}};
  static constexpr std::uint64_t kPlainBytes = 4200;

  static Bytes OldImage() {
    Bytes image = Program(GetParam(), 16).bytes();
    std::mt19937_64 random(5);
    for (image.resize(27000); image.size() < 30000;) {
      image.push_back(static_cast<std::uint8_t>(random()));
    }
    return image;
  }

  static Status Decode(ByteView coded, const Bytes& old_image) {
    PAWL_ASSIGN_OR_RETURN(MixedStreamReader mixed,
                          MixedStreamReader::Open({CodecId::kContextMixing, kPlainBytes, coded}));
    std::uint64_t target = 0;
    for (const Part& part : kParts) {
      Bytes fresh(part.bytes);
      PAWL_TRY(mixed.Read(ByteView(old_image).subspan(part.source, part.bytes), part.source, target,
                          fresh));
      target += part.bytes;
    }
    return {};
  }

  // The part of `code` that makes a whole stream.
  static Bytes Cut(Bytes code, const Bytes& old_image) {
    std::size_t least = 0;
    std::size_t enough = code.size();
    EXPECT_TRUE(Decode(code, old_image).has_value());
    while (least < enough) {
      const std::size_t middle = least + (enough - least) / 2;
      if (Decode(ByteView(code).first(middle), old_image).has_value()) {
        enough = middle;
      } else {
        least = middle + 1;
      }
    }
    code.resize(enough);
    return code;
  }

  // Writes "container" and returns what the decoder makes of it.
  Result<Bytes> WriteContainer(ByteView coded, const Bytes& old_image) const {
    std::vector<Operation> operations;
    std::uint64_t at = 0;
    for (const Part& part : kParts) {
      const bool backward = part.source < at;
      operations.push_back(
          {kMix, part.bytes, backward ? at - part.source : part.source - at, backward});
      at = part.source + part.bytes;
    }
    const Bytes control = Control(operations);
    Bytes payload = testing::JoinStreams({CodecId::kStored, control.size(), control}, {}, {},
                                         {CodecId::kContextMixing, kPlainBytes, coded});
    testing::Forged forged = testing::Forge(std::move(payload), old_image.size(), kPlainBytes);
    forged.head.codecs = {{CodecId::kContextMixing, 1, 0}};
    forged.head.source->sha256 = HashSha256(old_image);
    testing::CollectingSink sink;
    const Status status = testing::DecodeForged(forged, &old_image, sink);
    if (status.has_value()) forged.head.target.sha256 = HashSha256(sink.bytes());
    Bytes container = EncodeHead(forged.head);
    container.insert(container.end(), forged.payload.begin(), forged.payload.end());
    Write("container", container);
    PAWL_TRY(status);
    return sink.bytes();
  }
};

TEST_P(ReferenceReaderOnAnyCodeTest, AgreesWithTheDecoder) {
  const Bytes old_image = OldImage();
  Write("old", old_image);
  std::mt19937_64 random(static_cast<std::uint64_t>(GetParam()) + 71);
  for (int round = 0; round < 2; ++round) {
    Bytes code(8000);
    for (auto& byte : code) byte = static_cast<std::uint8_t>(random());
    code[0] = static_cast<std::uint8_t>(GetParam());
    code = Cut(std::move(code), old_image);
    const auto made = WriteContainer(code, old_image);
    ASSERT_TRUE(made.has_value()) << made.error().Message();
    ASSERT_EQ(RunReference(true), 0);
    EXPECT_TRUE(Read("out") == *made);

    if (round != 0 || GetParam() != Machine::kX86) continue;
    Bytes wrong = code;
    wrong.push_back(0);  // C-54
    EXPECT_FALSE(WriteContainer(wrong, old_image).has_value());
    EXPECT_EQ(RunReference(true), 1);
    EXPECT_FALSE(WriteContainer(ByteView(code).first(code.size() - 1), old_image).has_value());
    EXPECT_EQ(RunReference(true), 1);
    wrong = code;
    wrong[0] = kMachineCount;  // C-53
    EXPECT_FALSE(WriteContainer(wrong, old_image).has_value());
    EXPECT_EQ(RunReference(true), 1);
  }
}

std::string MachineName(const ::testing::TestParamInfo<Machine>& machine) {
  constexpr std::array<const char*, kMachineCount> kNames = {"None", "X86", "Arm64"};
  return kNames[static_cast<std::size_t>(machine.param)];
}
const auto kMachines = ::testing::Values(Machine::kNone, Machine::kX86, Machine::kArm64);
INSTANTIATE_TEST_SUITE_P(Machines, ReferenceReaderOnProgramsTest, kMachines, MachineName);
INSTANTIATE_TEST_SUITE_P(Machines, ReferenceReaderOnAnyCodeTest, kMachines, MachineName);

}  // namespace
}  // namespace pawl::delta
