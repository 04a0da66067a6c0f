// SPDX-License-Identifier: Apache-2.0
#pragma once

// Where a repository stands: what is public, what waits for whose signature, and what expires when.

#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "base/time.h"
#include "signer/roles.h"
#include "signer/workspace.h"

namespace pawl::signer {

enum class Alarm { kNone, kNotice, kWarning, kUrgent, kExpired };
std::string_view AlarmName(Alarm alarm);

// Long-lived metadata warns 60, 30 and 7 days before it expires; short-lived when a third, a sixth
// and a twelfth of its life are left. `life_seconds`: as the policy says.
Alarm AlarmOf(UtcTime expires, UtcTime now, std::int64_t life_seconds);

// A published role that nears its end, or is past it.
struct ExpiryAlarm {
  std::string role;
  UtcTime expires;
  Alarm alarm = Alarm::kNone;
};
std::vector<ExpiryAlarm> ExpiryAlarms(const Workspace& workspace, const Roles& roles, UtcTime now);

struct StatusReport {
  std::string text;
  Json json;  // schema "pawl.repository-status/1"
  Alarm worst = Alarm::kNone;  // of everything published and drafted
};
Result<StatusReport> ReportStatus(const Workspace& workspace, UtcTime now);

// "signed by anna; ask ben or chloe", "complete"
std::string DescribeSigning(const std::vector<SigningState>& states);
Json SigningJson(const std::vector<SigningState>& states);
bool Complete(const std::vector<SigningState>& states);

}  // namespace pawl::signer
