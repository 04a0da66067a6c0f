// SPDX-License-Identifier: Apache-2.0
#include "signer/run_tool.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "base/file.h"
#include "base/format.h"

namespace pawl::signer {
namespace {

Result<std::string> FindTool(const Tool& tool) {
  for (const char* directory : {"/usr/sbin", "/usr/bin", "/sbin", "/bin"}) {
    const std::string path = JoinPath(directory, tool.program);
    if (access(path.c_str(), X_OK) == 0) return path;
  }
  return Fail(ErrorCode::kToolMissing, Format("{} is not installed; it is in the Debian package {}",
                                              tool.program, tool.package));
}

// Reads to the end, keeping at most `max` bytes and one.
Bytes Drain(int fd, std::uint64_t max) {
  Bytes kept;
  std::array<std::uint8_t, 4096> buffer{};
  while (true) {
    const ssize_t got = read(fd, buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return kept;
    if (kept.size() <= max) kept.insert(kept.end(), buffer.begin(), buffer.begin() + got);
  }
}

Result<pid_t> Spawn(const std::string& path, const std::vector<std::string>& arguments, int out) {
  std::vector<std::string> words{path};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  std::string path_variable = "PATH=/usr/sbin:/usr/bin:/sbin:/bin";
  std::string locale = "LC_ALL=C";
  std::array<char*, 3> environment{path_variable.data(), locale.data(), nullptr};
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
  posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
  pid_t child = 0;
  const int failure =
      posix_spawn(&child, path.c_str(), &actions, nullptr, argv.data(), environment.data());
  posix_spawn_file_actions_destroy(&actions);
  if (failure != 0) return std::unexpected(ErrnoError(failure, path));
  return child;
}

}  // namespace

Result<ToolOutput> RunTool(const Tool& tool, const std::vector<std::string>& arguments,
                           std::uint64_t max_output) {
  PAWL_ASSIGN_OR_RETURN(const std::string path, FindTool(tool));
  std::array<int, 2> ends{};
  if (pipe2(ends.data(), O_CLOEXEC) != 0) return std::unexpected(ErrnoError(errno, "pipe"));
  const UniqueFd reading(ends[0]);
  UniqueFd writing(ends[1]);
  PAWL_ASSIGN_OR_RETURN(const pid_t child, Spawn(path, arguments, writing.get()));
  writing = UniqueFd();
  ToolOutput output;
  output.text = Drain(reading.get(), max_output);
  int status = 0;
  while (waitpid(child, &status, 0) < 0) {
    if (errno != EINTR) return std::unexpected(ErrnoError(errno, path));
  }
  output.exit_status = WIFEXITED(status) ? WEXITSTATUS(status) : 128;
  if (output.text.size() > max_output) {
    return Fail(ErrorCode::kInputInvalid,
                Format("{} printed more than {} bytes", tool.program, max_output));
  }
  return output;
}

}  // namespace pawl::signer
