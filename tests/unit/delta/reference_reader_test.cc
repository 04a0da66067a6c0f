// SPDX-License-Identifier: Apache-2.0 The reader in Python, written from the format document alone,
// and the decoder make the same target.

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/wait.h>

#include <cstdlib>
#include <filesystem>

#include "base/file.h"
#include "delta/apply/apply_container.h"
#include "tests/unit/delta/delta_test_util.h"

namespace pawl::delta {
namespace {

// Exit status of the reference reader. Paths are of this test's own making and need no quoting.
int RunReference(const std::string& arguments) {
  const std::string command = std::string("python3 -B ") + PAWL_SOURCE_DIR +
                              "/tests/reference/container_reader.py " + arguments;
  const int status = std::system(command.c_str());
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST(ReferenceReaderTest, AgreesWithTheDecoder) {
  std::string folder = (std::filesystem::temp_directory_path() / "pawl-reference-XXXXXX").string();
  ASSERT_NE(mkdtemp(folder.data()), nullptr);
  std::mt19937_64 random(41);
  const Bytes old_image = testing::RandomContent(random, 2 * kChunkBytes + 4242);
  Bytes new_image(old_image.begin() + 4096, old_image.end());
  for (std::size_t i = 300000; i < 500000; i += 70) new_image[i] ^= 5;
  new_image.insert(new_image.begin() + 100, 9000, 0);
  new_image.insert(new_image.end(), 700000, 'z');
  const std::string old_path = folder + "/old";
  const std::string new_path = folder + "/new";
  const std::string container = folder + "/container";
  const std::string out = folder + "/out";
  ASSERT_TRUE(AtomicWriteFile(old_path, old_image).has_value());
  ASSERT_TRUE(AtomicWriteFile(new_path, new_image).has_value());

  ASSERT_TRUE(GenerateDelta(old_path, new_path, container).has_value());
  const int status = RunReference("--source " + old_path + " " + container + " " + out);
  if (status == 77) {
    std::filesystem::remove_all(folder);
    GTEST_SKIP() << "no zstd for Python";
  }
  ASSERT_EQ(status, 0);
  EXPECT_TRUE(ReadFile(out, 1ULL << 30).value_or(Bytes()) == new_image);
  EXPECT_TRUE(ApplyContainer(old_path, container, out).has_value());

  ASSERT_TRUE(GenerateFull(new_path, container).has_value());
  ASSERT_EQ(RunReference(container + " " + out), 0);
  EXPECT_TRUE(ReadFile(out, 1ULL << 30).value_or(Bytes()) == new_image);

  Bytes damaged = ReadFile(container, 1ULL << 30).value_or(Bytes());
  damaged.back() ^= 1;
  ASSERT_TRUE(AtomicWriteFile(container, damaged).has_value());
  EXPECT_EQ(RunReference(container + " " + out), 1);
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace pawl::delta
