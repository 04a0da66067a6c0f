// SPDX-License-Identifier: Apache-2.0
#pragma once

// The published list of indicators: one row per thing that a device looks at about itself. The
// agent collects by it, the verifier judges by it, docs/indicators.md is printed from it. Ids are
// never reused for another meaning.

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace pawl::integrity {

// Version of the table below, carried in every statement as "ota.catalogue".
inline constexpr std::uint64_t kCatalogueVersion = 1;

// The submodules of a statement, in the order in which people read them.
enum class Layer : std::uint8_t { kHardware, kBoot, kKernel, kSystem, kApps, kUpdate };
inline constexpr std::size_t kLayerCount = 6;

// Who says so. Only kTpm resists an attacker who owns the kernel.
enum class Evidence : std::uint8_t {
  kAsserted,    // A: user space of the device says it
  kKernelRead,  // K: read from a kernel interface that lockdown protects
  kSigned,      // S: checked on the device against a signature of the vendor
  kTpm,         // T: signed by a TPM
};

// Trustworthiness claims of AR4SI (draft-ietf-rats-ar4si, section 2.3). The numbers are their keys.
enum class Claim : std::uint8_t {
  kInstanceIdentity = 0,
  kConfiguration = 1,
  kExecutables = 2,
  kFileSystem = 3,
  kHardware = 4,
  kRuntimeOpaque = 5,
  kStorageOpaque = 6,
  kSourcedData = 7,
};
inline constexpr std::size_t kClaimCount = 8;

struct Indicator {
  std::string_view id;  // "k.lockdown"
  Layer layer;
  std::uint8_t level;   // 1 … 4; 0: belongs to no level, counts for tier and score only
  std::uint8_t weight;  // 1 … 10, for the score of dashboards
  Evidence evidence;
  std::optional<Claim> claim;  // the AR4SI claim it speaks for
  bool runtime;                // a failure adds "!" to the level
  bool critical;               // a failure makes the tier contraindicated
  std::string_view title;      // the question, answered "pass" when the answer is yes
  std::string_view source;     // where it is read
};

// All rows, grouped by layer.
std::span<const Indicator> Catalogue();
// nullptr when there is no such row.
const Indicator* FindIndicator(std::string_view id);

std::string_view LayerName(Layer layer);       // "hardware", also the name of the submodule
std::string_view LayerShortName(Layer layer);  // "hw", the name of its list of measurement results
std::string_view EvidenceLetter(Evidence evidence);
std::string_view ClaimName(Claim claim);  // "file-system"

// docs/indicators.md.
std::string CatalogueMarkdown();

}  // namespace pawl::integrity
