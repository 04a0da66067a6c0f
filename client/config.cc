// SPDX-License-Identifier: Apache-2.0
#include "client/config.h"

#define TOML_EXCEPTIONS 0
#include <toml++/toml.h>

#include <algorithm>
#include <array>
#include <utility>
#include <variant>

#include "base/file.h"
#include "base/format.h"

namespace pawl::client {
namespace {

constexpr std::uint64_t kMaxFileBytes = 256 * 1024;
constexpr std::size_t kMaxNameBytes = 64;
constexpr std::size_t kMaxGroups = 64;
constexpr std::size_t kMaxUrlBytes = 512;
constexpr std::size_t kMaxPathBytes = 512;

// What a text may be.
enum class TextRule { kName, kUrl, kBackend, kPath };

struct Text {
  std::string& (*place)(AgentConfig&);
  TextRule rule;
};
struct Names {
  std::vector<std::string>& (*place)(AgentConfig&);
};
struct Flag {
  bool& (*place)(AgentConfig&);
};
struct Number {
  std::uint64_t& (*place)(AgentConfig&);
  std::uint64_t min;
  std::uint64_t max;
};
struct SmallNumber {
  std::uint32_t& (*place)(AgentConfig&);
  std::uint32_t min;
  std::uint32_t max;
};

struct Setting {
  std::string_view key;
  std::variant<Text, Names, Flag, Number, SmallNumber> kind;
  bool required = false;
};

constexpr manifest::MetadataLimits kLimits;
// A cap that is no cap would not protect the memory.
constexpr std::uint64_t kMostBytes = 64U << 20;

// docs/configuration.md has the same keys in the same order (tested).
constexpr std::array kSettings = {
    Setting{"device.id", Text{[](AgentConfig& c) -> auto& { return c.device_id; }, TextRule::kName},
            true},
    Setting{"device.product",
            Text{[](AgentConfig& c) -> auto& { return c.product; }, TextRule::kName}, true},
    Setting{"device.hardware",
            Text{[](AgentConfig& c) -> auto& { return c.hardware; }, TextRule::kName}, true},
    Setting{"device.groups", Names{[](AgentConfig& c) -> auto& { return c.groups; }}},
    Setting{"update.server", Text{[](AgentConfig& c) -> auto& { return c.server; }, TextRule::kUrl},
            true},
    Setting{"update.channel",
            Text{[](AgentConfig& c) -> auto& { return c.channel; }, TextRule::kName}},
    Setting{"update.checkpoint_mib",
            Number{[](AgentConfig& c) -> auto& { return c.checkpoint_mib; }, 1, 256}},
    Setting{"update.memory_mib",
            Number{[](AgentConfig& c) -> auto& { return c.memory_mib; }, 8, 1024}},
    Setting{"update.confirm_requires_refresh",
            Flag{[](AgentConfig& c) -> auto& { return c.confirm_requires_refresh; }}},
    Setting{"boot.backend",
            Text{[](AgentConfig& c) -> auto& { return c.boot_backend; }, TextRule::kBackend}},
    Setting{"boot.env", Text{[](AgentConfig& c) -> auto& { return c.boot_env; }, TextRule::kPath}},
    Setting{"limits.root_bytes",
            Number{[](AgentConfig& c) -> auto& { return c.metadata_limits.root_bytes; },
                   kLimits.root_bytes, kMostBytes}},
    Setting{"limits.timestamp_bytes",
            Number{[](AgentConfig& c) -> auto& { return c.metadata_limits.timestamp_bytes; },
                   kLimits.timestamp_bytes, kMostBytes}},
    Setting{"limits.snapshot_bytes",
            Number{[](AgentConfig& c) -> auto& { return c.metadata_limits.snapshot_bytes; },
                   kLimits.snapshot_bytes, kMostBytes}},
    Setting{"limits.targets_bytes",
            Number{[](AgentConfig& c) -> auto& { return c.metadata_limits.targets_bytes; },
                   kLimits.targets_bytes, kMostBytes}},
    Setting{"limits.roots_per_run",
            SmallNumber{[](AgentConfig& c) -> auto& { return c.metadata_limits.roots_per_run; },
                        kLimits.roots_per_run, 65536}},
    Setting{"limits.delegated_roles",
            SmallNumber{[](AgentConfig& c) -> auto& { return c.metadata_limits.delegated_roles; },
                        kLimits.delegated_roles, 65536}},
    Setting{"limits.delegation_depth",
            SmallNumber{[](AgentConfig& c) -> auto& { return c.metadata_limits.delegation_depth; },
                        kLimits.delegation_depth, 64}},
    Setting{"policy.keep_below_floor_rescue",
            Flag{[](AgentConfig& c) -> auto& { return c.keep_below_floor_rescue; }}},
};

bool IsName(std::string_view text) {
  return !text.empty() && text.size() <= kMaxNameBytes && std::ranges::all_of(text, [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
  });
}

bool IsUrl(std::string_view text) {
  return (text.starts_with("http://") || text.starts_with("https://")) &&
         text.size() <= kMaxUrlBytes && std::ranges::all_of(text, [](char c) {
           return c > ' ' && c <= '~' && c != '?' && c != '#';
         });
}

bool IsPath(std::string_view text) {
  return text.starts_with('/') && text.size() <= kMaxPathBytes && text.find('\0') == text.npos &&
         text.find("/../") == text.npos && !text.ends_with("/..");
}

// What `rule` wants, when `text` is not that.
std::optional<std::string_view> Complaint(TextRule rule, std::string_view text) {
  switch (rule) {
    case TextRule::kName:
      if (!IsName(text)) return "a name of 1 … 64 characters A-Z a-z 0-9 . _ -";
      break;
    case TextRule::kUrl:
      if (!IsUrl(text)) return "an http:// or https:// URL without query";
      break;
    case TextRule::kBackend:
      if (text != "grub") return "\"grub\"";
      break;
    case TextRule::kPath:
      if (!IsPath(text)) return "an absolute path without \"..\"";
      break;
  }
  return std::nullopt;
}

// One layer while it is read.
class Layer {
 public:
  Layer(const Paths& paths, std::string file, AgentConfig& config)
      : paths_(paths), file_(std::move(file)), config_(config) {}

