// SPDX-License-Identifier: Apache-2.0
#pragma once

// A web server in memory before a folder, right in every respect until a fault is set.

#include <map>
#include <string>
#include <vector>

#include "signer/web.h"

namespace pawl::signer::testing {

class FakeWeb : public Web {
 public:
  explicit FakeWeb(std::string directory) : directory_(std::move(directory)) {}
  Result<WebAnswer> Ask(const WebRequest& request) override;

  // Faults.
  bool down = false;
  bool ranges = true;
  bool wrong_range = false;  // one byte further than asked for
  bool head = true;          // else 405
  bool gzip = false;         // when offered
  bool always_gzip = false;  // also when not
  bool length = true;        // Content-Length
  bool listing = false;
  long missing = 404;       // status of what is not there
  std::string redirect_to;  // everything leads there
  std::string timestamp_control = "no-cache";
  std::string control = "public, max-age=31536000, immutable";
  std::string missing_control = "no-cache";
  std::string extra_expires;                    // header Expires of the timestamp
  std::int64_t date = 0;                        // Date header; 0: none
  std::map<std::string, std::string> instead;   // path → other bytes
  std::map<std::string, long> status;           // path → status
  std::optional<std::string> cached_timestamp;  // what a cache on the way hands out
  std::optional<UtcTime> certificate_until;

  std::vector<std::string> asked;  // paths in order

 private:
  std::optional<std::string> Content(const std::string& path) const;
  void AddHeaders(const std::string& path, WebAnswer& answer) const;
  std::string directory_;
};

inline constexpr std::string_view kFakeUrl = "https://updates.example.com/gateway";

}  // namespace pawl::signer::testing
