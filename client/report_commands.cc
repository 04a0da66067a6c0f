// SPDX-License-Identifier: Apache-2.0
// status, history, doctor: what a device says about itself without changing anything.

#include <algorithm>

#include "base/format.h"
#include "client/commands.h"
#include "client/device.h"
#include "client/status_text.h"

namespace pawl::client {
namespace {

struct NoOptions {};

Result<Answer> ReportStatus(const NoOptions&) {
  auto device = Device::Open(Device::Access::kChange, {});
  if (device) {
    PAWL_TRY((*device)->agent->Start());
    return Answer{StatusText(**device), StatusJson(**device)};
  }
  if (device.error().code() != ErrorCode::kLockHeld) return std::unexpected(std::move(device).error());
  // An update is running: look on, and leave its store alone.
  PAWL_ASSIGN_OR_RETURN(const auto onlooker, Device::Open(Device::Access::kRead, {}));
  PAWL_TRY(onlooker->agent->Look());
  return Answer{"running   another pawl-agent is at work now\n" + StatusText(*onlooker), StatusJson(*onlooker)};
}

struct HistoryOptions {
  std::uint64_t limit = 20;
};

Result<Answer> History(const HistoryOptions& options) {
  PAWL_ASSIGN_OR_RETURN(const auto device, Device::Open(Device::Access::kRead, {}));
  PAWL_ASSIGN_OR_RETURN(const auto entries, device->store->History(static_cast<std::size_t>(std::min<std::uint64_t>(options.limit, 1000))));
  Answer answer;
  Json rows = Json::array();
  for (const HistoryEntry& entry : entries) {
    answer.text += Format("{}  {:<15} {:<6} {}\n", FormatUtcTime(entry.at), entry.event, entry.code, entry.text);
    rows.push_back(Json{{"at", FormatUtcTime(entry.at)}, {"event", entry.event}, {"code", entry.code}, {"text", entry.text}});
  }
  if (entries.empty()) answer.text = "nothing has happened yet\n";
  answer.json = Json{{"schema", "pawl.history/1"}, {"entries", std::move(rows)}};
  return answer;
}

struct DoctorOptions {
  bool show_config = false;
  bool strict = false;
};

// One line per check; the first failure decides the exit status.
class Examination {
 public:
  template <class T>
  bool Check(std::string what, const Result<T>& result) {
    rows_.push_back(Json{{"check", what}, {"ok", result.has_value()}, {"error", result ? Json() : Json(result.error().Message())}});
    text_ += Format("{}  {}{}\n", result ? "ok  " : "FAIL", what, result ? "" : Format(": {} {}", CodeName(result.error().code()), result.error().Message()));
    if (!result && exit_status_ == 0) exit_status_ = ExitStatus(result.error().code());
    return result.has_value();
  }
  Answer ToAnswer() const {
    return {text_ + (exit_status_ == 0 ? "this device can update itself\n" : "see: pawl-agent explain CODE\n"),
            Json{{"schema", "pawl.doctor/1"}, {"checks", rows_}}, exit_status_};
  }

 private:
  std::string text_;
  Json rows_ = Json::array();
  int exit_status_ = 0;
};

Status CheckSlot(Device& device, Slot slot) {
  PAWL_ASSIGN_OR_RETURN(const auto reader, device.slots->OpenForReading(slot, "rootfs", ReadPath::kCached));
  Bytes first(4096);
  return reader->ReadAt(0, first);
}

Result<Answer> Doctor(const DoctorOptions& options) {
  const Paths paths;
  const auto config = LoadConfig(paths, options.strict);
  if (options.show_config && config) {
    const Json shown = ShowConfig(*config);
    return Answer{PrettyJson(shown), Json{{"schema", "pawl.config/1"}, {"config", shown}}};
  }
  Examination examination;
  if (!examination.Check("configuration", config)) return examination.ToAnswer();
  auto device = Device::Open(Device::Access::kRead, {});
  if (!examination.Check("identity, root of trust and store", device)) return examination.ToAnswer();
  Device& parts = **device;
  examination.Check("boot environment", parts.boot->Read());
  examination.Check("slot a readable", CheckSlot(parts, Slot::kA));
  examination.Check("slot b readable", CheckSlot(parts, Slot::kB));
  examination.Check("device key", parts.vault->PublicKey());
  examination.Check("security floor", parts.vault->ReadFloor());
  examination.Check("server answers", parts.fetcher->Fetch("metadata/timestamp.json", parts.config.metadata_limits.timestamp_bytes));
  return examination.ToAnswer();
}

}  // namespace

Command StatusCommand() {
  return {"status", "", "slots, versions, state, last result", "pawl-agent status --json", Declare<NoOptions>([](Arguments&, NoOptions&) {}, ReportStatus)};
}

Command HistoryCommand() {
  return {"history", "[--limit N]", "what happened on this device, newest first", "pawl-agent history --limit 5",
          Declare<HistoryOptions>([](Arguments& arguments, HistoryOptions& options) {
            arguments.Option("--limit", options.limit, "how many entries (20)");
          }, History)};
}

Command DoctorCommand() {
  return {"doctor", "[--strict] [--show-config]", "check that this device can update itself", "pawl-agent doctor",
          Declare<DoctorOptions>([](Arguments& arguments, DoctorOptions& options) {
            arguments.Flag("--strict", options.strict, "unknown configuration keys are errors");
            arguments.Flag("--show-config", options.show_config, "print every value with its source");
          }, Doctor)};
}

}  // namespace pawl::client
