// SPDX-License-Identifier: Apache-2.0
#include "base/json_document.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "base/format.h"

namespace pawl {
namespace {

constexpr std::size_t kMaxQuotedBytes =
    200;  // of the parser library's messages, which quote the file

// As many as the builder will make of well-formed JSON: one for each value, two more for each name.
// Growing step by step would take half as much again. What is not well-formed cannot ask for more
// than the densest document has.
std::size_t CountNodes(std::string_view text) {
  std::size_t nodes = 1;
  bool in_text = false;
  char before = ' ';  // the last character that is no white space
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_text) {
      if (c == '\\') ++i;
      if (c == '"') in_text = false;
      continue;
    }
    if (c == ' ' || c == '\n' || c == '\r' || c == '\t') continue;
    if (c == '"') in_text = true;
    if (c == ',') ++nodes;
    if (c == ':') nodes += 2;
    const bool empty = before == (c == ']' ? '[' : '{');
    if ((c == ']' || c == '}') && !empty) ++nodes;
    before = c;
  }
  return std::min(nodes, text.size() * 2 / 3 + 2);
}

void AppendCanonicalText(std::string_view text, std::string& out) {
  out += '"';
  std::size_t done = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '"' && text[i] != '\\') continue;
    out += text.substr(done, i - done);
    out += '\\';
    done = i;
  }
  out += text.substr(done);
  out += '"';
}

}  // namespace

// Makes the document from parser events and refuses what the parser library would let pass:
// duplicate names (it keeps the last), floats, -0, unsigned integers beyond int64, deep nesting.
class JsonDocumentBuilder : public nlohmann::json_sax<Json> {
 public:
  explicit JsonDocumentBuilder(std::string_view text) {
    document_.nodes_.reserve(CountNodes(text));
    document_.texts_.reserve(text.size());
  }

  bool null() override { return Put(Kind::kNull); }
  bool boolean(bool value) override { return Put(value ? Kind::kTrue : Kind::kFalse); }
  bool number_integer(number_integer_t value) override {
    if (value == 0) return Refuse("-0");  // the lexer reports a signed zero only for "-0"
    return PutInteger(value);
  }
  bool number_unsigned(number_unsigned_t value) override {
    if (value > static_cast<number_unsigned_t>(INT64_MAX))
      return Refuse("an integer larger than 2^63-1");
    return PutInteger(static_cast<std::int64_t>(value));
  }
  bool number_float(number_float_t, const string_t& text) override {
    return Refuse(Format("the number {} that is not an integer of 64 bits", text.substr(0, 40)));
  }
  bool string(string_t& value) override { return PutText(Kind::kString, value); }
  bool binary(binary_t&) override { return Refuse("binary"); }
  bool start_object(std::size_t) override { return Open(Kind::kObject); }
  bool start_array(std::size_t) override { return Open(Kind::kArray); }
  bool key(string_t& name) override {
    AddText(Kind::kName, name);
    document_.nodes_.emplace_back(Kind::kLink, 0, 0);
    return true;
  }
  bool end_array() override {
    const std::uint32_t at = open_.back().at;
    Node& array = document_.nodes_[at];
    array = Node(Kind::kArray, Size() - at, open_.back().items);
    open_.pop_back();
    return true;
  }
  bool end_object() override;
  bool parse_error(std::size_t position, const std::string&,
                   const nlohmann::detail::exception& why) override {
    if (error_.empty()) error_ = Format("at byte {}: {}", position, CutLibraryPrefix(why.what()));
    return false;
  }

  JsonDocument Take() && { return std::move(document_); }
  const std::string& error() const { return error_; }

 private:
  using Kind = JsonDocument::Kind;
  using Node = JsonDocument::Node;
  struct Container {
    std::uint32_t at;
    std::uint32_t items;
  };