  Status Read(std::string_view text) {
    const toml::parse_result parsed = toml::parse(text, file_);
    if (!parsed) {
      return Fail(ErrorCode::kConfigInvalid,
                  Format("{}:{}: {}", file_, parsed.error().source().begin.line,
                         parsed.error().description()));
    }
    return ReadTable(parsed.table(), "");
  }

 private:
  Status ReadTable(const toml::table& table, const std::string& prefix) {
    for (const auto& [key, node] : table) {
      const std::string name = prefix + std::string(key.str());
      if (const toml::table* inner = node.as_table(); inner != nullptr) {
        PAWL_TRY(ReadTable(*inner, name + "."));
      } else {
        PAWL_TRY(ReadKey(name, node));
      }
    }
    return {};
  }

  std::string Where(const toml::node& node) const {
    return Format("{}:{}", file_, node.source().begin.line);
  }

  std::unexpected<Error> Invalid(const std::string& name, const toml::node& node,
                                 std::string_view expected) const {
    return Fail(ErrorCode::kConfigInvalid,
                Format("{}: {}: expected {}", Where(node), name, expected));
  }

  Status ReadKey(const std::string& name, const toml::node& node) {
    const auto setting = std::ranges::find(kSettings, std::string_view(name), &Setting::key);
    if (setting != kSettings.end()) {
      PAWL_TRY(std::visit([&](const auto& kind) { return Take(kind, name, node); }, setting->kind));
    } else if (name.starts_with("slots.a.") || name.starts_with("slots.b.")) {
      PAWL_TRY(TakeSlot(name, node));
    } else {
      config_.warnings.push_back(Format("{}: the key \"{}\" is unknown", Where(node), name));
      return {};
    }
    config_.sources[name] = Where(node);
    return {};
  }

  Status Take(const Text& kind, const std::string& name, const toml::node& node) {
    const auto text = node.value_exact<std::string>();
    if (!text) return Invalid(name, node, "a text");
    if (const auto wanted = Complaint(kind.rule, *text)) return Invalid(name, node, *wanted);
    std::string& place = kind.place(config_);
    place = kind.rule == TextRule::kPath ? paths_.Of(*text) : *text;
    if (kind.rule == TextRule::kUrl && !place.ends_with('/')) place += '/';
    return {};
  }

  Status Take(const Names& kind, const std::string& name, const toml::node& node) {
    const toml::array* array = node.as_array();
    if (array == nullptr || array->size() > kMaxGroups) {
      return Invalid(name, node, Format("a list of at most {} names", kMaxGroups));
    }
    std::vector<std::string> names;
    for (const toml::node& item : *array) {
      const auto text = item.value_exact<std::string>();
      if (!text || !IsName(*text)) {
        return Invalid(name, item, *Complaint(TextRule::kName, ""));
      }
      names.push_back(*text);
    }
    kind.place(config_) = std::move(names);
    return {};
  }

  Status Take(const Flag& kind, const std::string& name, const toml::node& node) {
    const auto flag = node.value_exact<bool>();
    if (!flag) return Invalid(name, node, "true or false");
    kind.place(config_) = *flag;
    return {};
  }

  Result<std::uint64_t> Integer(std::uint64_t min, std::uint64_t max, const std::string& name,
                                const toml::node& node) {
    const auto number = node.value_exact<std::int64_t>();
    if (!number || *number < 0 || static_cast<std::uint64_t>(*number) < min ||
        static_cast<std::uint64_t>(*number) > max) {
      return Invalid(name, node, Format("an integer from {} to {}", min, max));
    }
    return static_cast<std::uint64_t>(*number);
  }

