// SPDX-License-Identifier: Apache-2.0
#include "base/bytes.h"

#include <cstring>

#include "base/format.h"

namespace pawl {
namespace {

constexpr std::string_view kBase64Url = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

int HexValue(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

}  // namespace

ByteView AsBytes(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

std::string_view AsText(ByteView bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

bool IsAllZero(ByteView bytes) {
  // Equal to itself shifted by one byte: many times as fast as a loop.
  return bytes.empty() ||
         (bytes[0] == 0 && std::memcmp(bytes.data(), bytes.data() + 1, bytes.size() - 1) == 0);
}

std::string HexEncode(ByteView bytes) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string out;
  out.reserve(bytes.size() * 2);
  for (std::uint8_t byte : bytes) {
    out += digits[byte >> 4U];
    out += digits[byte & 0x0fU];
  }
  return out;
}

Result<Bytes> HexDecode(std::string_view text) {
  if (text.size() % 2 != 0) {
    return Fail(ErrorCode::kInputInvalid,
                Format("expected an even number of hex digits, found {}", text.size()));
  }
  Bytes out;
  out.reserve(text.size() / 2);
  for (std::size_t i = 0; i < text.size(); i += 2) {
    const int high = HexValue(text[i]);
    const int low = HexValue(text[i + 1]);
    if (high < 0 || low < 0) {
      return Fail(ErrorCode::kInputInvalid, Format("expected lower-case hex digits at position {}", i));
    }
    out.push_back(static_cast<std::uint8_t>(high * 16 + low));
  }
  return out;
}

std::string Base64UrlEncode(ByteView bytes) {
  std::string out;
  std::uint32_t bits = 0;
  unsigned held = 0;
  for (std::uint8_t byte : bytes) {
    bits = (bits << 8U) | byte;
    held += 8;
    while (held >= 6) {
      held -= 6;
      out += kBase64Url[(bits >> held) & 63U];
    }
  }
  if (held > 0) out += kBase64Url[(bits << (6 - held)) & 63U];
  return out;
}

Result<Bytes> Base64UrlDecode(std::string_view text) {
  Bytes out;
  std::uint32_t bits = 0;
  unsigned held = 0;
  for (char c : text) {
    const std::size_t value = kBase64Url.find(c);
    if (value == std::string_view::npos) {
      return Fail(ErrorCode::kInputInvalid, "expected base64url without padding, found another character");
    }
    bits = (bits << 6U) | static_cast<std::uint32_t>(value);
    held += 6;
    if (held >= 8) {
      held -= 8;
      out.push_back(static_cast<std::uint8_t>(bits >> held));
      bits &= (1U << held) - 1;
    }
  }
  if (held >= 6 || bits != 0) {  // one spelling per value: no dangling character, no stray bits
    return Fail(ErrorCode::kInputInvalid, "base64url ends in the middle of a byte");
  }
  return out;
}

Result<std::uint64_t> CheckedAdd(std::uint64_t a, std::uint64_t b) {
  std::uint64_t sum = 0;
  if (__builtin_add_overflow(a, b, &sum)) {
    return Fail(ErrorCode::kInputInvalid, Format("{} + {} does not fit 64 bits", a, b));
  }
  return sum;
}

Result<std::uint64_t> CheckedMul(std::uint64_t a, std::uint64_t b) {
  std::uint64_t product = 0;
  if (__builtin_mul_overflow(a, b, &product)) {
    return Fail(ErrorCode::kInputInvalid, Format("{} * {} does not fit 64 bits", a, b));
  }
  return product;
}

Result<ByteView> ByteReader::Take(std::uint64_t count) {
  if (count > remaining()) {
    return Fail(ErrorCode::kInputInvalid,
                Format("expected {} bytes at position {}, found {}", count, position_, remaining()));
  }
  const ByteView taken = bytes_.subspan(position_, static_cast<std::size_t>(count));
  position_ += static_cast<std::size_t>(count);
  return taken;
}

Result<std::uint64_t> ByteReader::LittleEndian(std::size_t width) {
  PAWL_ASSIGN_OR_RETURN(const ByteView bytes, Take(width));
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < width; ++i) value |= static_cast<std::uint64_t>(bytes[i]) << (8 * i);
  return value;
}

Result<std::uint8_t> ByteReader::U8() {
  PAWL_ASSIGN_OR_RETURN(const std::uint64_t value, LittleEndian(1));
  return static_cast<std::uint8_t>(value);
}
Result<std::uint16_t> ByteReader::U16() {
  PAWL_ASSIGN_OR_RETURN(const std::uint64_t value, LittleEndian(2));
  return static_cast<std::uint16_t>(value);
}
Result<std::uint32_t> ByteReader::U32() {
  PAWL_ASSIGN_OR_RETURN(const std::uint64_t value, LittleEndian(4));
  return static_cast<std::uint32_t>(value);
}
Result<std::uint64_t> ByteReader::U64() { return LittleEndian(8); }

Result<std::uint64_t> ByteReader::Varint() {
  const std::size_t start = position_;
  std::uint64_t value = 0;
  for (unsigned shift = 0; shift < 64; shift += 7) {
    auto byte = U8();
    if (!byte) {
      position_ = start;
      return std::unexpected(std::move(byte).error());
    }
    const std::uint64_t low = *byte & 0x7fU;
    const bool fits = shift < 63 || low <= 1;
    const bool shortest = *byte != 0 || shift == 0;  // a last byte of 0 would be a second spelling
    if (!fits || !shortest) break;
    value |= low << shift;
    if ((*byte & 0x80U) == 0) return value;
  }
  position_ = start;
  return Fail(ErrorCode::kInputInvalid,
              Format("expected a variable-length integer of at most 64 bits in its shortest form at position {}", start));
}

void ByteWriter::LittleEndian(std::uint64_t value, std::size_t width) {
  for (std::size_t i = 0; i < width; ++i) out_.push_back(static_cast<std::uint8_t>(value >> (8 * i)));
}
void ByteWriter::U8(std::uint8_t value) { LittleEndian(value, 1); }
void ByteWriter::U16(std::uint16_t value) { LittleEndian(value, 2); }
void ByteWriter::U32(std::uint32_t value) { LittleEndian(value, 4); }
void ByteWriter::U64(std::uint64_t value) { LittleEndian(value, 8); }
void ByteWriter::Varint(std::uint64_t value) {
  while (value >= 0x80) {
    out_.push_back(static_cast<std::uint8_t>(value | 0x80U));
    value >>= 7U;
  }
  out_.push_back(static_cast<std::uint8_t>(value));
}
void ByteWriter::Append(ByteView bytes) { out_.insert(out_.end(), bytes.begin(), bytes.end()); }

}  // namespace pawl
