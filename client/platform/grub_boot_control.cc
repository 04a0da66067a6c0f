// SPDX-License-Identifier: Apache-2.0
#include "client/platform/grub_boot_control.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <utility>
#include <vector>

#include "base/file.h"
#include "base/format.h"

namespace pawl::client {
namespace {

constexpr std::string_view kHeader = "# GRUB Environment Block\n";
constexpr std::size_t kMaxCommandLineBytes = 64 * 1024;

enum Variable : std::size_t { kGood, kMarkA, kMarkB, kTry, kLeft, kFailed, kTxn, kVariables };

struct VariableRule {
  std::string_view name;
  std::size_t width;
  std::string_view letters;  // every character of a value is one of these
};

// The `var` lines of packaging/grub/boot_states.tsv; a test compares the two.
constexpr std::array<VariableRule, kVariables> kRules = {{
    {"pawl_good", 1, "ab"},
    {"pawl_a", 1, "01"},
    {"pawl_b", 1, "01"},
    {"pawl_try", 1, "ab-"},
    {"pawl_left", 1, "0123"},
    {"pawl_failed", 1, "ab-"},
    {"pawl_txn", 16, "0123456789abcdef"},
}};

using Values = std::array<std::string, kVariables>;

// Where a value lies in its block.
struct Place {
  std::size_t offset = 0;
  std::size_t length = 0;
  std::size_t count = 0;  // how often the name occurs
};

bool Fits(const VariableRule& rule, std::string_view value) {
  return value.size() == rule.width && value.find_first_not_of(rule.letters) == value.npos;
}

// Finds our variables exactly as GRUB 2.06 does (grub_envblk_iterate): lines that start with '#'
// are skipped, a name reaches to the next '=' whatever lies between, a value to the next '\n' that
// no backslash precedes.
std::array<Place, kVariables> FindVariables(std::string_view block) {
  std::array<Place, kVariables> places;
  std::size_t at = kHeader.size();
  while (at < block.size()) {
    if (block[at] != '#') {
      const std::size_t equals = block.find('=', at);
      if (equals == block.npos) break;
      std::size_t end = equals + 1;
      while (end < block.size() && block[end] != '\n') end += block[end] == '\\' ? 2U : 1U;
      if (end >= block.size()) break;
      const std::string_view name = block.substr(at, equals - at);
      const auto rule = std::ranges::find(kRules, name, &VariableRule::name);
      if (rule != kRules.end()) {
        Place& place = places[static_cast<std::size_t>(rule - kRules.begin())];
        place = {equals + 1, end - equals - 1, place.count + 1};
      }
      at = end;
    }
    at = block.find('\n', at);
    if (at == block.npos) break;
    ++at;
  }
  return places;
}

// All seven, each in its pattern and in the first sector.
Result<std::array<Place, kVariables>> CheckedPlaces(std::string_view block,
                                                    std::string_view where) {
  if (!block.starts_with(kHeader)) {
    return Fail(ErrorCode::kBootEnvInvalid, Format("{}: the GRUB header is missing", where));
  }
  const auto places = FindVariables(block);
  for (std::size_t i = 0; i < kVariables; ++i) {
    const auto& [name, width, letters] = kRules[i];
    const Place& place = places[i];
    if (place.count != 1) {
      return Fail(ErrorCode::kBootEnvInvalid,
                  Format("{}: expected {} once, found it {} times", where, name, place.count));
    }
    const std::string_view value = block.substr(place.offset, place.length);
    if (!Fits(kRules[i], value)) {
      return Fail(ErrorCode::kBootEnvInvalid,
                  Format("{}: expected {} with {} of [{}], found \"{}\"", where, name, width,
                         letters, EncodeFileName(value.substr(0, 40))));
    }
    if (place.offset + place.length >= kGrubSectorBytes) {
      return Fail(ErrorCode::kBootEnvInvalid,
                  Format("{}: expected {} in the first {} bytes, found it at {}", where, name,
                         kGrubSectorBytes, place.offset));
    }
  }
  return places;
}

std::string SlotValue(std::optional<Slot> slot) {
  return slot ? std::string(SlotName(*slot)) : std::string("-");
}

std::optional<Slot> SlotOf(char value) {
  if (value == '-') return std::nullopt;
  return value == 'a' ? Slot::kA : Slot::kB;
}

Values ValuesOf(const GrubState& state) {
  Values values;
  values[kGood] = SlotValue(state.good);
  values[kMarkA] = state.bootable[0] ? "1" : "0";
  values[kMarkB] = state.bootable[1] ? "1" : "0";
  values[kTry] = SlotValue(state.trying);
  values[kLeft] = Format("{}", state.tries_left);
  values[kFailed] = SlotValue(state.failed);
  values[kTxn] = Format("{:016x}", state.transaction);
  return values;
}

std::uint64_t FromHexDigits(std::string_view digits) {
  std::uint64_t value = 0;
  for (const char c : digits) {
    value = value << 4U | static_cast<std::uint64_t>(c <= '9' ? c - '0' : c - 'a' + 10);
  }
  return value;
}

// The one token that starts with `prefix`.
Result<std::string_view> OneToken(std::string_view line, std::string_view prefix) {
  std::optional<std::string_view> found;
  while (!line.empty()) {
    const std::size_t end = std::min(line.find_first_of(" \t\n"), line.size());
    const std::string_view token = line.substr(0, end);
    line.remove_prefix(std::min(end + 1, line.size()));
    if (!token.starts_with(prefix)) continue;
    if (found) {
      return Fail(ErrorCode::kBootEnvInvalid,
                  Format("kernel command line: expected {} once, found it twice", prefix));
    }
    found = token.substr(prefix.size());
  }
  if (!found) {
    return Fail(ErrorCode::kBootEnvInvalid,
                Format("kernel command line: {} is missing; the bootloader sets it", prefix));
  }
  return *found;
}

// Up to kGrubBlockBytes of a block; an absent file reads as no bytes.
Result<Bytes> ReadBlock(const std::string& path) {
  auto fd = OpenFile(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  if (!fd && fd.error().code() == ErrorCode::kInputMissing) return Bytes();
  if (!fd) return std::unexpected(std::move(fd).error());
  struct stat info{};
  if (fstat(fd->get(), &info) != 0) return std::unexpected(ErrnoError(errno, path));
  if (!S_ISREG(info.st_mode)) {
    return Fail(ErrorCode::kPathUnsafe, Format("{}: expected a regular file", path));
  }
  if (info.st_size > static_cast<off_t>(kGrubBlockBytes)) {
    return Fail(ErrorCode::kBootEnvInvalid,
                Format("{}: expected {} bytes, found {}", path, kGrubBlockBytes, info.st_size));
  }
  Bytes block(static_cast<std::size_t>(info.st_size));
  PAWL_TRY(ReadExactAt(fd->get(), 0, block, path));
  return block;
}

// In place: the same file, the same disk blocks. Only a file that is absent is made.
Status WriteBlock(const std::string& path, ByteView block) {
  const bool existed = PathExists(path);
  PAWL_ASSIGN_OR_RETURN(const UniqueFd fd,
                        OpenFile(path, O_WRONLY | O_CREAT | O_NOFOLLOW | O_NONBLOCK, 0644));
  PAWL_TRY(WriteExactAt(fd.get(), 0, block, path));
  PAWL_TRY(SyncFd(fd.get(), path));
  if (existed) return {};
  return SyncDirectory(std::filesystem::path(path).parent_path().string());
}

}  // namespace

Bytes FormatGrubBlock(const GrubState& state) {
  std::string text(kHeader);
  const Values values = ValuesOf(state);
  for (std::size_t i = 0; i < kVariables; ++i) {
    text += Format("{}={}\n", kRules[i].name, values[i]);
  }
  text.resize(kGrubBlockBytes, '#');
  const ByteView bytes = AsBytes(text);
  return {bytes.begin(), bytes.end()};
}

bool GrubBlockCounts(ByteView block) {
  const std::string_view text = AsText(block);
  if (!text.starts_with(kHeader)) return false;
  const Place good = FindVariables(text)[kGood];  // the last one, as load_env leaves it
  return good.count > 0 && Fits(kRules[kGood], text.substr(good.offset, good.length));
}

Result<GrubState> ParseGrubBlock(ByteView block, std::string_view where) {
  const std::string_view text = AsText(block);
  PAWL_ASSIGN_OR_RETURN(const auto places, CheckedPlaces(text, where));
  const auto value = [&](Variable which) {
    return text.substr(places[which].offset, places[which].length);
  };
  GrubState state;
  state.good = *SlotOf(value(kGood)[0]);
  state.bootable = {value(kMarkA) == "1", value(kMarkB) == "1"};
  state.trying = SlotOf(value(kTry)[0]);
  state.tries_left = static_cast<std::uint32_t>(value(kLeft)[0] - '0');
  state.failed = SlotOf(value(kFailed)[0]);
  state.transaction = FromHexDigits(value(kTxn));
  return state;
}

Result<Bytes> EditGrubBlock(ByteView block, const GrubState& state, std::string_view where) {
  PAWL_ASSIGN_OR_RETURN(const auto places, CheckedPlaces(AsText(block), where));
  Bytes edited(block.begin(), block.end());
  edited.resize(kGrubBlockBytes, static_cast<std::uint8_t>('#'));
  const Values values = ValuesOf(state);
  for (std::size_t i = 0; i < kVariables; ++i) {
    std::ranges::copy(values[i], edited.begin() + static_cast<std::ptrdiff_t>(places[i].offset));
  }
  return edited;
}

Result<BootedFacts> ParseKernelCommandLine(std::string_view line) {
  PAWL_ASSIGN_OR_RETURN(const std::string_view slot, OneToken(line, "pawl.slot="));
  PAWL_ASSIGN_OR_RETURN(const std::string_view transaction, OneToken(line, "pawl.txn="));
  if (!Fits(kRules[kGood], slot)) {
    return Fail(ErrorCode::kBootEnvInvalid,
                Format("kernel command line: expected pawl.slot=a or b, found \"{}\"",
                       EncodeFileName(slot.substr(0, 40))));
  }
  if (!Fits(kRules[kTxn], transaction)) {
    return Fail(ErrorCode::kBootEnvInvalid,
                Format("kernel command line: expected pawl.txn= with 16 hex digits, found \"{}\"",
                       EncodeFileName(transaction.substr(0, 40))));
  }
  return BootedFacts{*SlotOf(slot[0]), FromHexDigits(transaction)};
}

struct GrubBootControl::Blocks {
  std::array<Bytes, 2> raw;  // as they lie on the disk
  std::size_t used = 0;      // the one that counts
  GrubState state;
};

GrubBootControl::GrubBootControl(GrubPaths paths) : paths_(std::move(paths)) {}

Result<BootedFacts> GrubBootControl::Booted() const {
  PAWL_ASSIGN_OR_RETURN(const Bytes line, ReadFile(paths_.cmdline, kMaxCommandLineBytes));
  return ParseKernelCommandLine(AsText(line));
}

Result<GrubBootControl::Blocks> GrubBootControl::ReadBlocks() const {
  const std::array<std::string, 2> names = {paths_.env, paths_.env + ".bak"};
  Blocks blocks;
  for (std::size_t i = 0; i < names.size(); ++i) {
    PAWL_ASSIGN_OR_RETURN(blocks.raw[i], ReadBlock(names[i]));
  }
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (!GrubBlockCounts(blocks.raw[i])) continue;
    blocks.used = i;
    PAWL_ASSIGN_OR_RETURN(blocks.state, ParseGrubBlock(blocks.raw[i], names[i]));
    return blocks;
  }
  return Fail(ErrorCode::kBootEnvInvalid,
              Format("neither {} nor {} is an environment block with a valid pawl_good", names[0],
                     names[1]));
}

Status GrubBootControl::Write(const Blocks& old, const GrubState& state) const {
  const std::array<std::string, 2> names = {paths_.env, paths_.env + ".bak"};
  PAWL_ASSIGN_OR_RETURN(const Bytes fresh,
                        EditGrubBlock(old.raw[old.used], state, names[old.used]));
  // First to the block that GRUB reads, so that a cut between the two leaves the new state; a copy
  // that says the same already is not worn.
  const std::array<std::size_t, 2> order = {old.used, 1 - old.used};
  for (const std::size_t which : order) {
    if (old.raw[which] == fresh) continue;
    PAWL_TRY(WriteBlock(names[which], fresh));
  }
  return {};
}

Result<BootFacts> GrubBootControl::Read() {
  PAWL_ASSIGN_OR_RETURN(const BootedFacts booted, Booted());
  PAWL_ASSIGN_OR_RETURN(const Blocks blocks, ReadBlocks());
  BootFacts facts;
  facts.booted = booted.slot;
  facts.booted_transaction = booted.transaction;
  facts.good = blocks.state.good;
  facts.trying = blocks.state.trying;
  facts.tries_left = blocks.state.tries_left;
  facts.failed = blocks.state.failed;
  facts.transaction = blocks.state.transaction;
  facts.bootable = blocks.state.bootable;
  return facts;
}

Status GrubBootControl::MarkUnbootable(Slot slot) {
  PAWL_ASSIGN_OR_RETURN(const BootedFacts booted, Booted());
  PAWL_ASSIGN_OR_RETURN(const Blocks blocks, ReadBlocks());
  if (slot == booted.slot || slot == blocks.state.good) {
    return Fail(ErrorCode::kSlotInUse,
                Format("slot {} is the {} slot and stays bootable", SlotName(slot),
                       slot == booted.slot ? "booted" : "confirmed"));
  }
  GrubState state = blocks.state;
  state.bootable[static_cast<std::size_t>(slot)] = false;
  if (state.trying == slot) {
    state.trying.reset();
    state.tries_left = 0;
  }
  return Write(blocks, state);
}

Status GrubBootControl::ArmTrial(Slot slot, std::uint32_t tries, std::uint64_t transaction) {
  if (tries < 1 || tries > 3) {
    return Fail(ErrorCode::kInputInvalid, Format("expected 1 to 3 tries, found {}", tries));
  }
  PAWL_ASSIGN_OR_RETURN(const BootedFacts booted, Booted());
  PAWL_ASSIGN_OR_RETURN(const Blocks blocks, ReadBlocks());
  if (slot == booted.slot) {
    return Fail(ErrorCode::kSlotInUse,
                Format("slot {} is running and needs no trial", SlotName(slot)));
  }
  GrubState state = blocks.state;
  state.bootable[static_cast<std::size_t>(slot)] = true;
  state.trying = slot;
  state.tries_left = tries;
  state.failed.reset();
  state.transaction = transaction;
  return Write(blocks, state);
}

Status GrubBootControl::Confirm(Slot slot) {
  PAWL_ASSIGN_OR_RETURN(const BootedFacts booted, Booted());
  PAWL_ASSIGN_OR_RETURN(const Blocks blocks, ReadBlocks());
  if (slot != booted.slot) {
    return Fail(ErrorCode::kBootFactsConflict,
                Format("slot {} is running, slot {} cannot be confirmed", SlotName(booted.slot),
                       SlotName(slot)));
  }
  GrubState state = blocks.state;
  state.good = slot;
  state.bootable[static_cast<std::size_t>(slot)] = true;
  state.trying.reset();
  state.tries_left = 0;
  state.failed.reset();
  return Write(blocks, state);
}

}  // namespace pawl::client
