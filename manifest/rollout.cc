// SPDX-License-Identifier: Apache-2.0
#include "manifest/rollout.h"

#include <algorithm>

#include "base/format.h"
#include "manifest/release.h"

namespace pawl::manifest {
namespace {

constexpr ErrorCode kMalformed = ErrorCode::kRolloutMalformed;
constexpr std::size_t kMaxCohorts = 64;
constexpr std::size_t kMaxSaltBytes = 64;
constexpr std::uint64_t kPositions = 10'000;  // a hundredth of a percent

std::unexpected<Error> Malformed(std::string_view what) { return Fail(kMalformed, Format("rollout: {}", what)); }

Result<std::optional<UtcTime>> ReadTime(const JsonObject& object, std::string_view name) {
  if (!object.Has(name)) return std::optional<UtcTime>();
  PAWL_ASSIGN_OR_RETURN(const std::string text, object.String(name));
  const auto time = ParseUtcTime(text);
  if (!time) return Malformed(Format("\"{}\": {}", name, time.error().Message()));
  return std::optional<UtcTime>(*time);
}

Status ReadRelease(const JsonObject& object, Rollout& rollout) {
  PAWL_ASSIGN_OR_RETURN(const JsonObject release, object.Object("release"));
  PAWL_ASSIGN_OR_RETURN(rollout.release_path, release.String("path"));
  if (!CheckRelativePath(rollout.release_path)) return Malformed("expected a plain path as release.path");
  PAWL_ASSIGN_OR_RETURN(const std::string digest, release.String("sha256"));
  const auto parsed = Sha256Digest::FromHex(digest);
  if (!parsed) return Malformed("expected a SHA-256 digest as release.sha256");
  rollout.release_sha256 = *parsed;
  return {};
}

}  // namespace

Result<Rollout> ParseRollout(ByteView bytes) {
  if (bytes.size() > kMaxRolloutBytes) return Malformed(Format("expected at most {} bytes, found {}", kMaxRolloutBytes, bytes.size()));
  auto document = ParseJson(bytes);
  if (!document) return Malformed(document.error().Message());
  PAWL_ASSIGN_OR_RETURN(const JsonObject object, JsonObject::From(*document, "rollout", kMalformed));
  PAWL_ASSIGN_OR_RETURN(const std::string schema, object.String("schema"));
  if (schema != kRolloutSchema) return Malformed(Format("expected the schema {}, found \"{}\"", kRolloutSchema, schema.substr(0, 40)));
  Rollout rollout;
  PAWL_ASSIGN_OR_RETURN(rollout.product, object.String("product"));
  PAWL_ASSIGN_OR_RETURN(rollout.channel, object.String("channel"));
  if (!IsPlainName(rollout.product) || !IsPlainName(rollout.channel)) return Malformed("expected plain names as product and channel");
  PAWL_TRY(ReadRelease(object, rollout));
  PAWL_ASSIGN_OR_RETURN(rollout.percent, object.Unsigned("percent", 100));
  PAWL_ASSIGN_OR_RETURN(rollout.salt, object.String("salt"));
  if (rollout.salt.size() > kMaxSaltBytes) return Malformed("\"salt\" is longer than 64 bytes");
  PAWL_ASSIGN_OR_RETURN(const Json* cohorts, object.Array("cohorts", kMaxCohorts));
  for (const Json& cohort : *cohorts) {
    if (!cohort.is_string() || !IsPlainName(cohort.get_ref<const std::string&>())) return Malformed("expected plain names in \"cohorts\"");
    rollout.cohorts.push_back(cohort.get<std::string>());
  }
  PAWL_ASSIGN_OR_RETURN(rollout.not_before, ReadTime(object, "not_before"));
  PAWL_ASSIGN_OR_RETURN(rollout.not_after, ReadTime(object, "not_after"));
  PAWL_ASSIGN_OR_RETURN(rollout.paused, object.Boolean("paused"));
  return rollout;
}

std::string EncodeRollout(const Rollout& rollout) {
  Json out{{"schema", kRolloutSchema},
           {"product", rollout.product},
           {"channel", rollout.channel},
           {"release", Json{{"path", rollout.release_path}, {"sha256", rollout.release_sha256.Hex()}}},
           {"percent", rollout.percent},
           {"salt", rollout.salt},
           {"cohorts", rollout.cohorts},
           {"paused", rollout.paused}};
  if (rollout.not_before) out["not_before"] = FormatUtcTime(*rollout.not_before);
  if (rollout.not_after) out["not_after"] = FormatUtcTime(*rollout.not_after);
  return PrettyJson(out);
}

std::string RolloutPath(std::string_view product, std::string_view channel) { return Format("rollout/{}/{}.json", product, channel); }

Status JudgeRollout(const Rollout& rollout, std::string_view device_id, const std::vector<std::string>& groups, UtcTime now) {
  //= docs/manifest-format.md#M-52
  if (rollout.paused) return Fail(ErrorCode::kRolloutPaused, Format("the rollout of channel '{}' is paused", rollout.channel));
  if ((rollout.not_before && now < *rollout.not_before) || (rollout.not_after && now > *rollout.not_after)) {
    return Fail(ErrorCode::kOutsideWindow,
                Format("it is {}, the rollout runs from {} to {}", FormatUtcTime(now),
                       rollout.not_before ? FormatUtcTime(*rollout.not_before) : "ever", rollout.not_after ? FormatUtcTime(*rollout.not_after) : "ever"));
  }
  const bool in_cohort = std::ranges::any_of(groups, [&](const std::string& group) {
    return std::ranges::find(rollout.cohorts, group) != rollout.cohorts.end();
  });
  if (in_cohort) return {};
  //= docs/manifest-format.md#M-51
  Sha256 hash;
  hash.Update(AsBytes(rollout.salt));
  hash.Update(Bytes{0});
  hash.Update(AsBytes(device_id));
  const Sha256Digest digest = hash.Finish();
  std::uint64_t position = 0;
  for (std::size_t i = 0; i < 8; ++i) position = position << 8U | digest.bytes.at(i);
  position %= kPositions;
  if (position < rollout.percent * (kPositions / 100)) return {};
  return Fail(ErrorCode::kNotInRollout,
              Format("this device is at {:.2f} %, the rollout covers {} %", static_cast<double>(position) / 100, rollout.percent));
}

}  // namespace pawl::manifest
