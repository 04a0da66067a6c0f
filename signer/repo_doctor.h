// SPDX-License-Identifier: Apache-2.0
#pragma once

// Looks at a served repository from outside, as devices and caches see it: is it whole, fresh and
// served in the way that docs/repository-layout.md, "Serving", asks for? Changes nothing.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "base/time.h"
#include "signer/web.h"

namespace pawl::signer {

enum class Verdict : std::uint8_t { kOk, kNote, kWarn, kFail };
std::string_view VerdictName(Verdict verdict);  // "ok", "note", "warn", "FAIL"

struct Finding {
  Verdict verdict = Verdict::kOk;
  std::string check;  // stable name: "ranges", "root-chain"
  std::string text;   // what was found
  std::string hint;   // what to do; empty when all is well
};

struct DoctorRequest {
  std::string url;                   // of the folder that holds metadata/
  std::optional<Bytes> root;         // a root that devices carry; else the workspace's, else
                                     // whatever the server offers as the first
  std::optional<std::string> local;  // public/ of a workspace, to compare with
  bool must_match = false;           // the workspace was named: another repository is a fault
  bool hash_payloads = false;        // fetch and hash every payload
  UtcTime now;
};

struct DoctorReport {
  std::vector<Finding> findings;
  std::optional<manifest::RefreshResult> versions;  // when a device can refresh
  std::uint64_t roots = 0;                          // the last root of the chain
  std::uint64_t payload_files = 0;
  std::uint64_t payload_bytes = 0;

  std::size_t Count(Verdict verdict) const;
  std::string Text(const std::string& url) const;
  Json ToJson(const std::string& url) const;  // schema "pawl.repo-doctor/1"
};

// Never fails: what cannot be reached is a finding. ERRORS: kUsage for a URL that is none;
// kInputInvalid for a request.root that is no root.
Result<DoctorReport> ExamineRepository(Web& web, const DoctorRequest& request);

}  // namespace pawl::signer
