// SPDX-License-Identifier: Apache-2.0
#include "tools/fleet/commands.h"

#include "base/file.h"
#include "base/format.h"
#include "client/integrity/model/catalogue.h"
#include "client/integrity/model/statement.h"
#include "tools/fleet/fleet_store.h"

namespace pawl::fleet {
namespace {

constexpr std::size_t kNonceBytes = 32;

struct RegisterOptions {
  std::string file;
  std::string database{kDefaultDatabase};
};

Result<Answer> RegisterDevice(const RegisterOptions& options) {
  PAWL_ASSIGN_OR_RETURN(const Bytes bytes,
                        ReadFile(options.file, integrity::kMaxDeviceKeyFileBytes));
  PAWL_ASSIGN_OR_RETURN(const integrity::DeviceKey key, integrity::ParseDeviceKey(bytes));
  PAWL_ASSIGN_OR_RETURN(FleetStore store, FleetStore::Open(options.database));
  PAWL_ASSIGN_OR_RETURN(const bool added, store.Register(key, SystemUtcTime()));
  return Answer{Format("{} {} with key {}\n",
                       added ? "registered" : "already registered:", key.device, key.Thumbprint()),
                Json{{"schema", "pawl.fleet-register/1"},
                     {"device", key.device},
                     {"kid", key.Thumbprint()},
                     {"added", added}}};
}

Json DeviceJson(const RegisteredDevice& device) {
  Json json{{"device", device.key.device},
            {"kid", device.key.Thumbprint()},
            {"ueid", HexEncode(device.key.ueid)},
            {"registered", device.registered.seconds},
            {"forked", device.forked.has_value()}};
  if (device.last_seen) {
    json["last_seen"] = device.last_seen->seconds;
    json["seq"] = device.last_seq;
    json["level"] = device.last_level;
    json["tier"] = device.last_tier;
    json["version"] = device.last_version;
  }
  return json;
}

struct DatabaseOptions {
  std::string database{kDefaultDatabase};
};

Result<Answer> ListDevices(const DatabaseOptions& options) {
  PAWL_ASSIGN_OR_RETURN(FleetStore store, FleetStore::Open(options.database));
  PAWL_ASSIGN_OR_RETURN(const std::vector<RegisteredDevice> devices, store.Devices());
  Answer answer;
  answer.text = Format("{:<20} {:<12} {:<21} {:>6} {:<6} {:<16} {}\n", "DEVICE", "KEY", "LAST SEEN",
                       "SEQ", "LEVEL", "TIER", "VERSION");
  Json list = Json::array();
  for (const RegisteredDevice& device : devices) {
    answer.text += Format("{:<20} {:<12} {:<21} {:>6} {:<6} {:<16} {}{}\n", device.key.device,
                          device.key.Thumbprint().substr(0, 12),
                          device.last_seen ? FormatUtcTime(*device.last_seen) : "never",
                          device.last_seq, device.last_level, device.last_tier, device.last_version,
                          device.forked ? "  KEY USED TWICE" : "");
    list.push_back(DeviceJson(device));
  }
  answer.json = Json{{"schema", "pawl.fleet-devices/1"}, {"devices", list}};
  return answer;
}

struct NonceOptions {
  std::optional<std::string> database;
  std::optional<std::string> device;
};

Result<Answer> MakeNonce(const NonceOptions& options) {
  if (options.device && !options.database)
    return Fail(ErrorCode::kUsage, "--device needs --db: the binding is kept there");
  Bytes nonce(kNonceBytes);
  PAWL_TRY(InitCrypto());
  RandomBytes(nonce);
  if (options.database) {
    PAWL_ASSIGN_OR_RETURN(FleetStore store, FleetStore::Open(*options.database));
    PAWL_TRY(store.IssueNonce(nonce, options.device.value_or(""), SystemUtcTime()));
  }
  const std::string text = Base64UrlEncode(nonce);
  return Answer{text + "\n", Json{{"schema", "pawl.fleet-nonce/1"},
                                  {"nonce", text},
                                  {"lifetime_seconds", kNonceLifetimeSeconds}}};
}

struct IndicatorOptions {
  bool markdown = false;
};

Result<Answer> ListIndicators(const IndicatorOptions& options) {
  Answer answer;
  answer.text = options.markdown ? integrity::CatalogueMarkdown()
                                 : Format("{:<17} {:>5} {:<5} {}\n", "INDICATOR", "LEVEL", "CLASS",
                                          "PASSES WHEN");
  Json list = Json::array();
  for (const integrity::Indicator& row : integrity::Catalogue()) {
    if (!options.markdown) {
      answer.text +=
          Format("{:<17} {:>5} {:<5} {}\n", row.id, row.level == 0 ? "-" : Format("{}", row.level),
                 integrity::EvidenceLetter(row.evidence), row.title);
    }
    list.push_back(Json{{"id", row.id},
                        {"layer", integrity::LayerName(row.layer)},
                        {"level", row.level},
                        {"weight", row.weight},
                        {"class", integrity::EvidenceLetter(row.evidence)},
                        {"claim", row.claim ? integrity::ClaimName(*row.claim) : ""},
                        {"runtime", row.runtime},
                        {"critical", row.critical},
                        {"title", row.title},
                        {"source", row.source}});
  }
  answer.json = Json{{"schema", "pawl.indicators/1"},
                     {"catalogue", integrity::kCatalogueVersion},
                     {"indicators", list}};
  return answer;
}

}  // namespace

ProgramInfo FleetProgram() {
  ProgramInfo program{
      "pawl-fleet", "verifies what devices say about their integrity, and remembers it", {}, ""};
  program.commands.push_back(VerifyCommand());
  program.commands.push_back(
      {"register", "[--db FILE] DEVICE.pub", "bind a device's name and key, once and for ever",
       "pawl-fleet register --db fleet.db gw-0001.pub",
       Declare<RegisterOptions>(
           [](Arguments& arguments, RegisterOptions& options) {
             arguments.Positional("DEVICE.pub", options.file, "the record that provisioning wrote");
             arguments.Option("--db", options.database, "fleet database (default: fleet.db)");
           },
           RegisterDevice)});
  program.commands.push_back({"devices", "[--db FILE]", "list the devices and what they last said",
                              "pawl-fleet devices --db fleet.db",
                              Declare<DatabaseOptions>(
                                  [](Arguments& arguments, DatabaseOptions& options) {
                                    arguments.Option("--db", options.database,
                                                     "fleet database (default: fleet.db)");
                                  },
                                  ListDevices)});
  program.commands.push_back(
      {"nonce", "[--db FILE] [--device ID]", "make a fresh nonce to ask a device with",
       "pawl-fleet nonce --db fleet.db --device gw-0001",
       Declare<NonceOptions>(
           [](Arguments& arguments, NonceOptions& options) {
             arguments.Option("--db", options.database, "remember it here: single use, 300 s");
             arguments.Option("--device", options.device, "only this device may answer it");
           },
           MakeNonce)});
  program.commands.push_back(
      {"indicators", "[--markdown]", "list the catalogue of indicators", "pawl-fleet indicators",
       Declare<IndicatorOptions>(
           [](Arguments& arguments, IndicatorOptions& options) {
             arguments.Flag("--markdown", options.markdown, "as docs/indicators.md");
           },
           ListIndicators)});
  return program;
}

}  // namespace pawl::fleet
