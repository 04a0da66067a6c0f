// SPDX-License-Identifier: Apache-2.0
// Writes seeds for bundle_fuzzer into a folder: whole bundles, parts of them, and a challenge.

#include <cstdio>

#include "base/file.h"
#include "base/format.h"
#include "manifest/challenge.h"
#include "tests/fakes/sim_bundle.h"

namespace {

pawl::manifest::Challenge Challenge() {
  pawl::manifest::Challenge challenge;
  challenge.device_id = "gw-1";
  challenge.nonce = std::string(64, 'a');
  challenge.product = "gateway";
  challenge.hardware = "gw3";
  challenge.running_version = "1.0";
  challenge.booted = "a";
  challenge.slots["a"] = {"1.0", 1, pawl::Sha256Digest{}, true};
  return challenge;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  const std::string folder = argv[1];
  const std::string digest(64, 'a');
  const pawl::Bytes text{'t', 'e', 'x', 't'};
  const pawl::fakes::BundleFiles all{
      {"metadata/1.root.json", text},
      {"metadata/2.root.json", text},
      {"metadata/timestamp.json", text},
      {"metadata/7.snapshot.json", text},
      {"metadata/3.targets.json", text},
      {"metadata/9.releases-gateway.json", text},
      {"offline/order.json", text},
      {"offline/orders.json", text},
      {"targets/releases/gateway/1.0+b/" + digest + ".manifest.json", text},
      {"payloads/aa/" + digest + ".pawl", pawl::Bytes(700, 1)}};
  std::vector<pawl::Bytes> seeds{pawl::fakes::LayDown(all)};
  for (const auto& file : all) seeds.push_back(pawl::fakes::LayDown({file}));
  const std::string challenge = pawl::PrettyJson(pawl::manifest::EncodeChallenge(Challenge()));
  seeds.emplace_back(challenge.begin(), challenge.end());
  if (!pawl::MakeDirectories(folder)) return 1;
  for (std::size_t i = 0; i < seeds.size(); ++i) {
    const std::string path = pawl::JoinPath(folder, pawl::Format("{:02}", i));
    if (auto written = pawl::AtomicWriteFile(path, seeds[i]); !written) {
      std::fprintf(stderr, "%s\n", written.error().Message().c_str());
      return 1;
    }
  }
  return 0;
}
