// SPDX-License-Identifier: Apache-2.0
#pragma once

// What every strict codec is put through: each member, at every depth, gone or of another type.

#include <functional>
#include <string>
#include <vector>

#include "base/json.h"

namespace pawl::manifest::testing {

// Calls `visit` with a changed document and a description, for every member of every object and
// every item of every array: removed, and replaced by a value of each other type.
inline void ForEachMutation(const Json& document,
                            const std::function<void(const Json&, const std::string&)>& visit) {
  const Json others[] = {nullptr, true, 1.5, "text", Json::array(), Json::object(), -1};
  std::vector<Json::json_pointer> places;
  std::function<void(const Json&, const Json::json_pointer&)> collect =
      [&](const Json& value, const Json::json_pointer& place) {
        if (!place.empty()) places.push_back(place);
        if (value.is_object()) {
          for (const auto& [name, member] : value.items()) collect(member, place / name);
        } else if (value.is_array()) {
          for (std::size_t i = 0; i < value.size(); ++i) collect(value[i], place / i);
        }
      };
  collect(document, Json::json_pointer());
  for (const Json::json_pointer& place : places) {
    for (const Json& other : others) {
      if (other.type() == document[place].type() && !other.is_number()) continue;
      Json changed = document;
      changed[place] = other;
      visit(changed, place.to_string() + " as " + other.dump());
    }
    if (document[place.parent_pointer()].is_object()) {
      Json changed = document;
      changed[place.parent_pointer()].erase(place.back());
      visit(changed, place.to_string() + " removed");
    }
  }
}

inline const char* const kUnsafePaths[] = {
    "",     "/",  "/etc/passwd", "../up", "a/../b",    "a/..", "..",    ".", "./a",
    "a//b", "a/", "a\\b",        "a b",   "a/.hidden", "C:x",  "a%2fb", "ä", "a\nb"};

}  // namespace pawl::manifest::testing