  std::uint32_t Size() const { return static_cast<std::uint32_t>(document_.nodes_.size()); }
  void CountItem() {
    if (!open_.empty()) ++open_.back().items;
  }
  bool Put(Kind kind) {
    CountItem();
    document_.nodes_.emplace_back(kind, 0, 0);
    return true;
  }
  void AddText(Kind kind, std::string_view text) {
    document_.nodes_.emplace_back(kind, static_cast<std::uint32_t>(document_.texts_.size()),
                                  static_cast<std::uint32_t>(text.size()));
    document_.texts_ += text;
  }
  bool PutText(Kind kind, std::string_view text) {
    CountItem();
    AddText(kind, text);
    return true;
  }
  bool PutInteger(std::int64_t value) {
    std::array<char, 24> digits{};
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr;
    return PutText(Kind::kInteger, {digits.data(), end});
  }
  bool Open(Kind kind) {
    if (open_.size() >= static_cast<std::size_t>(kMaxJsonDepth)) {
      return Refuse(Format("nesting deeper than {}", kMaxJsonDepth));
    }
    CountItem();
    open_.push_back({Size(), 0});
    document_.nodes_.emplace_back(kind, 0, 0);
    return true;
  }
  bool Refuse(std::string what) {
    if (error_.empty()) error_ = "found " + std::move(what);
    return false;
  }
  static std::string CutLibraryPrefix(std::string_view text) {
    const std::size_t end = text.find("] ");
    return std::string(
        (end == std::string_view::npos ? text : text.substr(end + 2)).substr(0, kMaxQuotedBytes));
  }

  JsonDocument document_;
  std::vector<Container> open_;
  std::vector<std::uint32_t> names_;  // of the object that is being closed
  std::string error_;
};

// Links the names of an object in sorted order, whatever order the file has them in.
bool JsonDocumentBuilder::end_object() {
  const std::uint32_t at = open_.back().at;
  open_.pop_back();
  names_.clear();
  for (std::uint32_t name = at + 1; name < Size(); name = document_.After(name + 2))
    names_.push_back(name);
  const auto text = [&](std::uint32_t name) { return document_.TextOf(document_.nodes_[name]); };
  if (!std::ranges::is_sorted(names_, {}, text)) std::ranges::sort(names_, {}, text);
  std::uint32_t next = 0;
  for (auto name = names_.rbegin(); name != names_.rend(); ++name) {
    if (next != 0 && text(next) == text(*name)) {
      return Refuse(Format("the name \"{}\" twice in one object", text(next).substr(0, 80)));
    }
    document_.nodes_[*name + 1] = Node(Kind::kLink, 0, next);
    next = *name;
  }
  document_.nodes_[at] = Node(Kind::kObject, Size() - at, next);
  return true;
}

Result<JsonDocument> JsonDocument::Parse(ByteView bytes) {
  // The parser library would skip a byte order mark.
  if (bytes.size() >= 3 && bytes[0] == 0xEF && bytes[1] == 0xBB && bytes[2] == 0xBF) {
    return Fail(ErrorCode::kInputInvalid, "expected JSON, found a byte order mark");
  }
  if (bytes.size() > kMaxBytes) {
    return Fail(ErrorCode::kInputInvalid,
                Format("expected JSON of at most {} bytes, found {}", kMaxBytes, bytes.size()));
  }
  // The parser library takes a NUL for the end of the input and would not see what follows it.
  // Inside a text it is refused anyway.
  const std::string_view text = AsText(bytes);
  if (const std::size_t nul = text.find('\0'); nul != std::string_view::npos) {
    return Fail(ErrorCode::kInputInvalid,
                Format("expected strict JSON, found a NUL byte at {}", nul));
  }
  JsonDocumentBuilder builder(text);
  const bool ok = Json::sax_parse(text.begin(), text.end(), &builder,
                                  nlohmann::detail::input_format_t::json, true);
  if (!ok) return Fail(ErrorCode::kInputInvalid, "expected strict JSON, " + builder.error());
  return std::move(builder).Take();
}

std::uint32_t JsonDocument::After(std::uint32_t at) const {
  const Node& node = nodes_[at];
  const bool container = node.kind() == Kind::kArray || node.kind() == Kind::kObject;
  return at + (container ? node.a() : 1);
}

