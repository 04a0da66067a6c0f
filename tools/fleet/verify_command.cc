// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>

#include <cerrno>

#include "base/file.h"
#include "base/format.h"
#include "client/integrity/model/jws.h"
#include "client/integrity/model/verify.h"
#include "tools/fleet/appraisal.h"
#include "tools/fleet/commands.h"
#include "tools/fleet/fleet_store.h"

namespace pawl::fleet {
namespace {

using integrity::Tier;

struct Options {
  std::string file;
  std::optional<std::string> key;
  std::optional<std::string> database;
  std::optional<std::string> nonce;
  std::optional<std::string> profile;
  std::optional<std::string> require;
  std::string audience{integrity::kDefaultAudience};
};

constexpr std::size_t kMaxInputBytes =
    integrity::kMaxStatementBytes + 2;  // a newline after it, as an editor adds

Result<Bytes> ReadStandardInput() {
  Bytes bytes(kMaxInputBytes + 1);
  std::size_t filled = 0;
  while (filled < bytes.size()) {
    const ssize_t got = read(STDIN_FILENO, bytes.data() + filled, bytes.size() - filled);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return std::unexpected(ErrnoError(errno, "standard input"));
    if (got == 0) break;
    filled += static_cast<std::size_t>(got);
  }
  bytes.resize(filled);
  return bytes;
}

Result<std::string> ReadStatement(const std::string& file) {
  auto bytes = file == "-" ? ReadStandardInput() : ReadFile(file, kMaxInputBytes);
  if (!bytes) {
    if (bytes.error().code() != ErrorCode::kInputInvalid)
      return std::unexpected(std::move(bytes).error());
    return Fail(ErrorCode::kStatementMalformed, bytes.error().Message());
  }
  std::string text(AsText(*bytes));
  while (text.ends_with('\n') || text.ends_with('\r')) text.pop_back();
  return text;
}

Result<Tier> RequiredTier(const Options& options) {
  if (!options.require) return Tier::kNone;
  for (const Tier tier : {Tier::kWarning, Tier::kAffirming}) {
    if (integrity::TierName(tier) == *options.require) return tier;
  }
  return Fail(ErrorCode::kUsage,
              Format("--require: expected affirming or warning, found '{}'", *options.require));
}

// The key to verify with: the file's, or the one registered for the kid in the header.
Result<integrity::DeviceKey> FindKey(const Options& options, const std::string& compact,
                                     FleetStore* store) {
  if (options.key) {
    PAWL_ASSIGN_OR_RETURN(const Bytes bytes,
                          ReadFile(*options.key, integrity::kMaxDeviceKeyFileBytes));
    return integrity::ParseDeviceKey(bytes);
  }
  if (store == nullptr)
    return Fail(ErrorCode::kUsage,
                "expected --key DEVICE.pub, or --db FILE with the device registered");
  PAWL_ASSIGN_OR_RETURN(const std::string kid, integrity::StatementKid(compact));
  PAWL_ASSIGN_OR_RETURN(const auto device, store->FindByThumbprint(kid));
  if (!device)
    return Fail(ErrorCode::kStatementKeyUnknown,
                Format("no device is registered with key {}", kid));
  return device->key;
}

Result<integrity::DeviceProfile> LoadProfile(const Options& options) {
  if (!options.profile) return integrity::GenericProfile();
  PAWL_ASSIGN_OR_RETURN(const Bytes bytes, ReadFile(*options.profile, integrity::kMaxProfileBytes));
  return integrity::ParseDeviceProfile(bytes);
}

Result<bool> Forked(FleetStore* store, const integrity::DeviceKey& key) {
  if (store == nullptr) return false;
  PAWL_ASSIGN_OR_RETURN(const auto device, store->FindByThumbprint(key.Thumbprint()));
  return device && device->forked.has_value();
}

Status Record(FleetStore& store, const std::string& compact, bool nonce_demanded,
              Appraisal& appraisal) {
  PAWL_TRY(store.Register(appraisal.key, appraisal.now));
  const integrity::StatementClaims& claims = appraisal.claims;
  const SeenStatement seen{claims.seq,
                           claims.prev,
                           integrity::StatementHash(compact),
                           claims.nonce,
                           claims.issued,
                           appraisal.judgement.LevelText(),
                           std::string(integrity::TierName(appraisal.judgement.tier)),
                           claims.swversion};
  PAWL_ASSIGN_OR_RETURN(appraisal.acceptance,
                        store.Accept(appraisal.key, seen, nonce_demanded, appraisal.now));
  return {};
}

Result<Answer> Verify(const Options& options) {
  PAWL_ASSIGN_OR_RETURN(const Tier required, RequiredTier(options));
  PAWL_ASSIGN_OR_RETURN(const std::string compact, ReadStatement(options.file));
  std::optional<FleetStore> store;
  if (options.database) {
    PAWL_ASSIGN_OR_RETURN(store, FleetStore::Open(*options.database));
  }
  FleetStore* const memory = store ? &*store : nullptr;
  integrity::Expectations expected{options.audience, {}, SystemUtcTime()};
  if (options.nonce) {
    PAWL_ASSIGN_OR_RETURN(expected.nonce, integrity::ParseNonce(*options.nonce));
  }
  Appraisal appraisal;
  appraisal.now = expected.now;
  PAWL_ASSIGN_OR_RETURN(appraisal.key, FindKey(options, compact, memory));
  PAWL_ASSIGN_OR_RETURN(appraisal.claims,
                        integrity::VerifyStatement(compact, appraisal.key, expected));
  appraisal.nonce_matched = options.nonce.has_value();
  PAWL_ASSIGN_OR_RETURN(const integrity::DeviceProfile profile, LoadProfile(options));
  PAWL_ASSIGN_OR_RETURN(const bool forked, Forked(memory, appraisal.key));
  Appraise(appraisal, profile, forked);
  if (memory != nullptr) PAWL_TRY(Record(*memory, compact, options.nonce.has_value(), appraisal));

  Answer answer{AppraisalText(appraisal), AppraisalJson(appraisal), 0};
  if (integrity::TierRank(appraisal.judgement.tier) < integrity::TierRank(required)) {
    answer.text += Format("required   {}: NOT MET\n", *options.require);
    answer.exit_status = 10 + static_cast<int>(ErrorClass::kTrust);
  }
  return answer;
}

void Bind(Arguments& arguments, Options& options) {
  arguments.Positional("FILE", options.file, "the statement; - reads standard input");
  arguments.Option("--key", options.key,
                   "DEVICE.pub; without it the key registered in --db is used");
  arguments.Option("--db", options.database,
                   "fleet database: refuses replays and forks, registers --key at first use");
  arguments.Option("--nonce", options.nonce, "the nonce that was asked for: base64url, or hex:…");
  arguments.Option("--profile", options.profile,
                   "the device profile (JSON): what this kind of device has not");
  arguments.Option("--audience", options.audience,
                   "the audience the statement must be made for (default: fleet)");
  arguments.Option("--require", options.require,
                   "affirming or warning: exit 12 when the result is below");
}

}  // namespace

Command VerifyCommand() {
  return {"verify", "[--key DEVICE.pub] [--db FILE] [--nonce N] FILE",
          "verify and judge an integrity statement",
          "pawl-fleet verify --key gw-0001.pub --db fleet.db statement.jwt",
          Declare<Options>(Bind, Verify)};
}

}  // namespace pawl::fleet
