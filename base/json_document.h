// SPDX-License-Identifier: Apache-2.0
#pragma once

// A strict JSON document (the rules of base/json.h) in two blocks of memory, read through views.
// Every value and every name takes 8 to 16 bytes and its text once, whatever the document looks
// like, so files from the network cannot make a device run out of memory: "[{},{},…" costs under 4
// times its size, in the library's DOM 21 times.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/json.h"
#include "base/result.h"

namespace pawl {

class JsonDocument;

// One value of a document, which must outlive it.
class JsonView {
 public:
  struct Member;  // {std::string_view name; JsonView value}
  class Iterator;
  template <class It>
  struct Range {
    It first, last;
    It begin() const { return first; }
    It end() const { return last; }
  };

  bool is_object() const;
  bool is_array() const;
  bool is_string() const;
  bool is_integer() const;
  bool is_boolean() const;
  std::string_view type_name() const;  // "object", "number", as Json names them

  // REQUIRES: a value of that type.
  std::string_view text() const;
  std::int64_t integer() const;
  bool boolean() const;

  std::size_t size() const;  // items or members; 0 for what has none
  // Items of an array, members of an object sorted by the bytes of their names. REQUIRES: that
  // type.
  Range<Iterator> items() const;
  Range<Iterator> members() const;
  // The member of an object; empty when it has none of that name. Linear in the number of members.
  std::optional<JsonView> Find(std::string_view name) const;

 private:
  friend class JsonDocument;
  JsonView(const JsonDocument& document, std::uint32_t at) : document_(&document), at_(at) {}
  const JsonDocument* document_;
  std::uint32_t at_;
};

struct JsonView::Member {
  std::string_view name;  // empty for items of an array
  JsonView value;
};

class JsonView::Iterator {
 public:
  using value_type = Member;
  using difference_type = std::ptrdiff_t;
  Member operator*() const;
  Iterator& operator++();
  void operator++(int) { ++*this; }
  bool operator==(const Iterator& other) const { return at_ == other.at_; }

 private:
  friend class JsonView;
  Iterator(const JsonDocument* document, std::uint32_t at, bool named)
      : document_(document), at_(at), named_(named) {}
  const JsonDocument* document_;
  std::uint32_t at_;  // of the name or the item
  bool named_;
};

class JsonDocument {
 public:
  // ERRORS: kInputInvalid with the byte position and what was found. At most kMaxBytes.
  static Result<JsonDocument> Parse(ByteView bytes);
  static constexpr std::size_t kMaxBytes = (std::size_t{1} << 28U) - 1;

  // Valid until the document is moved or destroyed.
  JsonView root() const { return {*this, 0}; }
  std::size_t memory_bytes() const { return nodes_.capacity() * sizeof(Node) + texts_.capacity(); }

 private:
  friend class JsonView;
  friend class JsonView::Iterator;
  friend class JsonDocumentBuilder;

  enum class Kind : std::uint8_t {
    kNull,
    kFalse,
    kTrue,
    kInteger,
    kString,
    kArray,
    kObject,
    kName,
    kLink
  };
  // What the two numbers are:
  //   kInteger, kString, kName   first byte in texts_, length (an integer lies there in decimals)
  //   kArray                     nodes with all that is inside, items
  //   kObject                    nodes with all that is inside, node of the first name in sorted
  //   order (0: none) kLink                      0, node of the next name in sorted order (0: none)
  // A member is its kName, its kLink and its value, in the order of the file.
  struct Node {
    std::uint32_t kind_and_a;
    std::uint32_t b;
    Node(Kind kind, std::uint32_t a, std::uint32_t second)
        : kind_and_a((static_cast<std::uint32_t>(kind) << 28U) | a), b(second) {}
    Kind kind() const { return static_cast<Kind>(kind_and_a >> 28U); }
    std::uint32_t a() const { return kind_and_a & 0x0FFF'FFFFU; }
  };

  std::string_view TextOf(const Node& node) const {
    return std::string_view(texts_).substr(node.a(), node.b);
  }
  std::uint32_t After(std::uint32_t at) const;

  std::vector<Node> nodes_;
  std::string texts_;
};

std::string CanonicalJson(const JsonView& value);
Json ToJson(const JsonView& value);

// Typed access for codecs, as JsonObject gives it for Json. What it is a part of must outlive it:
// only an error asks where in the document this is, and then the way up is walked.
class ObjectView {
 public:
  // The outermost object; `where` names the document in errors and must outlive this.
  static Result<ObjectView> From(const JsonView& value, std::string_view where,
                                 ErrorCode malformed);

  Result<std::string_view> String(std::string_view name) const;
  Result<std::int64_t> Integer(std::string_view name) const;
  Result<std::uint64_t> Unsigned(std::string_view name, std::uint64_t max = INT64_MAX) const;
  Result<bool> Boolean(std::string_view name) const;
  Result<ObjectView> Object(std::string_view name) const;
  Result<JsonView> Array(std::string_view name) const;
  // A value that was found in this object or in its list `name`. ERRORS: it is no object.
  Result<ObjectView> Child(const JsonView& value, std::string_view name) const;
  Result<ObjectView> Item(const JsonView& value, std::string_view name, std::size_t index) const;
  bool Has(std::string_view name) const { return value_.Find(name).has_value(); }
  Error Malformed(std::string_view name, std::string_view expected) const;

  const JsonView& view() const { return value_; }
  std::string where() const;  // "targets: signed: delegations: roles[3]"

 private:
  ObjectView(const JsonView& value, const ObjectView* owner, std::string_view name,
             ErrorCode malformed)
      : value_(value), owner_(owner), name_(name), malformed_(malformed) {}
  static Result<ObjectView> Checked(ObjectView object);
  Result<JsonView> Member(std::string_view name) const;
  JsonView value_;
  const ObjectView* owner_;  // null: outermost
  std::string_view name_;
  std::optional<std::size_t> index_;
  ErrorCode malformed_;
};

}  // namespace pawl
