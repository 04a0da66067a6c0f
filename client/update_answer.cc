// SPDX-License-Identifier: Apache-2.0
#include "client/update_answer.h"

#include <algorithm>
#include <array>
#include <chrono>

#include "base/format.h"
#include "client/platform/spawn.h"
#include "client/status_text.h"

namespace pawl::client {

Status Reboot() {
  // The service manager stops services and syncs; the agent never resets the machine under their
  // feet.
  constexpr auto kPatience = std::chrono::seconds(60);
  PAWL_ASSIGN_OR_RETURN(
      const SpawnOutcome result,
      Spawn({"systemctl", {"reboot"}, "", std::chrono::steady_clock::now() + kPatience}));
  if (result.timed_out || result.exit_status != 0)
    return Fail(ErrorCode::kIo, Format("systemctl reboot: {}", result.LastLine()));
  return {};
}

Answer ToAnswer(const UpdateOutcome& outcome, const Device& device) {
  Answer answer;
  answer.text = RefusedOrdersText(outcome.refused_orders) + outcome.text;
  if (outcome.why_nothing) {
    answer.text +=
        Format("why: {} {}: {}\n", CodeName(outcome.why_nothing->code()),
               Describe(outcome.why_nothing->code()).slug, outcome.why_nothing->Message());
  }
  if (outcome.bytes_fetched > 0) {
    answer.text += Format(
        "fetched {} ({:.1f} % of the full image's {}){}\n", HumanBytes(outcome.bytes_fetched),
        100.0 * static_cast<double>(outcome.bytes_fetched) /
            static_cast<double>(std::max<std::uint64_t>(outcome.bytes_full, 1)),
        HumanBytes(outcome.bytes_full),
        outcome.chunks_repaired == 0
            ? ""
            : Format(", {} chunk{} repaired from the full image", outcome.chunks_repaired,
                     outcome.chunks_repaired == 1 ? "" : "s"));
  }
  if (outcome.delta_given_up) {
    answer.text += Format("the delta was given up: {} {}: {}\n",
                          CodeName(outcome.delta_given_up->code()),
                          Describe(outcome.delta_given_up->code()).slug,
                          outcome.delta_given_up->Message());
  }
  constexpr std::array<std::string_view, 4> kinds{"nothing-to-do", "armed", "confirmed",
                                                  "order-done"};
  answer.json = Json{
      {"schema", "pawl.update/1"},
      {"result", kinds.at(static_cast<std::size_t>(outcome.kind))},
      {"bytes_fetched", outcome.bytes_fetched},
      {"bytes_full", outcome.bytes_full},
      {"chunks_repaired", outcome.chunks_repaired},
      {"route", device.agent->state().update.route},
      {"delta_given_up",
       outcome.delta_given_up ? Json(CodeName(outcome.delta_given_up->code())) : Json()},
      {"why_nothing", outcome.why_nothing ? Json(CodeName(outcome.why_nothing->code())) : Json()},
      {"refused_orders", RefusedOrdersJson(outcome.refused_orders)},
      {"status", StatusJson(device)}};
  return answer;
}

}  // namespace pawl::client
