// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>

#include "base/format.h"
#include "client/integrity/probes.h"

namespace pawl::integrity {
namespace {

constexpr std::uint64_t kMaxProgramBytes = 256ULL << 20U;  // a debug build with sanitizers fits
constexpr std::size_t kReadBytes = 64 * 1024;

// "TracerPid:\t0" of /proc/self/status
std::optional<std::int64_t> TracerPid(const Sysroot& root) {
  const auto status = root.Text("/proc/self/status");
  if (!status) return std::nullopt;
  constexpr std::string_view kName = "TracerPid:\t";
  const std::size_t at = status->find(kName);
  if (at == std::string::npos) return std::nullopt;
  const std::size_t start = at + kName.size();
  const std::string_view digits =
      std::string_view(*status).substr(start, status->find('\n', start) - start);
  return digits == "0" ? 0 : 1;
}

// The kernel marks the link of a program whose file was removed or replaced.
bool ProgramReplaced(const Sysroot& root) {
  std::array<char, 4096> target{};
  const ssize_t length =
      readlink(root.Path("/proc/self/exe").c_str(), target.data(), target.size());
  return length > 0 &&
         std::string_view(target.data(), static_cast<std::size_t>(length)).ends_with(" (deleted)");
}

// Nothing when there is no such file to look at.
std::optional<bool> KeyFilePrivate(const std::string& path) {
  struct stat info{};
  if (lstat(path.c_str(), &info) != 0) return std::nullopt;
  return S_ISREG(info.st_mode) && (info.st_mode & 0077U) == 0 && info.st_uid == geteuid();
}

}  // namespace

std::optional<Sha256Digest> OwnProgramDigest(const Sysroot& root) {
  // The link is followed on purpose: procfs answers with the very file that runs, whatever is at
  // its path now.
  const auto fd = OpenFile(root.Path("/proc/self/exe"), O_RDONLY | O_NONBLOCK);
  struct stat info{};
  if (!fd || fstat(fd->get(), &info) != 0 || !S_ISREG(info.st_mode)) return std::nullopt;
  Sha256 hash;
  Bytes buffer(kReadBytes);
  std::uint64_t total = 0;
  while (true) {
    const ssize_t got = read(fd->get(), buffer.data(), buffer.size());
    if (got < 0) return std::nullopt;
    if (got == 0) return hash.Finish();
    total += static_cast<std::uint64_t>(got);
    if (total > kMaxProgramBytes) return std::nullopt;
    hash.Update(ByteView(buffer).first(static_cast<std::size_t>(got)));
  }
}

Reading ProbeSelf(const CollectInputs& in) {
  Conditions conditions;
  const auto tracer = TracerPid(in.root);
  conditions.Require(tracer ? std::optional<bool>(*tracer == 0) : std::nullopt,
                     tracer ? (*tracer == 0 ? "not traced" : "traced") : "tracer=?");
  const auto digest = OwnProgramDigest(in.root);
  const bool replaced = ProgramReplaced(in.root);
  std::optional<bool> genuine;
  if (digest) genuine = !replaced && (!in.profile.agent || *in.profile.agent == *digest);
  conditions.Require(genuine, digest ? Format("program sha256:{}{}", digest->Hex(),
                                              replaced ? " (replaced on disk)" : "")
                                     : std::string("program=?"));
  if (!in.key_file.empty()) {
    const auto is_private = KeyFilePrivate(in.root.Path(in.key_file));
    conditions.Require(is_private, is_private
                                       ? (*is_private ? "key private" : "key file open to others")
                                       : "key file=?");
  }
  return conditions.Finish();
}

}  // namespace pawl::integrity
