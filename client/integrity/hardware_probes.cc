// SPDX-License-Identifier: Apache-2.0
#include "base/format.h"
#include "client/integrity/probes.h"

namespace pawl::integrity {
namespace {

constexpr std::size_t kMaxVulnerabilityFiles = 128;

}  // namespace

Reading ProbeTpm(const CollectInputs& in) {
  const auto version = in.root.Number("/sys/class/tpm/tpm0/tpm_version_major");
  if (!version) return Unknown("no TPM seen");
  std::string shown = Format("version {}", *version);
  return *version == 2 ? Passed(std::move(shown)) : Failed(std::move(shown));
}

Reading ProbeCpuVulnerabilities(const CollectInputs& in) {
  constexpr std::string_view kDirectory = "/sys/devices/system/cpu/vulnerabilities";
  const auto names = in.root.List(kDirectory);
  if (!names || names->empty() || names->size() > kMaxVulnerabilityFiles)
    return Unknown("the kernel does not say");
  std::string vulnerable;
  std::string unreadable;
  for (const std::string& name : *names) {
    const auto text = in.root.Text(JoinPath(kDirectory, name));
    if (!text) {
      unreadable += " " + name;
    } else if (text->starts_with("Vulnerable")) {
      vulnerable += " " + name;
    }
  }
  if (!vulnerable.empty()) return Failed("vulnerable:" + vulnerable);
  if (!unreadable.empty()) return Unknown("not readable:" + unreadable);
  return Passed(Format("{} known, none open", names->size()));
}

}  // namespace pawl::integrity
