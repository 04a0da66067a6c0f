// SPDX-License-Identifier: Apache-2.0
// The one file that knows the TOML library.
#define TOML_EXCEPTIONS 0
#define TOML_HEADER_ONLY 1
#define TOML_ENABLE_FORMATTERS 0
#include <toml++/toml.h>

#include <algorithm>
#include <array>
#include <span>
#include <utility>

#include "base/format.h"
#include "manifest/release.h"
#include "signer/policy.h"

namespace pawl::signer {
namespace {

constexpr std::int64_t kMaxExpirySeconds = 3650 * kSecondsPerDay;
// Clients refuse timestamps that live longer (manifest/limits.h).
constexpr std::int64_t kMaxTimestampSeconds = 30 * kSecondsPerDay;

using ExpiryField = std::pair<std::string_view, std::int64_t ExpiryPolicy::*>;
constexpr std::array<ExpiryField, 7> kExpiryFields{{{"root", &ExpiryPolicy::root},
                                                    {"targets", &ExpiryPolicy::targets},
                                                    {"releases", &ExpiryPolicy::releases},
                                                    {"rollout", &ExpiryPolicy::rollout},
                                                    {"orders", &ExpiryPolicy::orders},
                                                    {"snapshot", &ExpiryPolicy::snapshot},
                                                    {"timestamp", &ExpiryPolicy::timestamp}}};

class PolicyReader {
 public:
  explicit PolicyReader(const std::string& where) : where_(where) {}

  Result<Policy> Read(const toml::table& file) {
    PAWL_TRY(
        CheckMembers(file, "", std::array<std::string_view, 3>{"schema", "products", "expiry"}));
    const auto schema = file["schema"].value<std::string>();
    if (schema != kPolicySchema) return Invalid(Format("expected schema = \"{}\"", kPolicySchema));
    Policy policy;
    PAWL_TRY(ReadProducts(file, policy));
    PAWL_TRY(ReadExpiry(file, policy));
    return policy;
  }

 private:
  std::unexpected<Error> Invalid(const std::string& what) const {
    return Fail(ErrorCode::kConfigInvalid, Format("{}: {}", where_, what));
  }

  Status CheckMembers(const toml::table& table, std::string_view name,
                      std::span<const std::string_view> known) const {
    for (const auto& [key, value] : table) {
      if (std::ranges::find(known, key.str()) == known.end()) {
        return Invalid(
            Format("unknown member \"{}\" in [{}]; known: {}", key.str(), name, Join(known, ", ")));
      }
    }
    return {};
  }

  Result<std::vector<std::string>> ReadNames(const toml::table& table,
                                             const std::string& name) const {
    std::vector<std::string> names;
    const toml::array* items = table[name].as_array();
    if (items != nullptr) {
      for (const toml::node& item : *items) {
        const auto text = item.value<std::string>();
        if (!text || !manifest::IsPlainName(*text)) items = nullptr;
        if (items == nullptr) break;
        names.push_back(*text);
      }
    }
    if (items == nullptr || names.empty()) {
      return Invalid(Format("expected \"{}\" as a list of at least one plain name", name));
    }
    return names;
  }

  Status ReadProducts(const toml::table& file, Policy& policy) const {
    const toml::table* products = file["products"].as_table();
    if (products == nullptr || products->empty()) {
      return Invalid("expected at least one table [products.NAME]");
    }
    for (const auto& [key, value] : *products) {
      const std::string name(key.str());
      const toml::table* table = value.as_table();
      if (table == nullptr || !manifest::IsPlainName(name)) {
        return Invalid(
            Format("expected tables [products.NAME] with plain names, found \"{}\"", name));
      }
      PAWL_TRY(CheckMembers(*table, "products." + name,
                            std::array<std::string_view, 2>{"hardware", "channels"}));
      ProductPolicy product;
      PAWL_ASSIGN_OR_RETURN(product.hardware, ReadNames(*table, "hardware"));
      PAWL_ASSIGN_OR_RETURN(product.channels, ReadNames(*table, "channels"));
      std::ranges::sort(product.hardware);
      policy.products.emplace(name, std::move(product));
    }
    return {};
  }

  Status ReadExpiry(const toml::table& file, Policy& policy) const {
    if (!file.contains("expiry")) return {};
    const toml::table* table = file["expiry"].as_table();
    if (table == nullptr) return Invalid("expected [expiry] to be a table");
    std::array<std::string_view, kExpiryFields.size()> known{};
    std::ranges::transform(kExpiryFields, known.begin(),
                           [](const auto& field) { return field.first; });
    PAWL_TRY(CheckMembers(*table, "expiry", known));
    for (const auto& [name, member] : kExpiryFields) {
      if (!table->contains(name)) continue;
      const auto text = (*table)[name].value<std::string>();
      const auto seconds = ParseDuration(text.value_or(""));
      const std::int64_t max = name == "timestamp" ? kMaxTimestampSeconds : kMaxExpirySeconds;
      if (!seconds || *seconds <= 0 || *seconds > max) {
        return Invalid(Format("expected [expiry] {} as a duration up to {} d, as \"7d\"", name,
                              max / kSecondsPerDay));
      }
      policy.expiry.*member = *seconds;
    }
    return {};
  }

  const std::string& where_;
};

std::string Quote(const std::vector<std::string>& names) {
  std::vector<std::string> quoted;
  for (const std::string& name : names) quoted.push_back('"' + name + '"');
  return "[" + Join(quoted, ", ") + "]";
}

// A duration in the largest unit that holds it exactly.
std::string WriteDuration(std::int64_t seconds) {
  if (seconds % kSecondsPerDay == 0) return Format("{}d", seconds / kSecondsPerDay);
  if (seconds % 3600 == 0) return Format("{}h", seconds / 3600);
  return Format("{}s", seconds);
}

}  // namespace

std::int64_t ExpiryPolicy::Of(std::string_view role) const {
  const std::string_view kind = role.substr(0, role.find('-'));
  for (const auto& [name, member] : kExpiryFields) {
    if (name == kind) return this->*member;
  }
  return targets;
}

Result<Policy> ParsePolicy(std::string_view text, const std::string& where) {
  const toml::parse_result parsed = toml::parse(text);
  if (!parsed) {
    return Fail(ErrorCode::kConfigInvalid,
                Format("{}:{}: {}", where, parsed.error().source().begin.line,
                       parsed.error().description()));
  }
  return PolicyReader(where).Read(parsed.table());
}

std::string EncodeProduct(const std::string& name, const ProductPolicy& product) {
  // Names with a dot must be quoted, or they would open nested tables.
  return Format("\n[products.\"{}\"]\nhardware = {}\nchannels = {}\n", name,
                Quote(product.hardware), Quote(product.channels));
}

std::string EncodePolicy(const Policy& policy) {
  std::string out = Format(
      "# What everybody who works on this repository shares. Nothing here is secret.\n"
      "schema = \"{}\"\n",
      kPolicySchema);
  for (const auto& [name, product] : policy.products) out += EncodeProduct(name, product);
  out += "\n# How long metadata lives before it has to be signed again.\n[expiry]\n";
  for (const auto& [name, member] : kExpiryFields) {
    out += Format("{} = \"{}\"\n", name, WriteDuration(policy.expiry.*member));
  }
  return out;
}

}  // namespace pawl::signer
