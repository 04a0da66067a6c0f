// SPDX-License-Identifier: Apache-2.0
#include "manifest/release.h"

#include <algorithm>

#include "base/block_io.h"
#include "base/format.h"

namespace pawl::manifest {
namespace {

constexpr ErrorCode kMalformed = ErrorCode::kManifestMalformed;
constexpr std::uint64_t kMaxImageBytes = 1ULL << 40;
constexpr std::uint64_t kMaxPayloadBytes = 1ULL << 40;
constexpr std::size_t kMaxHooks = 32;
constexpr std::size_t kMaxNotesBytes = 4096;
constexpr std::size_t kMaxSummaryBytes = 300;  // trust.md: `custom` selects, it does not describe
constexpr std::size_t kMaxNameBytes = 64;
constexpr std::size_t kMaxPathPartBytes = 80;  // a digest and an ending
constexpr std::size_t kMaxPathBytes = 256;
constexpr std::uint64_t kMaxHealthDeadline = 3600;
constexpr std::uint64_t kMaxTries = 3;

std::unexpected<Error> Malformed(const std::string& where, std::string_view what) {
  return Fail(kMalformed, Format("{}: {}", where, what));
}

Result<Sha256Digest> ReadDigest(const JsonObject& object, std::string_view name) {
  PAWL_ASSIGN_OR_RETURN(const std::string text, object.String(name));
  auto digest = Sha256Digest::FromHex(text);
  if (!digest) return std::unexpected(object.Malformed(name, "a SHA-256 digest as 64 lower-case hex digits"));
  return digest;
}

Result<UtcTime> ReadTime(const JsonObject& object, std::string_view name) {
  PAWL_ASSIGN_OR_RETURN(const std::string text, object.String(name));
  auto time = ParseUtcTime(text);
  if (!time) return Malformed(object.where(), Format("\"{}\": {}", name, time.error().Message()));
  return time;
}

// A name that will be a path component, a bootloader word or a URL part.
Result<std::string> ReadName(const JsonObject& object, std::string_view name) {
  PAWL_ASSIGN_OR_RETURN(std::string text, object.String(name));
  if (!IsPlainName(text)) return std::unexpected(object.Malformed(name, "a plain name ([a-z0-9][a-z0-9._-]*)"));
  return text;
}

Result<std::vector<std::string>> ReadNames(const JsonObject& object, std::string_view name, std::size_t max_items) {
  PAWL_ASSIGN_OR_RETURN(const Json* items, object.Array(name, max_items));
  std::vector<std::string> names;
  for (const Json& item : *items) {
    if (!item.is_string() || !IsPlainName(item.get_ref<const std::string&>())) {
      return Malformed(object.where(), Format("expected plain names in \"{}\"", name));
    }
    names.push_back(item.get<std::string>());
  }
  if (std::ranges::adjacent_find(names, std::ranges::greater_equal()) != names.end() && name != "health_hooks") {
    return Malformed(object.where(), Format("expected \"{}\" sorted and without repetition", name));
  }
  return names;
}

//= docs/manifest-format.md#M-43
Result<FileReference> ReadFileReference(const JsonObject& object) {
  FileReference file;
  PAWL_ASSIGN_OR_RETURN(file.path, object.String("path"));
  PAWL_TRY(CheckRelativePath(file.path));
  PAWL_ASSIGN_OR_RETURN(file.length, object.Unsigned("length", kMaxPayloadBytes));
  PAWL_ASSIGN_OR_RETURN(file.sha256, ReadDigest(object, "sha256"));
  return file;
}

Result<ChunkListReference> ReadChunkList(const JsonObject& object, std::string_view name, std::uint64_t image_size) {
  PAWL_ASSIGN_OR_RETURN(const JsonObject reference, object.Object(name));
  PAWL_ASSIGN_OR_RETURN(FileReference file, ReadFileReference(reference));
  const std::uint64_t expected = ChunkCount(image_size) * sizeof(Sha256Digest::bytes);
  if (file.length != expected) return Malformed(reference.where(), Format("expected a length of {}, found {}", expected, file.length));
  return ChunkListReference{std::move(file)};
}

Result<ContainerReference> ReadContainer(const JsonObject& object, std::string_view name) {
  PAWL_ASSIGN_OR_RETURN(const JsonObject reference, object.Object(name));
  ContainerReference container;
  PAWL_ASSIGN_OR_RETURN(container.file, ReadFileReference(reference));
  PAWL_ASSIGN_OR_RETURN(container.head_length, reference.Unsigned("head_length", kMaxContainerHeadBytes));
  if (container.head_length == 0 || container.head_length > container.file.length) {
    return Malformed(reference.where(), "expected \"head_length\" between 1 and \"length\"");
  }
  PAWL_ASSIGN_OR_RETURN(container.head_sha256, ReadDigest(reference, "head_sha256"));
  PAWL_ASSIGN_OR_RETURN(container.memory, reference.Unsigned("memory"));
  PAWL_ASSIGN_OR_RETURN(container.codecs, ReadNames(reference, "codecs", 16));
  return container;
}

Result<Delta> ReadDelta(const Json& value, const std::string& where) {
  PAWL_ASSIGN_OR_RETURN(const JsonObject object, JsonObject::From(value, where, kMalformed));
  Delta delta;
  PAWL_ASSIGN_OR_RETURN(delta.source_sha256, ReadDigest(object, "source_sha256"));
  PAWL_ASSIGN_OR_RETURN(delta.source_size, object.Unsigned("source_size", kMaxImageBytes));
  PAWL_ASSIGN_OR_RETURN(delta.source_chunks, ReadChunkList(object, "source_chunks", delta.source_size));
  PAWL_ASSIGN_OR_RETURN(delta.container, ReadContainer(object, "container"));
  return delta;
}

Result<Component> ReadComponent(const Json& value, const std::string& where) {
  PAWL_ASSIGN_OR_RETURN(const JsonObject object, JsonObject::From(value, where, kMalformed));
  Component component;
  PAWL_ASSIGN_OR_RETURN(component.name, ReadName(object, "name"));
  PAWL_ASSIGN_OR_RETURN(const std::string place, object.String("place"));
  if (place != "slot") return Malformed(where, Format("expected \"place\" to be \"slot\", found \"{}\"", place));
  PAWL_ASSIGN_OR_RETURN(component.size, object.Unsigned("size", kMaxImageBytes));
  if (component.size == 0) return Malformed(where, "expected a \"size\" above 0");
  PAWL_ASSIGN_OR_RETURN(component.sha256, ReadDigest(object, "sha256"));
  PAWL_ASSIGN_OR_RETURN(component.chunks, ReadChunkList(object, "chunks", component.size));
  PAWL_ASSIGN_OR_RETURN(component.full, ReadContainer(object, "full"));
  PAWL_ASSIGN_OR_RETURN(const Json* deltas, object.Array("deltas", kMaxDeltasPerComponent));
  for (std::size_t i = 0; i < deltas->size(); ++i) {
    PAWL_ASSIGN_OR_RETURN(Delta delta, ReadDelta((*deltas)[i], Format("{}: deltas[{}]", where, i)));
    component.deltas.push_back(std::move(delta));
  }
  //= docs/manifest-format.md#M-49
  if (object.Has("index")) {
    PAWL_ASSIGN_OR_RETURN(const JsonObject index, object.Object("index"));
    PAWL_ASSIGN_OR_RETURN(component.index, ReadFileReference(index));
  }
  return component;
}

Status ReadComponents(const JsonObject& object, ReleaseManifest& manifest) {
  PAWL_ASSIGN_OR_RETURN(const Json* components, object.Array("components", kMaxComponents));
  if (components->empty()) return Malformed(object.where(), "expected at least one component");
  for (std::size_t i = 0; i < components->size(); ++i) {
    PAWL_ASSIGN_OR_RETURN(Component component, ReadComponent((*components)[i], Format("{}: components[{}]", object.where(), i)));
    if (std::ranges::find(manifest.components, component.name, &Component::name) != manifest.components.end()) {
      return Malformed(object.where(), Format("the component \"{}\" appears twice", component.name));
    }
    manifest.components.push_back(std::move(component));
  }
  return {};
}

Status ReadHealth(const JsonObject& object, ReleaseManifest& manifest) {
  PAWL_ASSIGN_OR_RETURN(manifest.health_hooks, ReadNames(object, "health_hooks", kMaxHooks));
  PAWL_ASSIGN_OR_RETURN(const JsonObject health, object.Object("health"));
  PAWL_ASSIGN_OR_RETURN(manifest.health.deadline_s, health.Unsigned("deadline_s", kMaxHealthDeadline));
  PAWL_ASSIGN_OR_RETURN(manifest.health.tries, health.Unsigned("tries", kMaxTries));
  if (manifest.health.deadline_s == 0 || manifest.health.tries == 0) {
    return Malformed(health.where(), "expected \"deadline_s\" and \"tries\" above 0");
  }
  return {};
}

Result<std::string> ReadVersion(const JsonObject& object) {
  PAWL_ASSIGN_OR_RETURN(std::string version, object.String("version"));
  if (!IsPlainVersion(version)) return std::unexpected(object.Malformed("version", "a plain version ([A-Za-z0-9][A-Za-z0-9._+-]*)"));
  return version;
}

// Which schema is this, and may we read it? A later major version asks for a newer agent.
//= docs/manifest-format.md#M-41
Status CheckSchema(const JsonObject& object, std::string_view schema) {
  PAWL_ASSIGN_OR_RETURN(const std::string found, object.String("schema"));
  if (found == schema) return {};
  const std::string_view family = schema.substr(0, schema.find('/') + 1);
  if (found.starts_with(family)) {
    return Fail(ErrorCode::kAgentTooOld, Format("{}: this program reads {}, found {}", object.where(), schema, found));
  }
  return Malformed(object.where(), Format("expected the schema {}, found \"{}\"", schema, found.substr(0, 40)));
}

Json WriteFile(const FileReference& file) {
  return Json{{"path", file.path}, {"length", file.length}, {"sha256", file.sha256.Hex()}};
}

Json WriteContainer(const ContainerReference& container) {
  Json out = WriteFile(container.file);
  out["head_length"] = container.head_length;
  out["head_sha256"] = container.head_sha256.Hex();
  out["memory"] = container.memory;
  out["codecs"] = container.codecs;
  return out;
}

Json WriteComponent(const Component& component) {
  Json deltas = Json::array();
  for (const Delta& delta : component.deltas) {
    deltas.push_back(Json{{"source_sha256", delta.source_sha256.Hex()},
                          {"source_size", delta.source_size},
                          {"source_chunks", WriteFile(delta.source_chunks.file)},
                          {"container", WriteContainer(delta.container)}});
  }
  Json out{{"name", component.name},
           {"place", "slot"},
           {"size", component.size},
           {"sha256", component.sha256.Hex()},
           {"chunks", WriteFile(component.chunks.file)},
           {"full", WriteContainer(component.full)},
           {"deltas", std::move(deltas)}};
  if (component.index) out["index"] = WriteFile(*component.index);
  return out;
}

//= docs/manifest-format.md#M-42
bool IsPlain(std::string_view name, std::string_view extra, std::size_t max_bytes = kMaxNameBytes) {
  if (name.empty() || name.size() > max_bytes) return false;
  const auto alphanumeric = [&](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || (extra.contains('A') && c >= 'A' && c <= 'Z');
  };
  if (!alphanumeric(name.front()) || name.contains("..")) return false;
  return std::ranges::all_of(name, [&](char c) {
    return alphanumeric(c) || c == '.' || c == '_' || c == '-' || (c == '+' && extra.contains('+'));
  });
}

}  // namespace

bool IsPlainName(std::string_view name) { return IsPlain(name, ""); }
bool IsPlainVersion(std::string_view version) { return IsPlain(version, "A+"); }

//= docs/threat-model.md#T-BOUNDARY-6: a name from a manifest can never leave its folder.
Status CheckRelativePath(std::string_view path) {
  std::string_view rest = path;
  bool plain = path.size() <= kMaxPathBytes;
  for (bool more = true; plain && more;) {
    const std::size_t slash = rest.find('/');
    plain = IsPlain(rest.substr(0, slash), "A+", kMaxPathPartBytes);
    more = slash != std::string_view::npos;
    if (more) rest.remove_prefix(slash + 1);
  }
  if (plain) return {};
  return Fail(kMalformed, Format("expected a relative path of plain names, found \"{}\"", path.substr(0, 80)));
}

std::string ReleasePath(std::string_view product, std::string_view version) {
  return Format("releases/{}/{}/manifest.json", product, version);
}

Result<ReleaseManifest> ParseReleaseManifest(ByteView bytes) {
  const std::string where = "release manifest";
  //= docs/manifest-format.md#M-40
  if (bytes.size() > kMaxReleaseManifestBytes) {
    return Malformed(where, Format("expected at most {} bytes, found {}", kMaxReleaseManifestBytes, bytes.size()));
  }
  auto document = ParseJson(bytes);
  if (!document) return Malformed(where, document.error().Message());
  PAWL_ASSIGN_OR_RETURN(const JsonObject object, JsonObject::From(*document, where, kMalformed));
  PAWL_TRY(CheckSchema(object, kReleaseSchema));
  ReleaseManifest manifest;
  PAWL_ASSIGN_OR_RETURN(manifest.product, ReadName(object, "product"));
  PAWL_ASSIGN_OR_RETURN(manifest.version, ReadVersion(object));
  PAWL_ASSIGN_OR_RETURN(manifest.build, object.Unsigned("build"));
  if (manifest.build == 0) return Malformed(where, "expected a \"build\" above 0");
  PAWL_ASSIGN_OR_RETURN(manifest.epoch, object.Unsigned("epoch", UINT32_MAX));
  PAWL_ASSIGN_OR_RETURN(manifest.hardware, ReadNames(object, "hardware", kMaxHardwareIds));
  if (manifest.hardware.empty()) return Malformed(where, "expected at least one hardware id");
  PAWL_ASSIGN_OR_RETURN(manifest.channel, ReadName(object, "channel"));
  PAWL_ASSIGN_OR_RETURN(manifest.min_agent, object.Unsigned("min_agent", UINT32_MAX));
  PAWL_ASSIGN_OR_RETURN(manifest.encoders, ReadNames(object, "encoders", 64));
  PAWL_TRY(ReadComponents(object, manifest));
  PAWL_TRY(ReadHealth(object, manifest));
  PAWL_ASSIGN_OR_RETURN(manifest.built, ReadTime(object, "built"));
  PAWL_ASSIGN_OR_RETURN(manifest.notes, object.String("notes"));
  if (manifest.notes.size() > kMaxNotesBytes) return Malformed(where, "\"notes\" is longer than 4096 bytes");
  return manifest;
}

std::string EncodeReleaseManifest(const ReleaseManifest& manifest) {
  Json components = Json::array();
  for (const Component& component : manifest.components) components.push_back(WriteComponent(component));
  return PrettyJson(Json{{"schema", kReleaseSchema},
                         {"product", manifest.product},
                         {"version", manifest.version},
                         {"build", manifest.build},
                         {"epoch", manifest.epoch},
                         {"hardware", manifest.hardware},
                         {"channel", manifest.channel},
                         {"min_agent", manifest.min_agent},
                         {"encoders", manifest.encoders},
                         {"components", std::move(components)},
                         {"health_hooks", manifest.health_hooks},
                         {"health", Json{{"deadline_s", manifest.health.deadline_s}, {"tries", manifest.health.tries}}},
                         {"built", FormatUtcTime(manifest.built)},
                         {"notes", manifest.notes}});
}

//= docs/manifest-format.md#M-44
Result<std::vector<Sha256Digest>> ParseChunkList(ByteView bytes, std::uint64_t image_size) {
  const std::uint64_t count = ChunkCount(image_size);
  if (bytes.size() != count * sizeof(Sha256Digest::bytes)) {
    return Malformed("chunk list", Format("expected {} digests of 32 bytes, found {} bytes", count, bytes.size()));
  }
  std::vector<Sha256Digest> chunks(static_cast<std::size_t>(count));
  for (std::size_t i = 0; i < chunks.size(); ++i) std::ranges::copy(bytes.subspan(i * 32, 32), chunks[i].bytes.begin());
  return chunks;
}

Bytes EncodeChunkList(const std::vector<Sha256Digest>& chunks) {
  Bytes out;
  for (const Sha256Digest& chunk : chunks) out.insert(out.end(), chunk.bytes.begin(), chunk.bytes.end());
  return out;
}

//= docs/manifest-format.md#M-45
Result<ReleaseSummary> ParseReleaseSummary(const Json& custom) {
  PAWL_ASSIGN_OR_RETURN(const JsonObject object, JsonObject::From(custom, "custom of the release", kMalformed));
  if (CanonicalJson(custom).size() > kMaxSummaryBytes) return Malformed(object.where(), "expected at most 300 bytes");
  ReleaseSummary summary;
  PAWL_ASSIGN_OR_RETURN(summary.product, ReadName(object, "product"));
  PAWL_ASSIGN_OR_RETURN(summary.version, ReadVersion(object));
  PAWL_ASSIGN_OR_RETURN(summary.channel, ReadName(object, "channel"));
  PAWL_ASSIGN_OR_RETURN(summary.build, object.Unsigned("build"));
  PAWL_ASSIGN_OR_RETURN(summary.epoch, object.Unsigned("epoch", UINT32_MAX));
  PAWL_ASSIGN_OR_RETURN(summary.hardware, ReadNames(object, "hw", kMaxHardwareIds));
  return summary;
}

Json EncodeReleaseSummary(const ReleaseManifest& manifest) {
  return Json{{"product", manifest.product}, {"version", manifest.version}, {"channel", manifest.channel},
              {"build", manifest.build},     {"epoch", manifest.epoch},     {"hw", manifest.hardware}};
}

Status CheckSummary(const ReleaseSummary& summary, const ReleaseManifest& manifest) {
  const auto differs = [](std::string_view member) {
    return Fail(ErrorCode::kManifestMismatch, Format("\"{}\" in the targets metadata is not the manifest's", member));
  };
  if (summary.product != manifest.product) return differs("product");
  if (summary.version != manifest.version) return differs("version");
  if (summary.channel != manifest.channel) return differs("channel");
  if (summary.build != manifest.build) return differs("build");
  if (summary.epoch != manifest.epoch) return differs("epoch");
  if (summary.hardware != manifest.hardware) return differs("hw");
  return {};
}

Result<ImageIdentity> ParseImageIdentity(ByteView bytes) {
  auto document = ParseJson(bytes);
  if (!document) return Malformed("image identity", document.error().Message());
  PAWL_ASSIGN_OR_RETURN(const JsonObject object, JsonObject::From(*document, "image identity", kMalformed));
  PAWL_TRY(CheckSchema(object, "pawl.image/1"));
  ImageIdentity identity;
  PAWL_ASSIGN_OR_RETURN(identity.product, ReadName(object, "product"));
  PAWL_ASSIGN_OR_RETURN(identity.version, ReadVersion(object));
  PAWL_ASSIGN_OR_RETURN(identity.build, object.Unsigned("build"));
  if (identity.build == 0) return Malformed(object.where(), "expected a \"build\" above 0");
  PAWL_ASSIGN_OR_RETURN(identity.epoch, object.Unsigned("epoch", UINT32_MAX));
  PAWL_ASSIGN_OR_RETURN(identity.built, ReadTime(object, "built"));
  return identity;
}

std::string EncodeImageIdentity(const ImageIdentity& identity) {
  return PrettyJson(Json{{"schema", "pawl.image/1"},
                         {"product", identity.product},
                         {"version", identity.version},
                         {"build", identity.build},
                         {"epoch", identity.epoch},
                         {"built", FormatUtcTime(identity.built)}});
}

}  // namespace pawl::manifest
