// SPDX-License-Identifier: Apache-2.0
#include "base/json.h"

#include <vector>

#include "base/format.h"

namespace pawl {
namespace {

// Builds the DOM from parser events and refuses what the parser library would let pass: duplicate names (it keeps the last), floats,
// -0, unsigned integers beyond int64, deep nesting.
class StrictBuilder : public nlohmann::json_sax<Json> {
 public:
  bool null() override { return Put(nullptr); }
  bool boolean(bool value) override { return Put(value); }
  bool number_integer(number_integer_t value) override {
    if (value == 0) return Refuse("-0");  // the lexer reports a signed zero only for "-0"
    return Put(value);
  }
  bool number_unsigned(number_unsigned_t value) override {
    if (value > static_cast<number_unsigned_t>(INT64_MAX)) return Refuse("an integer larger than 2^63-1");
    return Put(static_cast<std::int64_t>(value));
  }
  bool number_float(number_float_t, const string_t& text) override {
    return Refuse(Format("the number {} that is not an integer of 64 bits", text.substr(0, 40)));
  }
  bool string(string_t& value) override { return Put(std::move(value)); }
  bool binary(binary_t&) override { return Refuse("binary"); }
  bool start_object(std::size_t) override { return Open(Json::object()); }
  bool start_array(std::size_t) override { return Open(Json::array()); }
  bool end_object() override { return Close(); }
  bool end_array() override { return Close(); }
  bool key(string_t& name) override {
    if (open_.back()->contains(name)) return Refuse(Format("the name \"{}\" twice in one object", name.substr(0, 80)));
    key_ = std::move(name);
    return true;
  }
  bool parse_error(std::size_t position, const std::string&, const nlohmann::detail::exception& why) override {
    if (error_.empty()) error_ = Format("at byte {}: {}", position, CutLibraryPrefix(why.what()));
    return false;
  }

  Json root;
  const std::string& error() const { return error_; }

 private:
  template <class T>
  bool Put(T&& value) {
    Json* parent = open_.empty() ? nullptr : open_.back();
    if (parent == nullptr) {
      root = Json(std::forward<T>(value));
    } else if (parent->is_array()) {
      parent->push_back(Json(std::forward<T>(value)));
    } else {
      (*parent)[key_] = Json(std::forward<T>(value));
    }
    return true;
  }
  bool Open(Json container) {
    if (open_.size() >= static_cast<std::size_t>(kMaxJsonDepth)) {
      return Refuse(Format("nesting deeper than {}", kMaxJsonDepth));
    }
    Json* parent = open_.empty() ? nullptr : open_.back();
    Json* placed = nullptr;
    if (parent == nullptr) {
      root = std::move(container);
      placed = &root;
    } else if (parent->is_array()) {
      parent->push_back(std::move(container));
      placed = &parent->back();
    } else {
      placed = &((*parent)[key_] = std::move(container));
    }
    open_.push_back(placed);
    return true;
  }
  bool Close() {
    open_.pop_back();
    return true;
  }
  bool Refuse(std::string what) {
    if (error_.empty()) error_ = "found " + std::move(what);
    return false;
  }
  static std::string CutLibraryPrefix(std::string_view text) {
    const std::size_t end = text.find("] ");
    return std::string(end == std::string_view::npos ? text : text.substr(end + 2));
  }

  // Stable while open: a container's address can only change when its parent grows, and the parent grows only after it is closed.
  std::vector<Json*> open_;
  std::string key_;
  std::string error_;
};

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
  // The parser library would skip a byte order mark.
  if (bytes.size() >= 3 && bytes[0] == 0xEF && bytes[1] == 0xBB && bytes[2] == 0xBF) {
    return Fail(ErrorCode::kInputInvalid, "expected JSON, found a byte order mark");
  }
  // The parser library takes a NUL for the end of the input and would not see what follows it. Inside a text it is refused anyway.
  const std::string_view text = AsText(bytes);
  if (const std::size_t nul = text.find('\0'); nul != std::string_view::npos) {
    return Fail(ErrorCode::kInputInvalid, Format("expected strict JSON, found a NUL byte at {}", nul));
  }
  StrictBuilder builder;
  const bool ok = Json::sax_parse(text.begin(), text.end(), &builder, nlohmann::detail::input_format_t::json, true);
  if (!ok) return Fail(ErrorCode::kInputInvalid, "expected strict JSON, " + builder.error());
  return std::move(builder.root);
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
