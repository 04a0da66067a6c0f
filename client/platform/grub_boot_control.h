// SPDX-License-Identifier: Apache-2.0
#pragma once

// BootControl on two GRUB environment blocks, by the rules of packaging/grub/boot_states.tsv.
//
// A block has no checksum, and a power cut may tear it between its two sectors. So all our
// variables have a fixed width and lie in the first 512 bytes: one state is one sector write.
// Blocks are written in place, 1024 bytes with one pwrite, never truncated or replaced: GRUB writes
// through the list of disk blocks it found, and grub-editenv's truncate-then-write leaves an empty
// file after one cut in three.
//
// Two copies: the first is written and synced, then the second. The second counts only when the
// first does not (no header or no valid pawl_good), by the same test that grub.cfg makes: agent and
// bootloader never look at different blocks.

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"
#include "client/ports/boot_control.h"

namespace pawl::client {

inline constexpr std::size_t kGrubBlockBytes = 1024;
inline constexpr std::size_t kGrubSectorBytes = 512;

// The seven variables, without what the kernel command line says (booted, booted_transaction).
struct GrubState {
  Slot good = Slot::kA;
  std::array<bool, 2> bootable{true, false};
  std::optional<Slot> trying;
  std::uint32_t tries_left = 0;  // 0 … 3
  std::optional<Slot> failed;
  std::uint64_t transaction = 0;
  bool operator==(const GrubState&) const = default;
};

// A new block that holds `state` and nothing else.
Bytes FormatGrubBlock(const GrubState& state);
// True when GRUB would take its state from this block.
bool GrubBlockCounts(ByteView block);
// ERRORS: kBootEnvInvalid, naming `where`, the variable and what was found: value outside its
// pattern, absent, twice, or beyond the first sector.
Result<GrubState> ParseGrubBlock(ByteView block, std::string_view where);
// The same block with our variables changed in place; everything else keeps its bytes.
// ERRORS: as ParseGrubBlock.
Result<Bytes> EditGrubBlock(ByteView block, const GrubState& state, std::string_view where);

// What the bootloader told the kernel: pawl.slot=a|b and pawl.txn=<16 lower-case hex digits>.
struct BootedFacts {
  Slot slot = Slot::kA;
  std::uint64_t transaction = 0;
};
// ERRORS: kBootEnvInvalid when a token is missing, malformed or there twice.
Result<BootedFacts> ParseKernelCommandLine(std::string_view line);

struct GrubPaths {
  std::string env;      // "/boot/pawl/grubenv"; the second copy is env + ".bak"
  std::string cmdline;  // "/proc/cmdline"
};

class GrubBootControl : public BootControl {
 public:
  explicit GrubBootControl(GrubPaths paths);

  // ERRORS of all: kBootEnvInvalid also when no block counts, kIo, kPermission, kPathUnsafe for a
  // symbolic link.
  Result<BootFacts> Read() override;
  // Ends the trial of that slot too, if there is one.
  Status MarkUnbootable(Slot slot) override;
  // ERRORS: kInputInvalid unless `tries` is 1 … 3.
  Status ArmTrial(Slot slot, std::uint32_t tries, std::uint64_t transaction) override;
  // ERRORS: kBootFactsConflict unless `slot` is the booted one. Also mends a second copy that fell
  // behind.
  Status Confirm(Slot slot) override;

 private:
  struct Blocks;
  Result<Blocks> ReadBlocks() const;
  Status Write(const Blocks& old, const GrubState& state) const;
  Result<BootedFacts> Booted() const;
  GrubPaths paths_;
};

}  // namespace pawl::client
