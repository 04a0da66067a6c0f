// SPDX-License-Identifier: Apache-2.0
#include "client/platform/spawn.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <string_view>

#include "base/file.h"
#include "base/format.h"

namespace pawl::client {
namespace {

using std::chrono::steady_clock;

constexpr std::array<std::string_view, 4> kProgramFolders = {"/usr/sbin", "/usr/bin", "/sbin",
                                                             "/bin"};
constexpr int kLastReads = 64;  // of what is left in the pipe after the end; a pipe holds 64 KiB

struct Pipe {
  UniqueFd read;
  UniqueFd write;
};

Result<Pipe> MakePipe() {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return std::unexpected(ErrnoError(errno, "a pipe"));
  return Pipe{UniqueFd(ends[0]), UniqueFd(ends[1])};
}

// posix_spawn's two objects, destroyed on every way out.
struct SpawnSetup {
  SpawnSetup() {
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
  }
  ~SpawnSetup() {
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
  }
  SpawnSetup(const SpawnSetup&) = delete;
  SpawnSetup& operator=(const SpawnSetup&) = delete;
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
};

// A child that has not been waited for: its group is killed and it is reaped on every way out.
class Child {
 public:
  explicit Child(pid_t pid) : pid_(pid) {}
  ~Child() { Reap(); }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  pid_t pid() const { return pid_; }
  // Kills before it waits: as long as the leader is not reaped, the group's number is not given
  // away.
  int Reap() {
    if (pid_ <= 0) return status_;
    kill(-pid_, SIGKILL);
    while (waitpid(pid_, &status_, 0) < 0 && errno == EINTR) {
    }
    pid_ = -1;
    return status_;
  }

 private:
  pid_t pid_;
  int status_ = 0;
};

std::string FindProgram(const std::string& program) {
  if (program.find('/') != std::string::npos) return program;
  for (const std::string_view folder : kProgramFolders) {
    std::string path = JoinPath(folder, program);
    if (access(path.c_str(), X_OK) == 0) return path;
  }
  return {};
}

Result<pid_t> Start(const std::string& path, const SpawnRequest& request, int input, int output) {
  SpawnSetup setup;
  posix_spawn_file_actions_adddup2(&setup.actions, input, STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&setup.actions, output, STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&setup.actions, output, STDERR_FILENO);
  sigset_t signals;
  sigfillset(&signals);
  posix_spawnattr_setsigdefault(&setup.attributes, &signals);
  sigemptyset(&signals);
  posix_spawnattr_setsigmask(&setup.attributes, &signals);
  posix_spawnattr_setpgroup(&setup.attributes, 0);
  posix_spawnattr_setflags(&setup.attributes,
                           POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
  std::vector<std::string> words = request.arguments;
  words.insert(words.begin(), path);
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  std::string search_path = "PATH=/usr/sbin:/usr/bin:/sbin:/bin";
  std::string language = "LC_ALL=C";
  char* environment[] = {search_path.data(), language.data(), nullptr};
  pid_t pid = -1;
  const int why = posix_spawn(&pid, path.c_str(), &setup.actions, &setup.attributes, argv.data(),
                              static_cast<char**>(environment));
  if (why == ENOENT) {
    return Fail(ErrorCode::kToolMissing, Format("{} is not installed", request.program));
  }
  if (why != 0) return std::unexpected(ErrnoError(why, path));
  return pid;
}

// Reads once and keeps the end. False when there is nothing more to read now.
bool ReadSome(int fd, std::string& tail) {
  std::array<char, 4096> buffer;
  const ssize_t got = read(fd, buffer.data(), buffer.size());
  if (got < 0) return errno == EINTR;
  if (got == 0) return false;
  tail.append(buffer.data(), static_cast<std::size_t>(got));
  if (tail.size() > kMaxSpawnOutput) tail.erase(0, tail.size() - kMaxSpawnOutput);
  return true;
}

int MillisecondsUntil(steady_clock::time_point deadline) {
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - steady_clock::now());
  return static_cast<int>(std::clamp<std::int64_t>(left.count(), 0, 3'600'000));
}

// True when the child ended by itself before the deadline.
Result<bool> WaitForEnd(int pidfd, int output, steady_clock::time_point deadline,
                        std::string& tail) {
  std::array<pollfd, 2> watched{{{pidfd, POLLIN, 0}, {output, POLLIN, 0}}};
  while (true) {
    const int left = MillisecondsUntil(deadline);
    const int ready = poll(watched.data(), watched.size(), left);
    if (ready < 0 && errno != EINTR) return std::unexpected(ErrnoError(errno, "poll"));
    if (ready > 0 && watched[0].revents != 0) return true;
    if (ready > 0 && watched[1].revents != 0 && !ReadSome(output, tail)) watched[1].fd = -1;
    if (steady_clock::now() >= deadline) return false;
  }
}

}  // namespace

std::string SpawnOutcome::LastLine() const {
  std::string_view text = tail;
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r' || text.back() == ' ')) {
    text.remove_suffix(1);
  }
  if (const std::size_t end = text.rfind('\n'); end != std::string_view::npos) {
    text.remove_prefix(end + 1);
  }
  std::string line(text.substr(0, 200));
  for (char& c : line) {
    if (c < ' ' || c > '~') c = '?';
  }
  return line;
}

Result<SpawnOutcome> Spawn(const SpawnRequest& request) {
  const std::string path = FindProgram(request.program);
  if (path.empty()) {
    return Fail(ErrorCode::kToolMissing, Format("{} is not installed", request.program));
  }
  if (request.input.size() > kMaxSpawnInput) {
    return Fail(ErrorCode::kInternal, "too much input for one program");
  }
  PAWL_ASSIGN_OR_RETURN(Pipe input, MakePipe());
  PAWL_ASSIGN_OR_RETURN(Pipe output, MakePipe());
  if (write(input.write.get(), request.input.data(), request.input.size()) !=
      static_cast<ssize_t>(request.input.size())) {
    return std::unexpected(ErrnoError(errno, "a pipe"));
  }
  input.write = UniqueFd();  // the child sees the end of its input
  PAWL_ASSIGN_OR_RETURN(const pid_t pid,
                        Start(path, request, input.read.get(), output.write.get()));
  Child child(pid);
  output.write = UniqueFd();
  // By number: <sys/pidfd.h> of glibc 2.36 declares pidfd_open() without C linkage.
  const UniqueFd pidfd(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
  if (!pidfd.valid()) return std::unexpected(ErrnoError(errno, "pidfd_open"));
  if (fcntl(output.read.get(), F_SETFL, O_NONBLOCK) != 0) {
    return std::unexpected(ErrnoError(errno, "a pipe"));
  }
  SpawnOutcome outcome;
  PAWL_ASSIGN_OR_RETURN(const bool ended,
                        WaitForEnd(pidfd.get(), output.read.get(), request.deadline, outcome.tail));
  const int status = child.Reap();
  for (int i = 0; i < kLastReads && ReadSome(output.read.get(), outcome.tail); ++i) {
  }
  outcome.timed_out = !ended;
  outcome.exit_status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return outcome;
}

}  // namespace pawl::client
