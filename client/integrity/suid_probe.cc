// SPDX-License-Identifier: Apache-2.0
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <memory>

#include "base/format.h"
#include "base/hash.h"
#include "client/integrity/probes.h"

namespace pawl::integrity {
namespace {

// The walk ends, with an unknown result, at whichever bound comes first.
constexpr std::size_t kMaxEntries = 400'000;
constexpr std::chrono::seconds kMaxTime{10};
constexpr std::size_t kMaxPathBytes = 4096;

constexpr auto kTrees = std::to_array<std::string_view>({"/usr", "/bin", "/sbin", "/lib", "/opt"});

class SuidWalk {
 public:
  explicit SuidWalk(const Sysroot& root)
      : root_(root), deadline_(std::chrono::steady_clock::now() + kMaxTime) {}

  // Returns false when a bound was met or a directory could not be read.
  bool Run() {
    for (const std::string_view tree : kTrees) {
      struct stat info{};
      // /bin and /lib are links into /usr on merged systems: a link is not walked twice.
      if (lstat(root_.Path(tree).c_str(), &info) != 0 || !S_ISDIR(info.st_mode)) continue;
      device_ = info.st_dev;
      pending_.emplace_back(tree);
      any_ = true;
    }
    while (!pending_.empty()) {
      const std::string directory = std::move(pending_.back());
      pending_.pop_back();
      if (!Directory(directory)) return false;
    }
    return any_;
  }

  std::size_t count() const { return lines_.size(); }
  Sha256Digest Digest() {
    std::ranges::sort(lines_);
    Sha256 hash;
    for (const std::string& line : lines_) hash.Update(AsBytes(line));
    return hash.Finish();
  }

 private:
  bool Directory(const std::string& path) {
    const std::unique_ptr<DIR, int (*)(DIR*)> directory(opendir(root_.Path(path).c_str()),
                                                        &closedir);
    if (directory == nullptr) return false;
    while (const dirent* entry = readdir(directory.get())) {
      const std::string_view name = entry->d_name;
      if (name == "." || name == "..") continue;
      if (++seen_ > kMaxEntries || std::chrono::steady_clock::now() > deadline_) return false;
      const std::string child = JoinPath(path, name);
      struct stat info{};
      if (child.size() > kMaxPathBytes ||
          fstatat(dirfd(directory.get()), entry->d_name, &info, AT_SYMLINK_NOFOLLOW) != 0) {
        return false;
      }
      if (S_ISDIR(info.st_mode) && info.st_dev == device_) pending_.push_back(child);
      if (S_ISREG(info.st_mode)) File(child, info);
    }
    return true;
  }

  void File(const std::string& path, const struct stat& info) {
    std::array<std::uint8_t, 64> capability{};
    const ssize_t got = lgetxattr(root_.Path(path).c_str(), "security.capability",
                                  capability.data(), capability.size());
    const bool privileged = (info.st_mode & (S_ISUID | S_ISGID)) != 0;
    if (!privileged && got <= 0) return;
    const ByteView bytes = ByteView(capability).first(got > 0 ? static_cast<std::size_t>(got) : 0);
    // NUL cannot occur in a path, so no name can imitate another line.
    lines_.push_back(Format("{}{}{:o} {} {} {}\n", path, '\0', info.st_mode & 07777U, info.st_uid,
                            info.st_gid, HexEncode(bytes)));
  }

  const Sysroot& root_;
  std::chrono::steady_clock::time_point deadline_;
  dev_t device_ = 0;
  bool any_ = false;
  std::size_t seen_ = 0;
  std::vector<std::string> pending_;
  std::vector<std::string> lines_;
};

}  // namespace

Reading ProbeSuid(const CollectInputs& in) {
  SuidWalk walk(in.root);
  if (!walk.Run()) return Unknown("the trees could not be walked within bounds");
  const Sha256Digest digest = walk.Digest();
  std::string shown = Format("{} files, set sha256:{}", walk.count(), digest.Hex());
  if (!in.profile.suid_set) return Unknown(shown + " (no reference)");
  return digest == *in.profile.suid_set ? Passed(std::move(shown)) : Failed(std::move(shown));
}

}  // namespace pawl::integrity