bool JsonView::is_object() const {
  return document_->nodes_[at_].kind() == JsonDocument::Kind::kObject;
}
bool JsonView::is_array() const {
  return document_->nodes_[at_].kind() == JsonDocument::Kind::kArray;
}
bool JsonView::is_string() const {
  return document_->nodes_[at_].kind() == JsonDocument::Kind::kString;
}
bool JsonView::is_integer() const {
  return document_->nodes_[at_].kind() == JsonDocument::Kind::kInteger;
}
bool JsonView::is_boolean() const {
  const auto kind = document_->nodes_[at_].kind();
  return kind == JsonDocument::Kind::kTrue || kind == JsonDocument::Kind::kFalse;
}

std::string_view JsonView::type_name() const {
  constexpr std::array<std::string_view, 7> kNames = {"null",   "boolean", "boolean", "number",
                                                      "string", "array",   "object"};
  return kNames.at(static_cast<std::size_t>(document_->nodes_[at_].kind()));
}

std::string_view JsonView::text() const { return document_->TextOf(document_->nodes_[at_]); }

std::int64_t JsonView::integer() const {
  const std::string_view digits = text();
  std::int64_t value = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), value);
  return value;
}

bool JsonView::boolean() const {
  return document_->nodes_[at_].kind() == JsonDocument::Kind::kTrue;
}

std::size_t JsonView::size() const {
  if (is_array()) return document_->nodes_[at_].b;
  if (!is_object()) return 0;
  std::size_t count = 0;
  for ([[maybe_unused]] const Member& member : members()) ++count;
  return count;
}

JsonView::Range<JsonView::Iterator> JsonView::items() const {
  return {{document_, at_ + 1, false}, {document_, document_->After(at_), false}};
}

JsonView::Range<JsonView::Iterator> JsonView::members() const {
  return {{document_, document_->nodes_[at_].b, true}, {document_, 0, true}};
}

std::optional<JsonView> JsonView::Find(std::string_view name) const {
  for (const Member& member : members()) {
    if (member.name == name) return member.value;
  }
  return std::nullopt;
}

JsonView::Member JsonView::Iterator::operator*() const {
  if (!named_) return {{}, {*document_, at_}};
  return {document_->TextOf(document_->nodes_[at_]), {*document_, at_ + 2}};
}

JsonView::Iterator& JsonView::Iterator::operator++() {
  at_ = named_ ? document_->nodes_[at_ + 1].b : document_->After(at_);
  return *this;
}

// Iterative, since nesting comes from outside; a frame is one open container and the place in it.
std::string CanonicalJson(const JsonView& value) {
  struct Frame {
    bool object;
    bool first;
    JsonView::Iterator next;
    JsonView::Iterator end;
  };
  std::string out;
  std::vector<Frame> stack;
  const auto begin = [&](const JsonView& item) {
    if (item.is_object() || item.is_array()) {
      const auto range = item.is_object() ? item.members() : item.items();
      out += item.is_object() ? '{' : '[';
      stack.push_back({item.is_object(), true, range.begin(), range.end()});
    } else if (item.is_string()) {
      AppendCanonicalText(item.text(), out);
    } else if (item.is_integer()) {
      out += item.text();
    } else {
      out += item.is_boolean() ? (item.boolean() ? "true" : "false") : "null";
    }
  };
  begin(value);
  while (!stack.empty()) {
    Frame& frame = stack.back();
    if (frame.next == frame.end) {
      out += frame.object ? '}' : ']';
      stack.pop_back();
      continue;
    }
    if (!frame.first) out += ',';
    frame.first = false;
    const JsonView::Member item = *frame.next;
    ++frame.next;
    if (frame.object) {
      AppendCanonicalText(item.name, out);
      out += ':';
    }
    begin(item.value);  // may move `stack`; `frame` is not used after this
  }
  return out;
}

