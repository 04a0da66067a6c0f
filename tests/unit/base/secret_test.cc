// SPDX-License-Identifier: Apache-2.0
#include "base/secret.h"

#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <ostream>
#include <type_traits>

#include "tests/matchers.h"

namespace pawl {
namespace {

template <class T>
concept Streamable = requires(std::ostream& out, const T& value) { out << value; };

static_assert(!std::is_copy_constructible_v<SecretBuffer> &&
              !std::is_copy_assignable_v<SecretBuffer>);
static_assert(!Streamable<SecretBuffer>, "secrets must not reach a log");

TEST(SecretBufferTest, StartsZeroed) {
  const SecretBuffer secret(64);
  EXPECT_TRUE(std::ranges::all_of(secret.view(), [](std::uint8_t byte) { return byte == 0; }));
  EXPECT_EQ(SecretBuffer().size(), 0U);
}

TEST(SecretBufferTest, MovesAndClones) {
  SecretBuffer first(3);
  std::ranges::copy(AsBytes("abc"), first.span().data());
  const SecretBuffer copy = first.Clone();
  SecretBuffer second(std::move(first));
  EXPECT_EQ(AsText(second.view()), "abc");
  EXPECT_NE(copy.view().data(), second.view().data());
  EXPECT_TRUE(SecretEqual(copy.view(), second.view()));
  SecretBuffer third(1);
  third = std::move(second);
  EXPECT_EQ(AsText(third.view()), "abc");
}

TEST(SecretEqualTest, ComparesSizeAndContent) {
  EXPECT_TRUE(SecretEqual(AsBytes("abc"), AsBytes("abc")));
  EXPECT_TRUE(SecretEqual({}, {}));
  EXPECT_FALSE(SecretEqual(AsBytes("abc"), AsBytes("abd")));
  EXPECT_FALSE(SecretEqual(AsBytes("abc"), AsBytes("ab")));
}

TEST(RandomBytesTest, Differ) {
  Bytes first(32);
  Bytes second(32);
  RandomBytes(first);
  RandomBytes(second);
  EXPECT_NE(first, second);
}

TEST(HardenProcessTest, LeavesNoDumpAndNoReadableFiles) {
  const pid_t child = fork();
  if (child == 0) {
    HardenProcess();
    rlimit limit{1, 1};
    getrlimit(RLIMIT_CORE, &limit);
    const bool good = limit.rlim_cur == 0 && prctl(PR_GET_DUMPABLE) == 0 && umask(0) == 077;
    _exit(good ? 0 : 1);
  }
  int status = -1;
  waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
}

}  // namespace
}  // namespace pawl
