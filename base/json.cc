// SPDX-License-Identifier: Apache-2.0
#include "base/json.h"

#include <vector>

#include "base/format.h"
#include "base/json_document.h"

namespace pawl {
namespace {

void AppendCanonicalString(const std::string& text, std::string& out) {
  out += '"';
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  out += '"';
}

}  // namespace

Result<Json> ParseJson(ByteView bytes) {
  PAWL_ASSIGN_OR_RETURN(const JsonDocument document, JsonDocument::Parse(bytes));
  return ToJson(document.root());
}

// Iterative, since nesting comes from outside; a frame is one open container and the place in it.
std::string CanonicalJson(const Json& value) {
  struct Frame {
    const Json* container;
    Json::const_iterator next;
  };
  std::string out;
  std::vector<Frame> stack;
  const auto begin = [&](const Json& item) {
    if (item.is_object() || item.is_array()) {
      out += item.is_object() ? '{' : '[';
      stack.push_back({&item, item.begin()});
    } else if (item.is_string()) {
      AppendCanonicalString(item.get_ref<const std::string&>(), out);
    } else {
      out += item.dump();
    }
  };
  begin(value);
  while (!stack.empty()) {
    Frame& frame = stack.back();
    const bool object = frame.container->is_object();
    if (frame.next == frame.container->end()) {
      out += object ? '}' : ']';
      stack.pop_back();
      continue;
    }
    const auto item = frame.next++;
    if (item != frame.container->begin()) out += ',';
    if (object) {
      AppendCanonicalString(item.key(), out);
      out += ':';
    }
    begin(*item);  // may move `stack`; `frame` is not used after this
  }
  return out;
}

std::string PrettyJson(const Json& value) { return value.dump(2, ' ', false, Json::error_handler_t::replace) + "\n"; }

Result<JsonObject> JsonObject::From(const Json& value, std::string where, ErrorCode malformed) {
  if (!value.is_object()) {
    return Fail(malformed, Format("{}: expected an object, found {}", where, value.type_name()));
  }
  return JsonObject(value, std::move(where), malformed);
}

Error JsonObject::Malformed(std::string_view name, std::string_view expected) const {
  const auto member = value_->find(name);
  const std::string_view found = member == value_->end() ? "nothing" : member->type_name();
  return {malformed_, Format("{}: expected {} as \"{}\", found {}", where_, expected, name, found)};
}

bool JsonObject::Has(std::string_view name) const { return value_->contains(name); }

Result<const Json*> JsonObject::Member(std::string_view name) const {
  const auto member = value_->find(name);
  if (member == value_->end()) {
    return Fail(malformed_, Format("{}: the member \"{}\" is missing", where_, name));
  }
  return &*member;
}

Result<std::string> JsonObject::String(std::string_view name) const {
  PAWL_ASSIGN_OR_RETURN(const Json* member, Member(name));
  if (!member->is_string()) return std::unexpected(Malformed(name, "a text"));
  return member->get<std::string>();
}

Result<std::int64_t> JsonObject::Integer(std::string_view name) const {
  PAWL_ASSIGN_OR_RETURN(const Json* member, Member(name));
  if (!member->is_number_integer()) return std::unexpected(Malformed(name, "an integer"));
  return member->get<std::int64_t>();
}

Result<std::uint64_t> JsonObject::Unsigned(std::string_view name, std::uint64_t max) const {
  PAWL_ASSIGN_OR_RETURN(const std::int64_t value, Integer(name));
  if (value < 0 || static_cast<std::uint64_t>(value) > max) {
    return Fail(malformed_, Format("{}: expected \"{}\" between 0 and {}, found {}", where_, name, max, value));
  }
  return static_cast<std::uint64_t>(value);
}

Result<bool> JsonObject::Boolean(std::string_view name) const {
  PAWL_ASSIGN_OR_RETURN(const Json* member, Member(name));
  if (!member->is_boolean()) return std::unexpected(Malformed(name, "true or false"));
  return member->get<bool>();
}

Result<JsonObject> JsonObject::Object(std::string_view name) const {
  PAWL_ASSIGN_OR_RETURN(const Json* member, Member(name));
  return From(*member, Format("{}: {}", where_, name), malformed_);
}

Result<const Json*> JsonObject::Array(std::string_view name, std::size_t max_items) const {
  PAWL_ASSIGN_OR_RETURN(const Json* member, Member(name));
  if (!member->is_array()) return std::unexpected(Malformed(name, "a list"));
  if (member->size() > max_items) {
    return Fail(malformed_,
                Format("{}: expected at most {} items in \"{}\", found {}", where_, max_items, name, member->size()));
  }
  return member;
}

}  // namespace pawl
