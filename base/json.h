// SPDX-License-Identifier: Apache-2.0
#pragma once

// Strict JSON in, canonical JSON out. What TUF clients disagree on is refused before anything else looks at it: duplicate
// names, floats, -0, integers outside int64, bad UTF-8, a byte order mark, nesting deeper than 32, trailing bytes.

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"

namespace pawl {

using Json = nlohmann::json;  // objects sorted by UTF-8 bytes

inline constexpr int kMaxJsonDepth = 32;

// ERRORS: kInputInvalid with the byte position and what was found.
Result<Json> ParseJson(ByteView bytes);
inline Result<Json> ParseJson(std::string_view text) { return ParseJson(AsBytes(text)); }

// Canonical JSON (OLPC dialect, as TUF signs it): sorted names, no white space, only '"' and '\' escaped; integers only.
// REQUIRES: a value made of objects, arrays, strings, int64 integers, booleans, null.
std::string CanonicalJson(const Json& value);

// Pretty form for files that people read too: two spaces, sorted, final newline. Deterministic.
std::string PrettyJson(const Json& value);

// Typed access for codecs. Each names `where` (as "releases/1.0/manifest.json: components[0]") and the member in its error.
// ERRORS: `code` given by the caller (a codec's "malformed" code).
class JsonObject {
 public:
  static Result<JsonObject> From(const Json& value, std::string where, ErrorCode malformed);

  Result<std::string> String(std::string_view name) const;
  Result<std::int64_t> Integer(std::string_view name) const;
  // 0 … max.
  Result<std::uint64_t> Unsigned(std::string_view name, std::uint64_t max = INT64_MAX) const;
  Result<bool> Boolean(std::string_view name) const;
  Result<JsonObject> Object(std::string_view name) const;
  // The member as array; REQUIRES nothing. At most `max_items` items.
  Result<const Json*> Array(std::string_view name, std::size_t max_items) const;
  bool Has(std::string_view name) const;
  Error Malformed(std::string_view name, std::string_view expected) const;

  const Json& json() const { return *value_; }
  const std::string& where() const { return where_; }
  ErrorCode malformed_code() const { return malformed_; }

 private:
  JsonObject(const Json& value, std::string where, ErrorCode malformed)
      : value_(&value), where_(std::move(where)), malformed_(malformed) {}
  Result<const Json*> Member(std::string_view name) const;
  const Json* value_;  // borrowed from the document, which must outlive this
  std::string where_;
  ErrorCode malformed_;
};

}  // namespace pawl
