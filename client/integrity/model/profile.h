// SPDX-License-Identifier: Apache-2.0
#pragma once

// What a kind of device has and has not, and its reference values. The file lies inside the image
// (/usr/lib/pawl/profile.json), so the signed manifest covers it; the verifier holds its own copy
// and compares digests. Format: docs/integrity-statement.md.

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/hash.h"
#include "base/result.h"

namespace pawl::integrity {

inline constexpr std::uint64_t kMaxProfileBytes = 64 * 1024;

struct DeviceProfile {
  std::string name = "generic";
  // Indicators that this kind of device cannot have: their absence is `na`.
  std::set<std::string, std::less<>> not_applicable;
  // Allowed kernel command line words; "root=*" allows any value. Empty: boot.cmdline cannot pass.
  std::vector<std::string> cmdline;
  std::optional<std::string> lsm;               // "apparmor" or "selinux"; absent: either
  std::optional<Sha256Digest> suid_set;         // reference for sys.suid
  std::optional<Sha256Digest> authorized_keys;  // reference for /root/.ssh/authorized_keys
  std::optional<Sha256Digest> agent;            // reference for the agent's own program
  std::uint64_t sysrq_allowed = 0;              // bits of /proc/sys/kernel/sysrq that may be set
  bool clock_sync_required = false;  // sys.time also needs the kernel's synchronised state
  std::uint64_t max_check_age_seconds = 7 * 24 * 3600;  // of the last successful refresh
  Sha256Digest digest;  // of the file's bytes; of no bytes for the built-in profile
};

// The built-in profile: nothing is exempt, no reference values.
DeviceProfile GenericProfile();
// ERRORS: kConfigInvalid naming the member; unknown members and unknown indicator ids are refused,
// because a mistyped exemption must not pass unnoticed.
Result<DeviceProfile> ParseDeviceProfile(ByteView bytes);

}  // namespace pawl::integrity
