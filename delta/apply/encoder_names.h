// SPDX-License-Identifier: Apache-2.0
#pragma once

// Names of encoders, as a release manifest declares those of the agent in its image, and what a
// signer concludes from them. Source: docs/manifest-format.md, M-55 and M-56.

#include <compare>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "delta/apply/transform.h"

namespace pawl::delta {

// A compressor in one version of its use: declared and matched as a whole, because a library that
// makes one block differently may make any block differently.
struct EncoderFamily {
  TransformId id = TransformId::kZstd;
  std::uint16_t version = 1;
  auto operator<=>(const EncoderFamily&) const = default;
};
using EncoderFamilies = std::set<EncoderFamily>;

// "zstd", "xz", "deflate", "lz4"; "unknown" for other numbers.
std::string_view FamilyName(TransformId id);
EncoderFamily FamilyOf(const Transform& transform);

// What this build encodes with, as "libzstd 1.5.4".
std::string LibraryName(TransformId id);

// "zstd-1-20f-9af8…", at most 63 characters: family, version, parameters, self-test.
std::string EncoderName(const TransformEntry& entry);

// Has it the form of a name, be its family known or not?
bool IsEncoderName(std::string_view name);

// The names of what this build has, sorted. ERRORS: kInternal from a library.
Result<std::vector<std::string>> OwnEncoderNames();

// Which families a delta may use for an agent that declares `names`, and why not the others.
class EncoderMatch {
 public:
  // Runs this build's own encoder once for each name. ERRORS: kInternal from a library.
  static Result<EncoderMatch> Of(const std::vector<std::string>& names);

  const EncoderFamilies& usable() const { return usable_; }
  // "declares no zstd encoder", for a sentence that begins with who declares.
  // REQUIRES: not usable.
  std::string WhyNot(const EncoderFamily& family) const;

 private:
  EncoderFamilies usable_;
  std::map<EncoderFamily, std::string> differing_;  // the first name that this build does not make
};

}  // namespace pawl::delta
