// SPDX-License-Identifier: Apache-2.0
// Writes seeds for metadata_fuzzer into a folder: one file of every kind, made by the repository in
// memory.

#include <cstdio>

#include "base/file.h"
#include "tests/fakes/sim_tuf_repository.h"

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  const std::string folder = argv[1];
  pawl::fakes::SimTufRepository repository;
  repository.Delegate("targets", "a", {{"paths", {"a/*", "b?"}}, {"terminating", true}}, 2, 2);
  repository.Delegate("targets", "b", {{"path_hash_prefixes", {"0f", "a"}}});
  repository.DelegateBins("b", "bin", 2);
  repository.AddTarget("targets", "x", "content", {{"build", 1}});
  repository.AddTarget("a", "a/x", "content");
  repository.PublishRoot();
  repository.Publish({"targets", "a", "b"});
  if (!pawl::MakeDirectories(folder)) return 1;
  for (const auto& [name, bytes] : repository.files) {
    const std::string path = pawl::JoinPath(folder, pawl::EncodeFileName(name));
    if (auto written = pawl::AtomicWriteFile(path, bytes); !written) {
      std::fprintf(stderr, "%s\n", written.error().Message().c_str());
      return 1;
    }
  }
  return 0;
}
