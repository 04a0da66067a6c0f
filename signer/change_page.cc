// SPDX-License-Identifier: Apache-2.0
#include "signer/change_page.h"

#include <algorithm>
#include <charconv>
#include <map>

#include "base/file.h"
#include "base/format.h"

namespace pawl::signer {
namespace {

constexpr std::size_t kPageColumns = 96;

std::vector<std::string> NamesOf(const RoleKeys& keys) {
  std::vector<std::string> names;
  for (const NamedKey& key : keys.keys) names.push_back(key.name);
  std::ranges::sort(names);
  return names;
}

std::string Describe(const RoleKeys& keys) {
  return Format("{} of {}", keys.threshold, Join(NamesOf(keys), ", "));
}

bool Holds(const RoleKeys& keys, const NamedKey& key) {
  return std::ranges::any_of(keys.keys,
                             [&](const NamedKey& held) { return held.keyid == key.keyid; });
}

void DescribeRole(const std::string& role, const RoleKeys& before, const RoleKeys& after,
                  std::vector<std::string>& lines) {
  const std::size_t heading = lines.size();
  for (const NamedKey& key : after.keys) {
    if (Holds(before, key)) continue;
    lines.push_back(Format("  + {} ({}) can sign it", key.name, key.keyid.substr(0, 16)));
  }
  for (const NamedKey& key : before.keys) {
    if (Holds(after, key)) continue;
    lines.push_back(Format("  - {} ({}) can no longer sign it", key.name, key.keyid.substr(0, 16)));
  }
  if (lines.size() == heading && before.threshold == after.threshold) return;
  lines.insert(lines.begin() + static_cast<std::ptrdiff_t>(heading),
               Format("{}: {} → {}", role, Describe(before), Describe(after)));
}

// What each person runs, in the order in which the duties name them.
std::string Turns(const std::vector<Duty>& duties) {
  std::vector<std::string> people;
  std::map<std::string, std::vector<std::string>> roles_of;
  for (const Duty& duty : duties) {
    for (const std::string& person : duty.signers) {
      if (!roles_of.contains(person)) people.push_back(person);
      std::vector<std::string>& roles = roles_of[person];
      if (std::ranges::find(roles, duty.role) == roles.end()) roles.push_back(duty.role);
    }
  }
  std::string out;
  for (const std::string& person : people) {
    out += Format("     {:<12} {:<40} ({})\n", person,
                  Format("pawl-signer sign --key {}.key", person), Join(roles_of[person], ", "));
  }
  return out;
}

// Broken at blanks; what does not fit stays whole. Later lines are indented by `indent`.
std::string Wrap(std::string_view line, const std::string& indent) {
  std::string out;
  while (line.size() > kPageColumns) {
    const std::size_t blank = line.rfind(' ', kPageColumns);
    if (blank == std::string_view::npos || line.find_first_not_of(' ') >= blank) break;
    out += Format("{}\n{}", line.substr(0, blank), indent);
    line.remove_prefix(blank + 1);
  }
  return out + std::string(line) + "\n";
}

std::string Section(std::string_view heading, const std::vector<std::string>& lines) {
  if (lines.empty()) return "";
  std::string out = Format("\n{}\n", heading);
  for (const std::string& line : lines) out += "  " + Wrap(line, "  ");
  return out;
}

std::vector<std::string> KeyLines(const std::vector<NamedKey>& added) {
  std::vector<std::string> lines;
  for (const NamedKey& key : added) lines.push_back(Format("{:<12} {}", key.name, key.keyid));
  return lines;
}

}  // namespace

std::vector<std::string> DescribeKeyChanges(const KeyTable& before, const KeyTable& after) {
  std::vector<std::string> lines;
  for (const auto& [role, keys] : after) {
    const auto old = before.find(role);
    if (old != before.end()) {
      DescribeRole(role, old->second, keys, lines);
    } else {
      lines.push_back(Format("{}: new, {}", role, Describe(keys)));
    }
  }
  return lines;
}

std::vector<std::string> DescribeDuties(const std::vector<Duty>& duties) {
  std::vector<std::string> lines;
  for (const Duty& duty : duties) {
    const std::string who = Format("{} of {}", duty.threshold, Join(duty.signers, ", "));
    if (duty.by_old_root) {
      lines.push_back(Format("{}, as keys of the root before: {}", duty.role, who));
    } else {
      lines.push_back(Format("{}: {}", duty.role, who));
    }
  }
  return lines;
}

std::string WriteChangePage(const ChangeRequest& request, const ChangeOutcome& outcome,
                            const std::vector<NamedKey>& added) {
  std::string page = Format("{}, made {}\n", request.title, FormatUtcTime(request.now));
  page += Section("Why", request.reasons);
  page += Section("What changes once it is published", outcome.changes);
  page += Section("Careful", outcome.warnings);
  page += Section("Must be signed again", outcome.voided);
  page += Section(
      "New keys: whoever holds one reads its id to another person, digit by digit\n"
      "(pawl-signer key show FILE), before anybody signs",
      KeyLines(added));
  page += Section("Who must sign", outcome.duties);
  page += Format(
      "\nSteps\n"
      "  1. Sign, in any order, in this folder or in a copy of it from which draft/ is carried "
      "back:\n{}"
      "  2. Publish, when `pawl-signer status` says that all have signed:\n"
      "     {}\n"
      "  3. Look: pawl-signer verify; pawl-signer status\n",
      Turns(outcome.signing), outcome.publish);
  std::size_t step = 4;
  for (const std::string& line : request.follow_up)
    page += Wrap(Format("  {}. {}", step++, line), "     ");
  return page;
}

Result<std::string> NextPagePath(const Workspace& workspace, const std::string& title) {
  PAWL_TRY(MakeDirectories(workspace.Path("ceremony")));
  PAWL_ASSIGN_OR_RETURN(const auto names, ListDirectory(workspace.Path("ceremony")));
  unsigned highest = 0;
  for (const std::string& name : names) {
    unsigned number = 0;
    const char* end = name.data() + name.size();
    if (std::from_chars(name.data(), end, number).ec == std::errc()) {
      highest = std::max(highest, number);
    }
  }
  std::string slug = title;
  std::ranges::replace(slug, ' ', '-');
  return workspace.Path(Format("ceremony/{:04}-{}.txt", highest + 1, slug));
}

}  // namespace pawl::signer
