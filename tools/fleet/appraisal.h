// SPDX-License-Identifier: Apache-2.0
#pragma once

// The verifier's result for one statement, for people and for programs.

#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/time.h"
#include "client/integrity/model/profile.h"
#include "client/integrity/model/statement.h"
#include "tools/fleet/fleet_store.h"

namespace pawl::fleet {

struct Appraisal {
  integrity::DeviceKey key;
  integrity::StatementClaims claims;
  integrity::Judgement judgement;            // ours, from the evidence
  std::vector<integrity::Finding> findings;  // as judged, one for each row of the catalogue
  std::vector<std::string> notes;            // sentences for people
  bool differs = false;                      // the device's own view is another one
  bool nonce_matched = false;
  std::optional<Acceptance> acceptance;  // absent without a store
  UtcTime now;
};

// Judges the claims by the profile. `forked`: this key was seen in two places. Fills judgement,
// findings, notes, differs.
void Appraise(Appraisal& appraisal, const integrity::DeviceProfile& profile, bool forked);

std::string AppraisalText(const Appraisal& appraisal);
// "pawl.appraisal/1": the shape of an EAR (draft-ietf-rats-ear), unsigned, with our details beside
// it.
Json AppraisalJson(const Appraisal& appraisal);

}  // namespace pawl::fleet