  Status Take(const Number& kind, const std::string& name, const toml::node& node) {
    PAWL_ASSIGN_OR_RETURN(kind.place(config_), Integer(kind.min, kind.max, name, node));
    return {};
  }

  Status Take(const SmallNumber& kind, const std::string& name, const toml::node& node) {
    PAWL_ASSIGN_OR_RETURN(const std::uint64_t number, Integer(kind.min, kind.max, name, node));
    kind.place(config_) = static_cast<std::uint32_t>(number);
    return {};
  }

  // "slots.a.<component>" = path
  Status TakeSlot(const std::string& name, const toml::node& node) {
    const std::string component = name.substr(std::string_view("slots.a.").size());
    const auto path = node.value_exact<std::string>();
    if (!IsName(component) || !path || !IsPath(*path)) {
      return Invalid(name, node, *Complaint(TextRule::kPath, ""));
    }
    (name[6] == 'a' ? config_.slot_a : config_.slot_b)[component] = paths_.Of(*path);
    return {};
  }

  const Paths& paths_;
  std::string file_;
  AgentConfig& config_;
};

AgentConfig Defaults(const Paths& paths) {
  AgentConfig config;
  config.slot_a["rootfs"] = paths.Of("/dev/disk/by-partlabel/pawl-a");
  config.slot_b["rootfs"] = paths.Of("/dev/disk/by-partlabel/pawl-b");
  config.boot_env = paths.Of("/boot/pawl/grubenv");
  for (const Setting& setting : kSettings) {
    if (!setting.required) config.sources[std::string(setting.key)] = "default";
  }
  config.sources["slots.a.rootfs"] = "default";
  config.sources["slots.b.rootfs"] = "default";
  return config;
}

Status CheckComplete(const AgentConfig& config, const Paths& paths) {
  for (const Setting& setting : kSettings) {
    if (setting.required && !config.sources.contains(std::string(setting.key))) {
      return Fail(ErrorCode::kConfigMissing,
                  Format("{} is not set in {}, {} or {}", setting.key, paths.ImageConfig(),
                         paths.SiteConfig(), paths.DeviceConfig()));
    }
  }
  for (const auto& [component, path] : config.slot_a) {
    const auto other = config.slot_b.find(component);
    if (other == config.slot_b.end() || other->second == path) {
      return Fail(ErrorCode::kConfigInvalid,
                  Format("slots.a.{0} and slots.b.{0}: expected two different places", component));
    }
  }
  if (config.slot_a.size() != config.slot_b.size()) {
    return Fail(ErrorCode::kConfigInvalid, "expected the same components in slots.a and slots.b");
  }
  return {};
}

struct ToJson {
  AgentConfig& config;
  Json operator()(const auto& kind) const { return kind.place(config); }
};

}  // namespace

Result<AgentConfig> LoadConfig(const Paths& paths, bool strict) {
  AgentConfig config = Defaults(paths);
  bool any = false;
  for (const std::string& file : {paths.ImageConfig(), paths.SiteConfig(), paths.DeviceConfig()}) {
    auto bytes = ReadFileIfExists(file, kMaxFileBytes);
    if (!bytes && bytes.error().code() == ErrorCode::kInputInvalid) {
      return Fail(ErrorCode::kConfigInvalid, bytes.error().Message());
    }
    PAWL_TRY(bytes);
    if (!bytes->has_value()) continue;
    any = true;
    PAWL_TRY(Layer(paths, file, config).Read(AsText(**bytes)));
  }
  if (!any) {
    return Fail(ErrorCode::kConfigMissing,
                Format("none of {}, {} and {} exists", paths.ImageConfig(), paths.SiteConfig(),
                       paths.DeviceConfig()));
  }
  if (strict && !config.warnings.empty()) {
    std::string all;
    for (const std::string& warning : config.warnings) all += (all.empty() ? "" : "; ") + warning;
    return Fail(ErrorCode::kConfigInvalid, all);
  }
  PAWL_TRY(CheckComplete(config, paths));
  return config;
}

Json ShowConfig(const AgentConfig& config) {
  AgentConfig copy = config;  // the places hand out references that could change it
  Json shown = Json::object();
  const auto show = [&](const std::string& key, Json value) {
    const auto source = config.sources.find(key);
    shown[key] = {{"value", std::move(value)},
                  {"source", source == config.sources.end() ? "unset" : source->second}};
  };
  for (const Setting& setting : kSettings) {
    show(std::string(setting.key), std::visit(ToJson{copy}, setting.kind));
  }
  for (const auto& [component, path] : config.slot_a) show("slots.a." + component, path);
  for (const auto& [component, path] : config.slot_b) show("slots.b." + component, path);
  return shown;
}

}  // namespace pawl::client
