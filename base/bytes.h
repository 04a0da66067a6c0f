// SPDX-License-Identifier: Apache-2.0
#pragma once

// Byte sequences and checked cursors over them. Wire integers are unsigned little-endian and are read
// through ByteReader only: no pointer casts, no memcpy into structs, no read past the end.

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace pawl {

using Bytes = std::vector<std::uint8_t>;
using ByteView = std::span<const std::uint8_t>;  // borrowed; never stored beyond the call
using ByteSpan = std::span<std::uint8_t>;

// The bytes of a text, and the text of bytes. Both borrow.
ByteView AsBytes(std::string_view text);
std::string_view AsText(ByteView bytes);

// Lower-case hexadecimal.
std::string HexEncode(ByteView bytes);
// ERRORS: kInputInvalid on odd length or anything but [0-9a-f] (upper case is refused: one spelling).
Result<Bytes> HexDecode(std::string_view text);

// base64url without padding (RFC 4648 section 5), as JOSE uses it.
std::string Base64UrlEncode(ByteView bytes);
// ERRORS: kInputInvalid on padding, foreign characters or non-zero left-over bits.
Result<Bytes> Base64UrlDecode(std::string_view text);

bool IsAllZero(ByteView bytes);

// True when [offset, offset+length) lies inside [0, size). Cannot overflow.
constexpr bool Contains(std::uint64_t size, std::uint64_t offset, std::uint64_t length) {
  return offset <= size && length <= size - offset;
}

// ERRORS: kInputInvalid when the sum or product does not fit 64 bits.
Result<std::uint64_t> CheckedAdd(std::uint64_t a, std::uint64_t b);
Result<std::uint64_t> CheckedMul(std::uint64_t a, std::uint64_t b);

// A forward cursor. Every read states its width; reading past the end is kInputInvalid, nothing is consumed.
class ByteReader {
 public:
  explicit ByteReader(ByteView bytes) : bytes_(bytes) {}

  Result<std::uint8_t> U8();
  Result<std::uint16_t> U16();
  Result<std::uint32_t> U32();
  Result<std::uint64_t> U64();
  // Unsigned LEB128, at most 10 bytes, shortest form only.
  Result<std::uint64_t> Varint();
  // Borrows the next `count` bytes.
  Result<ByteView> Take(std::uint64_t count);

  std::size_t remaining() const { return bytes_.size() - position_; }
  std::size_t position() const { return position_; }
  bool done() const { return remaining() == 0; }

 private:
  Result<std::uint64_t> LittleEndian(std::size_t width);
  ByteView bytes_;
  std::size_t position_ = 0;
};

// Appends wire integers to a buffer it borrows.
class ByteWriter {
 public:
  explicit ByteWriter(Bytes& out) : out_(out) {}
  void U8(std::uint8_t value);
  void U16(std::uint16_t value);
  void U32(std::uint32_t value);
  void U64(std::uint64_t value);
  void Varint(std::uint64_t value);
  void Append(ByteView bytes);

 private:
  void LittleEndian(std::uint64_t value, std::size_t width);
  Bytes& out_;
};

}  // namespace pawl