Json ToJson(const JsonView& value) {
  struct Frame {
    Json* container;
    JsonView::Iterator next;
    JsonView::Iterator end;
  };
  Json root;
  std::vector<Frame> stack;
  const auto fill = [&](Json& place, const JsonView& item) {
    if (item.is_object() || item.is_array()) {
      const auto range = item.is_object() ? item.members() : item.items();
      place = item.is_object() ? Json::object() : Json::array();
      // Reserved, so that the addresses on the stack stay.
      if (item.is_array()) place.get_ref<Json::array_t&>().reserve(item.size());
      stack.push_back({&place, range.begin(), range.end()});
    } else if (item.is_string()) {
      place = std::string(item.text());
    } else if (item.is_integer()) {
      place = item.integer();
    } else if (item.is_boolean()) {
      place = item.boolean();
    }
  };
  fill(root, value);
  while (!stack.empty()) {
    Frame& frame = stack.back();
    if (frame.next == frame.end) {
      stack.pop_back();
      continue;
    }
    const JsonView::Member item = *frame.next;
    ++frame.next;
    Json& container = *frame.container;
    if (container.is_array()) {
      container.push_back(nullptr);
      fill(container.back(), item.value);
    } else {
      // Sorted: each goes to the end.
      auto& members = container.get_ref<Json::object_t&>();
      fill(members.emplace_hint(members.end(), item.name, nullptr)->second, item.value);
    }
  }
  return root;
}

Result<ObjectView> ObjectView::Checked(ObjectView object) {
  if (object.value_.is_object()) return object;
  return Fail(object.malformed_, Format("{}: expected an object, found {}", object.where(),
                                        object.value_.type_name()));
}

Result<ObjectView> ObjectView::From(const JsonView& value, std::string_view where,
                                    ErrorCode malformed) {
  return Checked(ObjectView(value, nullptr, where, malformed));
}

Result<ObjectView> ObjectView::Child(const JsonView& value, std::string_view name) const {
  return Checked(ObjectView(value, this, name, malformed_));
}

Result<ObjectView> ObjectView::Item(const JsonView& value, std::string_view name,
                                    std::size_t index) const {
  ObjectView item(value, this, name, malformed_);
  item.index_ = index;
  return Checked(item);
}

std::string ObjectView::where() const {
  std::string where;
  for (const ObjectView* at = this; at != nullptr; at = at->owner_) {
    const std::string index = at->index_ ? Format("[{}]", *at->index_) : "";
    where = Format("{}{}{}{}", at->name_.substr(0, kMaxQuotedBytes), index,
                   where.empty() ? "" : ": ", where);
  }
  return where;
}

Error ObjectView::Malformed(std::string_view name, std::string_view expected) const {
  const auto member = value_.Find(name);
  const std::string_view found = member ? member->type_name() : "nothing";
  return {malformed_,
          Format("{}: expected {} as \"{}\", found {}", where(), expected, name, found)};
}

Result<JsonView> ObjectView::Member(std::string_view name) const {
  const auto member = value_.Find(name);
  if (member) return *member;
  return Fail(malformed_, Format("{}: the member \"{}\" is missing", where(), name));
}

Result<std::string_view> ObjectView::String(std::string_view name) const {
  PAWL_ASSIGN_OR_RETURN(const JsonView member, Member(name));
  if (!member.is_string()) return std::unexpected(Malformed(name, "a text"));
  return member.text();
}

Result<std::int64_t> ObjectView::Integer(std::string_view name) const {
  PAWL_ASSIGN_OR_RETURN(const JsonView member, Member(name));
  if (!member.is_integer()) return std::unexpected(Malformed(name, "an integer"));
  return member.integer();
}

Result<std::uint64_t> ObjectView::Unsigned(std::string_view name, std::uint64_t max) const {
  PAWL_ASSIGN_OR_RETURN(const std::int64_t value, Integer(name));
  if (value < 0 || static_cast<std::uint64_t>(value) > max) {
    return Fail(malformed_, Format("{}: expected \"{}\" between 0 and {}, found {}", where(), name,
                                   max, value));
  }
  return static_cast<std::uint64_t>(value);
}

Result<bool> ObjectView::Boolean(std::string_view name) const {
  PAWL_ASSIGN_OR_RETURN(const JsonView member, Member(name));
  if (!member.is_boolean()) return std::unexpected(Malformed(name, "true or false"));
  return member.boolean();
}

Result<ObjectView> ObjectView::Object(std::string_view name) const {
  PAWL_ASSIGN_OR_RETURN(const JsonView member, Member(name));
  return Child(member, name);
}

Result<JsonView> ObjectView::Array(std::string_view name) const {
  PAWL_ASSIGN_OR_RETURN(const JsonView member, Member(name));
  if (!member.is_array()) return std::unexpected(Malformed(name, "a list"));
  return member;
}

}  // namespace pawl
