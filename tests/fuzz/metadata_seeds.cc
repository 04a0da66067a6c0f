// SPDX-License-Identifier: Apache-2.0
// Writes seeds for metadata_fuzzer into a folder: one file of every kind, made by the repository in
// memory. And for tuf_text_fuzzer into another: patterns, times and JSON, good ones and those that
// somebody's reader once took for good.

#include <cstdio>

#include "base/file.h"
#include "tests/fakes/sim_tuf_repository.h"

namespace pawl {
namespace {

Status WriteTexts(const std::string& folder) {
  using namespace std::string_literals;
  const std::string texts[] = {
      "preleases/gw/*/manifest.json\0releases/gw/1.0/manifest.json"s,
      "preleases/gw/*/manifest.json\0releases/gw/1/0/manifest.json"s,
      "p*a*b*/?*\0aabab/xa"s,
      "p**\0ab/"s,
      "p[a-c]?\0[a-c]x"s,
      "t2026-11-24T01:02:03Z",
      "t2026-02-30T00:00:00Z",
      "t2026-11-24T01:02:03.5Z",
      "t2026-11-24T01:02:03+00:00",
      "t2026-11-24T24:00:00Z",
      "t9999-12-31T23:59:59Z",
      "t0000-01-01T00:00:00Z",
      "j{\"b\":[1,-9223372036854775808,null],\"a\":\"\\\"\\\\ \xc3\xa9\"}",
      "j{\"a\":1,\"a\":2}",
      "j[1.0,-0,1e5]",
      "j\"\\ud800\"",
      "j[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]",
      "j\"\\u0000\\n\""};
  PAWL_TRY(MakeDirectories(folder));
  int number = 0;
  for (const std::string& text : texts) {
    PAWL_TRY(AtomicWriteFile(JoinPath(folder, std::to_string(++number)), AsBytes(text)));
  }
  return {};
}

}  // namespace
}  // namespace pawl

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  const std::string folder = argv[1];
  if (!pawl::WriteTexts(argv[2])) return 1;
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
