// SPDX-License-Identifier: Apache-2.0
#include "tests/bench/bench_repositories.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>

#include "base/format.h"
#include "base/hash.h"
#include "manifest/path_pattern.h"

namespace pawl::bench {
namespace {

using fakes::SimTufRepository;

constexpr std::uint32_t kBinBits = 8;
constexpr std::size_t kRefusedBytes = 512 * 1024;  // the device cap of a targets role

// The number behind `prefix`, or nothing.
std::optional<std::uint64_t> NumberAfter(std::string_view name, std::string_view prefix) {
  if (!name.starts_with(prefix)) return std::nullopt;
  name.remove_prefix(prefix.size());
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
  if (error != std::errc() || end != name.data() + name.size() || number == 0) return std::nullopt;
  return number;
}

std::string ReleasePath(std::uint64_t build) {
  return Format("releases/gateway/1.{}/manifest.json", build);
}

std::string ManifestOf(std::uint64_t build) { return Format("manifest of build {}", build); }

// A target entry as the signer writes it for a release.
Json ReleaseEntry(std::uint64_t build) {
  const std::string manifest = ManifestOf(build);
  return {{"length", manifest.size()},
          {"hashes", {{"sha256", HashSha256(AsBytes(manifest)).Hex()}}},
          {"custom",
           {{"product", "gateway"},
            {"version", Format("1.{}", build)},
            {"channel", "stable"},
            {"build", build},
            {"epoch", 1},
            {"hw", {"gateway-a"}}}}};
}

// Foreign clients know no x-issued and Pawl takes it as optional; without it a timestamp may be
// valid for long.
SimTufRepository LastingRepository() {
  SimTufRepository repository;
  repository.Part("timestamp").erase("x-issued");
  for (const char* role : {"root", "timestamp", "snapshot", "targets"}) {
    repository.Part(role)["expires"] = "2100-01-01T00:00:00Z";
  }
  return repository;
}

// The lasting root becomes version 2, which is what clients start from.
void PublishRoot(SimTufRepository& repository) {
  repository.PublishRoot();
  repository.embedded_root = repository.files["metadata/2.root.json"];
}

BenchRepository Finished(SimTufRepository repository, std::uint64_t count) {
  const std::uint64_t wanted = (count + 1) / 2;
  const std::string manifest = ManifestOf(wanted);
  return {std::move(repository), ReleasePath(wanted), HashSha256(AsBytes(manifest)),
          manifest.size(), count};
}

BenchRepository OneRole(std::uint64_t count) {
  SimTufRepository repository = LastingRepository();
  const std::string role = "releases-gateway";
  repository.Delegate("targets", role,
                      {{"paths", {"releases/gateway/*/manifest.json"}}, {"terminating", true}});
  repository.Part(role)["expires"] = "2100-01-01T00:00:00Z";
  Json& targets = repository.Part(role)["targets"];
  for (std::uint64_t i = 1; i <= count; ++i) targets[ReleasePath(i)] = ReleaseEntry(i);
  PublishRoot(repository);
  repository.Publish({role, "targets"});
  return Finished(std::move(repository), count);
}

BenchRepository HashBins(std::uint64_t count) {
  SimTufRepository repository = LastingRepository();
  repository.DelegateBins("targets", "bin", kBinBits);
  manifest::SuccinctRoles bins;
  bins.bit_length = kBinBits;
  bins.name_prefix = "bin";
  for (std::uint64_t i = 1; i <= count; ++i) {
    const std::string path = ReleasePath(i);
    repository.Part(manifest::BinName(bins, path))["targets"][path] = ReleaseEntry(i);
  }
  std::vector<std::string> roles{"targets"};
  for (std::uint32_t bin = 0; bin < (1U << kBinBits); ++bin) {
    roles.push_back(Format("bin-{:02x}", bin));
    repository.Part(roles.back())["expires"] = "2100-01-01T00:00:00Z";
  }
  PublishRoot(repository);
  repository.Publish(roles);
  return Finished(std::move(repository), count);
}

// Fills the top-level targets with releases up to `bytes` of file. Returns how many.
std::uint64_t FillTargets(SimTufRepository& repository, std::size_t bytes) {
  Json& targets = repository.Part("targets")["targets"];
  std::size_t size = repository.Part("targets").dump().size() + 1024;  // envelope and signature
  std::uint64_t count = 0;
  while (true) {
    const std::string path = ReleasePath(count + 1);
    Json entry = ReleaseEntry(count + 1);
    size += path.size() + entry.dump().size() + 4;  // quotes, colon, comma
    if (size > bytes) return count;
    targets[path] = std::move(entry);
    ++count;
  }
}

BenchRepository OneFile(std::size_t bytes) {
  SimTufRepository repository = LastingRepository();
  const std::uint64_t count = FillTargets(repository, bytes);
  PublishRoot(repository);
  repository.Publish();
  return Finished(std::move(repository), count);
}

Bytes SignedTargets(SimTufRepository& repository) {
  return SimTufRepository::Sign(repository.Part("targets"), repository.SigningKeys("targets"));
}

// Signatures of another content by the keys that may sign, and more by unknown ones: what a forger
// can get that costs a check most.
Bytes WithWrongSignatures(SimTufRepository& repository, std::size_t signatures) {
  const auto& keys = repository.SigningKeys("targets");
  const Bytes other = SimTufRepository::Sign({{"version", 0}}, keys);
  Json envelope = {{"signatures", Json::parse(other.begin(), other.end())["signatures"]},
                   {"signed", repository.Part("targets")}};
  Json& list = envelope["signatures"];
  while (list.size() < signatures) {
    list.push_back({{"keyid", Format("unknown {}", list.size())}, {"sig", list[0]["sig"]}});
  }
  const std::string text = envelope.dump();
  return {text.begin(), text.end()};
}

// Empty objects cost a parser most for their bytes.
Bytes JsonBomb(std::size_t bytes) {
  std::string text = R"({"signatures":[],"signed":{"_type":"targets","x":[{})";
  while (text.size() + 6 <= bytes) text += ",{}";
  text += "]}}";
  return {text.begin(), text.end()};
}

}  // namespace

Result<BenchRepository> MakeRepository(std::string_view name) {
  if (const auto count = NumberAfter(name, "targets-")) return OneRole(*count);
  if (const auto count = NumberAfter(name, "bins-")) return HashBins(*count);
  if (const auto bytes = NumberAfter(name, "file-")) return OneFile(*bytes);
  return Fail(ErrorCode::kUsage, Format("{}: expected targets-N, bins-N or file-BYTES", name));
}

Result<BenchFile> MakeFile(std::string_view name) {
  SimTufRepository repository = LastingRepository();
  const auto good_bytes = NumberAfter(name, "good-");
  const std::size_t keys = name == "64-wrong-signatures" ? 64 : 1;
  if (keys > 1) repository.SetKeys("targets", keys, 1);
  FillTargets(repository, good_bytes.value_or(kRefusedBytes - 250 * keys));
  PublishRoot(repository);
  const auto file = [&](Bytes targets) { return BenchFile{repository.embedded_root, targets}; };
  if (good_bytes) return file(SignedTargets(repository));
  if (name == "wrong-signature" || name == "64-wrong-signatures") {
    return file(WithWrongSignatures(repository, keys));
  }
  if (name == "65-signatures") return file(WithWrongSignatures(repository, 65));
  if (name == "json-bomb") return file(JsonBomb(kRefusedBytes));
  return Fail(ErrorCode::kUsage, Format("{}: no such file of the benchmark", name));
}

}  // namespace pawl::bench
