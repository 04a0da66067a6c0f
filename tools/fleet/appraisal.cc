// SPDX-License-Identifier: Apache-2.0
#include "tools/fleet/appraisal.h"

#include "base/command_line.h"
#include "base/format.h"

namespace pawl::fleet {
namespace {

using integrity::Judgement;

constexpr std::int8_t kIdentityTrusted = 2;
constexpr std::int8_t kIdentityMisused = 96;
constexpr std::size_t kValueColumns = 64;
// The name that deployed EAR readers know; the draft has changed it several times.
constexpr std::string_view kResultProfile = "tag:github.com,2023:veraison/ear";
constexpr std::string_view kPolicyId = "tag:pawl.invalid,2026:integrity-policy#1";

std::string OneLine(const std::string& value) {
  return value.size() <= kValueColumns ? value : value.substr(0, kValueColumns - 2) + "..";
}

bool SameView(const Judgement& ours, const Judgement& device) {
  return ours.level == device.level && ours.runtime_failure == device.runtime_failure &&
         ours.tier == device.tier;
}

std::string NonceText(const Appraisal& appraisal) {
  if (appraisal.nonce_matched) return "answers our nonce";
  return appraisal.claims.nonce ? "answers a nonce that was not asked for here"
                                : "answers no nonce";
}

std::string HeadText(const Appraisal& appraisal) {
  const integrity::StatementClaims& claims = appraisal.claims;
  std::string out =
      Format("device     {}  key {}\n", appraisal.key.device, appraisal.key.Thumbprint());
  out += Format("statement  {} of {}, {}, key protection: {}\n", claims.seq,
                FormatUtcTime(claims.issued), NonceText(appraisal), claims.key_protection);
  out += Format("software   {} {} on {}, slot {}, agent {}\n", claims.swname, claims.swversion,
                claims.hwmodel, claims.update.active_slot, claims.agent_version);
  for (const integrity::SlotEvidence& slot : claims.slots) {
    out += Format("measured   slot {} {}: sha256 {}, {} of {} chunks wrong, at {} ({})\n",
                  slot.slot, slot.component, slot.image.Hex(), slot.wrong_chunks, slot.chunks,
                  FormatUtcTime(slot.measured_at), claims.slot_kind);
  }
  return out;
}

std::string VectorText(const Judgement& judgement) {
  std::string out;
  for (std::size_t i = 0; i < integrity::kClaimCount; ++i) {
    const std::int8_t value = judgement.vector[i];
    if (value == 0) continue;
    out += Format("           {:<18} {:>3}  {}\n",
                  integrity::ClaimName(static_cast<integrity::Claim>(i)), static_cast<int>(value),
                  integrity::TierName(integrity::TierOfClaim(value)));
  }
  return out;
}

Json FindingsJson(const Appraisal& appraisal) {
  Json list = Json::array();
  for (const integrity::Finding& finding : appraisal.findings) {
    const integrity::Indicator* row = integrity::FindIndicator(finding.id);
    Json item{{"id", finding.id},
              {"layer", integrity::LayerName(row->layer)},
              {"level", row->level},
              {"class", integrity::EvidenceLetter(row->evidence)},
              {"result", integrity::OutcomeName(finding.outcome)},
              {"value", finding.value}};
    if (finding.measured_at) item["measured_at"] = finding.measured_at->seconds;
    list.push_back(std::move(item));
  }
  return list;
}

Json DeviceJson(const Appraisal& appraisal) {
  Json vector = Json::object();
  for (std::size_t i = 0; i < integrity::kClaimCount; ++i) {
    vector[std::string(integrity::ClaimName(static_cast<integrity::Claim>(i)))] =
        appraisal.judgement.vector[i];
  }
  const Judgement& ours = appraisal.judgement;
  const Judgement& theirs = appraisal.claims.own_view;
  Json device{{"ear.status", integrity::TierName(ours.tier)},
              {"ear.trustworthiness-vector", vector},
              {"ear.appraisal-policy-id", kPolicyId},
              {"pawl.level", ours.LevelText()},
              {"pawl.score", ours.score},
              {"pawl.tags", ours.tags},
              {"pawl.own-view",
               {{"level", theirs.LevelText()},
                {"tier", integrity::TierName(theirs.tier)},
                {"differs", appraisal.differs}}},
              {"pawl.indicators", FindingsJson(appraisal)}};
  if (appraisal.claims.nonce) device["eat_nonce"] = Base64UrlEncode(*appraisal.claims.nonce);
  return device;
}

}  // namespace

void Appraise(Appraisal& appraisal, const integrity::DeviceProfile& profile, bool forked) {
  const integrity::StatementClaims& claims = appraisal.claims;
  integrity::Policy policy{profile.not_applicable, claims.test_mode,
                           forked ? kIdentityMisused : kIdentityTrusted};
  //= docs/integrity-statement.md#S-16
  if (claims.profile_digest != profile.digest) {
    // Its exemptions are not ours.
    policy.not_applicable.clear();
    appraisal.notes.push_back(Format(
        "the device was judged by another profile than its own (ours is {}): na counts as unknown",
        profile.name));
  }
  //= docs/integrity-statement.md#S-14
  appraisal.findings = integrity::RequiredFindings(claims.findings, policy);
  appraisal.judgement = integrity::Judge(claims.findings, policy);
  // The device does not judge its own identity; for the comparison neither do we.
  policy.instance_identity = 0;
  appraisal.differs = !SameView(integrity::Judge(claims.findings, policy), claims.own_view);
  if (claims.test_mode)
    appraisal.notes.emplace_back("collected from a test root, not from the running system");
  if (forked) appraisal.notes.emplace_back("this key was used in two places: replace it");
  if (claims.catalogue != integrity::kCatalogueVersion) {
    appraisal.notes.push_back(Format("the device's catalogue of indicators is version {}, ours {}",
                                     claims.catalogue, integrity::kCatalogueVersion));
  }
  if (claims.key_protection == "software") {
    appraisal.notes.emplace_back(
        "no hardware vouches for this: whoever owns the kernel could have forged it");
  }
}

std::string AppraisalText(const Appraisal& appraisal) {
  std::string out = HeadText(appraisal);
  out += Format("\n{:<9} {:<17} {:<8} {}\n", "LAYER", "INDICATOR", "RESULT", "VALUE");
  for (const integrity::Finding& finding : appraisal.findings) {
    const integrity::Indicator* row = integrity::FindIndicator(finding.id);
    out += Format("{:<9} {:<17} {:<8} {}\n", integrity::LayerName(row->layer), finding.id,
                  integrity::OutcomeName(finding.outcome), OneLine(finding.value));
  }
  const Judgement& ours = appraisal.judgement;
  out += Format("\nverdict    {}, level {}, score {} (for dashboards only)\n",
                integrity::TierName(ours.tier), ours.LevelText(), ours.score);
  out += VectorText(ours);
  const Judgement& theirs = appraisal.claims.own_view;
  out += appraisal.differs ? Format("own view   DIFFERS: the device says {}, level {}\n",
                                    integrity::TierName(theirs.tier), theirs.LevelText())
                           : std::string("own view   agrees\n");
  if (!appraisal.acceptance) {
    out += "replay     not checked (no --db)\n";
  } else if (appraisal.acceptance->first) {
    out += "replay     first statement seen of this device\n";
  } else if (appraisal.acceptance->missing > 0) {
    out += Format("replay     new, but {} statements before it never arrived\n",
                  appraisal.acceptance->missing);
  } else {
    out += "replay     new, follows the last one\n";
  }
  for (const std::string& note : appraisal.notes) out += Format("note       {}\n", note);
  return out;
}

Json AppraisalJson(const Appraisal& appraisal) {
  const integrity::StatementClaims& claims = appraisal.claims;
  Json json{{"schema", "pawl.appraisal/1"},
            {"eat_profile", kResultProfile},
            {"iat", appraisal.now.seconds},
            {"ear.verifier-id",
             {{"developer", "pawl"}, {"build", Format("pawl-fleet {}", PawlVersion())}}},
            {"submods", {{"device", DeviceJson(appraisal)}}},
            {"pawl.device",
             {{"device", appraisal.key.device},
              {"kid", appraisal.key.Thumbprint()},
              {"swname", claims.swname},
              {"swversion", claims.swversion},
              {"slot", claims.update.active_slot}}},
            {"pawl.statement",
             {{"seq", claims.seq},
              {"iat", claims.issued.seconds},
              {"nonce_matched", appraisal.nonce_matched},
              {"replay_checked", appraisal.acceptance.has_value()},
              {"missing", appraisal.acceptance ? appraisal.acceptance->missing : 0}}},
            {"pawl.notes", appraisal.notes}};
  return json;
}

}  // namespace pawl::fleet
