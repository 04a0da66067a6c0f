// SPDX-License-Identifier: Apache-2.0
#include "base/bytes.h"

#include "tests/unit/base/holds.h"

namespace pawl {
namespace {

using testing::IsError;
using testing::IsOk;
using testing::IsOkAndHolds;

constexpr std::uint64_t kMax = UINT64_MAX;

TEST(IsAllZeroTest, OneBitAnywhereIsSeen) {
  EXPECT_TRUE(IsAllZero({}));
  Bytes bytes(70);
  EXPECT_TRUE(IsAllZero(bytes));
  for (std::uint8_t& byte : bytes) {
    byte = 0x80;
    EXPECT_FALSE(IsAllZero(bytes));
    byte = 0;
  }
}

TEST(HexTest, RoundTrips) {
  const Bytes bytes{0x00, 0x7f, 0x80, 0xff};
  EXPECT_EQ(HexEncode(bytes), "007f80ff");
  EXPECT_THAT(HexDecode("007f80ff"), IsOkAndHolds(bytes));
  EXPECT_THAT(HexDecode(""), IsOkAndHolds(Bytes{}));
}

TEST(HexTest, RefusesEverySecondSpelling) {
  for (const char* text : {"0", "0F", "0g", " 00", "00 ", "0x00", "-1"}) {
    EXPECT_THAT(HexDecode(text), IsError(ErrorCode::kInputInvalid)) << text;
  }
}

TEST(Base64UrlTest, MatchesRfc4648Section10) {
  const std::vector<std::pair<std::string_view, std::string_view>> cases{
      {"", ""},           {"f", "Zg"},          {"fo", "Zm8"},          {"foo", "Zm9v"},
      {"foob", "Zm9vYg"}, {"fooba", "Zm9vYmE"}, {"foobar", "Zm9vYmFy"}, {"\xfb\xff", "-_8"}};
  for (const auto& [plain, coded] : cases) {
    EXPECT_EQ(Base64UrlEncode(AsBytes(plain)), coded);
    const auto decoded = Base64UrlDecode(coded);
    ASSERT_THAT(decoded, IsOk());
    EXPECT_EQ(AsText(*decoded), plain);
  }
}

TEST(Base64UrlTest, RefusesEverySecondSpelling) {
  // Padding, the other alphabet, white space, a dangling character, stray bits.
  for (const char* text : {"Zg==", "Zm8=", "+/8", "Zm 9v", "Z", "Zm9vY", "Zh", "Zm9"}) {
    EXPECT_THAT(Base64UrlDecode(text), IsError(ErrorCode::kInputInvalid)) << text;
  }
}

TEST(ContainsTest, HoldsAtTheEdges) {
  EXPECT_TRUE(Contains(0, 0, 0));
  EXPECT_TRUE(Contains(10, 10, 0));
  EXPECT_TRUE(Contains(10, 0, 10));
  EXPECT_TRUE(Contains(kMax, kMax, 0));
  EXPECT_TRUE(Contains(kMax, 1, kMax - 1));
  EXPECT_FALSE(Contains(10, 0, 11));
  EXPECT_FALSE(Contains(10, 11, 0));
  EXPECT_FALSE(Contains(10, 5, kMax));
  EXPECT_FALSE(Contains(10, kMax, 11));
  EXPECT_FALSE(Contains(kMax, 2, kMax - 1));
}

TEST(CheckedTest, SumsAndProductsThatDoNotFitAreErrors) {
  EXPECT_THAT(CheckedAdd(kMax - 1, 1), IsOkAndHolds(kMax));
  EXPECT_THAT(CheckedAdd(kMax, 1), IsError(ErrorCode::kInputInvalid));
  EXPECT_THAT(CheckedMul(kMax, 1), IsOkAndHolds(kMax));
  EXPECT_THAT(CheckedMul(kMax, 0), IsOkAndHolds(std::uint64_t{0}));
  EXPECT_THAT(CheckedMul(std::uint64_t{1} << 32U, std::uint64_t{1} << 32U),
              IsError(ErrorCode::kInputInvalid));
}

TEST(ByteReaderTest, ReadsLittleEndian) {
  const Bytes bytes{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  ByteReader reader(bytes);
  EXPECT_THAT(reader.U8(), IsOkAndHolds(0x01));
  EXPECT_THAT(reader.U16(), IsOkAndHolds(0x0302));
  EXPECT_THAT(reader.U32(), IsOkAndHolds(0x07060504U));
  EXPECT_THAT(reader.U64(), IsOkAndHolds(0x0f0e0d0c0b0a0908U));
  EXPECT_TRUE(reader.done());
}

TEST(ByteReaderTest, ReadsNothingBeyondTheEndAndConsumesNothing) {
  const Bytes bytes{1, 2, 3};
  ByteReader reader(bytes);
  EXPECT_THAT(reader.U32(), IsError(ErrorCode::kInputInvalid));
  EXPECT_THAT(reader.Take(4), IsError(ErrorCode::kInputInvalid));
  EXPECT_THAT(reader.Take(kMax), IsError(ErrorCode::kInputInvalid));
  EXPECT_EQ(reader.position(), 0U);
  EXPECT_THAT(reader.Take(3), IsOk());
  EXPECT_THAT(reader.U8(), IsError(ErrorCode::kInputInvalid));
  EXPECT_THAT(reader.Take(0), IsOk());
}

TEST(VarintTest, RoundTripsAtEveryLength) {
  std::vector<std::uint64_t> values{0, kMax, kMax - 1};
  for (unsigned shift = 0; shift < 64; ++shift) {
    const std::uint64_t power = std::uint64_t{1} << shift;
    values.insert(values.end(), {power - 1, power, power + 1});
  }
  for (const std::uint64_t value : values) {
    Bytes bytes;
    ByteWriter(bytes).Varint(value);
    EXPECT_LE(bytes.size(), 10U);
    ByteReader reader(bytes);
    EXPECT_THAT(reader.Varint(), IsOkAndHolds(value));
    EXPECT_TRUE(reader.done());
  }
}

TEST(VarintTest, RefusesOverlongOverflowingAndCutForms) {
  Bytes eleven(10, 0x80);
  eleven.push_back(0x01);
  Bytes overflow(9, 0xff);  // the tenth byte may only add one bit
  overflow.push_back(0x02);
  Bytes endless(10, 0xff);
  const std::vector<Bytes> bad{{0x80, 0x00}, {0x81, 0x00}, {0x80, 0x80, 0x00}, {0x80},
                               {},           eleven,       overflow,           endless};
  for (const Bytes& bytes : bad) {
    ByteReader reader(bytes);
    EXPECT_THAT(reader.Varint(), IsError(ErrorCode::kInputInvalid)) << HexEncode(bytes);
    EXPECT_EQ(reader.position(), 0U);
  }
}

TEST(ByteWriterTest, WritesWhatTheReaderReads) {
  Bytes bytes;
  ByteWriter writer(bytes);
  writer.U8(0xab);
  writer.U16(0xabcd);
  writer.U32(0x01020304);
  writer.U64(kMax - 1);
  writer.Append(AsBytes("end"));
  EXPECT_EQ(HexEncode(bytes), "abcdab04030201feffffffffffffff656e64");
}

}  // namespace
}  // namespace pawl
